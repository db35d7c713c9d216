import type { OperationRequest, OperationResult } from '../roles/host.ts'
import type { Operation } from '../roles/resource-agent.ts'
import type { Schedule } from './schedule.ts'

/** How a simulated resource answers one operation. */
export interface SimulatedBehaviour {
  /** Time until it answers; Infinity: it hangs until it is cancelled. */
  readonly tookMs?: number | undefined
  /** It fails with this reason instead of doing it. */
  readonly fails?: string | undefined
  /** It cannot be looked at, and says so. */
  readonly unknown?: string | undefined
  /** It cannot be executed at all. */
  readonly missing?: boolean | undefined
  /** It says that it is done and does nothing; a lying `status` says that the resource runs. */
  readonly lies?: boolean | undefined
  /** It answers its cancellation only so much later, and has then done what it was asked all the same. */
  readonly lateMs?: number | undefined
}

/** Operations that change something: two of them on one resource must never overlap. */
const changing: readonly Operation[] = ['start', 'stop', 'restore']

/** A resource of a simulated host. It belongs to the host, not to the process: it runs on when the process is killed. */
export class SimulatedResource {
  readonly name: string
  /** Whether it runs, as a client would find out. */
  running = false
  /** Whether it was cut off. */
  isolated = false
  /** How it behaves; set entries to make it slow, failing, hanging or lying. */
  readonly behaviour: { [Name in Operation]?: SimulatedBehaviour } = {}
  /** Every operation but `status` that ended well, in order, for assertions about order. */
  readonly log: { readonly atMs: number; readonly operation: Operation; readonly epoch: number }[] = []

  /** Times at which an operation that changes something began while another one was still at work: must stay 0. */
  overlaps = 0
  #changing = 0

  constructor(name: string) {
    this.name = name
  }

  /** Whether a client is served by it. */
  get serves(): boolean {
    return this.running && !this.isolated
  }

  /** Whether something that changes it is at work. */
  get busy(): boolean {
    return this.#changing > 0
  }

  /** Performs one operation in virtual time; the returned function cancels it, or ends it together with its process. */
  perform(
    schedule: Schedule,
    request: OperationRequest,
    done: (result: OperationResult) => void,
  ): (processEnds: boolean) => void {
    const { operation, epoch } = request
    const behaviour = this.behaviour[operation] ?? {}
    const { tookMs = defaultTookMs[operation], fails } = behaviour
    const changes = changing.includes(operation)
    let over = false
    const leave = () => {
      if (changes && !over) this.#changing--
      over = true
    }
    if (changes && this.#changing++ > 0) this.overlaps++
    const end = () => {
      leave()
      if (fails !== undefined) return done({ ok: false, reason: fails })
      if (behaviour.missing) return done({ ok: false, reason: 'no such program', notRunnable: true })
      if (behaviour.unknown !== undefined)
        return done({ ok: true, status: { state: 'unknown', reason: behaviour.unknown } })
      const result = behaviour.lies ? lie : this.#did(operation)
      if (operation !== 'status') this.log.push({ atMs: schedule.nowMs, operation, epoch })
      done(result)
    }
    const takeBack = tookMs === Number.POSITIVE_INFINITY ? () => {} : schedule.at(schedule.nowMs + tookMs, end)
    return (processEnds) => {
      takeBack()
      if (processEnds) return leave()
      const { lateMs } = behaviour
      schedule.at(schedule.nowMs + (lateMs ?? 1), () => {
        if (over) return
        leave()
        if (lateMs !== undefined) this.#did(operation)
        done({ ok: false, reason: 'cancelled' })
      })
    }
  }

  /** The host is gone, and everything that was at work on it. */
  reset(): void {
    this.running = false
    this.isolated = false
    this.#changing = 0
  }

  #did(operation: Operation): OperationResult {
    if (operation === 'status')
      return { ok: true, status: this.serves ? { state: 'running' } : { state: 'failed', reason: 'it does not run' } }
    if (operation === 'start') {
      this.running = true
      this.isolated = false
    } else if (operation === 'stop') this.running = false
    else if (operation === 'isolate') this.isolated = true
    else if (operation === 'restore') this.isolated = false
    return { ok: true }
  }
}

const lie: OperationResult = { ok: true, status: { state: 'running' } }

const defaultTookMs: Readonly<Record<Operation, number>> = {
  prepare: 5,
  start: 2,
  stop: 2,
  status: 1,
  announce: 1,
  isolate: 0.2,
  restore: 1,
}
