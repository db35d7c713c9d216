import type { AskRequest, AskResult } from '../../roles/host.ts'
import type { Timers } from '../timers.ts'
import { type LeaseTimes, leaseHeldMs, leaseQuietMs, renewals } from '../timing.ts'
import type { EmitEvent } from '../types.ts'
import { type LeaseRecord, readLeaseRecord, writeLeaseRecord } from './lease-record.ts'

/** Why a lease is no longer held: it could not be renewed in time, or the store shows another owner. */
export type LeaseLoss = 'expired' | 'superseded'

/** What a lease needs and whom it tells. */
export interface LeasePort {
  readonly timers: Timers
  readonly event: EmitEvent
  readonly group: string
  readonly self: string
  /** The run of this process. */
  readonly run: string
  /** Elapsed time that no stall and no sleep of the host leaves out. */
  absoluteMs(): number
  times(): LeaseTimes
  /** So long before its end the holder begins to stop. */
  budgetMs(): number
  /** An epoch that is known to have been used, by this node or its peer. */
  epochFloor(): number
  /** The peer is late or gone: look more often. */
  inHurry(): boolean
  ask(verb: AskRequest['verb'], args: Omit<AskRequest['args'], 'name'>, done: (result: AskResult) => void): void
  /** The store answered, or did not, as it says why. */
  heard(failure: string | undefined): void
  onGranted(): void
  onLost(why: LeaseLoss): void
}

/** The record as it was last read or written here. */
interface Seen {
  readonly version: string | null
  /** `unreadable`: it is not ours to write over. */
  readonly record: LeaseRecord | 'unreadable' | null
  /** When this version was first seen: nothing that the record says of time is believed. */
  readonly sinceMs: number
}

/** After a refused write the record is read at once, but never in a tight loop. */
const shortestPauseMs = 5
/** Writes whose answers were lost are recognised by their number; more than so many are never under way. */
const rememberedWrites = 64

/**
 * The lease of one group in a register with compare-and-set that has no clock (L1 to L9 of docs/safety.md). A holder counts
 * from the moment in which its write was sent. Who wants the lease waits until the record has not changed for the
 * whole length, by its own clock, and then writes over exactly what it has seen: a stale read is refused by the store.
 */
export class Lease {
  readonly #port: LeasePort
  /** `watching`: not wanted here. `wanting`: wanted, and not held. `holding`: held, renewed until it is released. */
  #mode: 'watching' | 'wanting' | 'holding' = 'watching'
  #seen: Seen | undefined
  /** The record was there once. */
  #hasSeen = false
  #epoch = 0
  #seq = 0
  /** Times of the writes of this process that may have taken effect. */
  readonly #sentAtMs = new Map<number, number>()
  #untilMs = 0
  /** The owner was told to stop: what is renewed from now on only keeps others away until it has. */
  #lost = false
  /** A renewal was refused: the record is read before anything is written again. */
  #doubtful = false
  #busy = false
  /** What is asked now was asked too early: once more, right after it. */
  #hastens = false
  #lastAskMs = Number.NEGATIVE_INFINITY
  #afterRelease: (() => void) | undefined
  #unreadableTold = false

  constructor(port: LeasePort) {
    this.#port = port
  }

  /** Begins to watch the record: whoever wants the lease later has then seen it for a while already. */
  start(): void {
    this.#soon()
  }

  /** This node wants to own the group; `onGranted` says when it may. */
  want(): void {
    if (this.#mode !== 'watching') return
    this.#mode = 'wanting'
    // What was last seen is good enough: if it is no longer so, the store refuses the write.
    if (this.#busy || this.#seen === undefined || this.#port.absoluteMs() < this.#takeableAtMs()) return this.#soon()
    this.#consider()
    this.#goOnUnlessPlanned()
  }

  /** No longer; what was granted meanwhile, or is by a write under way, is given back. */
  withdraw(): void {
    if (this.#mode === 'holding') this.release(() => {})
    else this.#mode = 'watching'
  }

  /** Nothing of the group runs here any more: the record is given up. `done` is called when it is, or when the store does not answer. */
  release(done: () => void): void {
    this.#forgetHold()
    if (!this.#isOurs) return done()
    this.#endRelease()
    this.#afterRelease = done
    // No answer within a period: whoever wants it waits for the end of the lease.
    const { renewMs } = this.#port.times()
    this.#port.timers.setAbsolute(this.#name('release'), this.#port.absoluteMs() + renewMs, () => this.#endRelease())
    if (!this.#busy) this.#giveUp()
  }

  /** The group is no longer configured. */
  close(): void {
    this.#forgetHold()
    this.#endRelease()
    this.#port.timers.clear(this.#name('ask'))
  }

  /** Whether this node may go on owning the group now. */
  get valid(): boolean {
    return this.#mode === 'holding' && !this.#lost && this.#port.absoluteMs() < this.#stopAtMs
  }

  get epoch(): number {
    return this.#epoch
  }

  /** When the holder must have stopped; undefined: it is not held here. */
  get untilMs(): number | undefined {
    return this.#mode === 'holding' ? this.#untilMs : undefined
  }

  /** Who holds the record, as last seen; null: nobody, or it was not read yet. */
  get holder(): string | null {
    const record = this.#seen?.record
    return record === 'unreadable' || record === undefined || record === null ? null : record.holder
  }

  get #stopAtMs(): number {
    return this.#untilMs - this.#port.budgetMs()
  }

  get #isOurs(): boolean {
    const record = this.#seen?.record
    if (record === undefined || record === null || record === 'unreadable') return false
    return record.holder === this.#port.self && record.run === this.#port.run
  }

  #name(what: string): string {
    return `lease-${what}:${this.#port.group}`
  }

  #forgetHold(): void {
    this.#mode = 'watching'
    this.#doubtful = false
    this.#port.timers.clear(this.#name('end'))
  }

  #endRelease(): void {
    const done = this.#afterRelease
    this.#afterRelease = undefined
    this.#port.timers.clear(this.#name('release'))
    done?.()
  }

  /** The next question, as soon as it may be asked. */
  #soon(): void {
    this.#hastens = this.#busy
    this.#plan(this.#lastAskMs + shortestPauseMs)
  }

  #plan(atMs: number): void {
    if (!this.#busy) this.#port.timers.setAbsolute(this.#name('ask'), atMs, () => this.#ask())
  }

  /** The next question in the usual rhythm. */
  #goOn(): void {
    const { renewMs } = this.#port.times()
    const often = this.#mode === 'wanting' || (this.#mode === 'watching' && this.#port.inHurry())
    this.#plan(this.#lastAskMs + (often ? renewMs / renewals.looks : renewMs))
  }

  #ask(): void {
    if (this.#busy) return
    if (this.#mode === 'holding' && !this.#doubtful && this.#isOurs) return this.#write(this.#ownRecord())
    this.#read()
  }

  #call(verb: AskRequest['verb'], args: Omit<AskRequest['args'], 'name'>, done: (result: AskResult) => void): void {
    this.#busy = true
    this.#lastAskMs = this.#port.absoluteMs()
    this.#port.ask(verb, args, (result) => {
      this.#busy = false
      this.#port.heard(result.ok ? undefined : result.reason)
      done(result)
      if (this.#hastens) this.#soon()
      this.#goOnUnlessPlanned()
    })
  }

  #goOnUnlessPlanned(): void {
    if (!this.#busy && !this.#port.timers.has(this.#name('ask'))) this.#goOn()
  }

  #read(): void {
    this.#call('read', {}, (result) => {
      if (!result.ok) return
      const version = result.stored?.version ?? null
      if (this.#seen === undefined || this.#seen.version !== version) {
        const record = result.stored === null ? null : (readLeaseRecord(result.stored.value) ?? 'unreadable')
        this.#seen = { version, record, sinceMs: this.#port.absoluteMs() }
        this.#hasSeen ||= record !== null
      }
      this.#judge()
    })
  }

  /** What the record means for this node. */
  #judge(): void {
    const { record } = this.#seen as Seen
    this.#tellUnreadable(record === 'unreadable')
    if (this.#mode === 'watching') {
      if (this.#isOurs) this.#giveUp()
      return
    }
    if (this.#mode === 'wanting') return this.#consider()
    const sentAtMs = this.#isOurs ? this.#sentAtMs.get((record as LeaseRecord).seq) : undefined
    if (sentAtMs === undefined || (record as LeaseRecord).epoch !== this.#epoch) return this.#lose('superseded')
    this.#doubtful = false
    this.#extend(sentAtMs)
  }

  /** Takes the record, or waits for the moment in which it may be taken. */
  #consider(): void {
    const { record } = this.#seen as Seen
    const atMs = this.#takeableAtMs()
    const nowMs = this.#port.absoluteMs()
    if (nowMs < atMs) {
      const { renewMs } = this.#port.times()
      return this.#plan(Math.min(atMs, nowMs + renewMs / renewals.looks))
    }
    const known = record === null ? 0 : (record as LeaseRecord).epoch
    this.#epoch = Math.max(known, this.#port.epochFloor()) + 1
    this.#write(this.#ownRecord())
  }

  #takeableAtMs(): number {
    const { record, sinceMs } = this.#seen as Seen
    const { ttlMs } = this.#port.times()
    // A record that was there and is gone: the store has forgotten it, or somebody has removed it. Its holder may not know yet.
    if (record === null) return this.#hasSeen ? sinceMs + leaseQuietMs(ttlMs) : Number.NEGATIVE_INFINITY
    if (record === 'unreadable') return Number.POSITIVE_INFINITY
    if (this.#isOurs || record.holder === null) return Number.NEGATIVE_INFINITY
    return sinceMs + leaseQuietMs(Math.max(record.ttlMs, ttlMs))
  }

  #ownRecord(): LeaseRecord {
    const { self, run } = this.#port
    return { holder: self, run, epoch: this.#epoch, ttlMs: this.#port.times().ttlMs, seq: ++this.#seq }
  }

  #giveUp(): void {
    this.#write({ ...this.#ownRecord(), holder: null })
  }

  /** Writes over what was last seen, and over nothing else. */
  #write(record: LeaseRecord): void {
    const expected = this.#seen?.version ?? null
    const sentAtMs = this.#port.absoluteMs()
    const acquires = this.#mode === 'wanting'
    if (record.holder !== null) this.#remember(record.seq, sentAtMs)
    this.#call('swap', { expected, value: writeLeaseRecord(record) }, (result) => {
      if (!result.ok) return
      if (result.stored === null) return this.#refused()
      this.#seen = { version: result.stored.version, record, sinceMs: this.#port.absoluteMs() }
      this.#hasSeen = true
      if (record.holder === null) return this.#endRelease()
      // A renewal of an earlier ownership, answered late: the next one has an epoch of its own.
      if (this.#mode === 'wanting' && !acquires) return this.#soon()
      this.#extend(sentAtMs)
    })
  }

  #remember(seq: number, sentAtMs: number): void {
    this.#sentAtMs.set(seq, sentAtMs)
    for (const old of this.#sentAtMs.keys()) if (old <= seq - rememberedWrites) this.#sentAtMs.delete(old)
  }

  /** The record is another than was thought: perhaps by a write of ours whose answer was lost. */
  #refused(): void {
    this.#doubtful = this.#mode === 'holding'
    this.#soon()
  }

  /** A write of ours that was sent at `sentAtMs` is known to have taken effect. */
  #extend(sentAtMs: number): void {
    const untilMs = sentAtMs + leaseHeldMs(this.#port.times().ttlMs)
    if (this.#mode === 'watching') return this.#giveUp()
    const begins = this.#mode === 'wanting'
    this.#untilMs = begins ? untilMs : Math.max(this.#untilMs, untilMs)
    // The answer took so long that there would be no time to stop in: the next write may be quicker.
    if (begins && this.#port.absoluteMs() >= this.#stopAtMs) return
    this.#mode = 'holding'
    if (begins) this.#lost = false
    if (!this.#lost) this.#port.timers.setAbsolute(this.#name('end'), this.#stopAtMs, () => this.#lose('expired'))
    if (begins) this.#port.onGranted()
  }

  #lose(why: LeaseLoss): void {
    if (why === 'superseded') this.#mode = 'watching'
    this.#port.timers.clear(this.#name('end'))
    if (this.#lost) return
    this.#lost = true
    this.#port.onLost(why)
  }

  #tellUnreadable(unreadable: boolean): void {
    if (unreadable && !this.#unreadableTold) this.#port.event('lease:unreadable', { group: this.#port.group })
    this.#unreadableTold = unreadable
  }
}
