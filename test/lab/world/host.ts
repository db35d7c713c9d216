import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { waitFor } from '../wait-for.ts'
import { type CommandOptions, type CommandResult, command } from './command.ts'
import { Keeper } from './keeper.ts'
import { HOST_NAMES, type HostName, plugsOf } from './layout.ts'
import { childrenOf, listProcesses, MARKER, type ProcessEntry, pidNamespaceOf, signal } from './processes.ts'
import { Program } from './program.ts'

/** What a host has of its own on disk. It survives a crash; everything below is shared with the machine, read-only in effect. */
const OWN = ['etc', 'var', 'tmp']

const DISK = `set -e
mount -t tmpfs -o mode=755 tmpfs /run
for own in ${OWN.join(' ')}; do
  mkdir -p /run/$own/upper /run/$own/work
  chmod --reference=/$own /run/$own/upper
  mount -t overlay overlay -o lowerdir=/$own,upperdir=/run/$own/upper,workdir=/run/$own/work /$own
done
echo ready
exec cat`

/**
 * The first process of a booted host. The shell waits for \`cat\`, that is for the end of its input, and reaps every
 * orphan meanwhile, as an init does.
 */
const BOOT = `set -e
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
mount -t sysfs sysfs /sys
if [ -e /proc/sys/net/ipv6/conf/default/accept_dad ]; then echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; fi
exec 3<&0
cat <&3 >/dev/null &
echo ready
wait $!`

/** Keeps the entering shell as a parent that is outside the host: a program that is stopped does not stop it too. */
const ENTER = 'cd "$1" && shift && "$@"; exit $?'

/** Variables by which a test runner or another laboratory would reach into the hosts. */
const { NODE_TEST_CONTEXT: _runner, ...ENVIRONMENT } = process.env

export interface StartOptions {
  /** Default: the directory of the laboratory's own process. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

interface Booted {
  readonly keeper: Keeper
  /** The host's first process. */
  readonly init: number
  /** The first process and what keeps it: never stopped, so that the world can always be taken down. */
  readonly spared: ReadonlySet<number>
  readonly pidNamespace: string
}

/**
 * A host: its disk (own /etc, /var, /tmp; survives a crash) and, while it is on, its own processes, network, host name,
 * /proc, /sys and /run. Crash and restart are those of the kernel's objects, so nothing survives that would not survive
 * on a real host.
 */
export class Host {
  readonly name: HostName
  readonly #run: string
  readonly #disk: Keeper
  readonly #logFile: string
  #booted: Booted | undefined

  private constructor(name: HostName, run: string, disk: Keeper, logFile: string) {
    this.name = name
    this.#run = run
    this.#disk = disk
    this.#logFile = logFile
  }

  /** Makes a host that is off. */
  static async build(name: HostName, run: string, logFile: string): Promise<Host> {
    const disk = await Keeper.start(run, ['unshare', '--mount', 'sh', '-c', DISK])
    return new Host(name, run, disk, logFile)
  }

  get isOn(): boolean {
    return this.#booted !== undefined
  }

  /** Pid of the host's first process; \`nsenter --target PID --all\` leads in. */
  get init(): number {
    return this.#on().init
  }

  /** Boots it; `connect` plugs in its cables. */
  async boot(connect: (host: HostName, pid: number) => Promise<void>): Promise<void> {
    const unshare = ['unshare', '--mount-proc', '--pid', '--fork', '--kill-child', '--net', '--uts']
    const inDisk = ['nsenter', '--target', `${this.#disk.pid}`, '--mount']
    const keeper = await Keeper.start(this.#run, [...inDisk, ...unshare, 'sh', '-c', BOOT, 'sh', this.name])
    const [init = 0] = childrenOf(keeper.pid)
    this.#booted = { keeper, init, spared: new Set([init, ...childrenOf(init)]), pidNamespace: pidNamespaceOf(init) }
    await connect(this.name, init)
    const router = this.name === 'gateway'
    await this.run(['ip', '-batch', '-'], {
      input: [
        'link set lo up',
        ...plugsOf(this.name).flatMap(({ device, address, address6 }) => [
          `addr add ${address}/24 broadcast + dev ${device}`,
          `addr add ${address6}/64 dev ${device} nodad`,
          `link set ${device} up`,
        ]),
        router ? '' : 'route add default via 192.168.1.1',
      ].join('\n'),
    })
    if (router) await this.run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    const names = HOST_NAMES.flatMap((host) =>
      plugsOf(host)
        .slice(-1)
        .map(({ address }) => `${address} ${host}`),
    )
    await this.write('/etc/hosts', ['127.0.0.1 localhost', ...names, ''].join('\n'))
  }

  /** Kills everything in it at once, as a power failure does. */
  async kill(): Promise<void> {
    const { keeper, init } = this.#on()
    this.#booted = undefined
    signal(init, 'SIGKILL')
    // `unshare` ends only after the kernel has ended every process of the namespace.
    await keeper.gone()
  }

  /** Ends it for good, disk and all. */
  async release(): Promise<void> {
    if (this.isOn) await this.kill()
    await this.#disk.release()
  }

  /** Runs a short command in the host to its end. */
  async run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return command([...this.#enter('/'), ...argv], { ...options, env: this.#environment(options.env) })
  }

  /** Starts a program in the host and lets it run. */
  async start(argv: readonly string[], { cwd = process.cwd(), env = {} }: StartOptions = {}): Promise<Program> {
    return Program.start(this.#enter(cwd), argv, this.#environment(env), this.#logFile)
  }

  /** A file of the host, as a path that this process can open. */
  path(file: string): string {
    return `/proc/${this.#booted?.init ?? this.#disk.pid}/root${file}`
  }

  async read(file: string): Promise<string> {
    return readFile(this.path(file), 'utf8')
  }

  /** Writes a file of the host, and makes its directories. The mode is applied to new and old files alike. */
  async write(file: string, text: string, { mode = 0o644 }: { readonly mode?: number } = {}): Promise<void> {
    await mkdir(dirname(this.path(file)), { recursive: true })
    await writeFile(this.path(file), text)
    await this.run(['chmod', mode.toString(8), file])
  }

  /** Every process of the host but its first one and what keeps that. */
  processes(): ProcessEntry[] {
    const { pidNamespace, spared } = this.#on()
    return listProcesses().filter((entry) => entry.pidNamespace === pidNamespace && !spared.has(entry.pid))
  }

  /** Stops everything that runs in it. Its kernel goes on answering ARP and ping, as that of a stuck host may. */
  async freeze(): Promise<void> {
    await this.#signalAll('SIGSTOP', ({ state }) => 'TZ'.includes(state))
  }

  /** Lets everything go on. */
  async thaw(): Promise<void> {
    await this.#signalAll('SIGCONT', ({ state }) => state !== 'T')
  }

  /** Signals until all follow: a process may have been born between a listing and its signal. */
  async #signalAll(name: NodeJS.Signals, follows: (entry: ProcessEntry) => boolean): Promise<void> {
    let others: ProcessEntry[] = []
    await waitFor(
      () => {
        others = this.processes().filter((entry) => !follows(entry))
        for (const { pid } of others) signal(pid, name)
        return others.length === 0
      },
      { what: `everything on ${this.name} follows ${name}`, everyMs: 1, seen: () => others },
    )
  }

  #on(): Booted {
    if (!this.#booted) throw new Error(`laboratory: ${this.name} is off`)
    return this.#booted
  }

  #enter(cwd: string): readonly string[] {
    const nsenter = ['nsenter', '--target', `${this.init}`, '--mount', '--net', '--uts', '--pid', '--no-fork']
    return [...nsenter, 'sh', '-c', ENTER, 'sh', cwd]
  }

  #environment(more: NodeJS.ProcessEnv | undefined): NodeJS.ProcessEnv {
    return { ...ENVIRONMENT, ...more, [MARKER]: this.#run }
  }
}
