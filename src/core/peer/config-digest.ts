import { hexOf, type Message, text } from '../../wire/message.ts'
import type { CoreConfig, EmitEvent } from '../types.ts'
import { digestOf } from './own-claims.ts'

/** A daemon announces a longer dead time in its first 5 s, and for a moment whenever it starts a program. */
const daemonSettlesMs = 8000

/** What the agreement needs and whom it tells. */
export interface ConfigDigestPort {
  readonly event: EmitEvent
  monoMs(): number
  config(): CoreConfig
  /** `digest` is what it has said last of its configuration; undefined: nothing, as a daemon does. */
  peer(): { readonly kind: string; readonly digest: string | undefined }
}

/** Whether both nodes are configured alike. */
export class ConfigDigest {
  readonly #port: ConfigDigestPort
  #digest: string
  #parts: string
  /** What the peer says instead, as it was told; undefined while they agree. */
  #differs: string | undefined
  #deadtime: { readonly ms: number; readonly sinceMs: number } | undefined
  /** Another dead time of the daemon, as it was told. */
  #toldMs: number | undefined

  constructor(port: ConfigDigestPort) {
    this.#port = port
    this.#digest = digestOfConfig(port.config())
    this.#parts = partsOfConfig(port.config())
  }

  /** Digest of what both must agree on. */
  get digest(): string {
    return this.#digest
  }

  /** Two digits for each part of it, so that the peer can say in which of them we differ. */
  get parts(): string {
    return this.#parts
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
    this.#parts = partsOfConfig(this.#port.config())
  }

  /** The peer is heard after a silence, or in a new run: how long it has said the same is counted anew. */
  met(): void {
    this.#deadtime = undefined
  }

  heardStatus(message: Message): void {
    const theirs = text(message, 'hscfg')
    if (theirs !== undefined) return this.#compare(theirs, text(message, 'hscfgs') ?? '')
    const deadtimeMs = hexOf(message, 'dt')
    if (deadtimeMs !== undefined && this.#port.peer().kind === 'heartbeat') this.#compareDeadtime(deadtimeMs)
  }

  #compare(theirs: string, parts: string): void {
    const differs = theirs === this.#digest ? undefined : theirs
    if (differs === this.#differs) return
    this.#differs = differs
    const { peer } = this.#port.config()
    if (differs === undefined) this.#port.event('config:agrees', { peer })
    else
      this.#port.event('config:differs', { peer, fields: this.#fieldsOf(parts), ours: this.#digest, theirs: differs })
  }

  /** Where the parts differ; none where the peer does not tell its own, or two unlike ones have the same digits. */
  #fieldsOf(theirs: string): readonly string[] {
    if (Math.abs(theirs.length - this.#parts.length) === 2) return ['lease'] // only one of the nodes has leases
    if (theirs.length !== this.#parts.length) return []
    const differ = partNames.filter((_, at) => pairAt(theirs, at) !== pairAt(this.#parts, at))
    // Of other groups the rest differs as well, and says nothing.
    return differ.includes('groups') ? differ.filter((name) => !ofGroups.includes(name)) : differ
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
    this.#port.event('config:differs', {
      peer,
      fields: ['deadtime'],
      ours: `deadtime ${oursMs} ms`,
      theirs: `deadtime ${ms} ms`,
    })
  }
}

function digestOfConfig({ groups, times, autoFailback, lease }: CoreConfig): string {
  const { keepaliveMs, deadtimeMs, warntimeMs, initdeadMs } = times
  return digestOf([
    groups.map(({ name, preferred, handover }) => (handover ? [name, preferred, handover] : [name, preferred])),
    [keepaliveMs, deadtimeMs, warntimeMs, initdeadMs],
    autoFailback !== false,
    ...(lease ? [lease.cluster, lease.ttlMs] : []),
  ])
}

/** What both nodes must agree on, one by one, by the names that a user has for it. The order is that of the wire. */
const parts: Readonly<Record<string, (config: CoreConfig) => unknown>> = {
  groups: ({ groups }) => groups.map(({ name }) => name),
  'preferred nodes': ({ groups }) => groups.map(({ preferred }) => preferred),
  handover: ({ groups }) => groups.map(({ handover }) => handover ?? ''),
  keepalive: ({ times }) => times.keepaliveMs,
  deadtime: ({ times }) => times.deadtimeMs,
  warntime: ({ times }) => times.warntimeMs,
  initdead: ({ times }) => times.initdeadMs,
  autoFailback: ({ autoFailback }) => autoFailback !== false,
  // The last one: a node without leases says nothing of it.
  lease: ({ lease }) => lease && [lease.cluster, lease.ttlMs],
}
const partNames = Object.keys(parts)
const ofGroups: readonly string[] = ['preferred nodes', 'handover']

const pairAt = (text: string, at: number): string => text.slice(2 * at, 2 * at + 2)

function partsOfConfig(config: CoreConfig): string {
  const values = Object.values(parts).map((part) => part(config))
  return values.map((value) => (value === undefined ? '' : digestOf(value).slice(-2))).join('')
}
