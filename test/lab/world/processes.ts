import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Every process of a run carries this variable; its value is the run's name. */
export const MARKER = 'HOT_STANDBY_LAB'

/** What `/proc` says about one process. */
export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  /** `R`, `S`, `D`, `T` (stopped), `Z` (dead, not yet reaped). */
  readonly state: string
  readonly command: string
  /** Identity of its pid namespace, `pid:[4026532234]`; empty for a process that is just ending. */
  readonly pidNamespace: string
  /** Name of the laboratory run it was started by. */
  readonly run: string | undefined
}

const attempt = (read: () => string): string => {
  try {
    return read()
  } catch {
    return ''
  }
}

const entryOf = (pid: number): ProcessEntry | undefined => {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  // The command stands in parentheses and may itself contain blanks and parentheses.
  const close = stat.lastIndexOf(')')
  if (close < 0) return undefined
  const [state = '', parent = ''] = stat.slice(close + 2).split(' ')
  const environment = attempt(() => readFileSync(`/proc/${pid}/environ`, 'latin1')).split('\0')
  return {
    pid,
    parent: Number(parent),
    state,
    command: stat.slice(stat.indexOf('(') + 1, close),
    pidNamespace: attempt(() => readlinkSync(`/proc/${pid}/ns/pid`)),
    run: environment.find((line) => line.startsWith(`${MARKER}=`))?.slice(MARKER.length + 1),
  }
}

/** All processes of this machine, as they are now. */
export const listProcesses = (): ProcessEntry[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => entryOf(Number(name)) ?? [])

/** The direct children of a process. */
export const childrenOf = (pid: number): number[] =>
  attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'))
    .split(' ')
    .filter(Boolean)
    .map(Number)

/** Identity of a process's pid namespace. */
export const pidNamespaceOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/pid`)

/** Sends a signal; `false` when the process is gone already. */
export const signal = (pid: number, name: NodeJS.Signals | 0): boolean => {
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** The name of a run says which process runs it, so that a later run can tell whether it is over. */
export const runName = (pid: number): string => `hs${pid.toString(36)}`

/** Every process of a run. */
export const processesOf = (run: string): ProcessEntry[] => listProcesses().filter((entry) => entry.run === run)

/** Kills every process of a run, hosts and all. */
export const killRun = (run: string): void => {
  for (const { pid } of processesOf(run)) signal(pid, 'SIGKILL')
}

const isOver = (run: string): boolean => !signal(Number.parseInt(run.slice(2), 36), 0)

/**
 * Ends what dead runs left behind; returns the pids. A host's namespaces live as long as its processes do, so this is
 * all there is to clean. Normally finds nothing: keepers end when the run's end of their pipe closes.
 */
export const cleanupStale = (): number[] =>
  listProcesses()
    .filter(({ run }) => run !== undefined && /^hs[0-9a-z]+$/.test(run) && isOver(run))
    .map(({ pid }) => pid)
    .filter((pid) => signal(pid, 'SIGKILL'))
