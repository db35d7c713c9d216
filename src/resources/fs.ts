import { backingFile, blockDevice, blockDeviceExists, bound, mountPoint } from '../platform/mount-point.ts'
import {
  bindSource,
  type Holder,
  holdersOf,
  type Mount,
  mountsUnderWay,
  namedHolders,
  namespacesWith,
  readMounts,
} from '../platform/mounts.ts'
import { pollUntil } from '../platform/poll.ts'
import { findProgram, lastLines, type RunResult, runProgram, signalProcess } from '../platform/process.ts'
import { type Duration, durationMs } from '../roles/duration.ts'
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

/** Options of {@link fs}. */
export interface FsOptions extends ResourceTimeOptions {
  /** Options of the mount, as `mount -o` takes them: `'noatime,data=ordered'`. */
  readonly mountOptions?: string | undefined
  /**
   * `'preen'`: before the mount, `fsck` repairs what it may repair by itself. `'off'`: no check.
   * @defaultValue `'preen'` for file systems that have such a check (ext2–4, vfat, exfat, f2fs, jfs)
   */
  readonly check?: 'preen' | 'off' | undefined
  /**
   * Ends the processes that keep the directory busy this long after the stop began: SIGTERM, two seconds later SIGKILL.
   * @defaultValue nobody is killed; the stop fails and names them
   */
  readonly killAfter?: Duration | undefined
}

const knownOptions: OptionTable<FsOptions> = {
  ...timeOptions,
  mountOptions: 'text',
  check: 'any',
  killAfter: 'any',
}

interface Setup {
  readonly device: string
  readonly directory: string
  readonly type: string
  readonly mountOptions: string | undefined
  readonly check: boolean
  readonly killAfterMs: number | undefined
  readonly times: ResourceTimes
}

/** Where things really are, found when they are needed. */
interface Place {
  /** What `mount` is given. */
  readonly source: string
  /** Number of a block device. */
  readonly number: string | undefined
  /** The source is a regular file, which `mount` puts behind a loop device. */
  readonly isFile?: true
  /** What the kernel knows a bind mount by. */
  readonly bind?: Pick<Mount, 'device' | 'root'>
  readonly directory: string
}

/** File systems whose `fsck.TYPE -a` repairs without asking. The others check themselves when they are mounted. */
const checkable = ['ext2', 'ext3', 'ext4', 'vfat', 'exfat', 'f2fs', 'jfs']
const tag = /^(?:UUID|LABEL|PARTUUID|PARTLABEL)=[^\s/]+$/
/** From here on, errors are left (fsck(8)); 1 and 2 are repaired ones. */
const fsckUncorrected = 4
/** File systems of another host: several mounts of one share a device, and a second name of the type may be shown. */
const remote: Readonly<Record<string, string>> = { nfs: 'nfs', nfs4: 'nfs', cifs: 'smb', smb3: 'smb', smbfs: 'smb' }
/** How long processes that are just ending, and each signal, may take. */
const settleMs = 2000
/** Words of the kernel for a file system that it has taken out of use. */
const broken = ['shutdown', 'emergency_ro']

/**
 * A mounted file system: `fs('/dev/drbd0', '/data', 'ext4')`. The device may also be `UUID=…`, `LABEL=…`, what a network file
 * system calls it (`nas:/export`, `//nas/share`), a file that holds a file system (mount option `loop`), or a directory (mount
 * option `bind`, type `none`). With the type `auto`, `mount` finds out which it is.
 * @throws {HotStandbyError} `HS_CONFIG` for a bad argument or option.
 */
export function fs(device: string, path: string, type: string, options: FsOptions = {}): ResourcePlugin {
  checkOptionNames('fs', options, knownOptions)
  // Slashes that are doubled or at the end say nothing.
  const directory = typeof path === 'string' ? path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1') : path
  if (typeof device !== 'string' || !/^[^\s-][^\s]*$/.test(device))
    throw optionError('fs.device', `'${String(device)}' is not a device; right is '/dev/…', 'UUID=…' or 'server:/path'`)
  if (typeof directory !== 'string' || !/^(?:\/(?!\.{1,2}(?:\/|$))[^/\s]+)+$/.test(directory))
    throw optionError(
      'fs.directory',
      `'${String(directory)}' is not an absolute path of a directory without dots in it`,
    )
  if (typeof type !== 'string' || !/^[a-z0-9][\w.-]*$/.test(type))
    throw optionError('fs.type', `'${String(type)}' is not a file system; right is 'ext4', 'xfs', 'nfs4', …`)
  const { mountOptions, check = checkable.includes(type) ? 'preen' : 'off', killAfter } = options
  if (mountOptions !== undefined && !/^[^\s,-][^\s]*$/.test(mountOptions))
    throw optionError('fs.mountOptions', `'${mountOptions}' is not a list of options; right is 'noatime,nodev'`)
  if (check !== 'preen' && check !== 'off')
    throw optionError('fs.check', `'${String(check)}' is neither 'preen' nor 'off'`)
  if (check === 'preen' && !checkable.includes(type))
    throw optionError('fs.check', `${type} has no check that repairs by itself; these have: ${checkable.join(', ')}`)
  const times = resourceTimes('fs', options, {
    startTimeout: '60s',
    stopTimeout: '60s',
    statusTimeout: '10s',
    statusInterval: '5s',
  })
  const killAfterMs = killAfter === undefined ? undefined : durationMs(killAfter, 'fs.killAfter')
  const settings = { device, directory, type, mountOptions, check: check === 'preen', killAfterMs }
  const setup = { ...settings, times }
  return {
    kind: 'resource',
    settings,
    type: 'fs',
    name: `fs:${directory}`,
    times,
    exclusive: 'data',
    operations: ['prepare', 'start', 'stop', 'status'],
    create: (context) => new FsAgent(setup, context),
  }
}

class FsAgent implements ResourceAgent {
  readonly #setup: Setup
  readonly #context: ResourceContext
  #place: Place | null = null
  /** What is mounted there was mounted by this agent. */
  #ours = false

  constructor(setup: Setup, context: ResourceContext) {
    this.#setup = setup
    this.#context = context
  }

  async open(): Promise<void> {
    if (process.geteuid?.() !== 0) throw new HotStandbyError('HS_HOST', 'mounting needs root (CAP_SYS_ADMIN)')
    const context = { epoch: 0, signal: AbortSignal.timeout(this.#setup.times.stopMs) }
    const { leftover } = this.#context
    if (leftover?.['directory'] === this.#setup.directory && leftover['device'] === this.#setup.device) {
      this.#place = await this.#find(context)
      await this.#unfinished(this.#place, context)
      await this.stop(context)
    }
    await this.prepare(context)
  }

  async prepare(context: OperationContext): Promise<void> {
    const place = await this.#find(context)
    if (!this.#ours) this.#refuseForeign(place)
    for (const name of ['mount', 'umount', ...(this.#setup.check ? [`fsck.${this.#setup.type}`] : [])]) program(name)
  }

  async start(context: OperationContext): Promise<void> {
    const place = await this.#find(context)
    if (this.#ours && this.#mounted(place)) return
    this.#refuseForeign(place)
    if (this.#setup.check) await this.#repair(place, context)
    const { device, directory, type, mountOptions } = this.#setup
    this.#context.remember({ device, directory })
    this.#ours = true
    const options = mountOptions === undefined ? [] : ['-o', mountOptions]
    const args = ['-t', type, ...options, '--', place.source, place.directory]
    const result = await runProgram({ file: program('mount'), args, signal: context.signal, diesWithUs: true })
    if (result.exitCode !== 0) throw failure(`mounting ${device} on ${directory}`, result)
    if (this.#mounted(place)) return
    throw new HotStandbyError('HS_RESOURCE', `mount ended with success, yet ${device} is not mounted on ${directory}`)
  }

  async stop(context: OperationContext): Promise<void> {
    // It may never have been found: then nothing of it can be mounted by us.
    const place = this.#place
    if (place) {
      const top = mountOn(place.directory)
      if (top !== undefined && !this.#isDevice(top, place) && this.#mounted(place)) {
        const { device, directory } = this.#setup
        throw new HotStandbyError(
          'HS_RESOURCE',
          `${device} on ${directory} is covered by ${top.source}, mounted over it`,
        )
      }
      for (let mount = this.#mounted(place); mount; mount = this.#mounted(place)) await this.#unmount(mount, context)
    }
    this.#ours = false
    this.#context.remember(null)
  }

  async status(): Promise<ResourceStatus> {
    const { device, directory, mountOptions = '' } = this.#setup
    const failed = (reason: string): ResourceStatus => ({ state: 'failed', reason: `${directory}: ${reason}` })
    const place = this.#place
    const mount = place ? this.#mounted(place) : undefined
    if (!mount) return this.#ours ? failed(`${device} is not mounted any more`) : { state: 'stopped' }
    if (!this.#ours) return failed(`${device} is mounted by somebody else`)
    const top = mountOn(mount.directory)
    if (top !== undefined && top.device !== mount.device) return failed(`covered by ${top.source}, mounted over it`)
    if (place?.number !== undefined && !blockDeviceExists(place.number)) return failed(`${device} has vanished`)
    const word = broken.find((name) => mount.options.includes(name))
    if (word) return failed(`the kernel took ${device} out of use (${word}); dmesg tells more`)
    if (mount.options.includes('ro') && !mountOptions.split(',').includes('ro'))
      return failed(`${device} became read-only, after an error mostly; dmesg tells more`)
    return { state: 'running' }
  }

  inspect(): Readonly<Record<string, unknown>> {
    const { device, directory, type } = this.#setup
    return { device, directory, type, source: this.#place?.source ?? null }
  }

  /** Finds device and directory. Rejects with `HS_HOST` when one of them is missing. */
  async #find({ signal }: OperationContext): Promise<Place> {
    // A directory with something dead mounted on it must not be looked at again.
    if (this.#ours && this.#place) return this.#place
    const { device, directory } = this.#setup
    const place = { directory: mountPoint(directory) }
    if (this.#binds()) {
      const path = bound(device)
      this.#place = { ...place, source: path, number: undefined, bind: bindSource(path, readMounts()) }
      return this.#place
    }
    let source = device
    let number: string | undefined
    if (tag.test(device)) {
      const result = await runProgram({ file: program('findfs'), args: [device], signal })
      if (result.exitCode !== 0) throw new HotStandbyError('HS_HOST', `no device of this host has ${device}`)
      source = result.stdout.trim()
    }
    // Two slashes begin the name of a share.
    const isLocal = source.startsWith('/') && !source.startsWith('//')
    if (isLocal) ({ path: source, number } = blockDevice(source))
    const isFile = isLocal && number === undefined
    this.#place = { ...place, source, number, ...(isFile && { isFile }) }
    return this.#place
  }

  /** The mount option by which a directory is mounted elsewhere. */
  #binds(): 'bind' | 'rbind' | undefined {
    const words = this.#setup.mountOptions?.split(',') ?? []
    return (['rbind', 'bind'] as const).find((word) => words.includes(word) || this.#setup.type === word)
  }

  /** Waits for a mount that a killed predecessor had begun: what sits in the kernel cannot be killed, and may still come. */
  async #unfinished({ source, directory }: Place, { signal }: OperationContext): Promise<void> {
    const limitMs = this.#setup.times.stopMs
    if (await pollUntil(() => mountsUnderWay(source, directory).length === 0, { signal, limitMs, everyMs: 20 })) return
    const pids = mountsUnderWay(source, directory).join(', ')
    throw new HotStandbyError(
      'HS_RESOURCE',
      `${source} is still being mounted on ${directory}, by process ${pids} of an earlier, killed one`,
    )
  }

  /** Is this the device of the resource? A file system of several devices (btrfs) shows a number of its own. */
  #isDevice(mount: Mount, { source, number, isFile, bind }: Place): boolean {
    if (bind) return mount.device === bind.device && mount.root === bind.root
    if (isFile) return backingFile(mount.source) === source
    if (number === undefined) return sameName(mount.source, source) && sameType(mount.type, this.#setup.type)
    return mount.device === number || mount.source === source
  }

  #mounted(place: Place): Mount | undefined {
    return readMounts().findLast((mount) => mount.directory === place.directory && this.#isDevice(mount, place))
  }

  /** Nothing that somebody else mounted is used, covered or taken away. */
  #refuseForeign(place: Place): void {
    const { device, directory } = this.#setup
    const refuse = (message: string): never => {
      throw new HotStandbyError('HS_RESOURCE', `${message}, by somebody else; is it in /etc/fstab?`)
    }
    const top = mountOn(place.directory)
    if (top !== undefined) refuse(`${top.source} is mounted on ${directory} already`)
    // What is no block device may well be mounted several times: a tmpfs, an export.
    if (place.number === undefined && !place.isFile) return
    const elsewhere = readMounts().find((mount) => this.#isDevice(mount, place))
    if (elsewhere) refuse(`${device} is mounted on ${elsewhere.directory}`)
  }

  async #repair({ source }: Place, { signal }: OperationContext): Promise<void> {
    const { device, type } = this.#setup
    const result = await runProgram({ file: program(`fsck.${type}`), args: ['-a', source], signal, diesWithUs: true })
    const { exitCode, stdout, stderr } = result
    const said = lastLines(`${stdout}\n${stderr}`)
    if (exitCode !== null && exitCode < fsckUncorrected) {
      if (exitCode > 0) this.#context.logger.warn({ device, exitCode }, `fsck repaired ${device}: ${said}`)
      return
    }
    throw new HotStandbyError(
      'HS_RESOURCE',
      `fsck.${type} -a ${device} ended with ${exitCode}: ${said}; run fsck.${type} by hand`,
    )
  }

  async #unmount(mount: Mount, context: OperationContext): Promise<void> {
    const { killAfterMs } = this.#setup
    let holders: readonly Holder[] = []
    let gone = await this.#tries(mount, context, killAfterMs ?? settleMs)
    const signals = killAfterMs === undefined ? [] : (['SIGTERM', 'SIGKILL'] as const)
    for (const signal of signals) {
      if (gone) break
      holders = holdersOf(mount.directory).filter(({ pid }) => pid !== process.pid && pid !== 1)
      this.#context.logger.warn({ signal }, `${mount.directory} is busy, ending ${namedHolders(holders)}`)
      for (const { pid } of holders) signalProcess(pid, signal)
      gone = await this.#tries(mount, context, settleMs)
    }
    if (!gone) throw this.#busy(mount)
    await this.#verifyGone(mount, context)
  }

  /** Unmounts, again and again while it is busy; false when it still is. Never lazily: that only hides who writes. */
  #tries(mount: Mount, { signal }: OperationContext, limitMs: number): Promise<boolean> {
    const { device, directory } = this.#setup
    const recursive = this.#binds() === 'rbind' ? ['--recursive'] : []
    const attempt = async (): Promise<boolean> => {
      const result = await runProgram({ file: program('umount'), args: [...recursive, '--', mount.directory], signal })
      if (result.exitCode === 0 || !this.#mounted(this.#place as Place)) return true
      if (/busy/i.test(result.stderr)) return false
      throw failure(`unmounting ${device} from ${directory}`, result)
    }
    return pollUntil(attempt, { signal, limitMs, everyMs: 100 })
  }

  #busy({ directory, device }: Mount): HotStandbyError {
    const nested = readMounts().filter((mount) => mount.directory.startsWith(`${directory}/`))
    const holders = namedHolders(holdersOf(directory))
    const reasons = [
      ...(holders === '' ? [] : [holders]),
      ...nested.map((mount) => `${mount.source} is mounted on ${mount.directory}`),
    ]
    const why = reasons.join('; ') || 'no process was found that holds it (a swap file, a loop device, an NFS export?)'
    return new HotStandbyError('HS_RESOURCE', `${this.#setup.device} (${device}) on ${directory} is busy: ${why}`)
  }

  /** A bind mount or another mount namespace keeps a device in use though its directory is free. */
  async #verifyGone({ device }: Mount, { signal }: OperationContext): Promise<void> {
    // What a bind mount shows stays mounted where it is, and an export may well be mounted several times.
    if (this.#place?.bind || Object.hasOwn(remote, this.#setup.type)) return
    const others = (): string => {
      const here = readMounts().filter((mount) => mount.device === device)
      const names = here.map((mount) => `this host's ${mount.directory}`)
      const elsewhere = namespacesWith(device)
      return [...names, ...(elsewhere.length > 0 ? [namedHolders(elsewhere)] : [])].join('; ')
    }
    // The kernel takes it out of the other namespaces a moment later.
    const free = await pollUntil(() => others() === '', { signal, limitMs: settleMs, everyMs: 50 })
    if (free) return
    const { device: name, directory } = this.#setup
    throw new HotStandbyError('HS_RESOURCE', `${name} was unmounted from ${directory}, yet it is in use: ${others()}`)
  }
}

/** The kernel shows an export without the slash at its end. */
function sameName(shown: string, written: string): boolean {
  const bare = (name: string): string => name.replace(/(?<=[^/:])\/+$/, '')
  return bare(shown) === bare(written)
}

function sameType(shown: string, written: string): boolean {
  return written === 'auto' || shown === written || (remote[shown] !== undefined && remote[shown] === remote[written])
}

/** What is on top of a directory. */
function mountOn(directory: string): Mount | undefined {
  return readMounts().findLast((mount) => mount.directory === directory)
}

function program(name: string): string {
  const file = findProgram(name)
  if (file === null) throw new HotStandbyError('HS_HOST', `the program ${name} is not installed on this host`)
  return file
}

function failure(what: string, { exitCode, signal, stdout, stderr }: RunResult): HotStandbyError {
  const said = lastLines(stderr) || lastLines(stdout) || 'it printed nothing'
  return new HotStandbyError('HS_RESOURCE', `${what} ended with ${exitCode ?? signal}: ${said}`)
}
