import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from './wait-for.ts'
import { Client, type ClientSettings } from './world/client-program.ts'
import { Host, type StartOptions } from './world/host.ts'
import {
  type Device,
  FLOATING,
  HOST_NAMES,
  type HostName,
  NET_OF,
  type NetName,
  plugOf,
  plugsOf,
} from './world/layout.ts'
import { cleanupStale, killRun, type ProcessEntry, processesOf, runName } from './world/processes.ts'
import type { Program } from './world/program.ts'
import { Switch } from './world/switch.ts'
import { Timeline, type TimelineEntry } from './world/timeline.ts'

export interface WorldOptions {
  /** Part of the name of the directory with the logs; default `world`. */
  readonly title?: string
  /** Hears the time line while it grows. */
  readonly onEntry?: (entry: TimelineEntry) => void
}

const LOGS = fileURLToPath(new URL('../../.lab', import.meta.url))

let built = 0

/**
 * The laboratory: master, slave, a gateway and a client on two networks, and everything that can be done to them.
 * Needs root on Linux. One run of this process has one name, so only one world at a time may be built.
 */
export class World implements AsyncDisposable {
  /** Marks every process of this world; contains the pid of the process that built it. */
  readonly name: string
  /** The hosts' log files and the time line: `.lab/<name>…/<host>.log`. */
  readonly directory: string
  readonly timeline: Timeline
  readonly floating: string = FLOATING
  readonly #switch: Switch
  readonly #hosts: ReadonlyMap<HostName, Host>
  readonly #pairs = new Map<HostName, Program>()
  #destroyed: Promise<void> | undefined

  private constructor(name: string, directory: string, timeline: Timeline, net: Switch, hosts: readonly Host[]) {
    this.name = name
    this.directory = directory
    this.timeline = timeline
    this.#switch = net
    this.#hosts = new Map(hosts.map((host) => [host.name, host]))
  }

  /** Builds it with every host switched on. Removes first what dead runs left. */
  static async build({ title = 'world', onEntry }: WorldOptions = {}): Promise<World> {
    cleanupStale()
    const name = runName(process.pid)
    const directory = join(LOGS, `${name}-${++built}-${title.replaceAll(/[^\w-]+/g, '-')}`)
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    const timeline = new Timeline(onEntry)
    try {
      const net = await Switch.build(name)
      const hosts = await Promise.all(HOST_NAMES.map((host) => Host.build(host, name, join(directory, `${host}.log`))))
      await Promise.all(hosts.map((host) => host.boot((...cable) => net.connect(...cable))))
      return new World(name, directory, timeline, net, hosts)
    } catch (error) {
      killRun(name)
      throw error
    }
  }

  host(name: HostName): Host {
    const host = this.#hosts.get(name)
    if (!host) throw new Error(`laboratory: there is no host '${name}'`)
    return host
  }

  /** A client that asks for a page from now on. */
  async startClient(settings: Partial<ClientSettings> = {}): Promise<Client> {
    return Client.start(this.host('client'), this.timeline, settings)
  }

  /** Starts the pair's process of a host. Its events and its end are put on the time line. */
  async startPair(name: HostName, argv: readonly string[], options: StartOptions = {}): Promise<Program> {
    if (this.#pairs.get(name)?.running) throw new Error(`laboratory: the pair's process of ${name} runs already`)
    const pair = await this.host(name).start(argv, options)
    this.#note(name, 'pair started')
    pair.onEvent(({ event, atMs }) => this.timeline.add(name, JSON.stringify(event), atMs))
    void pair.ended.then(({ code, atMs }) => this.timeline.add(name, `pair ended with ${code}`, atMs))
    this.#pairs.set(name, pair)
    return pair
  }

  /** The pair's process of a host, as it was started last. */
  pair(name: HostName): Program {
    const pair = this.#pairs.get(name)
    if (!pair) throw new Error(`laboratory: the pair was never started on ${name}`)
    return pair
  }

  /** SIGKILL to the pair's process alone: its children, the service and the address stay as they are. */
  async killPair(name: HostName): Promise<void> {
    this.#note(name, 'kill -9 of the pair')
    this.pair(name).signal('SIGKILL')
    await waitFor(
      () =>
        !this.host(name)
          .processes()
          .some(({ pid, state }) => pid === this.pair(name).pid && state !== 'Z'),
      {
        what: `the pair on ${name} is dead`,
        everyMs: 1,
      },
    )
  }

  /** Cuts a cable so that nobody sees it but by what no longer arrives. */
  async cut(name: HostName, device: Device): Promise<void> {
    await this.#lose(name, device, { in: 100, out: 100 }, 'cut')
  }

  /** Cuts one direction, seen from the host: `in`, it hears nothing; `out`, it is not heard. */
  async cutOneway(name: HostName, device: Device, direction: 'in' | 'out'): Promise<void> {
    await this.#lose(name, device, { [direction]: 100 }, `cut (${direction})`)
  }

  /** Loses this share of the packets, by chance, in both directions. */
  async lose(name: HostName, device: Device, percent: number): Promise<void> {
    await this.#lose(name, device, { in: percent, out: percent }, `loses ${percent} %`)
  }

  /** Undoes `cut`, `cutOneway` and `lose`. */
  async mend(name: HostName, device: Device): Promise<void> {
    await this.#lose(name, device, { in: 0, out: 0 }, 'mended')
  }

  /** Pulls the plug at the switch: the host sees that its carrier is gone. */
  async unplug(name: HostName, device: Device): Promise<void> {
    this.#note(name, `${device} unplugged`)
    await this.#switch.carrier([plugOf(name, device)], 'down')
  }

  /** Undoes `unplug`. */
  async plug(name: HostName, device: Device): Promise<void> {
    this.#note(name, `${device} plugged in`)
    await this.#switch.carrier([plugOf(name, device)], 'up')
  }

  /** A whole network loses power: every device on it loses its carrier. */
  async switchOff(net: NetName): Promise<void> {
    this.#note('lab', `switch of the ${net} network off`)
    await this.#switch.carrier(this.#plugsOn(net), 'down')
  }

  /** Undoes `switchOff`. */
  async switchOn(net: NetName): Promise<void> {
    this.#note('lab', `switch of the ${net} network on`)
    await this.#switch.carrier(this.#plugsOn(net), 'up')
  }

  /** The tutorial's third test, by its own command: no ping is answered, and no answer to the host's own arrives. */
  async dropIcmp(name: HostName): Promise<void> {
    this.#note(name, 'iptables -A INPUT -p icmp -j DROP')
    await this.host(name).run(['iptables', '-A', 'INPUT', '-p', 'icmp', '-j', 'DROP'])
  }

  /** Undoes `dropIcmp`. */
  async allowIcmp(name: HostName): Promise<void> {
    this.#note(name, 'iptables -D INPUT -p icmp -j DROP')
    await this.host(name).run(['iptables', '-D', 'INPUT', '-p', 'icmp', '-j', 'DROP'])
  }

  /** A power failure: the host falls silent on all its cables, then everything in it is dead. Its disk stays. */
  async crash(name: HostName): Promise<void> {
    await this.#switch.silence(name)
    this.#note(name, 'crashed')
    await this.host(name).kill()
    await this.#switch.disconnect(name)
  }

  /** Boots a crashed host: as it was built, with the disk it had; nothing runs in it. */
  async restart(name: HostName): Promise<void> {
    await this.host(name).boot((...cable) => this.#switch.connect(...cable))
    this.#note(name, 'booted')
  }

  /** SIGSTOP to everything that runs on a host. */
  async freeze(name: HostName): Promise<void> {
    this.#note(name, 'frozen')
    await this.host(name).freeze()
  }

  /** SIGCONT to everything that runs on a host. */
  async thaw(name: HostName): Promise<void> {
    this.#note(name, 'thawed')
    await this.host(name).thaw()
  }

  /** Which hosts answer ARP for an address, asked from the client: more than one is a contested address. Takes 1 s. */
  async holders(address: string = FLOATING): Promise<HostName[]> {
    // The second request makes it wait a second for a second answer to the first.
    const argv = ['arping', '-b', '-c', '2', '-w', '1', '-I', 'eth0', address]
    const { stdout } = await this.host('client').run(argv, { check: false })
    const answered = (mac: string): boolean => stdout.toLowerCase().includes(`[${mac}]`)
    return HOST_NAMES.filter((name) => plugsOf(name).some(({ mac }) => answered(mac)))
  }

  /** Every process of this world that is still there. */
  remains(): ProcessEntry[] {
    return processesOf(this.name)
  }

  /** The last lines of every host's log, and the time line: what a failure needs. */
  account(lines = 40): string {
    const tails = readdirSync(this.directory)
      .filter((file) => file.endsWith('.log'))
      .map((file) => {
        const text = readFileSync(join(this.directory, file), 'utf8').trimEnd().split('\n')
        return [`--- ${join(this.directory, file)}`, ...text.slice(-lines)].join('\n')
      })
    return [this.timeline.toString(), ...tails].join('\n')
  }

  /** Takes everything down and sees that nothing is left. The logs stay unless `keepLogs` is `false`. */
  async destroy({ keepLogs = true }: { readonly keepLogs?: boolean } = {}): Promise<void> {
    this.#destroyed ??= this.#destroy(keepLogs)
    await this.#destroyed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy()
  }

  async #destroy(keepLogs: boolean): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.release()))
    await this.#switch.release()
    await waitFor(() => this.remains().length === 0, {
      what: 'nothing of the world is left',
      seen: () => this.remains(),
    })
    if (keepLogs) writeFileSync(join(this.directory, 'timeline.txt'), `${this.timeline}\n`)
    else rmSync(this.directory, { recursive: true, force: true })
  }

  async #lose(name: HostName, device: Device, loss: { in?: number; out?: number }, what: string): Promise<void> {
    await this.#switch.lose(plugOf(name, device), loss)
    this.#note(name, `${device} ${what}`)
  }

  #plugsOn(net: NetName): ReturnType<typeof plugsOf> {
    const on = HOST_NAMES.filter((name) => this.host(name).isOn)
    return on.flatMap((name) => plugsOf(name)).filter(({ device }) => NET_OF[device] === net)
  }

  #note(who: HostName | 'lab', what: string): void {
    this.timeline.add(who, what)
  }
}
