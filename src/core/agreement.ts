import { hexOf, type Message, text } from '../wire/message.ts'
import { digestOf } from './report.ts'
import type { CoreConfig, EmitEvent } from './types.ts'

/** A daemon announces a longer dead time in its first 5 s, and for a moment whenever it starts a program. */
const daemonSettlesMs = 8000

/** What the agreement needs and whom it tells. */
export interface AgreementPort {
  readonly event: EmitEvent
  monoMs(): number
  config(): CoreConfig
  /** `digest` is what it has said last of its configuration; undefined: nothing, as a daemon does. */
  peer(): { readonly kind: string; readonly digest: string | undefined }
}

/** Whether both nodes are configured alike. */
export class Agreement {
  readonly #port: AgreementPort
  #digest: string
  /** What the peer says instead, as it was told; undefined while they agree. */
  #differs: string | undefined
  #deadtime: { readonly ms: number; readonly sinceMs: number } | undefined
  /** Another dead time of the daemon, as it was told. */
  #toldMs: number | undefined

  constructor(port: AgreementPort) {
    this.#port = port
    this.#digest = digestOfConfig(port.config())
  }

  /** Digest of what both must agree on. */
  get digest(): string {
    return this.#digest
  }

  /**
   * False while a peer of our kind says otherwise. Looked up, not what was told last: what is decided in the very message that
   * brings the news, such as who goes on, must be decided by both alike.
   */
  get holds(): boolean {
    const theirs = this.#port.peer().digest
    return theirs === undefined || theirs === this.#digest
  }

  /** Our configuration has changed. */
  configure(): void {
    this.#digest = digestOfConfig(this.#port.config())
  }

  /** The peer is heard after a silence, or in a new run: how long it has said the same is counted anew. */
  met(): void {
    this.#deadtime = undefined
  }

  heardStatus(message: Message): void {
    const theirs = text(message, 'hscfg')
    if (theirs !== undefined) return this.#compare(theirs)
    const deadtimeMs = hexOf(message, 'dt')
    if (deadtimeMs !== undefined && this.#port.peer().kind === 'heartbeat') this.#compareDeadtime(deadtimeMs)
  }

  #compare(theirs: string): void {
    const differs = theirs === this.#digest ? undefined : theirs
    if (differs === this.#differs) return
    this.#differs = differs
    const { peer } = this.#port.config()
    if (differs === undefined) this.#port.event('config:agrees', { peer })
    else this.#port.event('config:differs', { peer, ours: this.#digest, theirs: differs })
  }

  /** Of a daemon's times only this one can be seen. It counts for itself, so it changes nothing here. */
  #compareDeadtime(ms: number): void {
    const nowMs = this.#port.monoMs()
    if (this.#deadtime?.ms !== ms) this.#deadtime = { ms, sinceMs: nowMs }
    const { peer, times } = this.#port.config()
    const oursMs = Math.round(times.deadtimeMs)
    if (ms === oursMs && this.#toldMs !== undefined) {
      this.#toldMs = undefined
      this.#port.event('config:agrees', { peer })
    }
    if (ms === oursMs || ms === this.#toldMs || nowMs - this.#deadtime.sinceMs < daemonSettlesMs) return
    this.#toldMs = ms
    this.#port.event('config:differs', { peer, ours: `deadtime ${oursMs} ms`, theirs: `deadtime ${ms} ms` })
  }
}

function digestOfConfig({ groups, times, autoFailback }: CoreConfig): string {
  const { keepaliveMs, deadtimeMs, warntimeMs, initdeadMs } = times
  return digestOf([
    groups.map(({ name, preferred, handover }) => (handover ? [name, preferred, handover] : [name, preferred])),
    [keepaliveMs, deadtimeMs, warntimeMs, initdeadMs],
    autoFailback !== false,
  ])
}
