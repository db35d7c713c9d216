import { createHash, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { createNftProcess, type NftProcess } from '../platform/nft-process.ts'
import { findProgram, runProgram } from '../platform/process.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { Guard, GuardChange, GuardContext, GuardPlugin, Pass } from '../roles/guard.ts'
import type { Logger } from '../roles/logger.ts'

/** A set of addresses, in the table of one family of nftables. */
interface AddressSet {
  readonly table: 'inet' | 'arp'
  /** 4 or 6: the family of the addresses, and the last letter of the name of the set. */
  readonly family: 4 | 6
}

/** Neighbour discovery needs no set of its own: the answer to a solicitation leaves from the address that was asked for. */
const sets: readonly AddressSet[] = [
  { table: 'inet', family: 4 },
  { table: 'inet', family: 6 },
  { table: 'arp', family: 4 },
]
const tables = ['inet', 'arp'] as const

/** Before conntrack and before any translation of addresses: a balancer behind the address is cut off as well. */
const earliest = -300

/** A line that takes longer is given up, with the child that has not answered it. */
const lineLimitMs = 2000

/**
 * A guard of nftables: each floating address is an element of a set that runs out. While this process lives and may own the
 * group it renews the elements; when they run out, the kernel drops what comes to the address and what leaves from it, answers to
 * ARP and neighbour discovery included. Needs the program `nft` and `CAP_NET_ADMIN`.
 *
 * @example
 * ```ts
 * import { nftGuard } from 'hot-standby'
 *
 * const guard = nftGuard()
 * ```
 */
export function nftGuard(): GuardPlugin {
  return { kind: 'guard', type: 'nft', create: (context) => new NftGuard(context) }
}

/** How the tables of one member begin, whichever run made them. Two members on one host have tables of their own. */
function tablePrefix({ cluster, node }: GuardContext): string {
  const id = createHash('sha256').update(`${cluster}\0${node}`).digest('hex').slice(0, 8)
  return `hot_standby_guard_${id}_`
}

class NftGuard implements Guard {
  readonly #prefix: string
  /** Each run has a name of its own: what the helper of a killed one still says does not touch this one's tables. */
  readonly #name: string
  readonly #nft: NftProcess
  readonly #comment: string
  readonly #logger: Logger
  #held: readonly string[] = []
  #opened = false

  constructor(context: GuardContext) {
    this.#prefix = tablePrefix(context)
    this.#name = `${this.#prefix}${randomBytes(4).toString('hex')}`
    this.#comment = `hot-standby: guard of ${context.cluster} on ${context.node}`
    const { logger } = context
    this.#logger = logger
    this.#nft = createNftProcess({ logger, lastWords: { first: this.#cutLine(), afterwards: this.#removeLine() } })
  }

  async open(): Promise<void> {
    try {
      const old = (await existingTables()).filter((table) => table.split(' ')[1]?.startsWith(this.#prefix))
      await this.#run([...old.flatMap(gone), ...this.#setUp()])
      this.#opened = true
    } catch (error) {
      this.#nft.close()
      const hint = /not permitted/i.test(messageOf(error)) ? '; it needs root or CAP_NET_ADMIN' : ''
      throw new HotStandbyError('HS_HOST', `the guard cannot be set up: ${messageOf(error)}${hint}`)
    }
  }

  async hold(addresses: readonly string[]): Promise<void> {
    const held = [...new Set(addresses.map(bare))]
    const gone = this.#held.filter((address) => !held.includes(address))
    const come = held.filter((address) => !this.#held.includes(address))
    // Whatever becomes of the line: the next one that does not work makes all of it anew.
    this.#held = held
    await this.#run([...this.#elements('add', 'held', come), ...this.#elements('delete', 'held', gone)])
  }

  async apply(change: GuardChange): Promise<void> {
    const parts = this.#changeOf(change)
    try {
      await this.#run(parts)
    } catch (error) {
      // Somebody else may have removed the tables, as `nft flush ruleset` does: then nothing was guarded.
      const there = await existingTables()
      if (tables.every((table) => there.includes(`${table} ${this.#name}`))) throw error
      await this.#run([...this.#setUp(), ...this.#elements('add', 'held', this.#held), ...parts])
      this.#logger.warn(
        { table: this.#name },
        `somebody has removed the tables of the guard (nft flush ruleset does it), so nothing was guarded; they are there again`,
      )
    }
  }

  async close(): Promise<void> {
    if (this.#opened) await this.#run([this.#removeLine()]).catch(() => {})
    this.#opened = false
    this.#nft.close()
  }

  async #run(parts: readonly string[]): Promise<void> {
    if (parts.length > 0) await this.#nft.run(parts.join('; '), AbortSignal.timeout(lineLimitMs))
  }

  #changeOf({ pass, close }: GuardChange): readonly string[] {
    const passing = new Map(pass.map(({ address, forMs }) => [bare(address), Math.floor(forMs)]))
    const entries = [...passing].map(([address, forMs]): Pass => ({ address, forMs }))
    const shut = close.map(bare).filter((address) => !passing.has(address))
    const all = [...entries.map(({ address }) => address), ...shut]
    const left = (address: string) => `timeout ${passing.get(address) ?? 1}ms`
    // An `add` alone does not extend an element, and only what is there can be deleted.
    return [
      ...this.#elements('add', 'alive', all, left),
      ...this.#elements('delete', 'alive', all),
      ...this.#elements('add', 'alive', [...passing.keys()], left),
    ]
  }

  #elements(
    verb: 'add' | 'delete',
    set: 'held' | 'alive',
    addresses: readonly string[],
    suffix: (address: string) => string = () => '',
  ): string[] {
    return sets.flatMap(({ table, family }) => {
      const mine = addresses.filter((address) => isIP(address) === family)
      if (mine.length === 0) return []
      const elements = mine.map((address) => `${address} ${suffix(address)}`.trim()).join(', ')
      return `${verb} element ${table} ${this.#name} ${set}${family} { ${elements} }`
    })
  }

  #setUp(): readonly string[] {
    const name = this.#name
    const rule = (table: string, chain: string, text: string) => `add rule ${table} ${name} ${chain} ${text}`
    const chain = (table: string, hook: string, priority: number) =>
      `add chain ${table} ${name} ${hook} { type filter hook ${hook} priority ${priority}; policy accept; }`
    const dead = (field: string, family: 4 | 6) => `${field} @held${family} ${field} != @alive${family}`
    return [
      ...tables.flatMap((table) => gone(`${table} ${name}`)),
      ...tables.map((table) => `add table ${table} ${name} { comment "${this.#comment}"; }`),
      ...sets.flatMap(({ table, family }) => {
        const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
        return [
          `add set ${table} ${name} held${family} { type ${type}; }`,
          `add set ${table} ${name} alive${family} { type ${type}; flags timeout; }`,
        ]
      }),
      chain('inet', 'prerouting', earliest),
      // A standby that forwards for others lets pass what is on its way to the owner.
      rule('inet', 'prerouting', `${dead('ip daddr', 4)} fib daddr type local drop`),
      rule('inet', 'prerouting', `${dead('ip6 daddr', 6)} fib daddr type local drop`),
      chain('inet', 'output', earliest),
      rule('inet', 'output', `${dead('ip saddr', 4)} drop`),
      rule('inet', 'output', `${dead('ip6 saddr', 6)} drop`),
      chain('arp', 'input', 0),
      rule('arp', 'input', `${dead('arp daddr ip', 4)} drop`),
      chain('arp', 'output', 0),
      rule('arp', 'output', `${dead('arp saddr ip', 4)} drop`),
    ]
  }

  #cutLine(): string {
    return sets.map(({ table, family }) => `flush set ${table} ${this.#name} alive${family}`).join('; ')
  }

  #removeLine(): string {
    return tables.map((table) => `delete table ${table} ${this.#name}`).join('; ')
  }
}

/** As `inet NAME`. */
async function existingTables(): Promise<readonly string[]> {
  const file = findProgram('nft')
  if (file === null) throw new HotStandbyError('HS_HOST', 'the program nft is missing; install the package nftables')
  const { exitCode, stdout, stderr } = await runProgram({ file, args: ['list', 'tables'], timeoutMs: lineLimitMs })
  if (exitCode !== 0) throw new HotStandbyError('HS_HOST', `nft list tables: ${stderr.trim()}`)
  return stdout.split('\n').map((line) => line.replace(/^table /, '').trim())
}

/** Removes a table if it is there: its own helper may be faster. */
const gone = (table: string): readonly string[] => [`add table ${table}`, `delete table ${table}`]

/** Without the length of its network. */
const bare = (address: string): string => address.split('/')[0] as string
