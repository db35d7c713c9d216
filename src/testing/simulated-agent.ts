import type { OperationRequest, OperationResult } from '../roles/host.ts'
import type { Operation } from '../roles/resource-agent.ts'
import type { Schedule } from './schedule.ts'

/** How a simulated resource answers one operation. */
export interface SimulatedBehaviour {
  /** Time until it answers; Infinity: it hangs until it is cancelled. */
  readonly tookMs?: number | undefined
  /** It fails with this reason instead of doing it. */
  readonly fails?: string | undefined
}

/** A resource of a simulated host. It belongs to the host, not to the process: it runs on when the process is killed. */
export class SimulatedResource {
  readonly name: string
  /** Whether it runs, as a client would find out. */
  running = false
  /** Whether it was cut off. */
  isolated = false
  /** How it behaves; set entries to make it slow, failing or hanging. */
  readonly behaviour: { [Name in Operation]?: SimulatedBehaviour } = {}
  /** Every operation that ended well, in order, for assertions about order. */
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

  /** Performs one operation in virtual time; the returned function cancels it. */
  perform(schedule: Schedule, request: OperationRequest, done: (result: OperationResult) => void): () => void {
    const { operation, epoch } = request
    const { tookMs = defaultTookMs[operation], fails } = this.behaviour[operation] ?? {}
    const changes = operation === 'start' || operation === 'stop' || operation === 'restore'
    let over = false
    const leave = () => {
      if (changes && !over) this.#changing--
      over = true
    }
    if (changes && this.#changing++ > 0) this.overlaps++
    const end = () => {
      leave()
      if (fails !== undefined) return done({ ok: false, reason: fails })
      const result = this.#did(operation)
      this.log.push({ atMs: schedule.nowMs, operation, epoch })
      done(result)
    }
    const takeBack = tookMs === Number.POSITIVE_INFINITY ? () => {} : schedule.at(schedule.nowMs + tookMs, end)
    return () => {
      takeBack()
      schedule.at(schedule.nowMs + 1, () => {
        leave()
        done({ ok: false, reason: 'cancelled' })
      })
    }
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

const defaultTookMs: Readonly<Record<Operation, number>> = {
  prepare: 5,
  start: 2,
  stop: 2,
  status: 1,
  announce: 1,
  isolate: 0.2,
  restore: 1,
}
