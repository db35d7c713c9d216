import type { ResourceConfig } from '../types.ts'

/**
 * Which of the resources that were started must stop before the group runs as it is configured now: what is configured no more,
 * what never came up, and what has other settings with everything that was started after it, since that may rest on it.
 */
export function outdated(
  touched: readonly ResourceConfig[],
  started: ReadonlySet<string>,
  wanted: readonly ResourceConfig[],
): readonly ResourceConfig[] {
  const now = new Map(wanted.map((resource) => [resource.name, resource]))
  const isChanged = ({ name, revision }: ResourceConfig) => now.has(name) && now.get(name)?.revision !== revision
  const firstChanged = touched.findIndex(isChanged)
  return touched.filter(
    ({ name }, index) => !now.has(name) || !started.has(name) || (firstChanged >= 0 && index >= firstChanged),
  )
}

/** What was started, with the limits and intervals that are configured now; they need no other start. */
export function withTimesOf(started: ResourceConfig, wanted: readonly ResourceConfig[]): ResourceConfig {
  const times = wanted.find(({ name }) => name === started.name)?.times ?? started.times
  return { ...started, times }
}
