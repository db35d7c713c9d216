import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../wait-for.ts'
import { command } from './command.ts'
import type { Host } from './host.ts'
import { type ProcessEntry, signal } from './processes.ts'
import type { Timeline } from './timeline.ts'

const PROGRAM = '/usr/libexec/heartbeat/heartbeat'
const TOOLS = '/usr/share/heartbeat'
const LOG = '/var/log/ha-log'

/** Heartbeat's word for a set of groups, from the view of the node that says it. */
export type Hold = 'none' | 'local' | 'foreign' | 'all'

/**
 * What Debian's packages do at boot for the daemon and its scripts, and one thing more: a stop that fails makes
 * heartbeat reboot the machine, and this machine is not its own.
 */
const AT_BOOT = `set -e
install -d -m 750 -o hacluster -g haclient /run/heartbeat /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
install -d -m 1755 /run/resource-agents
install -d /run/lock/subsys
reboot=$(readlink -f /sbin/reboot)
mountpoint -q "$reboot" || mount --bind /bin/true "$reboot"`

const attempt = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ''
  }
}

/** Makes a booted host ready for a daemon: with the package's scripts in /etc/ha.d, which the laboratory hides. */
export const prepareForHeartbeat = async (host: Host): Promise<void> => {
  await command(['cp', '-a', '-n', '/etc/ha.d/.', host.path('/etc/ha.d')])
  await host.run(['sh', '-c', AT_BOOT])
}

/** A real heartbeat daemon on a host that was made ready for it. It reads the host's own /etc/ha.d, and logs to /var/log/ha-log. */
export class Heartbeat {
  readonly #host: Host

  private constructor(host: Host) {
    this.#host = host
  }

  /** Starts the daemon; resolves when its master control process runs, which is long before it has joined. */
  static async start(host: Host, timeline: Timeline): Promise<Heartbeat> {
    // So that the laboratory's account of a failure shows the daemon's words too, with its own times.
    await host.start(['tail', '-n', '0', '-F', LOG])
    await host.run([PROGRAM])
    const daemon = new Heartbeat(host)
    await waitFor(() => daemon.pid, { what: `heartbeat runs on ${host.name}` })
    timeline.add(host.name, `heartbeat started, pid ${daemon.pid}`)
    return daemon
  }

  /** Pid of the master control process as this machine sees it; undefined when the daemon does not run. */
  get pid(): number | undefined {
    const all = this.processes()
    return all.find(({ parent }) => !all.some(({ pid }) => pid === parent))?.pid
  }

  /** The master control process and its helpers. */
  processes(): ProcessEntry[] {
    return this.#host.processes().filter(({ command, state }) => command === 'heartbeat' && state !== 'Z')
  }

  /** What `heartbeat -V` says, without the revision. */
  async version(): Promise<string> {
    return (await this.#host.run([PROGRAM, '-V'])).stdout.split(' ')[0] ?? ''
  }

  /** Resident memory of all its processes, kB. */
  memoryKb(): number {
    return this.processes()
      .map(({ pid }) => attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1')))
      .reduce((sum, status) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0), 0)
  }

  /** Which groups it holds, by its own word; `transition` while that changes. Empty before it has joined. */
  async holds(): Promise<string> {
    return (await this.#host.run(['cl_status', 'rscstatus'], { check: false })).stdout.trim()
  }

  /** Asks it to hand groups over. Heartbeat answers nothing, and drops the request while something else is under way. */
  async standby(hold: Hold = 'all'): Promise<void> {
    await this.#say('hb_standby', hold)
  }

  /** Asks it to take groups over. */
  async takeover(hold: Hold = 'all'): Promise<void> {
    await this.#say('hb_takeover', hold)
  }

  /** Says a word through the daemon's FIFO, and once more when its reader tore it and logged so: about one in a hundred is lost. */
  async #say(tool: string, hold: Hold): Promise<void> {
    const torn = async (): Promise<number> => (await this.log()).split('Message with zero fields').length
    const before = await torn()
    await this.#host.run([`${TOOLS}/${tool}`, hold])
    await sleep(300)
    if ((await torn()) > before) await this.#host.run([`${TOOLS}/${tool}`, hold])
  }

  /** `heartbeat -k`: releases what it holds, and waits until it is gone. */
  async stop(): Promise<void> {
    await this.#host.run([PROGRAM, '-k'], { withinMs: 60_000 })
  }

  /** SIGKILL to all its processes at once: the addresses and services that it has started stay. */
  async kill(): Promise<void> {
    const own = this.#host.processes().filter(({ command }) => command === 'heartbeat' || command === 'ipfail')
    for (const { pid } of own) signal(pid, 'SIGKILL')
    await waitFor(() => this.processes().length === 0, { what: `heartbeat on ${this.#host.name} is dead`, everyMs: 5 })
  }

  /** `heartbeat -r`: it reads its files anew, and executes itself again where ha.cf was changed. */
  async reload(): Promise<void> {
    await this.#host.run([PROGRAM, '-r'])
  }

  /** Everything that daemons have logged on this host; a node of ours that ran here in between has written to the same file. */
  async log(): Promise<string> {
    const lines = (await this.#host.read(LOG)).split('\n')
    return lines.filter((line) => !/^heartbeat\[\d+\]: \d{4}\//.test(line)).join('\n')
  }
}

/** Datagrams that a host has received and sent over UDP since it booted. */
export const datagramsOf = async (host: Host): Promise<{ readonly received: number; readonly sent: number }> => {
  const { stdout } = await host.run(['cat', '/proc/net/snmp'])
  const [names = [], values = []] = stdout
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '))
  const value = (name: string): number => Number(values[names.indexOf(name)])
  return { received: value('InDatagrams'), sent: value('OutDatagrams') }
}
