import type { LivenessDetector, LivenessTimes } from '../../roles/liveness-detector.ts'
import type { Instant } from '../../roles/time.ts'
import { decimalOf, hexOf, type Message, text } from '../../wire/message.ts'
import type { Timers } from '../timers.ts'
import { beats, believedDeadtimeMs, deadtimes } from '../timing.ts'
import type { CoreConfig, Emit, EmitEvent } from '../types.ts'
import { type PeerClaim, type ReadClaims, readClaims } from './claims.ts'
import { type Age, Dating, driftRatio } from './dating.ts'
import type { QualityCounters } from './detection-statistics.ts'
import { Links, type LinkView } from './links.ts'
import { parseDurations, speaksUpTo } from './own-claims.ts'
import type { PeerView } from './peer-view.ts'
import { Proof } from './proof.ts'
import { type Echo, PastMessages, parseEcho } from './stale-messages.ts'

export type { PeerView } from './peer-view.ts'

/** What membership needs and whom it tells. */
export interface MembershipPort {
  readonly timers: Timers
  readonly effect: Emit
  readonly event: EmitEvent
  readonly quality: QualityCounters
  now(): Instant
  config(): CoreConfig
  /** When a message of ours was sent; undefined: not known any more. */
  sentAt(seq: number): Instant | undefined
  /** Newest sequence number heard of the peer. */
  highestHeard(): number
  onPeer(what: 'heard' | 'restarted' | 'dead' | 'initdead' | 'left' | 'report', returned: boolean): void
}

/**
 * Who was heard, on which link, when. Silence counts only in time in which this process was awake (S1), sockets are drained
 * before any verdict (S2), and after a long stall of our own fresh time must pass first (S3).
 */
export class Membership {
  readonly #port: MembershipPort
  readonly #detector: LivenessDetector
  readonly #links: Links
  #peer: PeerView
  #stalledMs = 0
  /** When the last stall ended. */
  #stalledAtMs = Number.NEGATIVE_INFINITY
  #noVerdictBeforeMs = 0
  #draining = false
  /** When it was last alive for sure, in awake time: when the newest frame was sent, less what a slow line takes. */
  #lastHeardMs = 0
  /** When anything new of it came last, in awake time. */
  #lastCameMs = 0
  #creditAtLastHeardMs = 0
  #hearingSinceMs = 0
  #echoedAtMs: number | undefined
  #echoedSeq = 0
  /** For how long the peer had heard nothing of us when it wrote its newest beat, and when that came. */
  #deaf: { readonly ageMs: number; readonly atMs: number } | undefined
  readonly #dating = new Dating()
  /** Of the message that is being handled; undefined: it bears no stamp. */
  #age: Age | undefined
  readonly #proof = new Proof()
  /** By the boot clock. */
  #diedAtMs = Number.NEGATIVE_INFINITY
  #peerSlowMs = 0
  #generation = 0
  /** For how long the peer has served which groups, as it said, and when that was. */
  #activeFor: { readonly atMs: number; readonly groups: ReadonlyMap<string, number> } | undefined
  /** When a beat of this run of the peer last had our extra fields, in awake time. */
  #extrasAtMs = Number.NEGATIVE_INFINITY
  readonly #past = new PastMessages()
  /** Groups of which the peer says what cannot be read, as it was told. */
  readonly #unreadable = new Set<string>()
  /** The peer's version was told, in this run of it. */
  #newerTold = false
  /** The longest stall that the peer told of lately, and when. */
  #peerStall = { stallMs: 0, atMs: Number.NEGATIVE_INFINITY }

  constructor(port: MembershipPort, detector: LivenessDetector) {
    this.#port = port
    this.#detector = detector
    this.#peer = {
      liveness: 'unheard',
      heardEver: false,
      kind: 'unknown',
      status: 'init',
      bootId: undefined,
      deadtimeMs: port.config().times.deadtimeMs,
      digest: undefined,
      groups: undefined,
      namesAll: false,
      proven: false,
    }
    this.#links = new Links(port.config().links, port.event)
  }

  get peer(): PeerView {
    return this.#peer
  }

  /** For how long the peer has served a group; undefined when its last beat did not say. */
  activeForMs(group: string): number | undefined {
    const saidMs = this.#activeFor?.groups.get(group)
    return saidMs === undefined ? undefined : saidMs + this.#port.now().monoMs - (this.#activeFor?.atMs ?? 0)
  }

  /** The peer is there, and has been for more than ten beats; or it is a daemon, which asks for nothing beyond its own. */
  get metLongAgo(): boolean {
    if (this.#peer.kind === 'heartbeat') return true
    return (
      this.peerAlive &&
      this.#port.now().monoMs - this.#hearingSinceMs > beats.metLongAgo * this.#port.config().times.keepaliveMs
    )
  }

  get links(): LinkView[] {
    return this.#links.view(this.#port.now().monoMs)
  }

  /** What the detector shows of itself. */
  get detector(): Readonly<Record<string, number>> {
    return this.#detector.inspect?.() ?? {}
  }

  get peerAlive(): boolean {
    return this.#peer.liveness === 'alive' || this.#peer.liveness === 'late'
  }

  /** Time since the peer was last heard, less our own stalls. */
  get silentMs(): number {
    return this.#awake(this.#port.now().monoMs) - this.#lastHeardMs
  }

  /** Time since anything new of the peer came, less our own stalls. */
  get quietMs(): number {
    return this.#awake(this.#port.now().monoMs) - this.#lastCameMs
  }

  /** For how long the peer has heard nothing of us, by its own word and the time since. */
  get deafMs(): number {
    const { monoMs } = this.#port.now()
    return this.#deaf === undefined ? monoMs - this.#hearingSinceMs : this.#deaf.ageMs + monoMs - this.#deaf.atMs
  }

  /** What the quickest link takes from the peer to us, while every link is slow; else 0. */
  get slowMs(): number {
    return this.#links.allowanceMs(this.#port.now().monoMs, this.#peer.deadtimeMs)
  }

  /** What the peer says that the quickest link takes from us to it. */
  get peerSlowMs(): number {
    return this.#peerSlowMs
  }

  /** Since when the peer is heard without a break, monotonic; meaningful while it is alive. */
  get hearingSinceMs(): number {
    return this.#hearingSinceMs
  }

  /** When the newest of our messages that the peer says it has was sent; undefined before it said so. */
  get echoedAtMs(): number | undefined {
    return this.#echoedAtMs
  }

  /** Number of that message; 0 before. */
  get echoedSeq(): number {
    return this.#echoedSeq
  }

  /** Longest round trip of a link, for limits; 0 when unknown. What takes longer than the dead time was no way but a stall. */
  get rttMs(): number {
    return Math.min(this.#links.rttMs, this.#peer.deadtimeMs)
  }

  /** Monotonic time less every stall of this process. */
  #awake(monoMs: number): number {
    return monoMs - this.#stalledMs
  }

  start(): void {
    const { monoMs } = this.#port.now()
    this.#lastHeardMs = this.#awake(monoMs)
    this.#lastCameMs = this.#lastHeardMs
    this.#detector.reset(this.#awake(monoMs), this.#port.config().times.initdeadMs)
    this.#links.start(this.#lastHeardMs)
    this.#plan()
  }

  /** This process did not run for `stallMs`; `creditMs` of it, all but the host's sleep, would be counted as silence of others. */
  stalled(stallMs: number, creditMs: number): void {
    this.#stalledMs += creditMs
    this.#stalledAtMs = this.#port.now().monoMs
    const { bootMs } = this.#port.now()
    this.#dating.stalled(bootMs - stallMs, bootMs)
    this.#detector.stalled?.(stallMs)
    if (stallMs >= deadtimes.longStall * this.#peer.deadtimeMs) this.reconsider()
    else this.#plan()
  }

  /** Whatever is known may be long past: fresh time must pass before the next verdict (S3). */
  reconsider(): void {
    const now = this.#awake(this.#port.now().monoMs)
    this.#noVerdictBeforeMs = now + beats.freshBeforeVerdict * this.#port.config().times.keepaliveMs + this.rttMs
    this.#plan()
  }

  /** Stalls of both sides that bear on what is said of the peer now; what there was none of is left out. */
  #stalls(): { stallCreditMs?: number; peerStallMs?: number } {
    const stallCreditMs = Math.round(this.#stalledMs - this.#creditAtLastHeardMs)
    return { ...(stallCreditMs > 0 ? { stallCreditMs } : {}), ...this.#peerStallLately() }
  }

  #peerStallLately(): { peerStallMs?: number } {
    const { stallMs, atMs } = this.#peerStall
    return this.#port.now().monoMs - atMs <= deadtimes.peerStallMemory * this.#peer.deadtimeMs
      ? { peerStallMs: stallMs }
      : {}
  }

  /** Any verified packet of the peer came over a link, duplicates included. `restarted`: it is the first of a new run. */
  heardOn(link: string, incoming: Message, seq: number | undefined, restarted: boolean): void {
    const { monoMs } = this.#port.now()
    if (restarted) this.#dating.reset()
    this.#age = this.#dated(incoming)
    const times = { deadtimeMs: this.#peer.deadtimeMs, keepaliveMs: this.#port.config().times.keepaliveMs }
    const stampMs = decimalOf(incoming, 'hsmono') ?? 0
    const ageMs = this.#age?.atLeastMs
    const silenceMs = ageMs === undefined ? 0 : this.#links.timed(link, { ageMs, stampMs }, monoMs, times)
    if (silenceMs > times.deadtimeMs) return
    if (this.#links.heard(link, seq, this.#awake(monoMs) - silenceMs, monoMs)) this.#plan()
  }

  /** How old a message is, where it says when it left. Its echo counts only if it names a message of this run of ours. */
  #dated(incoming: Message): Age | undefined {
    const stampMs = decimalOf(incoming, 'hsmono')
    if (stampMs === undefined) return undefined
    const nowMs = this.#port.now().bootMs
    const echo = this.#echoOf(incoming)
    const sentAt = echo && this.#port.sentAt(echo.seq)
    const roundTripMs = sentAt && nowMs - sentAt.bootMs - (echo as Echo).ageMs * (1 - driftRatio)
    return this.#dating.date({ nowMs, stampMs, roundTripMs }, this.#peer.deadtimeMs)
  }

  #echoOf(incoming: Message): Echo | undefined {
    const run = text(incoming, 'hsrun')
    return run === undefined || run === this.#port.config().bootId ? parseEcho(text(incoming, 'hsecho')) : undefined
  }

  /** A message of the peer not seen before. `restarted`: it is the first of a new run; `stale`: a newer report came before it. */
  heard(incoming: Message, type: string, restarted: boolean, generation: number, stale: boolean): boolean {
    if (this.#peer.liveness === 'left' && !restarted && generation === this.#generation) return true // the beats after its good-bye
    const isStatus = type === 'status'
    const first = !this.#peer.heardEver
    if (first && !isStatus) return true
    const waitedMs = this.#age === undefined ? 0 : Math.max(0, this.#age.atLeastMs - this.slowMs)
    const isPast = waitedMs > this.#peer.deadtimeMs || (this.#peer.liveness === 'dead' && this.#isPast(incoming))
    if (isPast && !restarted) {
      this.#port.quality.drop('late')
      this.#noteEpochs(incoming)
      return false
    }
    const now = this.#awake(this.#port.now().monoMs)
    const wasGone = !this.peerAlive
    const silentMs = now - this.#lastHeardMs
    if (restarted || generation !== this.#generation) {
      this.#generation = generation
      this.#peer = {
        ...this.#peer,
        bootId: undefined,
        digest: undefined,
        groups: undefined,
        namesAll: false,
        proven: false,
        kind: 'unknown',
      }
      this.#deaf = undefined
      this.#proof.reset()
      this.#peerSlowMs = 0
      this.#echoedAtMs = undefined
      this.#extrasAtMs = Number.NEGATIVE_INFINITY
      this.#echoedSeq = 0
      this.#unreadable.clear()
      this.#newerTold = false
    }
    const kindBefore = this.#peer.kind
    if (isStatus && !stale) this.#status(incoming)
    // A machine that stood still without knowing it looks as if its frames were old, until an answer shows otherwise: there is time for that.
    const answerMs = this.#peer.deadtimeMs - 2.5 * this.#port.config().times.keepaliveMs
    this.#lastHeardMs = Math.max(this.#lastHeardMs, now - Math.min(waitedMs, Math.max(0, answerMs)))
    this.#lastCameMs = now
    this.#creditAtLastHeardMs = this.#stalledMs
    // A new run knows nothing of what the last one has heard.
    if (wasGone || restarted || silentMs > this.#peer.deadtimeMs) this.#hearingSinceMs = this.#port.now().monoMs
    this.#detector.heard(this.#lastHeardMs, this.#peer.deadtimeMs)
    if (isStatus && !stale) this.#judgeEcho()
    const before = this.#peer.liveness
    // On a line that takes as long as that, it stays late.
    const liveness = before === 'late' && this.#detector.check(now) === 'late' ? 'late' : 'alive'
    this.#peer = { ...this.#peer, liveness, heardEver: true }
    this.#prove()
    const reported = !stale && this.#report(incoming)
    if (wasGone || restarted) {
      const how = first ? 'first' : restarted || before === 'left' ? 'restarted' : 'returned'
      const kind = this.#peer.kind === 'hot-standby' ? 'hot-standby' : 'heartbeat'
      this.#port.event('peer:alive', { peer: this.#port.config().peer, how, kind, generation })
      this.#countReturn(how === 'returned' && before === 'dead')
      this.#port.onPeer(restarted && !wasGone ? 'restarted' : 'heard', how === 'returned')
    }
    // Spoken to in a daemon's words from here on, it wants to hear them.
    if (reported || (kindBefore === 'hot-standby' && this.#peer.kind === 'heartbeat'))
      this.#port.onPeer('report', false)
    if (this.#peer.liveness === 'alive' && this.#detector.check(now) === 'late') this.#judge(false)
    else this.#plan()
    return true
  }

  #prove(): void {
    const { monoMs } = this.#port.now()
    const { deadtimeMs, proven: before } = this.#peer
    const proven = this.#proof.judge(this.#age, monoMs, deadtimeMs) ?? before
    if (proven !== before) this.#peer = { ...this.#peer, proven }
    const forMs = this.#proof.missingForMs(monoMs, deadtimeMs)
    if (forMs !== undefined)
      this.#port.event('peer:unproven', { peer: this.#port.config().peer, forMs: Math.round(forMs) })
  }

  #countReturn(sameRun: boolean): void {
    const durationMs = this.#port.quality.peer.heard(this.#port.now().monoMs, sameRun)
    if (durationMs === undefined) return
    this.#detector.refuted?.()
    const { peer } = this.#port.config()
    this.#port.event('peer:mistake', { peer, durationMs: Math.round(durationMs), ...this.#peerStallLately() })
  }

  /** Of a peer called dead: whether a message proves life before that verdict only. */
  #isPast(incoming: Message): boolean {
    const { monoMs, bootMs } = this.#port.now()
    if (this.#age !== undefined) return this.#peer.heardEver && bootMs - this.#age.atMostMs <= this.#diedAtMs
    const echo = this.#echoOf(incoming)
    const sentAt = echo && this.#port.sentAt(echo.seq)
    const ageMs = sentAt && monoMs - sentAt.monoMs - (echo as Echo).ageMs
    const seq = hexOf(incoming, 'seq') ?? 0
    return this.#past.isPast({ seq, ageMs, monoMs }, this.#peer.deadtimeMs, this.#port.config().times.keepaliveMs)
  }

  #status(incoming: Message): void {
    const dt = hexOf(incoming, 'dt')
    const { times, peer } = this.#port.config()
    const now = this.#awake(this.#port.now().monoMs)
    const version = this.#version(incoming)
    const carries = version > 0
    if (carries) this.#extrasAtMs = now
    // A slow line leaves the extra fields out, and a run of a program does not change its kind. But where no line carries them
    // any more, what the peer last said in them is worth nothing, and it must be spoken to as a daemon is: before their echo
    // is so old that it would look as if the peer did not hear us.
    const extrasLastMs = Math.min(times.deadtimeMs, this.#peer.deadtimeMs) - beats.extrasEnd * times.keepaliveMs
    const ours = carries || (this.#peer.kind === 'hot-standby' && now - this.#extrasAtMs <= extrasLastMs)
    const stallMs = decimalOf(incoming, 'hsstall') ?? 0
    this.#peer = {
      ...this.#peer,
      status: text(incoming, 'st') ?? this.#peer.status,
      kind: ours ? 'hot-standby' : 'heartbeat',
      deadtimeMs: this.#believedDeadtimeMs(dt || times.deadtimeMs),
      bootId: carries ? text(incoming, 'hsboot') : ours ? this.#peer.bootId : undefined,
      digest: carries ? text(incoming, 'hscfg') : ours ? this.#peer.digest : undefined,
    }
    this.#activeFor = { atMs: this.#port.now().monoMs, groups: parseDurations(text(incoming, 'hsfor') ?? '') }
    if (ours && stallMs > 0) {
      this.#port.event('peer:stall', { peer, stallMs })
      this.#port.quality.peerStall(stallMs)
      this.#peerStall = { stallMs, atMs: this.#port.now().monoMs }
    }
    if (carries) this.#peerSlowMs = decimalOf(incoming, 'hsslow') ?? 0
    this.#echo(this.#echoOf(incoming), stallMs > 0)
  }

  /** Up to which version of our fields it speaks, what is later than ours included; 0: none, as a daemon. */
  #version(incoming: Message): number {
    const said = text(incoming, 'hs') ?? ''
    const version = /^[1-9]\d{0,3}$/.test(said) ? Number(said) : 0
    if (version <= speaksUpTo || this.#newerTold) return version
    this.#newerTold = true
    this.#port.event('peer:newer', { peer: this.#port.config().peer, version, ours: speaksUpTo })
    return version
  }

  /** The cap holds against a rise. What is in force the peer counts on: a shorter dead time of ours may not shorten that. */
  #believedDeadtimeMs(announcedMs: number): number {
    const capMs = believedDeadtimeMs(this.#port.config().times.deadtimeMs)
    const inForceMs = this.#peer.heardEver ? this.#peer.deadtimeMs : 0
    return Math.min(announcedMs, Math.max(capMs, inForceMs))
  }

  /** What the peer last heard of us, and how long ago that was when it wrote this. */
  #echo(echo: Echo | undefined, peerStalled: boolean): void {
    if (echo === undefined) return
    const { seq, ageMs } = echo
    const { monoMs } = this.#port.now()
    const sentAtMs = this.#port.sentAt(seq)?.monoMs
    // What it heard last is long forgotten here where it has not heard us since: it is the same message still.
    if (sentAtMs === undefined && seq !== this.#echoedSeq) return
    if (seq >= this.#echoedSeq) this.#deaf = { ageMs, atMs: monoMs }
    if (sentAtMs === undefined) return
    const rtt = monoMs - sentAtMs - ageMs
    // What waited for one of the two processes says nothing of the way.
    const undisturbed = sentAtMs > this.#stalledAtMs && !peerStalled
    if (rtt >= 0 && undisturbed) this.#links.measured(rtt)
    if (seq < this.#echoedSeq) return
    this.#echoedSeq = seq
    this.#echoedAtMs = sentAtMs
  }

  /** Whether the peer hears our newest beats, as soon as it can have told so. Of a daemon nothing better is known. */
  #judgeEcho(): void {
    const { monoMs } = this.#port.now()
    if (this.#peer.kind === 'heartbeat') return this.#detector.echoed?.(true)
    const freshMs = beats.echo * this.#port.config().times.keepaliveMs + this.rttMs
    if (monoMs - this.#hearingSinceMs < freshMs) return
    this.#detector.echoed?.(monoMs - (this.#echoedAtMs ?? Number.NEGATIVE_INFINITY) < freshMs)
  }

  #report(incoming: Message): boolean {
    const list = text(incoming, 'hsgrp')
    const type = text(incoming, 't')
    if (list === undefined || this.#peer.kind !== 'hot-standby') return false
    // The other messages name only the groups that they are about. But an offer may be the first word of the epoch that it is of.
    if (type !== 'status' && type !== 'resource') {
      this.#noteEpochs(incoming)
      return false
    }
    const said = readClaims(list)
    const isWhole = text(incoming, 'hsall') === '1' && said.named
    this.#tellUnreadable(said)
    this.#peer = {
      ...this.#peer,
      groups: isWhole ? said.groups : new Map([...(this.#peer.groups ?? []), ...said.groups]),
      namesAll: this.#peer.namesAll || isWhole,
    }
    return true
  }

  #tellUnreadable({ groups, unreadable }: ReadClaims): void {
    for (const name of groups.keys()) if (!unreadable.has(name)) this.#unreadable.delete(name)
    for (const [group, entry] of unreadable) this.unreadable('hsgrp', group, entry)
  }

  /** The peer says something of a group that cannot be read. */
  unreadable(field: 'hsgrp' | 'hsmaint', group: string, entry: string): void {
    const { peer, groups } = this.#port.config()
    const key = field === 'hsgrp' ? group : `${field} ${group}`
    if (this.#unreadable.has(key) || !groups.some(({ name }) => name === group)) return
    this.#unreadable.add(key)
    this.#port.event('claim:unreadable', { peer, field, group, text: entry.slice(0, 200) })
  }

  /** Late, or of a few groups only, it tells which numbers the peer has used: an ownership of ours must be above them. */
  #noteEpochs(incoming: Message): void {
    const { groups: said } = readClaims(text(incoming, 'hsgrp') ?? '')
    const higher = ([name, claim]: [string, PeerClaim]): [string, PeerClaim] => [
      name,
      { ...claim, epoch: Math.max(claim.epoch, said.get(name)?.epoch ?? 0) },
    ]
    const groups = this.#peer.groups && new Map([...this.#peer.groups].map(higher))
    this.#peer = { ...this.#peer, groups }
  }

  /** A daemon's report, already put into groups by the dialogue; or what the peer says by `done`. */
  claims(groups: ReadonlyMap<string, PeerClaim>): void {
    this.#peer = { ...this.#peer, groups, namesAll: this.#peer.namesAll || this.#peer.kind === 'heartbeat' }
  }

  /** The peer said good-bye. */
  left(): void {
    // A good-bye may be the first word that is not too old to be believed: nobody had come who could leave.
    if (this.#peer.liveness === 'left' || !this.#peer.heardEver) return
    this.#peer = { ...this.#peer, liveness: 'left', groups: undefined, namesAll: false }
    this.#port.quality.peer.left(this.#port.now().monoMs)
    this.#links.left(this.#port.now().monoMs)
    this.#port.event('peer:left', { peer: this.#port.config().peer })
    this.#port.timers.clear('liveness')
    this.#port.onPeer('left', false)
  }

  /** A reload changed the times by which the peer is judged. */
  configure(times: LivenessTimes): void {
    this.#detector.retime?.(times)
    this.#plan()
  }

  /** Every socket was read since a verdict came near: now it may be spoken. */
  drained(): void {
    this.#draining = false
    this.#judge(true)
  }

  #judge(drained: boolean): void {
    const now = this.#awake(this.#port.now().monoMs)
    const judged = this.#peer.liveness !== 'left' && this.#peer.liveness !== 'dead'
    const verdict = judged ? this.#detector.check(now) : 'alive'
    const grave = verdict === 'dead' || this.#links.anySilent(now, this.#peer.deadtimeMs)
    if (grave && now < this.#noVerdictBeforeMs) return this.#plan()
    if (grave && !drained) {
      if (this.#draining) return
      this.#draining = true
      return this.#port.effect({ type: 'drain' })
    }
    this.#links.down(now, this.#peer.deadtimeMs, this.#port.now().monoMs)
    const { peer } = this.#port.config()
    const silentMs = Math.round(now - this.#lastHeardMs)
    const deadtimeMs = this.#peer.deadtimeMs
    if (verdict === 'late' && this.#peer.liveness === 'alive') {
      this.#peer = { ...this.#peer, liveness: 'late' }
      this.#port.quality.late()
      this.#port.event('peer:late', { peer, silentMs, deadtimeMs, ...this.#stalls() })
    } else if (verdict === 'dead') {
      const never = this.#peer.liveness === 'unheard'
      const stallCreditMs = Math.round(this.#stalledMs - this.#creditAtLastHeardMs)
      this.#peer = { ...this.#peer, liveness: 'dead' }
      const waitedMs = never ? this.#port.config().times.initdeadMs : deadtimeMs
      if (!never) this.#port.quality.peer.givenUp(this.#port.now().monoMs, silentMs)
      this.#past.died(this.#port.highestHeard())
      this.#diedAtMs = this.#port.now().bootMs
      this.#port.event('peer:dead', {
        peer,
        silentMs,
        stallCreditMs,
        deadtimeMs: waitedMs,
        ...this.#peerStallLately(),
      })
      this.#port.onPeer(never ? 'initdead' : 'dead', false)
    }
    this.#plan()
  }

  #plan(): void {
    const { monoMs } = this.#port.now()
    const now = this.#awake(monoMs)
    let nextMs = Number.POSITIVE_INFINITY
    if (this.#peer.liveness !== 'left' && this.#peer.liveness !== 'dead') nextMs = this.#detector.nextCheckMs(now)
    nextMs = Math.min(nextMs, this.#links.nextCheckMs(this.#peer.deadtimeMs))
    if (nextMs <= now) nextMs = Math.max(now, this.#noVerdictBeforeMs) // due, and only put off
    if (nextMs === Number.POSITIVE_INFINITY) this.#port.timers.clear('liveness')
    else this.#port.timers.set('liveness', nextMs + this.#stalledMs, () => this.#judge(false))
  }
}
