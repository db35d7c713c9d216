import type { UnitFacts } from '../platform/systemd-facts.ts'
import { SystemdUnit } from '../platform/systemd-unit.ts'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { checkOptionNames, type OptionTable } from '../roles/option-table.ts'
import type {
  OperationContext,
  ResourceAgent,
  ResourceContext,
  ResourcePlugin,
  ResourceStatus,
  ResourceTimes,
} from '../roles/resource-agent.ts'
import { optionError, type ResourceTimeOptions, resourceTimes, timeOptions } from './options.ts'

/** Options of {@link systemd}. */
export interface SystemdOptions extends ResourceTimeOptions {
  /**
   * `'cold'`: the unit is started at takeover and stopped when the group is given up. `'hot'`: it runs on both nodes all the
   * time, a takeover only looks whether it is well.
   * @defaultValue `'cold'`
   */
  readonly mode?: 'cold' | 'hot' | undefined
  /**
   * At takeover, a unit that runs already is reloaded, so that it sees what came with the group (an address, say).
   * @defaultValue `false`
   */
  readonly reload?: boolean | undefined
  /**
   * Takes a `static` unit, too. Such a unit has no `[Install]` section and is meant to be pulled in by others, which could
   * start it on both nodes.
   * @defaultValue `false`
   */
  readonly allowStatic?: boolean | undefined
}

const knownOptions: OptionTable<SystemdOptions> = {
  ...timeOptions,
  mode: 'any',
  reload: 'boolean',
  allowStatic: 'boolean',
}

interface Setup {
  readonly unit: string
  readonly mode: 'cold' | 'hot'
  readonly reload: boolean
  readonly allowStatic: boolean
  readonly times: ResourceTimes
}

/** Kinds of units that can be started by their name (systemd(1)). */
const suffixes = ['service', 'socket', 'target', 'mount', 'automount', 'swap', 'timer', 'path']
const suffix = new RegExp(`\\.(?:${suffixes.join('|')})$`)
/** Prefix and instance (systemd.unit(5)). */
const stem = /^[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\@-]+)?$/

/** The whole name of a unit, as `systemctl` completes it. Throws `HS_CONFIG` for what cannot be one. */
function unitName(given: unknown): string {
  const wrong = (message: string): HotStandbyError => optionError('systemd', `'${String(given)}' ${message}`)
  if (typeof given !== 'string') throw wrong('is not a valid name for a unit')
  const name = suffix.test(given) ? given : `${given}.service`
  if (name.length > 255) throw wrong('has more than 255 characters')
  if (name.includes('@.')) throw wrong("is a template; name an instance, as 'postgresql@main'")
  if (!stem.test(name.replace(suffix, ''))) throw wrong('has other characters than letters, digits and :-_.\\@')
  return name
}

/**
 * A unit of systemd. It is controlled over D-Bus, so that its end is noticed at once; where D-Bus cannot be reached, by
 * `systemctl`. `.service` may be left out.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad name or option.
 */
export function systemd(unit: string, options: SystemdOptions = {}): ResourcePlugin {
  checkOptionNames('systemd', options, knownOptions)
  const name = unitName(unit)
  const { mode = 'cold', reload = false, allowStatic = false } = options
  if (mode !== 'hot' && mode !== 'cold')
    throw optionError('systemd.mode', `'${String(mode)}' is neither 'hot' nor 'cold'`)
  const times = resourceTimes('systemd', options, {
    // A little more than systemd's own 90 s, which then says what went wrong.
    startTimeout: '100s',
    stopTimeout: '100s',
    statusTimeout: '5s',
    statusInterval: '10s',
  })
  const settings = { unit: name, mode, reload, allowStatic }
  const setup: Setup = { ...settings, times }
  return {
    kind: 'resource',
    settings,
    type: 'systemd',
    name: `systemd:${name}`,
    times,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new SystemdAgent(setup, context),
  }
}

/** How a job can end other than `done`. */
const results: Readonly<Record<string, string>> = {
  canceled: 'its job was cancelled, or replaced by the opposite one',
  timeout: 'its job did not end within its own limit (JobTimeoutSec=)',
  failed: 'it failed',
  dependency: 'a unit that it requires failed',
  skipped: 'systemd skipped the job',
  assert: 'an assertion of the unit does not hold (Assert…=)',
  unsupported: 'this system does not support units of its kind',
}

const running = ['active', 'reloading', 'refreshing']
const ended = ['inactive', 'failed']

class SystemdAgent implements ResourceAgent {
  readonly #setup: Setup
  readonly #context: ResourceContext
  readonly #unit: SystemdUnit
  /** Between a start and a stop. */
  #serving = false
  /** An operation of our own is under way: what changes is our doing. */
  #busy = false
  /** What systemd told last by itself. */
  #told = ''
  /** It was said that its file has changed. */
  #toldChanged = false

  constructor(setup: Setup, context: ResourceContext) {
    this.#setup = setup
    this.#context = context
    this.#unit = new SystemdUnit(setup.unit, {
      onState: (state) => {
        this.#told = state
        this.#notice()
      },
      // The next status connects again, and says how it is.
      onLost: () => {
        if (this.#serving && !this.#busy) context.changed()
      },
    })
  }

  async open(): Promise<void> {
    const { unit, mode, times } = this.#setup
    const context = { epoch: 0, signal: AbortSignal.timeout(times.startMs) }
    if (this.#context.leftover !== null) await this.#endLeftover(context)
    const facts = await this.#usable(context)
    if (this.#unit.noBus !== '') {
      this.#warn(`D-Bus cannot be reached (${this.#unit.noBus}); systemctl is asked how ${unit} is, now and then`)
    }
    if (mode === 'cold') {
      if (facts.file.startsWith('enabled')) {
        this.#warn(
          `${unit} is ${facts.file}: it starts with this host, whoever owns the group; right is systemctl disable ${unit}`,
        )
      }
      if (running.includes(facts.active)) this.#warn(`${unit} runs already, though nobody here started it`)
    } else {
      // What is wrong may be mended while the pair runs: `prepare` and `start` try again and tell the reason.
      await this.#launch(facts, context).catch((error) => this.#warn(messageOf(error)))
    }
  }

  async close(): Promise<void> {
    await this.#unit.close()
  }

  async prepare(context: OperationContext): Promise<void> {
    const facts = await this.#usable(context)
    if (this.#setup.mode === 'hot') await this.#launch(facts, context)
  }

  async start(context: OperationContext): Promise<void> {
    await this.#alone(async () => {
      const facts = await this.#usable(context)
      if (this.#setup.mode === 'cold') this.#context.remember({ unit: this.#setup.unit })
      const ranAlready = running.includes(facts.active)
      await this.#launch(facts, context)
      if (ranAlready && this.#setup.reload) await this.#do('reload', context)
      this.#serving = true
    })
  }

  async stop(context: OperationContext): Promise<void> {
    if (this.#setup.mode === 'hot') {
      this.#serving = false
      return
    }
    await this.#alone(async () => {
      const { unit } = this.#setup
      const before = await this.#unit.facts(context.signal)
      // A start may still be queued for what does not run; what systemd has not loaded has no job.
      if (before.load === 'loaded' || !ended.includes(before.active)) await this.#do('stop', context)
      const { active, sub } = await this.#unit.facts(context.signal)
      if (!ended.includes(active)) {
        throw new HotStandbyError('HS_RESOURCE', `${unit} was stopped, yet it is ${active} (${sub})`)
      }
      this.#serving = false
      this.#context.remember(null)
    })
  }

  async status({ signal }: OperationContext): Promise<ResourceStatus> {
    const { unit, mode } = this.#setup
    if (!this.#serving && mode === 'hot') return { state: 'stopped' }
    const { active, sub, result } = await this.#unit.facts(signal)
    if (running.includes(active)) return { state: 'running' }
    if (!this.#serving && ended.includes(active)) return { state: 'stopped' }
    const why = result === '' ? '' : `: ${result}`
    return { state: 'failed', reason: `${unit} is ${active} (${sub})${why}; journalctl -u ${unit} tells more` }
  }

  inspect(): Readonly<Record<string, unknown>> {
    const { unit, mode } = this.#setup
    return { unit, mode, way: this.#unit.way, told: this.#told }
  }

  /** Facts of a unit that can be started here; refuses every other one with the reason. */
  async #usable({ signal }: OperationContext): Promise<UnitFacts> {
    const { unit, allowStatic, reload } = this.#setup
    const facts = await this.#unit.facts(signal)
    const refuse = (message: string): never => {
      throw new HotStandbyError('HS_HOST', `${unit} ${message}`)
    }
    const { load, loadError, file } = facts
    if (load === 'not-found') refuse('does not exist on this host; systemctl list-unit-files lists what does')
    if (load === 'masked') refuse(`is masked, so that nothing can start it; right is systemctl unmask ${unit}`)
    if (load !== 'loaded') refuse(`cannot be loaded (${load}): ${loadError || 'systemd gives no reason'}`)
    if (file === 'transient') refuse('is transient: it vanishes when it stops; write a unit file')
    if (file === 'static' && !allowStatic) {
      refuse(
        'is static: it has no [Install] section and is started by other units, perhaps on both nodes; name the unit that ' +
          'pulls it in, or set systemd.allowStatic',
      )
    }
    if (!facts.canStart) refuse('may not be started by hand (RefuseManualStart=yes)')
    if (reload && !facts.canReload) refuse('cannot be reloaded (it has no ExecReload=); leave systemd.reload out')
    if (facts.needsReload && !this.#toldChanged)
      this.#warn(`the file of ${unit} was changed; systemctl daemon-reload makes systemd read it`)
    this.#toldChanged = facts.needsReload
    return facts
  }

  /** Starts it unless it runs, and looks whether it really does. */
  async #launch({ active }: UnitFacts, context: OperationContext): Promise<void> {
    if (running.includes(active)) return
    const { unit } = this.#setup
    try {
      await this.#do('start', context)
    } catch (error) {
      // A job that is cancelled leaves behind what it began.
      if (context.signal.aborted) await this.#unit.abandon().catch((failure) => this.#warn(messageOf(failure)))
      throw error
    }
    const facts = await this.#unit.facts(context.signal)
    if (running.includes(facts.active)) return
    const hint = 'a unit of Type=oneshot needs RemainAfterExit=yes, and every Condition…= of the unit has to hold'
    const why = facts.result === '' ? hint : facts.result
    throw new HotStandbyError('HS_RESOURCE', `${unit} was started, yet it is ${facts.active} (${facts.sub}): ${why}`)
  }

  async #do(verb: 'start' | 'stop' | 'reload', { signal }: OperationContext): Promise<void> {
    const { unit } = this.#setup
    const result = await this.#unit.run(verb, signal)
    if (result === 'done') return
    const facts = await this.#unit.facts(signal)
    const detail = facts.result === '' ? '' : ` (${facts.result})`
    const what = results[result] ?? `its job ended with '${result}'`
    throw new HotStandbyError(
      'HS_RESOURCE',
      `${unit} ${verb}: ${what}${detail}, it is ${facts.active} now; journalctl -u ${unit} tells more`,
    )
  }

  async #endLeftover(context: OperationContext): Promise<void> {
    const { unit } = this.#setup
    if (this.#setup.mode === 'cold' && this.#context.leftover?.['unit'] === unit) {
      this.#warn(`stopping ${unit}, which an earlier, killed process had started`)
      await this.stop(context)
    }
    this.#context.remember(null)
  }

  /** What systemd tells meanwhile is looked at when the operation is over. */
  async #alone(work: () => Promise<void>): Promise<void> {
    this.#busy = true
    this.#told = ''
    try {
      await work()
    } finally {
      this.#busy = false
    }
    if (this.#told !== '') this.#notice()
  }

  #notice(): void {
    if (!this.#serving || this.#busy || running.includes(this.#told)) return
    this.#context.changed()
  }

  #warn(message: string): void {
    this.#context.logger.warn({ group: this.#context.group, unit: this.#setup.unit }, message)
  }
}
