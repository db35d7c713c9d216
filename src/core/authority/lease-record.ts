import { highestNumber } from '../../roles/host.ts'

/** What stands in a lease store for one group: who may own it, and since which write. */
export interface LeaseRecord {
  /** Name of the node that holds it; null: nobody does. */
  readonly holder: string | null
  /** The run of that node (its boot id): a process that was started anew is another holder. */
  readonly run: string
  /** Grows with every owner. It is never taken from a node's own memory alone, so two owners never have the same. */
  readonly epoch: number
  /** How long the lease lasts after its last change, in milliseconds, by the clock of whoever waits for its end. */
  readonly ttlMs: number
  /** Number of the holder's write: by it the holder knows its own writes again when their answers were lost. */
  readonly seq: number
}

/** The format of this version. A record of another one is left alone. */
const format = 1

/** A lease is longer than this only by mistake. */
const longestTtlMs = 24 * 3_600_000

export function writeLeaseRecord({ holder, run, epoch, ttlMs, seq }: LeaseRecord): string {
  return JSON.stringify({ hs: format, holder, run, epoch, ttl: ttlMs, seq })
}

const isName = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 256

const isCount = (value: unknown, highest: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= highest

/** The reverse; null: it is none, or one of another version. Then somebody else's data may stand there, and nobody writes over it. */
export function readLeaseRecord(text: string): LeaseRecord | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { hs, holder, run, epoch, ttl, seq } = value as Record<string, unknown>
  if (hs !== format || !(holder === null || isName(holder)) || !isName(run)) return null
  if (!isCount(epoch, highestNumber) || !isCount(ttl, longestTtlMs) || !isCount(seq, Number.MAX_SAFE_INTEGER))
    return null
  return { holder, run, epoch, ttlMs: ttl, seq }
}
