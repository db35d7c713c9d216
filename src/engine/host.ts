import { randomBytes } from '../platform/random.ts'
import { type HotStandbyErrorCode, isHotStandbyError, messageOf } from '../roles/error.ts'
import type {
  AskRequest,
  AskResult,
  GuardRequest,
  Host,
  OperationRequest,
  OperationResult,
  PersistentState,
} from '../roles/host.ts'
import type { LeaseStore, StoredLease } from '../roles/lease-store.ts'
import { printable } from '../roles/printable.ts'
import type { Operation, ResourceAgent, ResourceStatus } from '../roles/resource-agent.ts'
import type { Instant } from '../roles/time.ts'
import type { GuardLine } from './guard-line.ts'

/** What real time needs: whom to wake, the agents, and where the state goes. */
export interface RealHostOptions {
  /** Period of the stall probe in milliseconds. */
  readonly probeMs: number
  readonly agents: ReadonlyMap<string, ResourceAgent>
  /** Lease stores by name. */
  readonly stores?: ReadonlyMap<string, LeaseStore> | undefined
  /** Where the kernel guards the addresses. */
  readonly guard?: Pick<GuardLine, 'change' | 'settled'> | undefined
  writeState(state: PersistentState): Promise<void>
  bootMs(): number
  onWake(): void
  onDrained(): void
}

/** The boot clock is read in steps of 10 ms: a smaller difference says nothing. */
const bootStepMs = 20
/** The longest delay a Node timer takes; longer waits are cut into pieces. */
const timerMaxMs = 0x7fffffff
/** libuv reads at most 32 datagrams of a socket in one turn, and the queue of a link holds up to some 2,800 small ones. */
const drainTurns = 96

/** {@link Host} in real time: the only file of the library that reads a clock or sets a timer for a decision. */
export class RealHost implements Host {
  readonly #options: RealHostOptions
  readonly #controllers = new Map<number, AbortController>()
  #timer: NodeJS.Timeout | undefined
  #probe: NodeJS.Timeout
  #probeMs: number
  #lastProbeMs: number
  #bootReadAtMs = Number.NEGATIVE_INFINITY
  #aheadMs = 0
  readonly #onContinue: () => void
  #closed = false

  constructor(options: RealHostOptions) {
    this.#options = options
    this.#lastProbeMs = monotonicMs()
    this.#probeMs = options.probeMs
    this.#probe = setInterval(() => this.#onProbe(), options.probeMs)
    // A stopped process is told when it goes on: so it asks at once whether it may still own what it owned.
    this.#onContinue = () => options.onWake()
    process.on('SIGCONT', this.#onContinue)
  }

  /** Another period of the stall probe. */
  probeEvery(probeMs: number): void {
    if (this.#closed || probeMs === this.#probeMs) return
    clearInterval(this.#probe)
    this.#lastProbeMs = monotonicMs()
    this.#probeMs = probeMs
    this.#probe = setInterval(() => this.#onProbe(), probeMs)
  }

  /** Ends every timer; running operations are aborted. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#probe)
    process.off('SIGCONT', this.#onContinue)
    for (const controller of this.#controllers.values()) controller.abort()
  }

  /** Steps of 1/1024 ms: sums of them are exact, so a recording can tell times by their differences. */
  now(): Instant {
    const monoMs = Math.floor(monotonicMs() * 1024) / 1024
    return { monoMs, bootMs: monoMs + this.#bootAheadMs(monoMs), wallMs: Date.now() }
  }

  /** By how much the boot clock is ahead: the time for which this host has slept. Its reading costs a system call, so once per probe. */
  #bootAheadMs(monoMs: number): number {
    if (monoMs < this.#bootReadAtMs + this.#probeMs) return this.#aheadMs
    this.#bootReadAtMs = monoMs
    const aheadMs = Math.round(this.#options.bootMs() - monoMs)
    if (Math.abs(aheadMs - this.#aheadMs) > bootStepMs) this.#aheadMs = aheadMs
    return this.#aheadMs
  }

  #onProbe(): void {
    // Only a stall is worth an input; the probe itself is silent.
    if (monotonicMs() - this.#lastProbeMs > 2 * this.#probeMs) this.#options.onWake()
    this.#lastProbeMs = monotonicMs()
  }

  takeStall(): number {
    const nowMs = monotonicMs()
    const excessMs = nowMs - this.#lastProbeMs - this.#probeMs
    if (excessMs <= this.#probeMs) return 0
    this.#lastProbeMs = nowMs
    return excessMs
  }

  wakeAt(monoMs: number | null): void {
    clearTimeout(this.#timer)
    if (monoMs === null || this.#closed) return
    const delayMs = Math.min(Math.max(0, Math.ceil(monoMs - monotonicMs())), timerMaxMs)
    this.#timer = setTimeout(() => this.#options.onWake(), delayMs)
  }

  drain(): void {
    // Turns in which poll runs after the timer that asked: only then is every queued packet read. An idle one takes some 10 µs.
    const turn = (left: number): void => {
      if (left > 0) setImmediate(() => turn(left - 1))
      else setTimeout(() => !this.#closed && this.#options.onDrained(), 1)
    }
    turn(drainTurns)
  }

  perform(request: OperationRequest, done: (result: OperationResult) => void): void {
    const agent = this.#options.agents.get(request.resource)
    const controller = new AbortController()
    this.#controllers.set(request.opId, controller)
    this.#whenItPasses(request.operation)
      .then(() => run(agent, request, controller.signal))
      .catch((error: unknown): OperationResult => failureOf(error, request.operation))
      .then((result) => {
        this.#controllers.delete(request.opId)
        if (!this.#closed) done(result)
      })
      .catch(() => {
        // `done` is the loop's own and reports its failures itself.
      })
  }

  /** What a resource says to the network is not lost: the guard has been told before. */
  async #whenItPasses(operation: Operation): Promise<void> {
    if (speaking.includes(operation)) await this.#options.guard?.settled()
  }

  guard(change: GuardRequest, done: (failed: string | undefined) => void): void {
    this.#options.guard?.change(change, (failed) => {
      if (!this.#closed) done(failed === undefined ? undefined : shortened(failed))
    })
  }

  ask(request: AskRequest, done: (result: AskResult) => void): void {
    const controller = new AbortController()
    this.#controllers.set(request.opId, controller)
    askStore(this.#options.stores?.get(request.ref.name), request, controller.signal)
      .catch((error: unknown): AskResult => ({ ok: false, reason: shortened(messageOf(error)) }))
      .then((result) => {
        this.#controllers.delete(request.opId)
        if (!this.#closed) done(result)
      })
      .catch(() => {
        // `done` is the loop's own and reports its failures itself.
      })
  }

  cancel(opId: number): void {
    this.#controllers.get(opId)?.abort(new Error('no longer wanted, or not finished in time'))
  }

  randomBytes(count: number): Uint8Array {
    return randomBytes(count)
  }

  persist(state: PersistentState, done: (error: Error | null) => void): void {
    const settle = (error: Error | null) => {
      if (!this.#closed) done(error)
    }
    this.#options.writeState(state).then(
      () => settle(null),
      (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
    )
  }
}

/** In these a resource announces itself. */
const speaking: readonly Operation[] = ['start', 'announce', 'restore']

/** What an agent says is told, recorded and shown to people: a few lines of it, whatever it was. */
const reasonMaxLength = 2000

function shortened(reason: string): string {
  return printable(reason, reasonMaxLength)
}

/** With these codes a look says that it could not be made, and nothing of what it was to look at. */
const noLook: readonly HotStandbyErrorCode[] = ['HS_TIMEOUT', 'HS_HOST', 'HS_AGENT_NOT_RUNNABLE']

function failureOf(error: unknown, operation: Operation): OperationResult {
  const reason = shortened(messageOf(error))
  const code = isHotStandbyError(error) ? error.code : undefined
  if (operation === 'status' && code !== undefined && noLook.includes(code))
    return { ok: true, status: { state: 'unknown', reason } }
  return code === 'HS_AGENT_NOT_RUNNABLE' ? { ok: false, reason, notRunnable: true } : { ok: false, reason }
}

/** An agent may answer anything: what is none of the four states is a failed one. */
function believable(status: ResourceStatus | undefined): ResourceStatus {
  if (status?.state === 'running' || status?.state === 'stopped') return { state: status.state }
  if (status?.state === 'failed' || status?.state === 'unknown')
    return { state: status.state, reason: shortened(String(status.reason)) }
  const shown = shortened(JSON.stringify(status) ?? 'nothing')
  return {
    state: 'failed',
    reason: `its status answered ${shown}; right is { state: 'running' | 'stopped' | 'failed' | 'unknown' }`,
  }
}

async function run(
  agent: ResourceAgent | undefined,
  { operation, epoch, resource }: OperationRequest,
  signal: AbortSignal,
): Promise<OperationResult> {
  if (!agent) return { ok: false, reason: `no agent for ${resource}` }
  const context = { epoch, signal }
  if (operation === 'status') return { ok: true, status: believable(await agent.status(context)) }
  await agent[operation]?.(context)
  return { ok: true }
}

async function askStore(
  store: LeaseStore | undefined,
  { ref, verb, args: { name, expected = null, value = '' } }: AskRequest,
  signal: AbortSignal,
): Promise<AskResult> {
  if (!store) return { ok: false, reason: `no store is named ${ref.name}` }
  if (verb === 'read') {
    const found: unknown = await store.read(name, signal)
    if (found === null || isStored(found)) return { ok: true, stored: found }
    throw new Error(`its read answered ${shownAnswer(found)}; right is null or { value: string, version: string }`)
  }
  const result: unknown = await store.swap(name, expected, value, signal)
  const { swapped, version } = Object(result) as { readonly swapped?: unknown; readonly version?: unknown }
  if (swapped === false) return { ok: true, stored: null }
  if (swapped === true && typeof version === 'string') return { ok: true, stored: { value, version } }
  const right = '{ swapped: false } or { swapped: true, version: string }'
  throw new Error(`its swap answered ${shownAnswer(result)}; right is ${right}`)
}

/** A store may be the application's own, and answer anything. */
function isStored(found: unknown): found is StoredLease {
  const { value, version } = Object(found) as Partial<StoredLease>
  return typeof value === 'string' && typeof version === 'string'
}

const shownAnswer = (answer: unknown): string => shortened(JSON.stringify(answer) ?? 'nothing')

/** The clock of `Instant.monoMs`. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
