import { highestNumber } from '../../roles/host.ts'
import { inScope, isRefusal } from '../handover/words.ts'
import type { CoreConfig, EmitEvent, Refusal, Scope } from '../types.ts'

/** What maintenance needs and whom it tells. */
export interface MaintenancePort {
  readonly event: EmitEvent
  config(): CoreConfig
  /** An entry of the peer says nothing that this version can read. */
  unreadable(entry: string): void
  /** Maintenance of these groups began or ended. */
  onChange(groups: readonly string[], on: boolean): void
}

/** One group's mark: the newest word on it, by a number that grows with every word. */
interface Mark {
  readonly on: boolean
  readonly stamp: number
}

/**
 * Which groups are in maintenance: watched, not touched. Both nodes hold the same marks; the newer word wins, and at equal
 * numbers the one that touches nothing. Kept in memory only: a node that restarts learns it from its peer, and when both restart
 * it is over.
 */
export class Maintenance {
  readonly #port: MaintenancePort
  readonly #marks = new Map<string, Mark>()

  constructor(port: MaintenancePort) {
    this.#port = port
  }

  isOn(group: string): boolean {
    return this.#marks.get(group)?.on ?? false
  }

  /** The word of an operator here; answers why it means no group, if so. */
  set(scope: Scope, on: boolean): Refusal | undefined {
    const groups = inScope(this.#port.config(), scope)
    if (isRefusal(groups)) return groups
    const stamp = Math.max(0, ...[...this.#marks.values()].map((mark) => mark.stamp)) + 1
    this.#take(new Map(groups.map((group) => [group, { on, stamp }])), this.#port.config().self)
    return undefined
  }

  /** The marks as the peer tells them: `NAME:on:3 NAME:off:2`. An entry that cannot be read is told, and says nothing. */
  hear(list: string): void {
    const told = new Map<string, Mark>()
    for (const entry of list.split(' ')) {
      if (entry === '') continue
      const match = /^([^: ]{1,64}):(on|off):(\d{1,15})(?::.*)?$/.exec(entry)
      if (!match || Number(match[3]) > highestNumber) {
        this.#port.unreadable(entry)
        continue
      }
      told.set(match[1] as string, { on: match[2] === 'on', stamp: Number(match[3]) })
    }
    const isNewer = (mark: Mark, known: Mark = { on: false, stamp: 0 }) =>
      mark.stamp > known.stamp || (mark.stamp === known.stamp && mark.on && !known.on)
    this.#take(
      new Map([...told].filter(([group, mark]) => isNewer(mark, this.#marks.get(group)))),
      this.#port.config().peer,
    )
  }

  /** As `hear` takes it; undefined while nobody ever spoke of maintenance. */
  format(): string | undefined {
    if (this.#marks.size === 0) return undefined
    return Array.from(this.#marks, ([group, { on, stamp }]) => `${group}:${on ? 'on' : 'off'}:${stamp}`).join(' ')
  }

  #take(marks: ReadonlyMap<string, Mark>, by: string): void {
    const before = new Map([...marks.keys()].map((group) => [group, this.isOn(group)]))
    for (const [group, mark] of marks) this.#marks.set(group, mark)
    for (const on of [true, false]) {
      const groups = [...before].filter(([group, was]) => was !== on && this.isOn(group) === on).map(([group]) => group)
      if (groups.length === 0) continue
      this.#port.event('maintenance', { groups, on, by })
      this.#port.onChange(groups, on)
    }
  }
}
