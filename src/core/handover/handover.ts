import { type Message, text } from '../../wire/message.ts'
import type { NodePhase, Reason } from '../events.ts'
import { isClaimed, type PeerClaim } from '../peer/claims.ts'
import { indexTable } from '../transition-table.ts'
import type { CoreConfig, Refusal, Scope } from '../types.ts'
import {
  anyHeld,
  causeOf,
  claimsOfDone,
  givable,
  isSettledHere,
  obstacle,
  peerServesAll,
  planMove,
  whyNotAccept,
  whyNotGive,
  whyRefuse,
} from './answers.ts'
import { Legacy } from './heartbeat-legacy.ts'
import { DaemonPeer } from './heartbeat-peer.ts'
import type { DialoguePort, Incoming, Move } from './port.ts'
import { type DialogueAction, type DialogueEvent, type DialogueGuard, dialogueTable } from './table.ts'
import { TakeoverRequest } from './takeover-request.ts'
import {
  claimsOf,
  dialogueEventOf,
  holdOfMove,
  inScope,
  isRefusal,
  limitOfGroups,
  namedGroups,
  overlapField,
  overlapping,
  overlapWord,
  reportFields,
} from './words.ts'

/** A daemon gives up a request that nobody answers after 10 s; a peer of ours answers at once. */
const offerMs = 10_000
/** How long the giver answers on beside the taker, which announces when it serves and again after 100 ms. */
const overlapMs = 250
/** How long this node goes on beating after its good-bye when the peer does not say that it serves. */
const goodbyeMs = 2000

const rowsOf = indexTable(dialogueTable)

/** Phases in which a move is agreed and not over. */
const decided: readonly NodePhase[] = ['lending', 'lingering', 'handing', 'handed', 'accepting', 'joining', 'joined']

/** Performs the dialogue table: the conversation with the peer, and the automatic moves. */
export class Dialogue {
  readonly #port: DialoguePort
  readonly #takeoverRequest: TakeoverRequest
  #phase: NodePhase = 'listening'
  #move: Move | undefined
  #incoming: Incoming | undefined
  #stopCommands: number[] = []
  #startingSent = false
  readonly #daemon: DaemonPeer
  readonly #legacy: Legacy

  constructor(port: DialoguePort) {
    this.#port = port
    this.#takeoverRequest = new TakeoverRequest(port)
    this.#daemon = new DaemonPeer(port)
    this.#legacy = new Legacy({ ...port, onReport: () => this.post('report') })
  }

  get phase(): NodePhase {
    return this.#phase
  }

  get leaving(): boolean {
    return this.#phase === 'leaving' || this.#phase === 'left'
  }

  /** The group is changing hands by agreement: nobody takes it otherwise meanwhile. */
  changingHands(group: string): boolean {
    return decided.includes(this.#phase) && (this.#move?.groups.includes(group) ?? false)
  }

  /** The same, and both serve it for a moment. */
  handingOver(group: string): boolean {
    const { overlaps = false, groups = [] } = this.#move ?? {}
    // The peer's report that it starts may overtake its answer to our offer.
    return overlaps && groups.includes(group) && (this.#phase === 'offering' || decided.includes(this.#phase))
  }

  /** One of the conversation's messages. `stale`: what it says of the groups is older than what is known. */
  receive(type: string, incoming: Message, stale: boolean): void {
    if (this.#legacy.receive(type, incoming)) return
    const event = dialogueEventOf(type, incoming)
    if (event === undefined) return
    if (type === 'resource' && !stale) this.#daemon.report(incoming)
    const info = text(incoming, 'info') ?? ''
    const named = namedGroups(this.#config, incoming, event, this.#move?.giving ?? false)
    if (event === 'done' && !stale)
      this.#port.setClaims(claimsOfDone(this.#port, this.#phase, incoming, named, this.#daemon))
    const groups = event === 'me' ? this.#daemon.offered(named) : named
    this.#incoming = {
      groups,
      reason: this.#daemon.reason(incoming),
      info,
      hold: text(incoming, 'rsc_hold'),
      overlaps: text(incoming, overlapField) === overlapWord && overlapping(this.#config.groups, groups),
      refused: text(incoming, 'hsre'),
    }
    this.post(event)
    this.#incoming = undefined
  }

  /** Something was learnt of the peer. */
  peerSaid(event: 'heard' | 'restarted' | 'dead' | 'initdead' | 'left' | 'report', returned = false): void {
    if (event === 'restarted' || event === 'dead' || event === 'left') {
      this.#startingSent = false
      this.#daemon.forget()
      this.#legacy.forget()
    }
    if (returned) this.#daemon.returned(() => this.heardStatus())
    this.post(event)
    this.heardStatus()
    if (event === 'report' && this.#phase === 'left' && peerServesAll(this.#port)) this.post('confirmed')
  }

  /** Gives groups to the peer, on a command or by itself; false when that cannot begin now. */
  offer(wanted: readonly string[], reason: Reason, commandId?: number): boolean {
    const groups = wanted.filter((group) => !this.#port.isMaintained(group))
    if (this.#phase !== 'settled' || groups.length === 0 || !this.#daemon.peerListens) return false
    if (this.#port.slowMs() > 0) return false
    this.#move = planMove(this.#port, groups, reason, commandId)
    this.post('give')
    return true
  }

  /** `standby` of the application or the command. */
  standby(id: number, scope: Scope): void {
    const groups = inScope(this.#config, scope)
    const obstacle = this.#obstacle() ?? (isRefusal(groups) ? groups : undefined)
    if (obstacle || isRefusal(groups)) return this.#port.reply(id, obstacle)
    const held = groups.filter((group) => this.#port.holds(group))
    const message = whyNotGive(this.#port, groups, held)
    if (message !== undefined) return this.#port.reply(id, { code: 'HS_MOVE', message })
    this.offer(held, 'command', id)
  }

  /** `takeover` of the application or the command. It clears hold-downs, and works without a peer too. */
  takeover(id: number, scope: Scope): void {
    const groups = inScope(this.#config, scope)
    if (isRefusal(groups)) return this.#port.reply(id, groups)
    const missing = groups.filter((group) => !this.#port.serves(group))
    if (missing.length === 0 && !this.leaving) return this.#port.reply(id)
    const mayBegin = this.#phase === 'alone' && !this.#takeoverRequest.pending
    const obstacle = (mayBegin ? undefined : this.#obstacle()) ?? this.#takeoverRequest.obstacle(missing)
    if (obstacle) return this.#port.reply(id, obstacle)
    this.#port.clearHoldDown(missing)
    this.#takeoverRequest.begin(missing, id)
    this.post('want')
    this.#takeoverRequest.judge()
  }

  /** Asks the peer to give groups which are served here already; false when it does not listen just now. */
  askFor(groups: readonly string[]): boolean {
    const listens = this.#phase === 'settled' && this.#daemon.peerListens
    if (listens) this.#takeoverRequest.ask(groups)
    return listens
  }

  stop(id: number): void {
    this.#stopCommands.push(id)
    if (!this.leaving) this.post('leave')
  }

  /** Answers everything that still waits: this node falls silent. */
  abandon(refusal: Refusal): void {
    const ids = [...this.#stopCommands, this.#move?.commandId, this.#takeoverRequest.forget()]
    for (const id of ids) if (id !== undefined) this.#port.reply(id, refusal)
    this.#stopCommands = []
    this.#move = undefined
  }

  /** A group of the move under way will not stop: who asked for the move is told now; the move goes on when it does stop. */
  answerMove(group: string, refusal: Refusal): void {
    const move = this.#move
    if (move?.commandId === undefined || !move.groups.includes(group)) return
    this.#port.reply(move.commandId, refusal)
    this.#move = { ...move, commandId: undefined }
  }

  /** Something of our own groups has changed. */
  groupsChanged(): void {
    const move = this.#move
    const among = (...phases: NodePhase[]) => move !== undefined && phases.includes(this.#phase)
    if (among('lending', 'lingering', 'handing') && move?.groups.every((group) => !this.#port.holds(group)))
      this.post('released')
    const isHere = (group: string) => isSettledHere(this.#port, group)
    if (among('taking', 'joining') && move?.groups.every(isHere)) this.post('taken')
    this.#takeoverRequest.judge()
    this.#legacy.groupsChanged()
    if (this.#phase === 'leaving' && !anyHeld(this.#port)) this.post('stopped')
    this.#tellDaemon()
  }

  /** Groups that prefer the peer go home when both are well. */
  considerFailback(): void {
    if (this.#phase !== 'settled' || !this.#port.mayFailBack()) return
    const homeward = this.#config.groups
      .filter(({ name, preferred }) => preferred === this.#peer && this.#port.returnable(name))
      .filter(({ name }) => this.#peerClaim(name)?.state === 'standby')
      .map(({ name }) => name)
    this.offer(homeward, 'failback')
  }

  post(on: DialogueEvent): void {
    this.#take(on)
    this.#tellDaemon()
  }

  #take(on: DialogueEvent): void {
    const from = this.#phase
    const taken = rowsOf(from, on).find(({ row: { when } }) => when === undefined || this.#guards[when]())
    this.#port.trace?.({ table: 'dialogue', subject: this.#peer, from, on, row: taken?.number ?? null })
    if (!taken) return
    const { to, do: actions } = taken.row
    if (to !== 'same') this.#phase = to
    if (this.#phase !== from) {
      this.#port.timers.clear('dialogue')
      this.#port.event('phase', { phase: this.#phase, from, on })
    }
    for (const action of actions) this.#actions[action](on)
  }

  get #config(): CoreConfig {
    return this.#port.config()
  }

  get #self(): string {
    return this.#config.self
  }

  get #peer(): string {
    return this.#config.peer
  }

  #peerClaim(group: string): PeerClaim | undefined {
    return this.#port.peer().groups?.get(group)
  }

  /** Why no planned move can begin now, if so. */
  #obstacle(): Refusal | undefined {
    return (
      this.#legacy.obstacle ??
      obstacle(this.#port, this.#phase, this.#takeoverRequest.pending, this.#daemon.peerListens)
    )
  }

  #tellDaemon(): void {
    if (this.#phase === 'settled' && !this.#legacy.on && this.#daemon.owesReport()) this.#report()
  }

  /** What the peer says of itself may begin the conversation about groups. */
  heardStatus(): void {
    this.#legacy.meet()
    this.#greetStarting()
    this.#tellDaemon()
  }

  /** A daemon ignores, with an error in its log, a `starting` that comes before it is active itself. */
  #greetStarting(): void {
    if (this.#legacy.on || this.#daemon.restarting) return
    if (this.#startingSent || this.leaving || this.#phase === 'listening' || this.#phase === 'alone') return
    if (this.#port.peer().status !== 'active') return
    this.#startingSent = true
    this.#port.send({ t: 'starting' })
  }

  #report(info?: 'standby' | 'shutdown'): void {
    if (this.#legacy.on) return
    const steady = this.#port.steady() && info === undefined
    const hold = info === 'shutdown' ? 'none' : this.#daemon.hold(info === 'standby' ? this.#move?.groups : undefined)
    this.#daemon.tell(steady ? hold : undefined)
    this.#port.send(reportFields(this.#port.claimsNow(), steady, hold, info))
  }

  #ask(info: 'me' | 'other' | 'done', { groups, giving, reason, hold, overlaps }: Move): void {
    this.#port.send({
      t: 'ask_resources',
      rsc_hold: hold ?? holdOfMove(giving ? this.#self : this.#peer, this.#config.groups, groups),
      info,
      hsgrp: claimsOf(this.#port, groups),
      ...(info === 'me' ? { hswhy: reason } : {}),
      ...(overlaps ? { [overlapField]: overlapWord } : {}),
    })
  }

  /** Takes the peer's offer. */
  #answer(overlaps: boolean): Move {
    const { groups, reason, hold } = this.#incoming as Incoming
    this.#move = { groups, reason, beganMs: this.#port.monoMs(), giving: false, hold, overlaps, rest: [] }
    this.#ask('other', this.#move)
    return this.#move
  }

  #limitOfMove(kind: 'startMs' | 'stopMs'): number {
    return limitOfGroups(this.#config.groups, this.#move?.groups ?? [], kind)
  }

  #expireIn(ms: number): void {
    this.#port.timers.set('dialogue', this.#port.monoMs() + ms, () => this.post('expired'))
  }

  #offerMove(): void {
    const move = this.#move as Move
    this.#port.event('move:offered', { groups: move.groups, to: this.#peer, reason: move.reason })
    this.#ask('me', move)
    this.#expireIn(offerMs)
  }

  #failMove(move: Move, why: string): void {
    this.#port.event('move:failed', { groups: move.groups, to: this.#peer, why })
    if (move.commandId === undefined) return
    const message = `${move.groups.join(', ')} did not move to ${this.#peer}: ${why}`
    this.#port.reply(move.commandId, { code: 'HS_MOVE', message })
  }

  readonly #guards: Readonly<Record<DialogueGuard, () => boolean>> = {
    canJoin: () => this.#incoming?.overlaps === true && this.#acceptable,
    canAccept: () => this.#acceptable,
    canGive: () => givable(this.#port, this.#incoming?.groups ?? []).length > 0,
    peerJoins: () => this.#move?.overlaps === true && this.#incoming?.overlaps === true && this.#guards.namesOurMove(),
    namesOurMove: () => this.#move?.groups.every((group) => this.#incoming?.groups.includes(group)) ?? false,
    peerGoesFirst: () => (this.#daemon.present || this.#peer < this.#self) && this.#acceptable,
    offersCrossed: () => this.#daemon.tookOurs(this.#incoming?.hold),
    weGoFirst: () => this.#self < this.#peer && this.#port.peer().kind === 'hot-standby',
    reportedGivenUp: () => this.#port.peer().kind === 'hot-standby' && this.#guards.givenUp(),
    givenUp: () => this.#move?.groups.every((group) => !isClaimed(this.#peerClaim(group))) ?? false,
    peerServesIt: () => this.#move?.groups.every((group) => this.#peerClaim(group)?.state === 'active') ?? false,
    peerCannot: () => this.#move?.groups.some((group) => this.#peerClaim(group)?.state === 'failed') ?? false,
    runsHere: () => this.#move?.groups.every((group) => this.#port.serves(group)) ?? false,
    refusesOurAnswer: () => this.#incoming?.refused === 'other',
  }

  get #acceptable(): boolean {
    return whyNotAccept(this.#port, this.#incoming?.groups ?? []) === undefined
  }

  readonly #actions: Readonly<Record<DialogueAction, (on: DialogueEvent) => void>> = {
    greet: () => {
      this.#port.beat()
      this.heardStatus()
      this.#port.reconcile()
    },
    settle: () => {
      this.#port.onSettled()
      this.#port.reconcile()
    },
    answer: () => this.#report(),
    offer: () => this.#offerMove(),
    offerWanted: () => {
      this.#move = planMove(this.#port, givable(this.#port, this.#incoming?.groups ?? []), 'command')
      this.#offerMove()
    },
    ask: () => this.#takeoverRequest.pursue(this.#phase === 'settled'),
    accept: () => {
      this.#answer(false)
      this.#expireIn(2 * this.#limitOfMove('stopMs'))
    },
    join: () => {
      this.#answer(true)
      this.#expireIn(2 * this.#limitOfMove('startMs'))
      this.#actions.grantGroups('me')
    },
    overlapUntilStarted: () => this.#expireIn(this.#limitOfMove('startMs')),
    stopAnnouncing: () => this.#port.announce((this.#move as Move).groups, false),
    overlapBriefly: () => this.#expireIn(overlapMs),
    awaitRelease: () => this.#expireIn(2 * this.#limitOfMove('stopMs')),
    announce: () => this.#port.announce((this.#move as Move).groups, true),
    refuse: (on) => {
      // A daemon gives up by itself and knows no such message.
      if (this.#port.peer().kind === 'hot-standby')
        this.#port.send({
          t: 'hs-refuse',
          info: whyRefuse(this.#port, this.#phase, this.#incoming?.groups ?? []),
          hsre: on,
        })
    },
    yieldGroups: () => {
      const { groups, reason } = this.#move as Move
      this.#report('standby')
      for (const group of groups) this.#port.give(group, 'yield', reason)
      this.groupsChanged()
    },
    sayDone: () => {
      const move = this.#move as Move
      this.#ask('done', move)
      if (move.giving) this.#expireIn(this.#limitOfMove('startMs'))
      else this.#report()
    },
    resumeOffer: () => {
      this.#move = this.#daemon.crossed
    },
    grantGroups: () => {
      const { groups, reason } = this.#move as Move
      for (const group of groups) this.#port.grant(group, reason)
      this.groupsChanged()
    },
    moveDone: () => {
      const move = this.#move as Move
      this.#move = undefined
      const tookMs = Math.round(this.#port.monoMs() - move.beganMs)
      this.#port.event('move:done', { groups: move.groups, to: this.#peer, tookMs })
      if (move.rest.length === 0 && move.commandId !== undefined) this.#port.reply(move.commandId)
      this.#report()
      if (move.rest.length > 0 && !this.offer(move.rest, move.reason, move.commandId))
        this.#failMove({ ...move, groups: move.rest }, `${this.#peer} is ${this.#port.peer().liveness}`)
      this.#port.reconcile()
    },
    moveFailed: (on) => {
      const move = this.#move
      this.#daemon.dropped(move, on)
      this.#move = undefined
      if (move?.overlaps) this.#port.announce(move.groups, true)
      if (move?.giving) this.#failMove(move, causeOf(this.#port, this.#phase, on, this.#incoming?.info, move.groups))
      this.#port.reconcile()
    },
    forgetMove: () => {
      this.#move = undefined
      this.#port.reconcile()
    },
    wishEnded: () => this.#takeoverRequest.settle(this.#move?.groups ?? []),
    wishFailed: (on) => this.#takeoverRequest.fail(causeOf(this.#port, this.#phase, on, this.#incoming?.info)),
    peerGone: () => {
      this.#port.onGone()
      this.#port.reconcile()
    },
    leaveGroups: () => {
      this.#report('shutdown')
      for (const group of this.#port.claimsNow().keys()) this.#port.give(group, 'leave', 'stop')
      this.groupsChanged()
    },
    sayGoodbye: () => {
      this.#port.send({ t: 'shutdone', st: 'dead' })
      this.#port.beat()
      const goodbyeOverMs = this.#port.monoMs() + (this.#port.peerAlive() ? goodbyeMs : 0)
      this.#port.timers.set('dialogue', goodbyeOverMs, () => this.post('confirmed'))
    },
    halt: () => {
      const stuck = this.#port.stuckResources()
      const refusal: Refusal | undefined =
        stuck.length === 0
          ? undefined
          : { code: 'HS_STOP_FAILED', message: `did not stop, and was cut off: ${stuck.join('; ')}` }
      for (const id of this.#stopCommands) this.#port.reply(id, refusal)
      this.#stopCommands = []
      this.#port.halt()
    },
  }
}
