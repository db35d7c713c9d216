import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isAlive, processCommandLine } from './process.ts'

/** One line of /proc/PID/mountinfo (proc(5)). */
export interface Mount {
  readonly directory: string
  /** `major:minor` of what is mounted. */
  readonly device: string
  /** What of that file system is mounted: `/`, or the directory of a bind mount. */
  readonly root: string
  readonly type: string
  /** As it was named when it was mounted. */
  readonly source: string
  /** Of the mount and of the file system: `rw`, `noatime`, `errors=remount-ro`, … */
  readonly options: readonly string[]
}

const plain = (word: string): string =>
  word.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

/** Reads a mountinfo; a later mount on the same directory covers an earlier one. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right] = line.split(' - ')
    if (right === undefined) return []
    const [, , device = '', root = '', directory = '', options = ''] = left.split(' ')
    const [type = '', source = '', superOptions = ''] = right.split(' ')
    const all = [...options.split(','), ...superOptions.split(',')]
    return [{ directory: plain(directory), device, root: plain(root), type, source: plain(source), options: all }]
  })
}

/** What is mounted, as this process sees it, or another one. Empty when that one has gone. */
export function readMounts(pid: number | 'self' = 'self'): Mount[] {
  try {
    return parseMounts(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))
  } catch (error) {
    if (pid === 'self') throw error
    return []
  }
}

/** File system and root by which a bind mount of this path, free of symbolic links, will be known. */
export function bindSource(path: string, mounts: readonly Mount[]): Pick<Mount, 'device' | 'root'> {
  const below = (directory: string): boolean =>
    directory === '/' || path === directory || path.startsWith(`${directory}/`)
  const depth = Math.max(...mounts.map(({ directory }) => (below(directory) ? directory.length : 0)))
  const on = mounts.findLast(({ directory }) => below(directory) && directory.length === depth)
  if (on === undefined) return { device: '', root: path }
  const rest = on.directory === '/' ? path : path.slice(on.directory.length)
  const root = `${on.root === '/' ? '' : on.root}${rest === '/' ? '' : rest}`
  return { device: on.device, root: root === '' ? '/' : root }
}

/** A process, and what it has to do with a mount. */
export interface Holder {
  readonly pid: number
  /** Its command (/proc/PID/comm). */
  readonly command: string
  readonly by: string
}

/** Other processes' links can be read by root only, and any of them may end meanwhile. */
function link(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const pids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

/** How one process holds something below the directory: its working directory, its program, an open or a mapped file. */
function heldBy(pid: number, isBelow: (path: string | null) => boolean): string | null {
  const base = `/proc/${pid}`
  for (const [name, what] of Object.entries({ cwd: 'working directory', root: 'root', exe: 'program' })) {
    const path = link(`${base}/${name}`)
    if (isBelow(path)) return `${what} ${path}`
  }
  for (const fd of entries(`${base}/fd`)) {
    const path = link(`${base}/fd/${fd}`)
    if (isBelow(path)) return `open file ${path}`
  }
  for (const line of text(`${base}/maps`).split('\n')) {
    const at = line.indexOf('/')
    if (at !== -1 && isBelow(line.slice(at))) return `mapped file ${line.slice(at)}`
  }
  return null
}

/**
 * The processes that keep a mounted directory busy. By the names of files alone, so that a dead device or server, on which
 * stat(2) hangs for ever, keeps nobody waiting.
 */
export function holdersOf(directory: string): Holder[] {
  const isBelow = (path: string | null): boolean => path === directory || (path?.startsWith(`${directory}/`) ?? false)
  return pids().flatMap((pid) => {
    const by = heldBy(pid, isBelow)
    return by === null ? [] : [{ pid, command: text(`/proc/${pid}/comm`).trim(), by }]
  })
}

/** Processes whose own mount namespace still has the device, one for each namespace other than this one. */
export function namespacesWith(device: string): Holder[] {
  const seen = new Set([link('/proc/self/ns/mnt')])
  return pids().flatMap((pid) => {
    const namespace = link(`/proc/${pid}/ns/mnt`)
    if (namespace === null || seen.has(namespace)) return []
    seen.add(namespace)
    const mount = readMounts(pid).find((one) => one.device === device)
    if (!mount) return []
    return [{ pid, command: text(`/proc/${pid}/comm`).trim(), by: `mount namespace, at ${mount.directory}` }]
  })
}

/** Holders in words, the first ones of many. */
export function namedHolders(holders: readonly Holder[]): string {
  const shown = holders.slice(0, 8).map(({ pid, command, by }) => `${command} (${pid}): ${by}`)
  return [...shown, ...(holders.length > 8 ? [`and ${holders.length - 8} more`] : [])].join('; ')
}

/** Programs, `mount` or its helpers, that are to bring the device to the directory. */
export function mountsUnderWay(source: string, directory: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    const [file = '', ...args] = processCommandLine(pid)?.split(' ') ?? []
    const isMount = /(?:^|\/)mount[^/]*$/.test(file)
    return isMount && args.includes(source) && args.includes(directory) && isAlive(pid)
  })
}
