import type { CoreEvent } from '../core/events.ts'
import type { Effect, Input } from '../core/types.ts'
import type { OperationRequest, OperationResult } from '../roles/host.ts'
import type { Facts } from './oracle-facts.ts'
import type { NodeFacts } from './oracle-node.ts'
import { readPayload } from './payload.ts'
import type { Ending } from './simulation-observer.ts'

/** What has just happened, when the checks are asked. */
export type Moment =
  | { readonly at: 'began'; readonly node: NodeFacts; readonly request: OperationRequest }
  | {
      readonly at: 'ended'
      readonly node: NodeFacts
      readonly request: OperationRequest
      readonly result: OperationResult
    }
  | { readonly at: 'event'; readonly node: NodeFacts; readonly event: CoreEvent }
  | { readonly at: 'input'; readonly node: NodeFacts; readonly input: Input }
  | { readonly at: 'effects'; readonly node: NodeFacts; readonly input: Input; readonly effects: readonly Effect[] }
  | { readonly at: 'gone'; readonly node: NodeFacts; readonly ending: Ending }
  /** Every keepalive, for each node that runs and is awake. */
  | { readonly at: 'beat'; readonly node: NodeFacts }
  /** Who serves has changed. */
  | { readonly at: 'serving' }
  /** A packet was thrown in that must change nothing; `changed` says what it did. */
  | { readonly at: 'injected'; readonly node: NodeFacts; readonly what: string; readonly changed: string | undefined }
  /** A message of the application was acknowledged to its sender. */
  | { readonly at: 'acknowledged'; readonly node: NodeFacts; readonly message: number }
  /** Everything was healed, and the time allowed for settling is over. */
  | { readonly at: 'settled' }
  /** A stretch of peace is over. */
  | { readonly at: 'peace over'; readonly forMs: number }

/** `undefined`: the rule does not speak of this; `true`: it was kept; a text: how it was broken. */
export type Verdict = string | true | undefined

/** One rule that the oracle checks. Each can be switched off. */
export interface Check {
  /** The invariant it belongs to (docs/safety.md), and a word. */
  readonly id: string
  /** The rule in a sentence. */
  readonly says: string
  /** When it is asked. */
  readonly at: readonly Moment['at'][]
  /** Whether what has just happened keeps the rule. */
  check(facts: Facts, moment: never): Verdict
}

type At<Name extends Moment['at']> = Extract<Moment, { at: Name }>

function rule<Name extends Moment['at']>(
  id: string,
  says: string,
  at: Name | readonly Name[],
  check: (facts: Facts, moment: At<Name>) => Verdict,
): Check {
  return { id, says, at: typeof at === 'string' ? [at] : at, check } as Check
}

const changing = ['start', 'stop', 'restore']
const settledStates = ['active', 'standby']

/** The rules, for classes G0 and G1 (I1, I8 and I9 are rules of a lease, which does not exist yet; docs/safety.md). */
export const oracleChecks: readonly Check[] = [
  rule('I2.one', 'two that hear each other do not serve a group both for more than three beats', 'beat', both),
  rule(
    'I2.owner',
    'when everything is healed and the bound is over, one node serves each group',
    'settled',
    (facts) => {
      const wrong = [...facts.serving].filter(([, nodes]) => nodes.length !== 1)
      return (
        wrong.length === 0 || wrong.map(([group, nodes]) => `${group}: ${nodes.join(' and ') || 'nobody'}`).join(', ')
      )
    },
  ),
  rule('I2.settled', 'then both nodes have come to rest, and every command is answered', 'settled', unsettled),
  rule('I2.stays', 'in peace nobody begins or ends to serve, but on command', 'event', (facts, { node, event }) => {
    if (facts.season !== 'peace' || facts.probe !== 'none' || !event.name.startsWith('group:')) return undefined
    if (facts.awaitsFailback) return undefined
    return event.name === 'group:announced' || `${node.name} tells ${event.name} in peace`
  }),
  rule('I3.overlap', 'operations that change a resource never overlap', 'began', (facts, { node, request }) => {
    if (!changing.includes(request.operation) || facts.tainted.has(request.group)) return undefined
    for (const open of node.operations.values())
      if (open !== request && open.resource === request.resource && changing.includes(open.operation))
        return `${request.operation} of ${request.resource} on ${node.name} during its ${open.operation}`
    return true
  }),
  rule('I3.released', 'what is called released is not served', 'event', (facts, { node, event }) => {
    if (event.name !== 'group:released' || facts.lied.has(event.payload.group)) return undefined
    facts.look()
    const { group } = event.payload
    return !facts.serving.get(group)?.includes(node.name) || `${node.name} called ${group} released and serves it`
  }),
  rule('I3.closed', 'nothing is served after a node has left', 'gone', (facts, { node, ending }) => {
    if (ending !== 'stopped') return undefined
    facts.look()
    for (const [group, nodes] of facts.serving)
      if (nodes.includes(node.name) && !facts.lied.has(group)) return `${node.name} has left and serves ${group}`
    return true
  }),
  rule('I4.junk', 'forged, replayed, foreign and outdated packets change nothing', 'injected', (_, moment) => {
    const { node, what, changed } = moment
    return changed === undefined || `${what} changed ${node.name}: ${changed}`
  }),
  rule('I4.damaged', 'a damaged packet is not believed', 'input', (_, { node, input }) => {
    if (node.taking !== 'damaged') return undefined
    return input.type !== 'message' || `${node.name} believed a damaged packet`
  }),
  rule(
    'I5.order',
    'resources start in their order and stop in its reverse, and start only when stopped',
    'began',
    order,
  ),
  rule('I5.cut', 'a node that must not serve cuts off before it stops', 'began', (_, { node, request }) => {
    if (request.operation !== 'stop') return undefined
    return !node.group(request.group).mustCut || `${node.name} stops ${request.group} before it is cut off`
  }),
  rule('I6.detected', 'a silent peer is called dead within the bound', 'beat', detected),
  rule('I6.late', 'a peer is late before it is dead', 'event', (facts, { node, event }) => {
    if (event.name !== 'peer:dead' || facts.timersLate) return undefined
    const before = node.livenessBefore
    if (before === 'unheard' || node.stalledMs(node.arrivedMs, facts.nowMs) > 0) return undefined
    return before === 'late' || `${node.name} called its peer dead that was ${before}`
  }),
  rule('I7.rises', 'every ownership has a higher epoch than any its node knows', 'event', (facts, { node, event }) => {
    if (event.name !== 'group:starting' || facts.stateLost) return undefined
    const { group, epoch } = event.payload
    const known = node.seenBefore.get(group) ?? 0
    return epoch > known || `${node.name} takes ${group} with epoch ${epoch} and knows of ${known}`
  }),
  rule('I7.carried', 'an agent is asked under the epoch of the ownership', 'began', (facts, { node, request }) => {
    if (request.operation !== 'start') return undefined
    const epoch = facts.pair.view(node.name)?.groups.find(({ name }) => name === request.group)?.epoch
    return request.epoch === epoch || `${request.operation} on ${node.name} under epoch ${request.epoch}, not ${epoch}`
  }),
  rule('I10.awake', 'a peer is dead only when it was silent for its dead time while we ran', 'event', verdict),
  rule('I10.fresh', 'after a stall no verdict before two beats of fresh time', 'event', (facts, { node, event }) => {
    if (event.name !== 'peer:dead' || node.livenessBefore === 'unheard') return undefined
    const long = node.pauses.filter(
      ({ fromMs, toMs, kind }) => kind === 'stopped' && toMs - fromMs > node.announcedMs / 3,
    )
    const last = long.at(-1)
    if (!last) return undefined
    const freshMs = facts.nowMs - last.toMs - node.stalledMs(last.toMs, facts.nowMs)
    const neededMs = 2 * facts.keepaliveMs * (1 - facts.driftBound) - 1
    return freshMs >= neededMs || `${node.name} gave a verdict ${freshMs.toFixed(0)} ms after a stall`
  }),
  rule('I11.links', 'the loss of one link of two, or of all ping targets, moves nothing', 'event', (facts, moment) => {
    if (facts.season !== 'peace' || (facts.probe !== 'link' && facts.probe !== 'targets')) return undefined
    if (facts.awaitsFailback) return undefined
    const { node, event } = moment
    const moves = event.name.startsWith('group:') && event.name !== 'group:announced'
    return !moves || `${node.name} tells ${event.name} because of ${facts.probe}`
  }),
  rule('I12.two', 'nobody is granted a group that the other, in contact, serves', 'event', (facts, { node, event }) => {
    if (event.name !== 'group:starting' || facts.togetherMs < 2 * longestDeadtimeMs(facts)) return undefined
    const { group } = event.payload
    if (facts.mayOverlap(group)) return undefined
    facts.look()
    const others = facts.serving.get(group)?.filter((name) => name !== node.name) ?? []
    return others.length === 0 || `${node.name} takes ${group} while ${others[0]} serves it and both hear each other`
  }),
  rule(
    'I12.gap',
    'a planned move in peace takes no longer than to stop, to start and to say so',
    'peace over',
    (facts) => {
      if (facts.probe !== 'move' || facts.longestGapMs === 0 || facts.awaitsFailback) return undefined
      const allowedMs = 50 + 10 * Math.max(...facts.options.groups.map(({ resources }) => resources.length))
      return facts.longestGapMs <= allowedMs || `a move took ${facts.longestGapMs.toFixed(0)} ms, not ${allowedMs}`
    },
  ),
  rule('I13.orphan', 'no resource runs where its group is not active', 'settled', (facts) => {
    for (const node of facts.nodes)
      for (const [group, { state, deceived }] of node.groups)
        for (const resource of facts.resources(group)) {
          const { running, serves } = facts.pair.resource(node.name, resource)
          // A stop that lied cannot be known of before the next; one that failed is tried again after the hold-down, cut off.
          const cutOff = facts.isHeldFailed(node, group) && !(serves && resource === facts.resources(group)[0])
          if (!running || deceived.has(resource) || (node.runs && cutOff)) continue
          if (!node.runs || state !== 'active') return `${resource} runs on ${node.name}, where ${group} is ${state}`
        }
    return true
  }),
  rule('I14.bounded', 'a node sends no flood, and leaves no operation unended', 'beat', bounded),
  rule('I16.quiet', 'in peace a node sends its beats and little more, and tells nothing', 'peace over', quiet),
  rule('I17.closed', 'what began has ended: takings, moves, silences, isolation', 'settled', (facts) => {
    for (const { name, open } of facts.nodes) for (const what of open.keys()) return `${name}: ${what} was never ended`
    return true
  }),
  rule('I17.told', 'a contest is told by both, and its winner announces itself again', 'beat', (facts, { node }) => {
    const held: Verdict = node.kept > 0 ? true : undefined
    node.kept = 0
    for (const [name, group] of node.groups)
      for (const [what, dueMs] of group.owes) {
        const withinMs = 2 * facts.keepaliveMs
        const apart = facts.togetherMs < facts.nowMs - (dueMs - withinMs)
        // While it mends the group, or hands it over beside the other, it neither announces it nor calls it its own: that waits.
        const mending =
          group.broken || facts.resources(name).some((resource) => !facts.pair.resource(node.name, resource).running)
        const waits =
          what !== 'contested' && (mending || [...node.open.keys()].some((opened) => isMoveOf(opened, name)))
        if (apart || facts.tainted.has(name) || group.state !== 'active') group.owes.delete(what)
        else if (waits) group.owes.set(what, facts.nowMs + withinMs)
        else if (facts.nowMs > dueMs) return `${node.name} owes ${what} of ${name}`
      }
    return held
  }),
  rule(
    'I17.winner',
    'of two active nodes that both run well the higher epoch goes on',
    'event',
    (facts, { node, event }) => {
      // The preferred node goes on where both are configured so at that moment, whatever the plan began with.
      if (event.name !== 'contested' || facts.nodes.every(({ failsBack }) => failsBack)) return undefined
      const { epoch, peerEpoch, winner, group } = event.payload
      const other = facts.other(node.name)
      // Who has stalled, stops already or is not heard gives way whatever its epoch.
      if (facts.contactMs === undefined || epoch === peerEpoch || other.group(group).state !== 'active')
        return undefined
      // Judged is what the other has said last, which a packet that waited on the way may have brought.
      if (facts.pair.view(node.name)?.peer.groups[group]?.state !== 'active') return undefined
      // Who heard the other before it was heard knows of that by an echo only: a beat there, and one back.
      const unheard = node.returnedMs < facts.contactMs && facts.togetherMs < 2 * facts.keepaliveMs
      if (unheard && winner !== node.name) return undefined
      if (Math.max(node.resumedMs, other.resumedMs) > facts.nowMs - 20_000) return undefined
      // By which rule it is settled both can only know from each other; the news of a reload may still be on its way.
      if (node.peerDigest !== other.digest) return undefined
      const higher = epoch > peerEpoch ? node.name : other.name
      return winner === higher || `${winner} goes on with ${group}, and ${higher} has the higher epoch`
    },
  ),
  rule('M.once', 'a message arrives once, and in the order in which it was sent', 'effects', (_, { node, effects }) => {
    let held: Verdict
    for (const effect of effects) {
      if (effect.type !== 'deliver') continue
      const { run, number } = readPayload(effect.payload)
      const before = node.delivered.get(run) ?? 0
      if (number <= before) return `message ${number} arrived at ${node.name} after ${before}`
      node.delivered.set(run, number)
      node.received.add(number)
      held = true
    }
    return held
  }),
  rule('M.acknowledged', 'what is acknowledged has arrived', 'acknowledged', (facts, { node, message }) => {
    return facts.other(node.name).received.has(message) || `message ${message} was acknowledged and never arrived`
  }),
  rule(
    'S6.cut',
    'who may have lost a group while it did not run cuts it off before it says a word',
    'effects',
    cutFirst,
  ),
  rule('S11.past', 'what is outdated does not change what is believed of the peer', 'effects', past),
  rule('G1.take', 'an isolated node takes nothing', 'event', (facts, { node, event }) => {
    if (event.name !== 'group:starting' || facts.options.targets === undefined) return undefined
    if (facts.options.targets.length === 0 || event.payload.reason === 'command') return undefined
    const alone = isolatedForMs(facts, node) ?? 0
    return alone < 2 * facts.keepaliveMs || `${node.name} takes ${event.payload.group} and hears nobody`
  }),
  rule('G1.hold', 'an isolated node serves nothing where the policy is to stop', 'beat', (facts, { node }) => {
    if (facts.options.onIsolated === 'continue' || (facts.options.targets ?? []).length === 0) return undefined
    const alone = isolatedForMs(facts, node)
    if (alone === undefined || alone < 3 * facts.keepaliveMs) return undefined
    for (const [group, nodes] of facts.serving)
      if (nodes.includes(node.name) && !facts.tainted.has(group) && facts.isCuttable(group))
        return `${node.name} serves ${group} and hears nobody for ${alone.toFixed(0)} ms`
    return true
  }),
  rule('F.stable', 'a group goes home only when both were well for two beats', 'event', (facts, { node, event }) => {
    if (event.name !== 'move:offered' || event.payload.reason !== 'failback') return undefined
    const stableMs = facts.nowMs - node.returnedMs
    if (stableMs < 2 * facts.keepaliveMs * (1 - facts.driftBound) - 1)
      return `${node.name} gives back ${event.payload.groups} after ${stableMs.toFixed(0)} ms`
    return true
  }),
  rule('F.home', 'only a group that prefers the peer goes home to it', 'event', (facts, { node, event }) => {
    if (event.name !== 'move:offered' || event.payload.reason !== 'failback') return undefined
    const own = facts.options.groups.find(({ name, preferred }) => {
      return preferred === node.name && event.payload.groups.includes(name)
    })
    return own === undefined || `${node.name} gives ${own.name} away as if it were at home with the peer`
  }),
  rule('F.operator', 'a group that an operator moved does not go home by itself', 'event', (_, { node, event }) => {
    if (event.name !== 'move:offered' || event.payload.reason !== 'failback') return undefined
    for (const name of event.payload.groups) {
      const group = node.group(name)
      if (group.reason === 'command' && node.peerNewMs < group.takenMs)
        return `${node.name} gives ${name} back, which a command had moved`
    }
    return true
  }),
  rule('F.damped', 'a group that does not come to rest is held where it is', 'event', (facts, { node, event }) => {
    if (event.name !== 'move:offered') return undefined
    const { reason, groups } = event.payload
    if (reason !== 'failback' && reason !== 'connectivity') return undefined
    for (const name of groups) {
      const untilMs = facts.dampedUntilMs(node, name)
      if (facts.nowMs < untilMs)
        return `${node.name} gives ${name} away ${(untilMs - facts.nowMs).toFixed(0)} ms too early`
    }
    return true
  }),
]

/** Whether what is open, as `move a,b`, is a move of that group. */
function isMoveOf(opened: string, group: string): boolean {
  return opened.startsWith('move ') && opened.slice('move '.length).split(',').includes(group)
}

function longestDeadtimeMs(facts: Facts): number {
  return Math.max(...facts.nodes.map(({ announcedMs }) => announcedMs))
}

function both(facts: Facts, { node }: At<'beat'>): Verdict {
  if (facts.togetherMs < 4 * facts.keepaliveMs || node !== facts.nodes[0]) return undefined
  for (const [group, nodes] of facts.serving)
    if (nodes.length > 1 && !facts.mayOverlap(group)) return `${group} is served by both although they hear each other`
  return true
}

function unsettled(facts: Facts): Verdict {
  for (const node of facts.nodes) {
    const { name, groups } = node
    const view = facts.pair.view(name)
    if (!view) return `${name} does not run`
    if (view.phase !== 'settled') return `${name} is ${view.phase}`
    for (const [group, { state }] of groups)
      if (!settledStates.includes(state) && !facts.isHeldFailed(node, group)) return `${group} is ${state} on ${name}`
    if (facts.pair.unanswered(name) > 0) return `${name} owes ${facts.pair.unanswered(name)} answers`
  }
  return true
}

function order(facts: Facts, { node, request }: At<'began'>): Verdict {
  const { operation, resource } = request
  if (operation !== 'start' && operation !== 'stop') return undefined
  const resources = facts.resources(request.group)
  const index = resources.indexOf(resource)
  const { touched, started } = node.group(request.group)
  if (operation === 'stop') {
    const later = resources.slice(index + 1).find((name) => touched.has(name))
    return later === undefined || `${node.name} stops ${resource} before ${later}`
  }
  if (node.touchedBefore.has(resource) && !node.group(request.group).revives)
    return `${node.name} starts ${resource}, which was not stopped before`
  const missing = resources.slice(0, index).find((name) => !started.has(name))
  return missing === undefined || `${node.name} starts ${resource} before ${missing}`
}

/** Detection bound of the design: (dead time, or as many as the detector may wait for, + beat) with the clocks' error, own stalls, the drain turn, and fresh time after each. */
function detected(facts: Facts, { node }: At<'beat'>): Verdict {
  const { nowMs, keepaliveMs } = facts
  if (node.liveness !== 'alive' && node.liveness !== 'late') return undefined
  if (!Number.isFinite(node.heardMs)) return undefined
  const sinceMs = node.heardMs
  const silentMs = nowMs - sinceMs
  if (silentMs < node.announcedMs) return undefined
  const patience = facts.options.liveness.patience ?? 1
  const pauses = node.pauses.filter(({ toMs }) => toMs >= sinceMs - 1)
  const long = pauses.filter(({ fromMs, toMs }) => toMs - fromMs >= node.announcedMs / 3)
  const freshMs = long.reduce(
    (sum, { roundTripMs }) => sum + 2 * keepaliveMs + Math.min(roundTripMs, node.announcedMs),
    0,
  )
  const lagMs = facts.timersLate ? 1000 : 0
  const boundMs =
    (patience * node.announcedMs + keepaliveMs) * (1 + 2 * facts.driftBound) +
    node.stalledMs(sinceMs, nowMs) +
    freshMs +
    lagMs +
    10
  return (
    silentMs <= boundMs || `${node.name} has heard nothing for ${silentMs.toFixed(0)} ms, bound ${boundMs.toFixed(0)}`
  )
}

function verdict(facts: Facts, { node, event }: At<'event'>): Verdict {
  if (event.name !== 'peer:dead') return undefined
  const never = node.livenessBefore === 'unheard'
  const sinceMs = never ? node.startedMs : node.arrivedMs
  const neededMs = event.payload.deadtimeMs * (1 - facts.driftBound) - 1
  // Stalls shorter than the probe sees are not credited.
  const silentMs = facts.nowMs - sinceMs - node.stalledMs(sinceMs, facts.nowMs)
  const unseenMs = 50 * node.pauses.filter(({ toMs }) => toMs > sinceMs).length
  // The frames of a machine that stood still with its clocks look older by as much, until it has answered.
  const halts = facts.other(node.name).pauses.filter(({ kind }) => kind === 'halted')
  const haltedMs = halts.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)
  return (
    silentMs + unseenMs + haltedMs >= neededMs ||
    `${node.name} called its peer dead, which was silent for ${silentMs.toFixed(0)} of ${neededMs.toFixed(0)} ms`
  )
}

/** Two hundred and fifty missing messages, each asked for and answered over and over while nothing comes through. */
const framesInBeatMax = 4000

function bounded(facts: Facts, { node }: At<'beat'>): Verdict {
  const frames = node.framesInBeat
  node.framesInBeat = 0
  if (frames > framesInBeatMax) return `${node.name} sent ${frames} frames within a beat`
  return node.operations.size <= 8 * facts.options.groups.length || `${node.operations.size} operations on ${node.name}`
}

function quiet(facts: Facts, { forMs }: At<'peace over'>): Verdict {
  if (facts.probe !== 'none' || facts.awaitsFailback) return undefined
  const allowed = (forMs / facts.keepaliveMs) * 1.2 + 5
  for (const { name, framesSent, told } of facts.nodes) {
    if (told > 0) return `${name} told ${told} events in peace`
    if (framesSent > allowed) return `${name} sent ${framesSent} frames in peace, not ${allowed.toFixed(0)}`
  }
  return true
}

function cutFirst(facts: Facts, { node, input, effects }: At<'effects'>): Verdict {
  if (input.type !== 'stall') return undefined
  // One that was not there would first have had to start and wait.
  const { deadtimeMs, initdeadMs } = facts.options.liveness.times
  const heard = node.liveness === 'alive' || node.liveness === 'late'
  if (input.stallMs < (heard ? deadtimeMs : initdeadMs)) return undefined
  let held: Verdict
  for (const group of node.servedAtWake) {
    if (!facts.isCuttable(group)) continue
    const cut = effects.findIndex(
      (effect) => effect.type === 'perform' && effect.request.group === group && effect.request.operation === 'isolate',
    )
    const word = effects.findIndex((effect) => effect.type === 'send')
    if (cut < 0 || (word >= 0 && word < cut)) return `${node.name} woke and did not cut ${group} off first`
    held = true
  }
  return held
}

function past(_: Facts, { node }: At<'effects'>): Verdict {
  const { believedBefore, believedAfter } = node
  // Where nothing is believed, as of a new run, nothing newer can be replaced.
  if (believedBefore === undefined || believedBefore === '{}') return undefined
  return believedBefore === believedAfter || `${node.name} believed the past: ${believedBefore} became ${believedAfter}`
}

/** For how long the node has heard neither its peer nor a target, beyond what it is allowed to notice it. */
function isolatedForMs(facts: Facts, node: NodeFacts): number | undefined {
  if (node.liveness === 'left' || facts.timersLate) return undefined
  const deadpingMs = facts.options.deadpingMs ?? facts.options.liveness.times.deadtimeMs / 2
  const sinceMs = Math.max(node.heardMs, node.targetMs, node.startedMs, node.resumedMs)
  if (!Number.isFinite(sinceMs)) return undefined
  const forMs = facts.nowMs - sinceMs - deadpingMs * (1 + facts.driftBound)
  return forMs < 0 ? undefined : forMs
}
