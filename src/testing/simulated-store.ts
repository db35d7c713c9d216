import type { AskRequest, AskResult } from '../roles/host.ts'
import type { Schedule } from './schedule.ts'

/** What befalls questions of one node on their way to the store and back. */
export interface StoreConditions {
  /** Nothing gets there. */
  cut: boolean
  /** What is asked is done, and the answer is lost. */
  answersLost: boolean
  /** Each way takes between half and three halves of this. */
  delayMs: number
}

/** A lease store of a simulation: one register with compare-and-set for each name, in virtual time. */
export class SimulatedStore {
  readonly #schedule: Schedule
  readonly #random: () => number
  readonly #records = new Map<string, { readonly value: string; readonly version: string }>()
  readonly #conditions = new Map<string, StoreConditions>()
  #nextVersion = 1
  /** It answers nobody, and does nothing. */
  down = false

  constructor(schedule: Schedule, random: () => number) {
    this.#schedule = schedule
    this.#random = random
  }

  /** How a node reaches the store; set entries to change it. */
  conditions(node: string): StoreConditions {
    const known = this.#conditions.get(node)
    if (known) return known
    const conditions: StoreConditions = { cut: false, answersLost: false, delayMs: 2 }
    this.#conditions.set(node, conditions)
    return conditions
  }

  /** The value of a record, as a look into the store would show it. */
  value(name: string): string | undefined {
    return this.#records.get(name)?.value
  }

  /** Somebody else writes a record, whatever stood there. */
  put(name: string, value: string): void {
    this.#records.set(name, { value, version: String(this.#nextVersion++) })
  }

  /** One question of a node: it travels, is done, and its answer travels back. */
  ask(node: string, request: AskRequest, done: (result: AskResult) => void): void {
    const { cut, answersLost } = this.conditions(node)
    if (cut) return
    this.#later(node, () => {
      if (this.down) return
      const result = this.#perform(request)
      if (!answersLost) this.#later(node, () => done(result))
    })
  }

  #later(node: string, what: () => void): void {
    const { delayMs } = this.conditions(node)
    this.#schedule.at(this.#schedule.nowMs + delayMs * (0.5 + this.#random()), what)
  }

  #perform({ verb, args: { name, expected = null, value = '' } }: AskRequest): AskResult {
    const record = this.#records.get(name)
    if (verb === 'read') return { ok: true, stored: record ?? null }
    if ((record?.version ?? null) !== expected) return { ok: true, stored: null }
    this.put(name, value)
    return { ok: true, stored: this.#records.get(name) ?? null }
  }
}
