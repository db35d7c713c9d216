import type { LivenessDetector } from '../roles/liveness-detector.ts'
import type { Instant } from '../roles/time.ts'
import { hexOf, type Message, text } from '../wire/message.ts'
import { Connectivity } from './authority/connectivity.ts'
import { Guards } from './authority/guards.ts'
import { Permissions } from './authority/permission.ts'
import type { CoreEvent, EventName, EventPayloads } from './events.ts'
import { Dialogue } from './handover/handover.ts'
import type { Core } from './interface.ts'
import { addresser } from './outgoing.ts'
import { bothStable, circumstancesOf, guardFactsOf, hearsUs } from './ownership/guard-context.ts'
import { Maintenance } from './ownership/maintenance.ts'
import { Ownership } from './ownership/ownership.ts'
import { ConfigDigest } from './peer/config-digest.ts'
import { QualityCounters } from './peer/detection-statistics.ts'
import { DropCounter } from './peer/drop-counter.ts'
import { Namesakes } from './peer/duplicate-names.ts'
import { Freshness } from './peer/freshness.ts'
import { Keys } from './peer/keys.ts'
import { Membership } from './peer/membership.ts'
import { Messenger } from './peer/messenger.ts'
import { News } from './peer/news.ts'
import { Sessions } from './peer/sessions.ts'
import { TimesInForce } from './peer/times-in-force.ts'
import { viewOf } from './snapshot.ts'
import { AnnouncedPause } from './stalls/announced-pause.ts'
import { StallRecovery } from './stalls/stall-recovery.ts'
import { StallTracker } from './stalls/stall-tracker.ts'
import { StateKeeper } from './state-keeper.ts'
import { statusFields } from './status-message.ts'
import { AbsoluteClock, Timers } from './timers.ts'
import { beats } from './timing.ts'
import type { Trace } from './transition-table.ts'
import type { Command, CoreConfig, Effect, Happening, Mark, Reconfiguration } from './types.ts'

export type { Core } from './interface.ts'
export type { CoreSnapshot } from './snapshot.ts'

/** Time passes between two wakes: a sum of fractions may compare otherwise than its parts, and be due for ever. */
const shortestWaitMs = 0.1

/**
 * Wires messenger → membership → dialogue → ownership → group. No I/O, no clock, no randomness, no promises. `trace` hears of
 * every step of the two tables.
 */
export function createCore(initial: CoreConfig, detector: LivenessDetector, trace?: Trace | undefined): Core {
  let config = initial
  let at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  let effects: Effect[] = []
  let opId = 0
  let beatAtMs = 0
  let halted = false
  /** What is to be said when the sockets were read after a stall. */
  const held: Effect[] = []
  const freshness = new Freshness()
  const news = new News()
  const stallTracker = new StallTracker()
  const quality = new QualityCounters()

  const timers = new Timers()
  const absoluteClock = new AbsoluteClock()
  const absoluteMs = () => absoluteClock.read(at)
  const effect = (entry: Effect): void => {
    if (halted) return
    if (entry.type === 'send' && stallTracker.stallRecovery) return void held.push(entry)
    effects.push(entry.type === 'send' ? addressed(entry) : entry)
  }
  const addressed = addresser({
    nextKey: () => keys.next(),
    takeNumbers: () => (config.sealed ? sessions.takeNumbers(config.links.length) : undefined),
    now: () => at,
    peerKind: () => membership.peer.kind,
  })
  const event = <Name extends EventName>(name: Name, payload: EventPayloads[Name]): void =>
    effect({ type: 'emit', event: { name, monoMs: at.monoMs, payload } as CoreEvent })
  const now = () => at
  const monoMs = () => at.monoMs
  const getConfig = () => config
  const inForce = new TimesInForce(initial)
  // Compared is what is configured, which may be in force only later.
  const wantedConfig = () => ({ ...config, ...inForce.wanted })

  const configDigest = new ConfigDigest({ event, monoMs, config: wantedConfig, peer: () => membership.peer })

  const drops = new DropCounter((reason, src, count) => event('message:dropped', { reason, src, count }))

  const keys: Keys = new Keys({ event, config: getConfig, peerKind: () => membership.peer.kind })

  const namesakes = new Namesakes(event, () => config.times.deadtimeMs)

  const sessions = new Sessions({
    effect,
    monoMs,
    suspect: () => drops.add('unproven', config.peer, at.monoMs),
    currentLives: () => membership.peerAlive,
    twice: () => namesakes.proven(config.peer, at.monoMs),
  })

  const messenger: Messenger = new Messenger(
    {
      self: config.self,
      peer: config.peer,
      uuid: config.uuid,
      bootId: config.bootId,
      generation: config.generation,
      timers,
      effect,
      now,
      peerBootId: () => membership.peer.bootId,
      peerKind: () => membership.peer.kind,
      peerEchoes: () => membership.echoedAtMs !== undefined,
      dropped(reason, src, incoming) {
        quality.drop(reason)
        drops.add(reason, src, at.monoMs)
        if (reason === 'own-name') namesakes.heard(config.self, incoming, at.monoMs)
        if (reason === 'old-generation') namesakes.heard(config.peer, incoming, at.monoMs)
      },
      arrivedAtMs: () => stallTracker.arrivedAtMs(at.monoMs),
      lost(from, to) {
        quality.lose(to - from + 1)
        event('messages:lost', { peer: config.peer, from, to })
      },
      stateLost: (generation, known) => event('peer:state-lost', { peer: config.peer, generation, known }),
    },
    config.state.peerGeneration,
  )

  const membership: Membership = new Membership(
    {
      timers,
      effect,
      event,
      now,
      config: getConfig,
      sentAt: (seq) => messenger.sentAt(seq),
      highestHeard: () => messenger.highestHeard,
      quality,
      onPeer(what, returned) {
        if (what === 'left' && inForce.peerLeft()) putInForce()
        if (what === 'restarted' || what === 'heard') {
          configDigest.met()
          connectivity.forgetPeer()
          if (what === 'restarted' || !returned) ownership.allReturnable()
        }
        if (what === 'restarted' || (what === 'heard' && messenger.peerGeneration !== config.state.peerGeneration))
          keeper.save()
        dialogue.peerSaid(what, returned)
        if (returned) ownership.announceAll()
        connectivity.reconsiderIsolation()
        ownership.reconcile()
      },
    },
    detector,
  )

  const connectivity: Connectivity = new Connectivity({
    timers,
    event,
    monoMs,
    stalledMs: () => stallTracker.stalledMs,
    config: getConfig,
    peerAlive: () => membership.peerAlive,
    peerIsDaemon: () => membership.peer.kind === 'heartbeat',
    peerLeft: () => membership.peer.liveness === 'left',
    peerSilentMs: () => membership.silentMs,
    sendToPeer: (fields) => void messenger.send({ ...fields, dest: config.peer }),
    onPoorer() {
      const held = ownership.names.filter((group) => ownership.claim(group)?.state === 'active')
      const takeable = held.filter((group) => peerCouldTake(group) && !ownership.isDamped(group))
      return held.length === 0 || dialogue.offer(takeable, 'connectivity')
    },
    onIsolation(isolated) {
      if (isolated) ownership.isolated()
      ownership.reconcile()
    },
    onBalance: () => dialogue.considerFailback(),
  })

  const peerCouldTake = (group: string): boolean =>
    membership.peerAlive && membership.peer.proven && membership.peer.groups?.get(group)?.state === 'standby'

  const heardByPeer = (): boolean => hearsUs(membership, config, at.monoMs)

  const permissions: Permissions = new Permissions({
    timers,
    effect,
    event,
    monoMs,
    absoluteMs,
    config: getConfig,
    nextOpId: () => ++opId,
    epochFloor: (group) => ownership.epochFloor(group),
    inHurry: () => membership.peer.liveness !== 'alive',
    onGranted: (group) => ownership.permitted(group),
    onLost(group, why) {
      event('lease:lost', { group, epoch: ownership.claim(group)?.epoch ?? 0, why })
      ownership.leaseLost(group)
    },
  })

  const guards = new Guards({
    // Before what it is to let through.
    effect: (guard) => effects.unshift(guard),
    event,
    config: getConfig,
    mayAnswer: (group) => ownership.mayAnswer(group),
    leaseLeftMs: (group) => permissions.leftMs(group),
    peerCouldTake,
    facts: () => guardFactsOf(membership, connectivity, config, at.monoMs),
  })

  const ownership: Ownership = new Ownership({
    timers,
    effect,
    event,
    trace,
    permissions,
    monoMs,
    config: getConfig,
    nextOpId: () => ++opId,
    peer: () => membership.peer,
    peerActiveForMs: (group) => membership.activeForMs(group),
    circumstances: () => circumstancesOf(membership, stallTracker, connectivity, config, at.monoMs),
    leaving: () => dialogue.leaving || halted,
    failsBack: () => config.autoFailback !== false && configDigest.holds,
    changingHands: (group) => dialogue.changingHands(group),
    handingOver: (group) => dialogue.handingOver(group),
    isMaintained: (group) => maintenance.isOn(group),
    onChange() {
      // A daemon is told at the points of its own protocol only; ours hears at once.
      if (membership.peer.kind !== 'heartbeat') beat()
      dialogue.groupsChanged()
    },
    peerCouldTake,
    onBroken: (group) => peerCouldTake(group) && dialogue.offer([group], 'resource-failed'),
    onStubborn: (group) => dialogue.askFor([group]),
    onEpoch() {
      if (ownership.needsReserve) keeper.save()
    },
    onStuck(group, reason) {
      const message = `${group} could neither be stopped nor cut off (${reason}); ${config.self} keeps trying`
      dialogue.answerMove(group, { code: 'HS_STOP_FAILED', message })
    },
    onSilent(group, reason) {
      const message = `${group} could neither be stopped nor cut off (${reason}); ${config.self} has fallen silent`
      dialogue.abandon({ code: 'HS_STOP_FAILED', message })
      messenger.application.fail(message)
      pause.fail(message)
      effect({ type: 'fatal', group, reason })
      halted = true
    },
  })

  const dialogue: Dialogue = new Dialogue({
    timers,
    event,
    trace,
    monoMs,
    config: getConfig,
    peer: () => membership.peer,
    peerAlive: () => membership.peerAlive,
    slowMs: () => membership.slowMs + membership.peerSlowMs,
    send: (fields) => void messenger.send(fields),
    beat: () => void beat(),
    claim: (group) => ownership.claim(group),
    claimsNow: () => ownership.claims,
    holds: (group) => ownership.holds(group),
    serves: (group) => ownership.serves(group),
    steady: () => ownership.steady,
    returnable: (group) => ownership.returnable(group),
    stuckResources: () => ownership.stuckResources,
    grant: (group, reason) => ownership.grant(group, reason),
    isMaintained: (group) => maintenance.isOn(group),
    give: (group, how, reason) => ownership.give(group, how, reason),
    clearHoldDown: (groups) => ownership.clearHoldDown(groups),
    reconcile: () => ownership.reconcile(),
    setClaims: (groups) => membership.claims(groups),
    announce: (groups, goesOn) => ownership.announce(groups, goesOn),
    onSettled: () => connectivity.greet(),
    onGone() {
      messenger.stopAsking()
      messenger.application.fail(`${config.peer} is ${membership.peer.liveness}`)
      pause.fail(`${config.peer} is ${membership.peer.liveness}`)
      connectivity.forgetPeer()
    },
    mayFailBack: () =>
      config.autoFailback !== false &&
      configDigest.holds &&
      heardByPeer() &&
      membership.peer.proven &&
      bothStable(membership, connectivity, config, at.monoMs),
    peerIsPoorer: () => connectivity.peerIsPoorer,
    reply: (id, refusal) => effect({ type: 'reply', id, refusal }),
    halt() {
      messenger.application.fail(`${config.self} has stopped`)
      pause.fail(`${config.self} has stopped`)
      effect({ type: 'halt' })
      halted = true
    },
  })

  const maintenance: Maintenance = new Maintenance({
    config: getConfig,
    event,
    unreadable: (entry) => membership.unreadable('hsmaint', entry.split(':')[0] as string, entry),
    onChange(groups, on) {
      beat()
      if (!on) ownership.resume(groups)
    },
  })

  const pause = new AnnouncedPause({
    timers,
    stallTracker,
    now,
    config: getConfig,
    beat,
    peer: () => membership.peer,
    acknowledged: (seq) => Math.max(membership.echoedSeq, messenger.ackedSeq) >= seq,
    reply: (id, refusal) => effect({ type: 'reply', id, refusal }),
  })

  const keeper = new StateKeeper({
    timers,
    effect,
    event,
    monoMs,
    state() {
      const epochCeilings = ownership.epochCeilings()
      const state = { generation: config.generation, peerGeneration: messenger.peerGeneration, epochCeilings }
      config = { ...config, state }
      return state
    },
  })

  /** One `status` message: proof of life, and everything the peer should know. */
  function beat(): number | undefined {
    if (stallTracker.stallRecovery) return undefined
    const { phase } = dialogue
    const { deadtimeMs } = inForce.wanted.times
    const parts = {
      config,
      deadtimeMs,
      phase,
      messenger,
      ownership,
      configDigest,
      keys,
      maintenance,
      stallTracker,
      membership,
    }
    const seq = messenger.send(statusFields(parts, at.monoMs))
    inForce.announced(seq)
    return seq
  }

  function onBeat(): void {
    beat()
    const { keepaliveMs } = config.times
    beatAtMs = Math.max(beatAtMs + keepaliveMs, at.monoMs + beats.closest * keepaliveMs)
    timers.set('beat', beatAtMs, onBeat)
    pause.judge()
    // Cut off in one direction: the peer may later drop what it has missed, and acknowledge beyond it.
    if (messenger.application.pending && !heardByPeer())
      messenger.application.fail(`${config.peer} does not hear this node`)
    ownership.reconcile()
    dialogue.considerFailback()
  }

  /** Whether a message goes further: where frames are sealed, the run it is of has to have proven itself. */
  function isProven(mark: Mark | undefined, message: Message, keyId: number): boolean {
    if (!config.sealed) return true
    const standing = mark === undefined ? 'unproven' : sessions.receive(mark, message, keyId)
    if (standing === 'proven') {
      messenger.expectRun()
      keys.heard(keyId)
      beatAnew()
    }
    return standing === 'current'
  }

  function receive(link: string, message: Message, keyId: number, mark: Mark | undefined): void {
    if (!isProven(mark, message, keyId)) return
    const received = messenger.receive(message)
    if (received.kind === 'dropped') return
    const seq = hexOf(message, 'seq')
    news.heard(link, seq, received.kind === 'fresh' && received.restarted)
    membership.heardOn(link, message, seq, received.kind === 'fresh' && received.restarted)
    if (received.kind === 'duplicate') return
    keys.heard(keyId)
    const { type, restarted } = received
    if (restarted) freshness.reset()
    const stale = freshness.isStale(message, type, seq ?? 0)
    // Before anything else of it is believed: what is in maintenance must not be taken because it looks free.
    if (type === 'status' && !stale) maintenance.hear(text(message, 'hsmaint') ?? '')
    if (!membership.heard(message, type, restarted, messenger.peerGeneration, stale)) {
      // However late it comes, its run has ended with it.
      if (type === 'shutdone' && membership.peerAlive) membership.left()
      return
    }
    messenger.application.flush()
    pause.judge()
    considerTimes()
    if (stale && freshness.onlyTells(type)) return
    if (type === 'status') {
      configDigest.heardStatus(message)
      if (!stale) keys.heardStatus(message)
      dialogue.heardStatus()
    }
    if (type === 'shutdone') return membership.left()
    if (type === 'reqnodes') {
      const nodelist = `${config.self} ${config.peer} `
      messenger.send({ t: 'repnodes', dest: config.peer, nodelist, delnodelist: ' ' })
    } else if (!connectivity.receive(type, message)) dialogue.receive(type, message, stale)
    if (connectivity.isolated) connectivity.reconsiderIsolation()
    if (type !== 'status') ownership.reconcile() // a status has been looked at as a report
  }

  const stallRecovery = new StallRecovery({
    timers,
    stallTracker,
    quality,
    membership,
    connectivity,
    effect,
    event,
    now,
    config: getConfig,
    stalled(stallMs) {
      ownership.stalled(stallMs)
      dialogue.post('stalled')
    },
    speak() {
      beatAnew() // the newest first: what was to be said before is older
      for (const entry of held.splice(0)) effect(entry)
    },
  })

  const commands: {
    readonly [Name in Command['name']]: (id: number, command: Extract<Command, { name: Name }>) => void
  } = {
    standby: (id, { scope }) => dialogue.standby(id, scope),
    takeover: (id, { scope }) => dialogue.takeover(id, scope),
    maintenance: (id, { on, scope }) => effect({ type: 'reply', id, refusal: maintenance.set(scope, on) }),
    stop: (id) => dialogue.stop(id),
    send(id, { payload }) {
      if (membership.peerAlive) return messenger.application.send(id, payload)
      const message = `${config.peer} is ${membership.peer.liveness}: the message cannot reach it`
      effect({ type: 'reply', id, refusal: { code: 'HS_PEER', message } })
    },
    expectPause: (id, { pauseMs }) => pause.begin(id, pauseMs),
    configure(id, { config: changed }) {
      reconfigure(changed)
      effect({ type: 'reply', id })
    },
  }
  // The standby and takeover commands share a type; the table above is exact for every other name.
  const runCommand = (id: number, command: Command): void =>
    (commands[command.name] as (id: number, command: Command) => void)(id, command)

  function reconfigure(changed: Reconfiguration): void {
    inForce.configure(changed)
    if (membership.peer.liveness === 'left') inForce.peerLeft()
    configDigest.configure()
    membership.configure(changed.times)
    putInForce()
    beatAnew()
  }

  /** What this node goes by has changed: by a reload, or because the peer has confirmed the dead time that one has announced. */
  function putInForce(): void {
    config = { ...config, ...inForce.inForce }
    connectivity.configure()
    ownership.configure()
  }

  /** What the peer has heard of us may let less careful times be in force. */
  function considerTimes(): void {
    if (!inForce.isCareful) return
    const { echoedSeq, peer } = membership
    const { kind, deadtimeMs, digest } = peer
    const heard = inForce.heard({ echoedSeq, ackedSeq: kind === 'heartbeat' ? messenger.ackedSeq : 0, deadtimeMs })
    const agreed = digest !== undefined && configDigest.holds && inForce.agreed()
    if (heard || agreed) putInForce()
  }

  /** A beat at once, and the next ones counted from it. */
  function beatAnew(): void {
    beatAtMs = at.monoMs
    onBeat()
  }

  const happenings: {
    readonly [Type in Happening['type']]: (happening: Extract<Happening, { type: Type }>) => void
  } = {
    start() {
      membership.start()
      connectivity.start()
      if (config.sealed) sessions.start()
      permissions.configure(ownership.names)
      keeper.save()
      beatAnew()
    },
    message: ({ link, message, keyId, mark }) => receive(link, message, keyId, mark),
    tick() {},
    drained: () => stallRecovery.drained(),
    operation: ({ opId: id, result }) => ownership.answered(id, result),
    answer: ({ opId: id, result }) => permissions.answered(id, result),
    guarded: ({ failed }) => guards.answered(failed),
    observation: ({ observation }) => connectivity.observe(observation),
    changed: ({ resource }) => ownership.changed(resource),
    persisted: ({ failed }) => keeper.answered(failed),
    stall: ({ stallMs }) => stallRecovery.stalled(stallMs, false),
    random: ({ bytes }) => sessions.drawn(bytes),
    command: ({ id, command }) => runCommand(id, command),
  }

  return {
    step(input) {
      effects = []
      if (halted) return effects
      at = input.at
      timers.runAbsolute(absoluteMs()) // what ends for everybody else ends here, before anything else
      stallRecovery.notice()
      ;(happenings[input.type] as (happening: Happening) => void)(input)
      timers.run(at.monoMs)
      guards.renew()
      const nextMs = timers.next(absoluteMs() - at.monoMs)
      effect({ type: 'wakeAt', monoMs: nextMs === null ? null : Math.max(nextMs, at.monoMs + shortestWaitMs) })
      return effects
    },
    isNew: (mark) => sessions.isNew(mark),
    news: () => news.count,
    view: () =>
      viewOf({
        config,
        pending: inForce.pending,
        monoMs: at.monoMs,
        phase: dialogue.phase,
        membership,
        connectivity,
        ownership,
        maintenance,
        permissions,
        guards,
        quality,
      }),
  }
}
