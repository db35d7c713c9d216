import type { World } from './world.ts'

export interface ScenarioText {
  /** The row of the promise it proves: the fault, who serves then, and within what time. */
  readonly row: string
  /** It fails when it takes longer; default 120 s. */
  readonly limitMs?: number
}

/** One thing that was done, and what the client saw of it. */
export interface Act {
  readonly what: string
  /** Who served, in order; empty where `what` says what was measured. */
  readonly servedBy: readonly string[]
  /** The longest outage, 0 when there was none; or what `what` says. */
  readonly ms: number
  /** The most that is allowed. */
  readonly limitMs: number
}

/** Plays it on a fresh world; throws when the row did not hold. */
export type Play = (world: World) => Promise<readonly Act[]>

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
