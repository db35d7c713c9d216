import type { GroupState } from '../core/events.ts'
import type { OperationRequest } from '../roles/host.ts'
import type { Pause } from './simulated-clock.ts'
import type { Arrival } from './simulated-network.ts'

/** A stretch of time in which a process did not run. */
export interface PauseFact {
  readonly fromMs: number
  readonly toMs: number
  readonly kind: Pause
  /** Round trip that the node reckoned with when it went on. */
  readonly roundTripMs: number
}

/** What is true of one group at one node. */
export class GroupFacts {
  state: GroupState = 'unknown'
  /** Epoch under which the node owns, or last owned, the group in this run. */
  epoch = 0
  /** Why it was taken. */
  reason = ''
  /** Highest epoch that this node has used in any run, or was told of in this one. */
  seenEpoch = 0
  /** Highest epoch that this node has used, in any run. */
  usedEpoch = 0
  /** When it was taken in this run without a command, from somebody who had it; a command ends the count. */
  takings: number[] = []
  /** Resources of which a start was begun and no stop has ended well since. */
  readonly touched: Set<string> = new Set()
  /** Resources of which a start has ended well and no stop was begun since. */
  readonly started: Set<string> = new Set()
  /** Resources that run although the agent has called their last stop done: nobody can know of them. */
  readonly deceived: Set<string> = new Set()
  /** The node knows that it must not serve: it must cut off before it stops. */
  mustCut = false
  /** Promises with a limit: what must have happened by when. */
  readonly owes: Map<'acquired' | 'announce' | 'contested', number> = new Map()
  /** The state that it was in when it was taken. */
  takenFrom: GroupState = 'unknown'
  /** It takes the group again although a stop has not ended: nobody else is left to serve. */
  revives = false
  /** It has told that the group failed, and not yet that it has it again or stops it. */
  broken = false
  failedAtMs: number = Number.NEGATIVE_INFINITY
  contestedMs: number = Number.NEGATIVE_INFINITY
  takenMs: number = Number.NEGATIVE_INFINITY
}

/** What is true of one node, whatever the node itself believes. */
export class NodeFacts {
  readonly name: string
  readonly groups: ReadonlyMap<string, GroupFacts>
  runs = false
  startedMs = 0
  pausedSinceMs: number | undefined
  pauseKind: Pause = 'stopped'
  pauses: PauseFact[] = []
  resumedMs: number = Number.NEGATIVE_INFINITY
  /** As the node has told it. */
  liveness: 'unheard' | 'alive' | 'late' | 'dead' | 'left' = 'unheard'
  returnedMs: number = Number.NEGATIVE_INFINITY
  /** True time of the last proof of life of the peer that reached the socket, and that the core was given. */
  arrivedMs: number = Number.NEGATIVE_INFINITY
  heardMs: number = Number.NEGATIVE_INFINITY
  /** Dead time that the peer announced last. */
  announcedMs: number
  generation = 0
  /** Groups return to it by themselves, as it is configured now. */
  failsBack = false
  /** Digest of its configuration, as it said last; and what it has heard of its peer's. */
  digest: string | undefined
  peerDigest: string | undefined
  arrivedSeqs: Set<number> = new Set()
  arrivedFloor = 0
  arrivedHighest = 0
  heardSeqs: Set<number> = new Set()
  claimsSeq = 0
  /** A ping target answered last. */
  targetMs: number = Number.NEGATIVE_INFINITY
  /** What of a pair of events is open, and since when. */
  readonly open: Map<string, number> = new Map()
  readonly operations: Map<number, OperationRequest> = new Map()
  taking: Arrival | undefined
  framesSent = 0
  framesInBeat = 0
  /** The peer has restarted, or come for the first time, since the group was moved by a command. */
  peerNewMs: number = Number.NEGATIVE_INFINITY
  /** Newest message of each sender, by its run, that was delivered here. */
  readonly delivered: Map<number, number> = new Map()
  /** Every message that was delivered here, by its number. */
  readonly received: Set<number> = new Set()
  /** Events told since peace began, those of groups left out. */
  told = 0
  /** Promises of its groups that were kept since the last beat. */
  kept = 0
  /** As it was before the event, operation or message that is being looked at. */
  livenessBefore: NodeFacts['liveness'] = 'unheard'
  readonly seenBefore: Map<string, number> = new Map()
  touchedBefore: ReadonlySet<string> = new Set()
  believedBefore: string | undefined
  believedAfter: string | undefined
  /** What it served when it went on after a pause that it can know of. */
  servedAtWake: readonly string[] = []

  constructor(name: string, groups: readonly string[], announcedMs: number) {
    this.name = name
    this.announcedMs = announcedMs
    this.groups = new Map(groups.map((group) => [group, new GroupFacts()]))
  }

  group(name: string): GroupFacts {
    const group = this.groups.get(name)
    if (!group) throw new Error(`${this.name} has no group named ${name}`)
    return group
  }

  /** Time within the last `sinceMs…nowMs` in which this process did not run, as far as it can know of it itself. */
  stalledMs(sinceMs: number, nowMs: number): number {
    let sum = this.pausedSinceMs === undefined ? 0 : nowMs - Math.max(sinceMs, this.pausedSinceMs)
    for (const { fromMs, toMs } of this.pauses) sum += Math.max(0, Math.min(toMs, nowMs) - Math.max(fromMs, sinceMs))
    return sum
  }

  begin(nowMs: number, announcedMs: number, failsBack: boolean): void {
    this.runs = true
    this.failsBack = failsBack
    this.startedMs = nowMs
    this.announcedMs = announcedMs
    this.pausedSinceMs = undefined
    this.pauses = []
    this.resumedMs = Number.NEGATIVE_INFINITY
    this.liveness = 'unheard'
    this.returnedMs = nowMs
    this.arrivedMs = Number.NEGATIVE_INFINITY
    this.heardMs = Number.NEGATIVE_INFINITY
    this.generation = 0
    this.forgetPeer(0)
    this.targetMs = nowMs
    this.peerNewMs = nowMs
    this.framesInBeat = 0
    this.servedAtWake = []
    this.delivered.clear()
    for (const group of this.groups.values()) {
      group.state = 'unknown'
      group.epoch = 0
      group.reason = ''
      group.takings = []
      group.seenEpoch = group.usedEpoch
      group.failedAtMs = Number.NEGATIVE_INFINITY
    }
  }

  /** It remembers no number that it has used. */
  forget(): void {
    for (const group of this.groups.values()) group.usedEpoch = 0
  }

  end(): void {
    this.runs = false
    this.pausedSinceMs = undefined
    this.open.clear()
    this.operations.clear()
    for (const group of this.groups.values()) {
      group.state = 'unknown'
      group.touched.clear()
      group.started.clear()
      group.owes.clear()
      group.broken = false
      group.mustCut = false
    }
  }

  forgetPeer(generation: number): void {
    this.generation = generation
    this.arrivedSeqs.clear()
    this.heardSeqs.clear()
    this.arrivedFloor = 0
    this.arrivedHighest = 0
    this.claimsSeq = 0
  }
}
