import { command } from './command.ts'
import { Keeper } from './keeper.ts'
import { type HostName, NET_OF, type NetName, type Plug, plugsOf } from './layout.ts'

/** What is lost on a port, in percent; seen from the host: `out` is what it sends, `in` what is meant for it. */
interface Loss {
  readonly in: number
  readonly out: number
}

const NO_LOSS: Loss = { in: 0, out: 0 }
const ALL_LOST: Loss = { in: 100, out: 100 }

const NETS: readonly NetName[] = ['service', 'heartbeat']

/**
 * The switch: a namespace with one bridge per network. Cables are cut *here*, so that a host whose cable is cut
 * silently sees nothing of it: its device, its carrier and its own firewall stay as they were.
 */
export class Switch {
  readonly #keeper: Keeper
  readonly #loss = new Map<string, Loss>()
  readonly #silenced = new Set<HostName>()

  private constructor(keeper: Keeper) {
    this.#keeper = keeper
  }

  static async build(run: string): Promise<Switch> {
    const script = 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; echo ready; exec cat'
    const keeper = await Keeper.start(run, ['unshare', '--net', 'sh', '-c', script])
    const built = new Switch(keeper)
    // Without a querier a snooping bridge would drop multicast; without STP a port forwards at once.
    await built.#ip(
      NETS.flatMap((net) => [`link add ${net} type bridge mcast_snooping 0 stp_state 0`, `link set ${net} up`]),
    )
    await built.#enter(['nft', '-f', '-'], 'add table bridge lab')
    await built.#filter()
    return built
  }

  /** Connects a booted host (by the pid of its first process) with fresh cables. */
  async connect(host: HostName, pid: number): Promise<void> {
    await this.#ip(
      plugsOf(host).flatMap(({ device, port, mac }) => [
        `link add ${port} type veth peer name ${device} address ${mac} netns ${pid}`,
        `link set ${port} master ${NET_OF[device]} up`,
      ]),
    )
    this.#silenced.delete(host)
    await this.#filter()
  }

  /** Removes the cables of a host that is off. The kernel does so too, but only after a while. */
  async disconnect(host: HostName): Promise<void> {
    for (const { port } of plugsOf(host)) await this.#enter(['ip', 'link', 'del', port], '', false)
  }

  /** From now on nothing from or to this host passes, until it is connected anew. */
  async silence(host: HostName): Promise<void> {
    this.#silenced.add(host)
    await this.#filter()
  }

  /** Loses this share of the packets of a cable; 0 mends it. A direction that is not named stays as it is. */
  async lose(plug: Plug, loss: Partial<Loss>): Promise<void> {
    this.#loss.set(plug.port, { ...(this.#loss.get(plug.port) ?? NO_LOSS), ...loss })
    await this.#filter()
  }

  /** Takes the carrier from the host's device, or gives it back. */
  async carrier(plugs: readonly Plug[], state: 'up' | 'down'): Promise<void> {
    await this.#ip(plugs.map(({ port }) => `link set ${port} ${state}`))
  }

  async release(): Promise<void> {
    await this.#keeper.release()
  }

  /** All losses as one set of rules, exchanged in one transaction. */
  async #filter(): Promise<void> {
    const losses = new Map(this.#loss)
    for (const host of this.#silenced) for (const { port } of plugsOf(host)) losses.set(port, ALL_LOST)
    const rule = (match: string, port: string, percent: number): string => {
      const share = percent === 100 ? '' : `numgen random mod 1000 < ${Math.round(percent * 10)}`
      return percent > 0 ? `${match} "${port}" ${share} drop` : ''
    }
    const rules = [...losses].flatMap(([port, loss]) => [
      rule('iifname', port, loss.out),
      rule('oifname', port, loss.in),
    ])
    await this.#enter(
      ['nft', '-f', '-'],
      `delete table bridge lab
       table bridge lab {
         chain forward {
           type filter hook forward priority 0; policy accept;
           ${rules.join('\n')}
         }
       }`,
    )
  }

  async #ip(lines: readonly string[]): Promise<void> {
    await this.#enter(['ip', '-batch', '-'], lines.join('\n'))
  }

  async #enter(argv: readonly string[], input: string, check = true): Promise<void> {
    await command(['nsenter', '--target', `${this.#keeper.pid}`, '--net', ...argv], { input, check })
  }
}
