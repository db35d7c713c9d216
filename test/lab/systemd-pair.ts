import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { run as runName } from './janitor.ts'
import { waitFor } from './wait-for.ts'
import { SystemdHost } from './world/systemd.ts'

export const NODES = ['a', 'b'] as const
export type Node = (typeof NODES)[number]

/** The other one. */
export const peerOf = (node: Node): Node => (node === 'a' ? 'b' : 'a')

const root = fileURLToPath(new URL('../../', import.meta.url))
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const number = { a: 1, b: 2 } as const

/** Floating addresses of the pair, one of each family. */
export const FLOATING = ['10.88.0.100', 'fd88::100'] as const

/** Those of its resources whose steps a test can replace, by the way in which they are run. */
export const KINDS = { script: 'lab', lsb: 'lsb', ocf: 'ocf', systemd: 'app' } as const

/**
 * A script whose steps can be replaced: what is in /run/NAME.VERB is run as part of it first, and may end it. It serves while
 * /run/NAME.on exists.
 */
const scriptOf = (name: string, cases: string): string => `#!/bin/bash
[ -e "/run/${name}.$1" ] && { touch "/run/${name}.$1.begun"; . "/run/${name}.$1"; }
case $1 in
  start) touch /run/${name}.on ;;
  stop) rm -f /run/${name}.on ;;
${cases}
esac
`

const scripts: Readonly<Record<string, string>> = {
  '/etc/ha.d/lab': scriptOf('lab', '  status) [ -e /run/lab.on ] && echo running || echo stopped ;;'),
  '/etc/ha.d/lsb': scriptOf('lsb', '  status) [ -e /run/lsb.on ] || exit 3 ;;'),
  '/etc/ha.d/ocf/resource.d/lab/ocf': scriptOf(
    'ocf',
    `  monitor) [ -e /run/ocf.on ] || exit 7 ;;
  meta-data) echo '<resource-agent name="ocf"><parameters/><actions><action name="start" timeout="1s"/></actions></resource-agent>' ;;
  *) exit 3 ;;`,
  ),
}

const unit = `[Service]
Type=exec
ExecStartPre=/bin/bash -c '[ ! -e /run/app.start ] || { touch /run/app.start.begun; . /run/app.start; }'
ExecStart=/bin/sleep 100000
TimeoutStopSec=500ms
ExecStop=/bin/bash -c '[ ! -e /run/app.stop ] || { touch /run/app.stop.begun; . /run/app.stop; }'
[Install]
WantedBy=multi-user.target
`

const nginxConf = `worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { }
http { access_log off; server { listen 80; listen [::]:80; root /var/www; } }
`

const ini = `name = agents-pair
nodes = a, b
autoFailback = false
restartWindow = 60s
holdDown = 1s
[liveness]
keepalive = 100ms
deadtime = 1500ms
initdead = 10s
[authenticator]
method = sha256
key = a key of the laboratory, long enough
[transport.eth1]
type = udp-unicast
addresses.a = 10.88.1.1
addresses.b = 10.88.1.2
device = eth1
[group.web]
preferred = a
resources = addresses, lab, lsb, ocf, app, page
[resource.addresses]
type = vip
address = ${FLOATING.map((address) => `${address}/${address.includes(':') ? 64 : 24}`).join(', ')}
device = eth0
[resource.lab]
type = script
path = /etc/ha.d/lab
startTimeout = 4s
stopTimeout = 1500ms
statusInterval = 500ms
[resource.lsb]
type = script
path = /etc/ha.d/lsb
dialect = lsb
startTimeout = 4s
stopTimeout = 1500ms
statusInterval = 500ms
[resource.ocf]
type = ocf
agent = ocf:lab:ocf
root = /etc/ha.d/ocf
startTimeout = 4s
stopTimeout = 1500ms
statusInterval = 500ms
[resource.app]
type = systemd
unit = lab-app
startTimeout = 4s
stopTimeout = 1500ms
[resource.page]
type = nginx
mode = cold
url = http://${FLOATING[0]}/
expect = page of
`

/** One event that a member told. */
interface Told {
  readonly name: string
  readonly [field: string]: unknown
}

/** Runs a command on this machine; what it printed. */
function run(...words: readonly string[]): string {
  const [file = '', ...args] = words
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** A pair on two hosts, each with a real systemd, that serves addresses of both families, a script, a unit, and nginx by its unit. */
export class SystemdPair {
  readonly #hosts: Readonly<Record<Node, SystemdHost>>
  readonly #members: Partial<Record<Node, ChildProcess>> = {}
  readonly #told: Record<Node, Told[]> = { a: [], b: [] }

  private constructor(hosts: Readonly<Record<Node, SystemdHost>>) {
    this.#hosts = hosts
  }

  /** Boots both hosts and plugs them in; no member runs yet. */
  static async boot(): Promise<SystemdPair> {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(`the sources do not compile: ${stderr}`)
    const [a, b] = await Promise.all([SystemdHost.boot(), SystemdHost.boot()])
    const pair = new SystemdPair({ a, b })
    try {
      pair.#plugIn()
      for (const node of NODES) pair.#furnish(node)
      return pair
    } catch (error) {
      await pair.end()
      throw error
    }
  }

  host(node: Node): SystemdHost {
    return this.#hosts[node]
  }

  /** Runs a line of shell on a host; what it printed, whatever its exit code. */
  sh(node: Node, line: string): string {
    return this.#hosts[node].run('bash', '-c', line)
  }

  /** Writes a file of a host anew. */
  put(node: Node, path: string, text: string, mode = '644'): void {
    const line = `rm -rf '${path}'; cat >'${path}'; chmod ${mode} '${path}'`
    const [file = '', ...args] = [...this.#hosts[node].enter, 'sh', '-c', line]
    execFileSync(file, args, { input: text })
  }

  /** Starts a member and waits until it is up. */
  async start(node: Node): Promise<void> {
    const [file = '', ...args] = [...this.#hosts[node].enter, process.execPath, main, 'run', '--node', node, '--json']
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#members[node] = child
    this.#told[node] = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      const { name, payload } = JSON.parse(line) as { name: string; payload: object }
      this.#told[node].push({ name, ...payload })
    })
    await waitFor(() => this.#told[node].length > 0, { what: `${node} is up`, withinMs: 20_000 })
  }

  /** Both members run, their script behaves, and a serves: what every test begins with. */
  async home(): Promise<void> {
    for (const node of NODES) {
      this.sh(node, `rm -f /run/{lab,lsb,ocf,app}.st*; chmod 755 ${Object.keys(scripts).join(' ')}`)
      const child = this.#members[node]
      if (!child || child.exitCode !== null || child.signalCode !== null) await this.start(node)
    }
    await waitFor(() => FLOATING.every((address) => this.page(address) !== ''), {
      what: 'somebody serves',
      withinMs: 30_000,
    })
    if (this.page(FLOATING[0]) !== 'page of a') {
      await this.ready('b')
      await this.command('b', 'standby')
    }
    await this.serves('a')
    await this.ready('a')
    for (const node of NODES) this.#told[node] = []
  }

  /** A standby that failed looks again after 30 s; one that is started anew looks at once. */
  async renew(node: Node): Promise<void> {
    await this.kill(node)
    this.sh(node, 'rm -f /run/{lab,lsb,ocf,app}.st*')
    await this.start(node)
  }

  /** Waits until the owner knows that its peer could take the group. */
  async ready(owner: Node): Promise<void> {
    const state = (): unknown => {
      const [file = '', ...args] = [
        ...this.#hosts[owner].enter,
        process.execPath,
        main,
        'status',
        '--node',
        owner,
        '--json',
      ]
      return JSON.parse(run(file, ...args)).peer.groups.web?.state
    }
    await waitFor(() => state() === 'standby', {
      what: `the peer of ${owner} could take it`,
      withinMs: 40_000,
      everyMs: 200,
      seen: state,
    })
  }

  /** SIGKILL to the member alone. */
  async kill(node: Node): Promise<void> {
    const child = this.#members[node]
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    // `nsenter -p` stays as the parent of what it runs.
    const inner = run('sh', '-c', `cat /proc/${child.pid}/task/${child.pid}/children`)
    process.kill(Number(inner) || (child.pid as number), 'SIGKILL')
    await exit
  }

  /** Runs `hot-standby COMMAND` on a host: its exit code and what it complained of. */
  command(node: Node, ...words: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
    const [file = '', ...args] = [...this.#hosts[node].enter, process.execPath, main, ...words, '--node', node]
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => {
        said += text
      })
    return once(child, 'close').then(([code]) => ({ code: code as number | null, said }))
  }

  /** Events of this name that a member told since it was started or since `forget`. */
  told(node: Node, name: string): readonly Told[] {
    return this.#told[node].filter((event) => event.name === name)
  }

  /** What a member told since then, for the account of a failure. */
  all(node: Node): readonly Told[] {
    return this.#told[node]
  }

  forget(): void {
    for (const node of NODES) this.#told[node] = []
  }

  /** The page that a client gets from an address; empty when nobody answers. */
  page(address: string): string {
    const url = `http://${address.includes(':') ? `[${address}]` : address}/`
    return run('ip', 'netns', 'exec', `${runName}-sw`, 'sh', '-c', `curl -s -m 1 '${url}' || true`)
  }

  /** Everything of the group that a host has. */
  has(node: Node): readonly string[] {
    const line =
      'ip -o addr | grep -oE "10.88.0.100|fd88::100"; ls /run/lab.on /run/lsb.on /run/ocf.on 2>/dev/null; ' +
      'for unit in lab-app nginx; do systemctl is-active -q $unit && echo $unit; done; true'
    return this.sh(node, line)
      .split('\n')
      .filter((word) => word !== '')
  }

  /** Waits until this node serves everything to the client and the other one has nothing of it. */
  async serves(node: Node, withinMs = 15_000): Promise<void> {
    const wanted = [...FLOATING, '/run/lab.on', '/run/lsb.on', '/run/ocf.on', 'lab-app', 'nginx'].join()
    await waitFor(
      () =>
        this.has(node).join() === wanted &&
        this.has(peerOf(node)).length === 0 &&
        FLOATING.every((address) => this.page(address) === `page of ${node}`),
      {
        what: `${node} serves everything, and it alone`,
        withinMs,
        everyMs: 50,
        seen: () => ({ a: this.has('a'), b: this.has('b'), last: NODES.map((name) => this.#told[name].slice(-4)) }),
      },
    )
  }

  async end(): Promise<void> {
    for (const node of NODES) await this.kill(node)
    await Promise.all(NODES.map((node) => this.#hosts[node].end()))
    for (const name of ['sw', 'c']) {
      try {
        run('ip', 'netns', 'del', `${runName}-${name}`)
      } catch {
        // It was not made.
      }
    }
  }

  /** A host on the clients' network that is none of the pair's gets an address, or loses it. */
  stranger(verb: 'add' | 'del', address: string): void {
    const form = address.includes(':') ? [`${address}/128`, 'dev', 'eth0', 'nodad'] : [`${address}/32`, 'dev', 'eth0']
    run('ip', '-n', `${runName}-c`, 'addr', verb, ...(verb === 'add' ? form : form.slice(0, 3)))
  }

  /** Takes a network device out of a host. */
  unplug(node: Node, net: 0 | 1): void {
    run('ip', '-n', `${runName}-sw`, 'link', 'del', `${node}${net}`)
  }

  /** Puts it in, with the host's own addresses. */
  plug(node: Node, net: 0 | 1): void {
    this.#link(`${node}${net}`, `br${net}`, `eth${net}`, String(this.#hosts[node].pid))
    this.sh(node, `ip addr add 10.88.${net}.${number[node]}/24 dev eth${net}; ip link set eth${net} up`)
    if (net === 0) this.sh(node, `ip addr add fd88::${number[node]}/64 dev eth0 nodad`)
  }

  #link(port: string, bridge: string, device: string, namespace: string): void {
    const sw = `${runName}-sw`
    run('ip', '-n', sw, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', namespace)
    run('ip', '-n', sw, 'link', 'set', port, 'master', bridge, 'up')
  }

  /** eth0 is the clients' network, eth1 the pair's own. */
  #plugIn(): void {
    const sw = `${runName}-sw`
    run('ip', 'netns', 'add', sw)
    for (const net of [0, 1]) {
      run('ip', '-n', sw, 'link', 'add', `br${net}`, 'type', 'bridge')
      run('ip', '-n', sw, 'link', 'set', `br${net}`, 'up')
    }
    run('ip', '-n', sw, 'addr', 'add', '10.88.0.9/24', 'dev', 'br0')
    run('ip', '-n', sw, 'addr', 'add', 'fd88::9/64', 'dev', 'br0', 'nodad')
    for (const node of NODES) for (const net of [0, 1] as const) this.plug(node, net)
    run('ip', 'netns', 'add', `${runName}-c`)
    this.#link('c0', 'br0', 'eth0', `${runName}-c`)
    for (const line of ['addr add 10.88.0.8/24 dev eth0', 'link set eth0 up', 'addr add fd88::8/64 dev eth0 nodad'])
      run('ip', '-n', `${runName}-c`, ...line.split(' '))
  }

  #furnish(node: Node): void {
    this.sh(
      node,
      'rm -rf /etc/ha.d /etc/systemd/system/nginx.service; mkdir -p /etc/ha.d/ocf/resource.d/lab /var/log/nginx /var/lib/nginx /var/www',
    )
    this.put(node, '/etc/ha.d/hot-standby.ini', ini, '600')
    for (const [path, text] of Object.entries(scripts)) this.put(node, path, text, '755')
    this.put(node, '/etc/nginx/nginx.conf', nginxConf)
    this.put(node, '/var/www/index.html', `page of ${node}`)
    this.#hosts[node].write({ 'lab-app.service': unit })
  }
}
