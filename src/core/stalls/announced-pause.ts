import type { Instant } from '../../roles/time.ts'
import type { PeerView } from '../peer/membership.ts'
import type { Timers } from '../timers.ts'
import { deadtimes } from '../timing.ts'
import type { CoreConfig, Refusal } from '../types.ts'
import type { StallTracker } from './stall-tracker.ts'

/** Heartbeat acknowledges the messages whose number is a multiple of this. */
const daemonAckEvery = 10

/** What an announced pause needs and whom it tells. */
export interface AnnouncedPausePort {
  readonly timers: Timers
  readonly stallTracker: StallTracker
  now(): Instant
  config(): CoreConfig
  /** Sends a beat; it carries the longer dead time. Answers its number; undefined when nothing may be said just now. */
  beat(): number | undefined
  peer(): Pick<PeerView, 'liveness' | 'kind'>
  /** The peer has taken in the message with this number. */
  acknowledged(seq: number): boolean
  reply(id: number, refusal?: Refusal): void
}

/**
 * A pause of this process that is known beforehand (S10): until its end every beat announces a longer dead time. Ours and a
 * daemon both go by the dead time that the sender announces. The command is answered when the peer has taken that in.
 */
export class AnnouncedPause {
  readonly #port: AnnouncedPausePort
  #waiting: { readonly id: number; readonly seq: number } | undefined

  constructor(port: AnnouncedPausePort) {
    this.#port = port
  }

  begin(id: number, pauseMs: number): void {
    const { peer, times } = this.#port.config()
    const { liveness, kind } = this.#port.peer()
    if (liveness !== 'alive' && liveness !== 'late') {
      const message = `${peer} is ${liveness}: it cannot agree to a pause`
      return this.#port.reply(id, { code: 'HS_PEER', message })
    }
    const maxMs = deadtimes.pause * times.deadtimeMs
    if (pauseMs > maxMs) {
      const message = `a pause of ${pauseMs} ms is too long; ${peer} waits at most ${maxMs} ms longer (${deadtimes.pause} × deadtime)`
      return this.#port.reply(id, { code: 'HS_PEER', message })
    }
    this.fail('another pause was announced')
    const { monoMs } = this.#port.now()
    this.#port.stallTracker.expectPause(monoMs, pauseMs)
    let seq = this.#port.beat()
    // A daemon acknowledges every tenth message only.
    while (kind === 'heartbeat' && seq !== undefined && seq % daemonAckEvery !== 0) seq = this.#port.beat()
    if (seq === undefined) {
      const message =
        'the peer has not agreed to the pause: this process has just resumed after a pause; try again shortly'
      return this.#port.reply(id, { code: 'HS_PEER', message })
    }
    this.#waiting = { id, seq }
    this.#port.timers.set('pause', monoMs + times.deadtimeMs, () =>
      this.fail(`${peer} did not acknowledge within its dead time`),
    )
  }

  /** Something was heard of the peer. */
  judge(): void {
    const waiting = this.#waiting
    if (!waiting || !this.#port.acknowledged(waiting.seq)) return
    this.#end()
    this.#port.reply(waiting.id)
  }

  fail(why: string): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#end()
    this.#port.reply(waiting.id, { code: 'HS_PEER', message: `the peer has not agreed to the pause: ${why}` })
  }

  #end(): void {
    this.#waiting = undefined
    this.#port.timers.clear('pause')
  }
}
