import { pollUntil } from '../platform/poll.ts'
import {
  identityOf,
  isAlive,
  type ProcessIdentity,
  processCommandLine,
  processFamily,
  readPidFile,
  signalProcess,
  stillLives,
} from '../platform/process.ts'
import { HotStandbyError } from '../roles/error.ts'

/** Title that nginx gives its master, before the command line it was started with. */
const title = 'nginx: master process '
const termMs = 1500
const killMs = 2000

/** The nginx of one configuration: known by that configuration's pid file, and by its command line as the counter-check. */
export class NginxMaster {
  readonly pidFile: string
  readonly #config: string
  /** True when this configuration is the one that nginx takes when none is named. */
  readonly #isDefault: boolean

  constructor(pidFile: string, config: string, isDefault: boolean) {
    this.pidFile = pidFile
    this.#config = config
    this.#isDefault = isDefault
  }

  /** The living master, or null. A pid file left behind, a pid given to another program, and a zombie are no master. */
  find(): ProcessIdentity | null {
    const pid = readPidFile(this.pidFile)
    if (pid === null) return null
    const line = processCommandLine(pid)
    if (!line?.startsWith(title) || !this.#isOurs(line.slice(title.length))) return null
    return identityOf(pid)
  }

  /** Workers whose master was killed: they go on serving and hold its sockets until somebody ends them. */
  orphans(): readonly number[] {
    const pid = readPidFile(this.pidFile)
    // A process that shows a command line lives, and is another one. One that is just dying shows none.
    if (pid === null || processCommandLine(pid)) return []
    return processFamily(pid)
      .map((process) => process.pid)
      .filter((member) => processCommandLine(member)?.startsWith('nginx: '))
  }

  /** Ends workers without a master; they cannot be asked through it any more. */
  async endOrphans(signal: AbortSignal): Promise<void> {
    const orphans = this.orphans()
    for (const pid of orphans) signalProcess(pid, 'SIGKILL')
    if (!(await pollUntil(() => !orphans.some(isAlive), { signal, limitMs: killMs }))) {
      throw new HotStandbyError('HS_RESOURCE', `nginx workers ${orphans.join(', ')} survive SIGKILL`)
    }
  }

  /**
   * Stops the master and everything it started: SIGQUIT (requests in progress may end) for `quitMs`, then SIGTERM, then
   * SIGKILL. Resolves when it has verifiably gone.
   */
  async stop({ signal, quitMs }: { signal: AbortSignal; quitMs: number }): Promise<void> {
    const master = this.find()
    if (!master) return this.endOrphans(signal)
    const steps = [
      ['SIGQUIT', quitMs],
      ['SIGTERM', termMs],
    ] as const
    for (const [name, limitMs] of steps) {
      if (limitMs === 0) continue
      signalProcess(master.pid, name)
      if (await pollUntil(() => !stillLives(master), { signal, limitMs, everyMs: 2 })) break
    }
    // The master first: it would only start new workers. Whoever is left of the family after a clean end is gone too.
    if (stillLives(master)) signalProcess(master.pid, 'SIGKILL')
    const family = (): number[] => processFamily(master.pid).map((process) => process.pid)
    for (const pid of family()) signalProcess(pid, 'SIGKILL')
    if (await pollUntil(() => family().length === 0, { signal, limitMs: killMs })) return
    throw new HotStandbyError('HS_RESOURCE', `nginx processes ${family().join(', ')} survive SIGKILL`)
  }

  /** Has another one stop it, gently for `quitMs`; SIGTERM hurries a master that still lives then. */
  async stopBy(stop: () => Promise<void>, { signal, quitMs }: { signal: AbortSignal; quitMs: number }): Promise<void> {
    const master = this.find()
    let over = false
    const stopped = stop().finally(() => {
      over = true
    })
    // It may fail while nobody waits for it yet; whether it did is asked below.
    stopped.catch(() => {})
    if (master) {
      const gone = await pollUntil(() => over || !stillLives(master), { signal, limitMs: quitMs }).catch(() => true)
      if (!gone) signalProcess(master.pid, 'SIGTERM')
    }
    await stopped
  }

  /**
   * Has the master read its configuration anew (SIGHUP); resolves when new workers serve and the old ones accept nothing
   * any more. A master that cannot use the configuration keeps the old one and its workers.
   */
  async reload({ signal, limitMs }: { signal: AbortSignal; limitMs: number }): Promise<void> {
    const master = this.find()
    if (!master) throw new HotStandbyError('HS_RESOURCE', `no nginx runs with ${this.#config}`)
    const workers = (): number[] =>
      processFamily(master.pid).flatMap(({ pid, parent }) => (parent === master.pid ? pid : []))
    const before = workers()
    signalProcess(master.pid, 'SIGHUP')
    const accepts = (pid: number): boolean => isAlive(pid) && !processCommandLine(pid)?.includes('shutting down')
    const renewed = (): boolean => workers().some((pid) => !before.includes(pid)) && !before.some(accepts)
    if (await pollUntil(renewed, { signal, limitMs, everyMs: 2 })) return
    throw new HotStandbyError(
      'HS_RESOURCE',
      `nginx was told to read ${this.#config} anew and goes on with the old one; its error log tells why`,
    )
  }

  #isOurs(commandLine: string): boolean {
    const words = commandLine.split(' ')
    const at = words.indexOf('-c')
    if (at === -1) return this.#isDefault
    const named = words[at + 1] ?? ''
    // A relative path cannot be told from here; then the pid file alone must do.
    return !named.startsWith('/') || named === this.#config
  }
}
