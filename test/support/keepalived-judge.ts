import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a real keepalived said of a configuration. */
export interface Judgement {
  /** Exit code of `keepalived -t`. */
  readonly testExit: number
  /** Its messages. */
  readonly messages: string
  /** Lines that `keepalived -t` complained about. */
  readonly lines: readonly number[]
  /** Whether the daemon goes on. */
  readonly starts: boolean
  /** Its dump, block by block, without times. */
  readonly dump: readonly string[]
}

const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`

/** Why there is no judge; undefined: there is one. */
export function whyNoJudge(): string | undefined {
  const run = (program: string, ...args: string[]) =>
    spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, PATH: path } })
  if (process.platform !== 'linux') return 'a real keepalived needs Linux'
  if (!/Keepalived v2\.2\./.test(run('keepalived', '-v').stderr ?? '')) return 'there is no keepalived 2.2 here'
  if (run('unshare', '-n', 'ip', 'link', 'add', 'hsj0', 'type', 'veth', 'peer', 'name', 'hsj1').status !== 0)
    return 'no network namespace can be made here (root is needed)'
  return undefined
}

/** Runs in a namespace of its own: two interfaces, `-t`, then the daemon until its dump is there. */
const script = `
set -u
ip link set lo up
for i in eth0 eth1; do
  ip link add $i type veth peer name p$i
  ip link set $i up
  ip link set p$i up
done
ip addr add 192.0.2.11/24 dev eth0
ip addr add 198.51.100.11/24 dev eth1
keepalived -t -f "$1/conf" >"$1/test" 2>&1
echo $? >"$1/exit"
keepalived -n -l -D -d -P -f "$1/conf" -p "$1/p" -r "$1/r" -c "$1/c" >"$1/log" 2>&1 &
daemon=$!
for i in $(seq 60); do
  sleep 0.05
  kill -0 $daemon 2>/dev/null || break
  grep -q 'VRRP sockpool' "$1/log" && break
done
if kill $daemon 2>/dev/null; then echo yes >"$1/runs"; else echo no >"$1/runs"; fi
wait $daemon
`

/** Asks a real keepalived, in a network namespace of its own, what it makes of a configuration. */
export async function askKeepalived(text: string): Promise<Judgement> {
  const directory = mkdtempSync(join(tmpdir(), 'hs-keepalived-'))
  const read = (name: string) => readFileSync(join(directory, name), 'utf8')
  try {
    writeFileSync(join(directory, 'conf'), text)
    const child = spawn('unshare', ['-n', 'sh', '-c', script, 'sh', directory], {
      env: { ...process.env, PATH: path },
      stdio: 'ignore',
    })
    await new Promise<void>((resolve, reject) => child.once('error', reject).once('exit', () => resolve()))
    const complaints = [...read('test').matchAll(/Line (\d+)\)/g)].map(([, line]) => Number(line))
    const dump = read('log')
      .split('\n')
      .map((line) => line.replace(/^.{24}: ?/, ''))
    return {
      testExit: Number(read('exit')),
      messages: read('test'),
      lines: [...new Set(complaints)],
      starts: read('runs').trim() === 'yes',
      dump,
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Values of a block of the dump, `Name = value` and the lines below a heading, by their names. */
export interface DumpBlock {
  readonly values: ReadonlyMap<string, string>
  readonly lists: ReadonlyMap<string, readonly string[]>
}

/** The blocks that begin with `head = NAME`, by name. */
export function blocksOf(dump: readonly string[], head: string): ReadonlyMap<string, DumpBlock> {
  const blocks = new Map<string, { values: Map<string, string>; lists: Map<string, string[]> }>()
  let block: { values: Map<string, string>; lists: Map<string, string[]> } | undefined
  let list: string[] | undefined
  for (const line of dump) {
    const [, name] = new RegExp(`^ ${head} = (.*)$`).exec(line) ?? []
    if (name !== undefined) {
      block = { values: new Map(), lists: new Map() }
      blocks.set(name, block)
    } else if (/^( \S|------)/.test(line)) block = undefined
    if (block === undefined) continue
    const [, key, value] = /^ {3}(\S.*?) = (.*)$/.exec(line) ?? []
    const [, heading] = /^ {3}(\S[^=]*?) ?(?:\(\d+\))? ?:$/.exec(line) ?? []
    if (key !== undefined) block.values.set(key, value as string)
    else if (heading !== undefined) {
      list = []
      block.lists.set(heading, list)
    } else if (/^ {5}/.test(line)) list?.push(line.trim())
  }
  return blocks
}
