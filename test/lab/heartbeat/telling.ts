import { scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { type Holders, Pairing } from './pairing.ts'
import { type Kinds, type PairingSettings, settingOf, USUAL } from './settings.ts'

/** One story, told of every pairing. */
export interface Telling {
  readonly name: string
  readonly row: string
  /** Both nodes run, and each serves what prefers it, when it begins. */
  readonly up: boolean
  /** Plays it; returns who holds the addresses at the end. */
  readonly tell: (pairing: Pairing) => Promise<NodeName | Holders>
  readonly settings?: Partial<Omit<PairingSettings, 'kinds' | 'autoFailback'>>
  /** The values of auto_failback that it is told with; default on and off. */
  readonly failback?: readonly PairingSettings['autoFailback'][]
  /** The pairings of the CI's subset, as `our-slave-on`. */
  readonly ci?: readonly string[]
  readonly limitMs?: number
  /** Another telling whose two daemons play the baseline of this one too; then none play here. */
  readonly baseline?: string
}

/** Who runs on the master and on the slave. The first plays the baseline. */
const pairings: readonly { readonly suffix: string; readonly kinds: Kinds }[] = [
  { suffix: 'daemons', kinds: { master: 'daemon', slave: 'daemon' } },
  { suffix: 'our-slave', kinds: { master: 'daemon', slave: 'ours' } },
  { suffix: 'our-master', kinds: { master: 'ours', slave: 'daemon' } },
]

const wordOf = (autoFailback: PairingSettings['autoFailback']): string =>
  autoFailback === 'legacy' ? 'legacy' : autoFailback ? 'on' : 'off'

/** Declares a scenario for every pairing and every value of auto_failback. */
export const declare = (tellings: readonly Telling[]): void => {
  for (const {
    name,
    row,
    up,
    tell,
    settings: own,
    failback = [true, false],
    ci = [],
    limitMs = 180_000,
    baseline,
  } of tellings)
    for (const { suffix, kinds } of pairings.slice(baseline === undefined ? 0 : 1))
      for (const autoFailback of failback) {
        const settings = { ...USUAL, ...own, kinds, autoFailback }
        const played = `${suffix}-${wordOf(autoFailback)}`
        const text = { row: `${row} (${suffix})`, limitMs, setting: settingOf(settings), ci: ci.includes(played) }
        scenario(`${name}-${played}`, text, async (world) => {
          await using pairing = await (up ? Pairing.up : Pairing.set)(world, baseline ?? name, settings)
          return await pairing.end(await tell(pairing))
        })
      }
}
