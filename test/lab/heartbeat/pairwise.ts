/** Every pair of two factors' values in few rows. Pure. */

export type Factors = Readonly<Record<string, readonly (string | number)[]>>
type RowOf<F extends Factors> = { readonly [Name in keyof F]: F[Name][number] }

const pairsOf = (row: Readonly<Record<string, string | number>>): readonly string[] => {
  const words = Object.entries(row).map(([name, value]) => `${name}=${value}`)
  return words.flatMap((one, index) => words.slice(index + 1).map((two) => `${one} ${two}`))
}

const product = <F extends Factors>(factors: F): readonly RowOf<F>[] =>
  Object.entries(factors).reduce<readonly Record<string, string | number>[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  ) as readonly RowOf<F>[]

/** Rows in which every two values of different factors meet: each time the one with the most pairs that are missing. */
export const pairwise = <F extends Factors>(factors: F): readonly RowOf<F>[] => {
  const all = product(factors)
  const missing = new Set(all.flatMap(pairsOf))
  const rows: RowOf<F>[] = []
  while (missing.size > 0) {
    const gain = (row: RowOf<F>) => pairsOf(row).filter((pair) => missing.has(pair)).length
    const best = all.reduce((one, two) => (gain(two) > gain(one) ? two : one))
    for (const pair of pairsOf(best)) missing.delete(pair)
    rows.push(best)
  }
  return rows
}
