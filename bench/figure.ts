/** A distribution of measured values, and the bound it is to keep where there is one. */
export interface Figure {
  readonly what: string
  readonly unit: string
  readonly values: readonly number[]
  /** What the project asks of it, in words. */
  readonly goal?: string | undefined
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

const shown = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1))

/** One row of the table: smallest, quarter points, largest, and how many were measured. */
export function figureRow({ what, unit, values, goal }: Figure): string {
  const sorted = [...values].sort((a, b) => a - b)
  const points = [0, 0.25, 0.5, 0.75, 1].map((share) => shown(at(sorted, share)))
  return `| ${what} | ${unit} | ${points.join(' / ')} | ${sorted.length} | ${goal ?? ''} |`
}

export const figureHead: string =
  '| what | unit | min / p25 / median / p75 / max | n | goal |\n| --- | --- | --- | --- | --- |'
