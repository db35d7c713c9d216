/** One row of a declared state machine, as far as looking it up needs. */
export interface Row<State extends string, Event extends string> {
  readonly from: readonly State[]
  readonly on: Event
}

/** One event that met one of the two tables: what the flight recorder keeps, and what the tests count. Plain data. */
export interface TableStep {
  readonly table: 'dialogue' | 'ownership'
  /** The group, in the ownership table; the peer, in the dialogue. */
  readonly subject: string
  readonly from: string
  readonly on: string
  /** Position of the row that was taken, in its table; `null` when none held. */
  readonly row: number | null
  /** Where it led, if not where the row says: a candidate that is permitted at once goes on in the same step. */
  readonly to?: string | undefined
}

/** Hears of every step of the tables. Must not throw. */
export type Trace = (step: TableStep) => void

/** A row with its position in the table. */
export interface Numbered<R> {
  readonly row: R
  readonly number: number
}

/** Rows by state and event, in the order of the table. */
export function indexTable<State extends string, Event extends string, R extends Row<State, Event>>(
  rows: readonly R[],
): (from: State, on: Event) => readonly Numbered<R>[] {
  const index = new Map<string, Numbered<R>[]>()
  for (const [number, row] of rows.entries())
    for (const from of row.from) {
      const key = `${from} ${row.on}`
      const known = index.get(key)
      if (known) known.push({ row, number })
      else index.set(key, [{ row, number }])
    }
  const none: readonly Numbered<R>[] = []
  return (from, on) => index.get(`${from} ${on}`) ?? none
}
