import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryDirectory, writeScript } from './agents.ts'
import { builtCommand } from './built.ts'
import { freeUdpPorts, until } from './pair.ts'
import { root } from './sources.ts'

/** How a command ended. */
interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A `hot-standby` command that is running. */
export class Command {
  readonly child: ChildProcess
  out = ''
  err = ''
  readonly ended: Promise<Run>

  constructor(
    args: readonly string[],
    program: readonly string[] = [builtCommand()],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.child = spawn(process.execPath, [...program, ...args], { cwd: root, env: { ...process.env, ...env } })
    this.child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      this.out += chunk
    })
    this.child.stderr?.setEncoding('utf8').on('data', (chunk) => {
      this.err += chunk
    })
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => resolve({ code, out: this.out, err: this.err }))
    })
  }
}

/** Runs a command to its end. */
export const hotStandby = (...args: string[]): Promise<Run> => new Command(args).ended

/** One member of a pair on loopback: an ini file and a `script` resource that writes down what it is asked. */
export class Member {
  readonly dir: string
  readonly control: string
  readonly #node: string

  constructor(dir: string, node: string, ini: string) {
    this.dir = join(dir, node)
    this.#node = node
    this.control = join(dir, `${node}.sock`)
    mkdirSync(join(this.dir, 'resource.d'), { recursive: true })
    writeFileSync(join(this.dir, 'hot-standby.ini'), ini, { mode: 0o600 })
    const body = `echo "$1" >>${dir}/${node}.log
      case "$1" in
        start) [ -e ${dir}/${node}.hang ] && exec sleep 1000; touch ${dir}/${node}.up ;;
        stop) [ -e ${dir}/${node}.stuck ] && exit 1; rm -f ${dir}/${node}.up ;;
        status) if [ -e ${dir}/${node}.up ]; then echo running; else echo stopped; fi ;;
      esac`
    writeScript(join(this.dir, 'resource.d'), 'service', body)
  }

  get serves(): boolean {
    return existsSync(join(this.dir, `../${this.#node}.up`))
  }

  /** What the script was asked, in order. */
  get asked(): string {
    return readFileSync(join(this.dir, `../${this.#node}.log`), 'utf8')
      .trim()
      .replaceAll('\n', ' ')
  }

  run(env: Readonly<Record<string, string>> = {}): Command {
    const args = ['run', ...this.flags, '--state', join(this.dir, 'state'), '--json']
    return new Command(args, [builtCommand()], env)
  }

  get flags(): string[] {
    return ['--dir', this.dir, '--node', this.#node, '--control', this.control]
  }

  ask(...args: string[]): Promise<Run> {
    return hotStandby(...args, '--control', this.control)
  }

  mark(name: string): void {
    writeFileSync(join(this.dir, `../${this.#node}.${name}`), '')
  }

  unmark(name: string): void {
    rmSync(join(this.dir, `../${this.#node}.${name}`))
  }
}

/** Two members, not started. Whatever `start` starts is ended when the test is over. */
export async function members(
  t: TestContext,
): Promise<{ one: Member; two: Member; start(member: Member, env?: Readonly<Record<string, string>>): Command }> {
  const [a, b] = await freeUdpPorts(2)
  const ini = `name = clitest
nodes = one two
[liveness]
keepalive = 100ms
deadtime = 2s
initdead = 3s
[authenticator]
method = sha256
key = a secret of at least 32 characters!!
[transport.lo]
type = udp-unicast
addresses.one = 127.0.0.1:${a}
addresses.two = 127.0.0.1:${b}
[group.jobs]
preferred = one
resources = service
`
  const dir = temporaryDirectory(t)
  const running: Command[] = []
  t.after(async () => {
    for (const { child } of running) child.kill('SIGKILL')
    await Promise.all(running.map(({ ended }) => ended))
  })
  const start = (member: Member, env = {}) => {
    const command = member.run(env)
    running.push(command)
    return command
  }
  return { one: new Member(dir, 'one', ini), two: new Member(dir, 'two', ini), start }
}

/** Names of the events that a member has printed. */
export const eventsOf = ({ out }: Command): string[] =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).name)

/** Waits until a member runs. */
export async function running(command: Command): Promise<void> {
  await until(`the member runs: ${command.err}`, () => /runs; control socket/.test(command.err), 30_000)
}
