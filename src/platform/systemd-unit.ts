import { existsSync } from 'node:fs'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { DBusConnectionError } from './dbus.ts'
import { findProgram, lastLines } from './process.ts'
import { createShellHelper, quote, type ShellHelper, type ShellResult } from './shell-helper.ts'
import { UnitBus } from './systemd-bus.ts'
import { asFacts, factNames, type UnitFacts, type UnitVerb } from './systemd-facts.ts'

/** A bus that accepts and then says nothing must not take the time `systemctl` needs. */
const connectMs = 1000
/** Time to ask for a stop that nobody waits for. */
const abandonMs = 1000

/**
 * One unit of systemd: over D-Bus where it can be reached, with its state followed; else by `systemctl`, which follows
 * nothing. A lost connection is made again by the next call.
 */
export class SystemdUnit {
  readonly #name: string
  readonly #onState: (state: string) => void
  readonly #onLost: () => void
  readonly #shell: ShellHelper = createShellHelper()
  #bus: UnitBus | null = null
  #opening: Promise<UnitBus | null> | null = null
  #closed = false
  /** Why D-Bus cannot be used; empty while it can. */
  #noBus = ''

  constructor(name: string, listener: { onState(state: string): void; onLost(): void }) {
    this.#name = name
    this.#onState = listener.onState
    this.#onLost = listener.onLost
  }

  /** Socket of D-Bus in use, or `systemctl`. */
  get way(): string {
    return this.#bus?.socket ?? 'systemctl'
  }

  /** Why D-Bus is not used; empty while it is. */
  get noBus(): string {
    return this.#noBus
  }

  facts(signal: AbortSignal): Promise<UnitFacts> {
    return this.#either(
      signal,
      (bus) => bus.facts(signal),
      async () => {
        const { status, output } = await this.#systemctl(['show', `--property=${factNames.join(',')}`], signal)
        if (status !== 0) throw commandError(this.#name, 'show', output)
        const lines = output.split('\n').filter((line) => line.includes('='))
        return asFacts(
          Object.fromEntries(
            lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
          ),
        )
      },
    )
  }

  /** Runs a job to its end and answers its result, `done` when it went well. On abort the job is cancelled. */
  run(verb: UnitVerb, signal: AbortSignal): Promise<string> {
    return this.#either(
      signal,
      (bus) => bus.run(verb, signal),
      async () => {
        if (verb === 'start') await this.#systemctl(['reset-failed'], signal)
        const { status, output } = await this.#systemctl([verb], signal)
        if (status !== 0) throw commandError(this.#name, verb, output)
        return 'done'
      },
    )
  }

  /** Has it stopped without waiting for it: nobody wants any more what was begun. */
  async abandon(): Promise<void> {
    const signal = AbortSignal.timeout(abandonMs)
    await this.#either(
      signal,
      (bus) => bus.abandon(signal),
      async () => void (await this.#systemctl(['--no-block', 'stop'], signal)),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opening?.catch(() => {})
    this.#bus?.close()
    this.#bus = null
    await this.#shell.close()
  }

  async #either<T>(signal: AbortSignal, onBus: (bus: UnitBus) => Promise<T>, byCommand: () => Promise<T>): Promise<T> {
    const bus = await this.#reach(signal)
    if (bus === null) return byCommand()
    try {
      return await onBus(bus)
    } catch (error) {
      // systemd closes its connections when it executes itself anew; asking it again does no harm.
      if (error instanceof DBusConnectionError) return byCommand()
      throw error
    }
  }

  async #reach(signal: AbortSignal): Promise<UnitBus | null> {
    if (this.#bus) return this.#bus
    if (signal.aborted) throw new HotStandbyError('HS_TIMEOUT', `${this.#name}: ${messageOf(signal.reason)}`)
    this.#opening ??= this.#connect(AbortSignal.any([signal, AbortSignal.timeout(connectMs)])).finally(() => {
      this.#opening = null
    })
    return this.#opening
  }

  async #connect(signal: AbortSignal): Promise<UnitBus | null> {
    try {
      const bus = await UnitBus.open(this.#name, { onState: this.#onState, onLost: () => this.#forget(bus) }, signal)
      this.#noBus = ''
      this.#bus = bus
      return bus
    } catch (error) {
      if (!(error instanceof DBusConnectionError)) throw error
      this.#noBus = error.message
      return null
    }
  }

  #forget(bus: UnitBus): void {
    if (this.#bus === bus) this.#bus = null
    if (!this.#closed) this.#onLost()
  }

  #systemctl(words: readonly string[], signal: AbortSignal): Promise<ShellResult> {
    const program = findProgram('systemctl')
    if (program === null) {
      throw new HotStandbyError('HS_HOST', `${this.#name}: no systemd on this host: ${this.#noBus}; and no systemctl`)
    }
    const command = [program, '--no-ask-password', '--no-pager', ...words, '--', this.#name]
    return this.#shell.run(command.map(quote).join(' '), signal)
  }
}

function commandError(unit: string, verb: string, output: string): HotStandbyError {
  const said = lastLines(output) || 'it printed nothing'
  // Words of systemctl and of PID 1's absence; its exit status is 1 for all of them.
  const isHost = /Access denied|authentication required|not been booted with systemd|Failed to connect to bus/i.test(
    said,
  )
  return new HotStandbyError(isHost ? 'HS_HOST' : 'HS_RESOURCE', `${unit}: systemctl ${verb} failed: ${said}`)
}

/** Was this host booted by systemd (sd_booted(3)), and can it start that unit? False also where it cannot be asked. */
export async function hasUnit(name: string, signal: AbortSignal): Promise<boolean> {
  if (!existsSync('/run/systemd/system')) return false
  const unit = new SystemdUnit(name, { onState: () => {}, onLost: () => {} })
  try {
    const { load, canStart } = await unit.facts(signal)
    return load === 'loaded' && canStart
  } catch {
    return false
  } finally {
    await unit.close()
  }
}
