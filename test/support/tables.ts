interface Row {
  readonly from: readonly string[]
  readonly on: string
  readonly when?: string | undefined
  readonly to: string
  readonly why: string
}

interface Declared {
  readonly from: readonly string[]
  readonly on: readonly string[]
  readonly because: string
}

/** A declared state machine. */
export interface Table {
  readonly states: readonly string[]
  readonly events: readonly string[]
  readonly rows: readonly Row[]
  readonly idle: readonly Declared[]
  readonly impossible: readonly Declared[]
}

/**
 * What is wrong with a table: a pair about which nothing is said, one that is said to be impossible and is handled or idle,
 * a row after one that holds always, a declaration that says nothing new.
 */
export function tableProblems({ states, events, rows, idle, impossible }: Table): string[] {
  const found: string[] = []
  const declares = (list: readonly Declared[], state: string, event: string): boolean =>
    list.some(({ from, on }) => from.includes(state) && on.includes(event))
  for (const state of states)
    for (const event of events) {
      const pair = `${state} × ${event}`
      const matching = rows.filter(({ from, on }) => from.includes(state) && on === event)
      const always = matching.findIndex(({ when }) => when === undefined)
      const isIdle = declares(idle, state, event)
      const isImpossible = declares(impossible, state, event)
      if (always >= 0 && always < matching.length - 1) found.push(`${pair}: rows after one that always holds`)
      if (matching.length === 0 && !isIdle && !isImpossible) found.push(`${pair}: nothing is said`)
      if (always < 0 && matching.length > 0 && !isIdle) found.push(`${pair}: what if none of its guards holds?`)
      if (isImpossible && (matching.length > 0 || isIdle)) found.push(`${pair}: handled or idle, and impossible`)
    }
  for (const { from, on, because } of [...idle, ...impossible]) {
    const pairs = from.flatMap((state) => on.map((event) => [state, event] as const))
    const settled = ([state, event]: readonly [string, string]) =>
      rows.some((row) => row.from.includes(state) && row.on === event && row.when === undefined)
    if (pairs.every(settled)) found.push(`"${because}": every pair of it is handled by a row`)
  }
  for (const [index, row] of rows.entries()) {
    if (row.why === '') found.push(`row ${index} has no reason`)
    if (row.to !== 'same' && !states.includes(row.to)) found.push(`row ${index} leads to ${row.to}`)
  }
  return found
}
