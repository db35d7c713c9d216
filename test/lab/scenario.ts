import type { World } from './world.ts'

export interface ScenarioText {
  /** The row of the promise it proves: the fault, who serves then, and within what time. */
  readonly row: string
  /** It fails when it takes longer; default 120 s. */
  readonly limitMs?: number
  /** What runs where and how it is configured, in a few words for the line of its verdict. */
  readonly setting?: string
  /** It belongs to the subset that CI plays. */
  readonly ci?: boolean
  /** Left out when no scenario is named: it takes long. */
  readonly onlyByName?: boolean
}

/** One thing that was done, and what the client saw of it. */
export interface Act {
  readonly what: string
  /** Who served, in order; empty where `what` says what was measured. */
  readonly servedBy: readonly string[]
  /** The longest outage, 0 when there was none; or what `what` says. */
  readonly ms: number
  /** Nobody served when it began, so that `ms` is how long the start took. */
  readonly isStart: boolean
  /** The most that is allowed. */
  readonly limitMs: number
}

/** What came of a scenario that held. */
export interface Outcome {
  readonly acts: readonly Act[]
  /** Further lines of its account: who else agrees, and what it was played with. */
  readonly remarks: readonly string[]
}

/** Plays it on a fresh world; throws when the row did not hold. */
export type Play = (world: World) => Promise<Outcome>

export interface Scenario extends ScenarioText {
  readonly name: string
  readonly play: Play
}

const registry = new Map<string, Scenario>()

/** Declares a scenario; `npm run lab -- NAME` plays it. */
export const scenario = (name: string, text: ScenarioText, play: Play): void => {
  if (registry.has(name)) throw new Error(`laboratory: two scenarios are named '${name}'`)
  registry.set(name, { name, ...text, play })
}

/** Every scenario declared so far, in order. */
export const scenarios = (): readonly Scenario[] => [...registry.values()]
