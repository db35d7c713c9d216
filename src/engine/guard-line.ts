import { messageOf } from '../roles/error.ts'
import type { Guard, GuardChange, Pass } from '../roles/guard.ts'
import type { GuardRequest } from '../roles/host.ts'

/** What the line to a guard is built from. */
export interface GuardLineOptions {
  readonly guard: Guard
  /** How late the guard may be without harm, in milliseconds. */
  readonly marginMs: number
  /** The time in milliseconds, by a clock that runs while this host is awake. */
  now(): number
}

/**
 * Says to the guard what the core decided, one line at a time: while one is under way only the newest of what was decided
 * meanwhile waits. What is said late is said with the time that is left.
 */
export class GuardLine {
  readonly #options: GuardLineOptions
  #addresses: ReadonlyMap<string, readonly string[]>
  /** Until when each group passes, as it was last decided. */
  readonly #untilMs = new Map<string, number>()
  /** Groups of which the guard does not know the newest. */
  readonly #unsaid = new Set<string>()
  #waiting: ((failed: string | undefined) => void)[] = []
  #saying: Promise<void> | undefined

  /** `addresses` of each group, with or without the length of their network. */
  constructor(options: GuardLineOptions, addresses: ReadonlyMap<string, readonly string[]>) {
    this.#options = options
    this.#addresses = addresses
  }

  /** Guards the addresses, before anything may pass. */
  open(): Promise<void> {
    return this.#options.guard.hold([...this.#addresses.values()].flat())
  }

  /** `done` is called when the guard has taken this change, or a newer one, or has refused it. */
  change({ pass, close }: GuardRequest, done: (failed: string | undefined) => void): void {
    for (const { group, untilMs } of pass) this.#untilMs.set(group, untilMs)
    for (const group of close) this.#untilMs.delete(group)
    for (const group of [...pass.map((each) => each.group), ...close]) this.#unsaid.add(group)
    this.#waiting.push(done)
    this.#saying ??= this.#say()
  }

  /** Other addresses: those that are new are guarded, and pass where their group does. */
  async moveTo(addresses: ReadonlyMap<string, readonly string[]>): Promise<void> {
    await this.#saying
    this.#addresses = addresses
    await this.open()
    for (const group of this.#untilMs.keys()) this.#unsaid.add(group)
    this.#saying ??= this.#say()
    await this.#saying
  }

  /** Nothing is under way. */
  async settled(): Promise<void> {
    while (this.#saying !== undefined) await this.#saying
  }

  async #say(): Promise<void> {
    const { guard, marginMs, now } = this.#options
    while (this.#unsaid.size > 0) {
      const groups = [...this.#unsaid]
      this.#unsaid.clear()
      const told = this.#waiting.splice(0)
      const saidMs = now()
      const failed = await guard.apply(this.#changeOf(groups, saidMs)).then(
        () => undefined,
        (error: unknown) => messageOf(error),
      )
      // It counts from when it heard, which may have been at the end: what is left is then less than it was told.
      const wasLate = failed === undefined && now() - saidMs > marginMs
      if (wasLate) for (const group of groups) if (this.#untilMs.has(group)) this.#unsaid.add(group)
      for (const done of told) done(failed)
    }
    this.#saying = undefined
  }

  #changeOf(groups: readonly string[], nowMs: number): GuardChange {
    const pass: Pass[] = []
    const close: string[] = []
    for (const group of groups) {
      const forMs = (this.#untilMs.get(group) ?? nowMs) - nowMs
      for (const address of this.#addresses.get(group) ?? [])
        if (forMs >= 1) pass.push({ address, forMs })
        else close.push(address)
    }
    return { pass, close }
  }
}
