import { pollUntil } from '../platform/poll.ts'
import { findProgram, lastLines, type RunResult, runProgram } from '../platform/process.ts'
import { HotStandbyError } from '../roles/error.ts'
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

/** Options of {@link drbd}. */
export interface DrbdOptions extends ResourceTimeOptions {
  /**
   * Absolute path of `drbdadm`.
   * @defaultValue the first `drbdadm` in the system's usual places
   */
  readonly binary?: string | undefined
}

const knownOptions: OptionTable<DrbdOptions> = {
  ...timeOptions,
  binary: 'text',
}

interface Setup {
  readonly resource: string
  readonly binary: string | undefined
  readonly times: ResourceTimes
}

/** How a resource of DRBD is here: what stands before the `/` is this host's, behind it the peer's (drbd.conf(5)). */
interface Facts {
  readonly role: string
  readonly disk: string
  readonly connection: string
}

/** Words of the kernel for a demotion or promotion that may work a moment later: the peer's end is not noticed yet, or a user is just ending. */
const passing = /Multiple primaries|held open|Device is busy|State change was refused|Timeout in operation/i
/** drbdsetup, when it finds no kernel module: nothing of DRBD can run here then. */
const noModule = /Failed to modprobe drbd|generic netlink family|Could not connect to 'drbd'|Missing kernel module/i
/** Some of the resources that `all` means are primary here. */
const primaryInPart = 'Primary in part'
const down = 'not up (drbdadm up)'
const unsupported = 'unknown: this kernel has no module drbd'
const notUp = /No such resource|not configured|Unconfigured|unknown resource|No currently configured/i

/**
 * Role of this node in a resource of DRBD: primary while it owns the group, secondary otherwise. Declare the `fs` on it behind
 * it. `'all'` takes every resource of the host together. The data is mirrored on both nodes all the time; DRBD is configured by its own files.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad name or option.
 * @example
 * ```ts
 * import { drbd, fs, vip } from 'hot-standby'
 *
 * const resources = [drbd('r0'), fs('/dev/drbd0', '/data', 'ext4'), vip('192.168.1.100/24')]
 * ```
 */
export function drbd(resource: string, options: DrbdOptions = {}): ResourcePlugin {
  checkOptionNames('drbd', options, knownOptions)
  if (typeof resource !== 'string' || !/^[A-Za-z0-9_][\w.-]*$/.test(resource))
    throw optionError(
      'drbd',
      `'${String(resource)}' is not a valid name for a resource of DRBD, as 'r0' is; 'all' means every one`,
    )
  const { binary } = options
  if (binary !== undefined && !binary.startsWith('/'))
    throw optionError('drbd.binary', `'${binary}' is not an absolute path`)
  const times = resourceTimes('drbd', options, {
    // Longer than DRBD's own ping, after which a dead peer is no primary any more.
    startTimeout: '30s',
    stopTimeout: '30s',
    statusTimeout: '10s',
    statusInterval: '5s',
  })
  const settings = { resource, binary }
  const setup: Setup = { ...settings, times }
  return {
    kind: 'resource',
    settings,
    type: 'drbd',
    exclusive: 'data',
    name: `drbd:${resource}`,
    times,
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new DrbdAgent(setup, context),
  }
}

class DrbdAgent implements ResourceAgent {
  readonly #setup: Setup
  readonly #context: ResourceContext
  #serving = false

  constructor(setup: Setup, context: ResourceContext) {
    this.#setup = setup
    this.#context = context
  }

  async open(): Promise<void> {
    const context = { epoch: 0, signal: AbortSignal.timeout(this.#setup.times.stopMs) }
    const { stdout, stderr, exitCode } = await this.#run(['dump'], context)
    if (exitCode !== 0) throw this.#error('dump', `${stdout}\n${stderr}`, 'HS_HOST')
    if (this.#context.leftover?.['resource'] === this.#setup.resource) {
      this.#context.logger.warn(
        { resource: this.#setup.resource },
        'demoting what an earlier, killed process had promoted',
      )
      await this.stop(context)
    }
  }

  async prepare(context: OperationContext): Promise<void> {
    const { disk, connection } = await this.#up(context)
    const { resource } = this.#setup
    const refuse = (message: string): never => {
      throw new HotStandbyError('HS_RESOURCE', `${resource}: ${message}`)
    }
    if (disk !== 'UpToDate')
      refuse(`the data of this node is ${disk}, not UpToDate; drbdadm status ${resource} tells more`)
    if (connection === 'StandAlone')
      refuse(
        `it is StandAlone: not mirrored, after a split brain perhaps; drbdadm connect ${resource} once that is resolved`,
      )
  }

  async start(context: OperationContext): Promise<void> {
    const { role } = await this.#up(context)
    if (role !== 'Primary') {
      this.#context.remember({ resource: this.#setup.resource })
      await this.#change('primary', context)
    }
    const after = await this.#facts(context)
    if (!isPrimary(after)) {
      const found = typeof after === 'string' ? after : after.role
      throw new HotStandbyError(
        'HS_RESOURCE',
        `drbdadm primary ended with success, yet ${this.#setup.resource} is ${found}`,
      )
    }
    this.#serving = true
  }

  async stop(context: OperationContext): Promise<void> {
    const { resource } = this.#setup
    // What the kernel does not know is no primary.
    if (isPrimary(await this.#facts(context))) {
      await this.#change('secondary', context)
      if (isPrimary(await this.#facts(context)))
        throw new HotStandbyError('HS_RESOURCE', `drbdadm secondary ended with success, yet ${resource} is Primary`)
    }
    this.#serving = false
    this.#context.remember(null)
  }

  async status(context: OperationContext): Promise<ResourceStatus> {
    const facts = await this.#facts(context)
    const { resource } = this.#setup
    if (!this.#serving)
      return isPrimary(facts)
        ? { state: 'failed', reason: `${resource} is Primary, and nobody here made it so` }
        : { state: 'stopped' }
    if (typeof facts === 'string') return { state: 'failed', reason: `${resource} is ${facts}` }
    if (facts.role !== 'Primary') return { state: 'failed', reason: `${resource} is ${facts.role}, not Primary` }
    if (facts.disk === 'UpToDate') return { state: 'running' }
    return { state: 'failed', reason: `${resource}: the data of this node is ${facts.disk}; its disk failed, perhaps` }
  }

  inspect(): Readonly<Record<string, unknown>> {
    return { resource: this.#setup.resource, serving: this.#serving }
  }

  /** Facts of the resource, which is brought up where nobody has done so. */
  async #up(context: OperationContext): Promise<Facts> {
    const { resource } = this.#setup
    const found = await this.#facts(context)
    if (typeof found !== 'string') return found
    if (found === unsupported) throw noModuleError(`drbdadm role ${resource}`)
    const result = await this.#run(['up'], context)
    if (result.exitCode !== 0) throw this.#failure('up', result)
    const facts = await this.#facts(context)
    if (typeof facts !== 'string') return facts
    throw new HotStandbyError('HS_RESOURCE', `drbdadm up ended with success, yet ${resource} is ${facts}`)
  }

  /** In words why there are none: the kernel does not know the resource, or has no DRBD at all. */
  async #facts(context: OperationContext): Promise<Facts | typeof down | typeof unsupported> {
    const [role, disk, connection] = await Promise.all(
      ['role', 'dstate', 'cstate'].map((verb) => this.#run([verb], context)),
    )
    // One line for each resource. What is right for all of them comes last.
    const own = (result: RunResult | undefined, ...right: readonly string[]): string => {
      const found = [...(result?.stdout ?? '').matchAll(/^\s*([A-Za-z]+)/gm)].map(([, word = '']) => word)
      return found.find((word) => !right.includes(word)) ?? found[0] ?? 'unknown'
    }
    const said = role ? `${role.stdout}\n${role.stderr}` : ''
    const inPart = /^\s*Primary/m.test(role?.stdout ?? '') && own(role, 'Primary') !== 'Primary'
    if (role?.exitCode === 0 && (inPart || own(role) !== 'Unconfigured'))
      return {
        role: inPart ? primaryInPart : own(role),
        disk: own(disk, 'UpToDate'),
        connection: /^\s*StandAlone/m.test(connection?.stdout ?? '') ? 'StandAlone' : own(connection),
      }
    if (noModule.test(said)) return unsupported
    if (role?.exitCode === 0 || notUp.test(said)) return down
    throw this.#failure('role', role as RunResult)
  }

  /** Changes the role, again and again while the reason may pass. */
  async #change(verb: 'primary' | 'secondary', context: OperationContext): Promise<void> {
    const { times } = this.#setup
    let last: RunResult | undefined
    const attempt = async (): Promise<boolean> => {
      last = await this.#run([verb], context)
      if (last.exitCode === 0) return true
      if (passing.test(`${last.stdout}\n${last.stderr}`)) return false
      throw this.#failure(verb, last)
    }
    const limitMs = (verb === 'primary' ? times.startMs : times.stopMs) - lastWordMs
    const done = await pollUntil(attempt, { signal: context.signal, limitMs: Math.max(limitMs, 0), everyMs: 500 })
    if (!done && last) throw this.#failure(verb, last)
  }

  #run(words: readonly string[], { signal }: OperationContext): Promise<RunResult> {
    const file = this.#setup.binary ?? findProgram('drbdadm')
    if (file === null) {
      const message = 'the program drbdadm is not installed on this host (Debian: drbd-utils)'
      return Promise.reject(new HotStandbyError('HS_HOST', message))
    }
    return runProgram({ file, args: [...words, this.#setup.resource], signal })
  }

  #failure(verb: string, { stdout, stderr }: RunResult): HotStandbyError {
    return this.#error(verb, `${stdout}\n${stderr}`, 'HS_RESOURCE')
  }

  #error(verb: string, output: string, code: 'HS_HOST' | 'HS_RESOURCE'): HotStandbyError {
    const { resource } = this.#setup
    if (noModule.test(output)) return noModuleError(`drbdadm ${verb} ${resource}`)
    return new HotStandbyError(code, `drbdadm ${verb} ${resource} failed: ${lastLines(output) || 'it printed nothing'}`)
  }
}

function noModuleError(what: string): HotStandbyError {
  return new HotStandbyError('HS_HOST', `${what}: this kernel has no module drbd, or it may not be loaded`)
}

function isPrimary(facts: Facts | string): boolean {
  return typeof facts !== 'string' && ['Primary', primaryInPart].includes(facts.role)
}

/** So that a change of role that keeps failing is told in its own words before the limit of the operation. */
const lastWordMs = 1000
