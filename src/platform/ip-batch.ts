import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { HotStandbyError } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { childOptions } from './process.ts'

/** What one batch brought. */
export interface BatchResult {
  /** Everything `ip` printed for it as JSON, one entry per query. */
  readonly json: readonly unknown[]
  /** Per command the text of its error; undefined where it worked. */
  readonly errors: readonly (string | undefined)[]
  /** True when the child had to be started anew on the way: a command may then have been run twice. */
  readonly repeated: boolean
}

/** A running `ip -batch` with its guardian. */
export interface IpBatch {
  /** Runs commands in one go, in order, with one acknowledgement. Written at once: nothing waits for an earlier batch's answer. */
  run(commands: readonly string[], signal?: AbortSignal): Promise<BatchResult>
  /**
   * Replaces what the guardian runs for `holder` when this process ends in whatever way: commands of `ip`, and full paths of
   * kernel switches to be set to 0. In order with the commands of `run`.
   */
  undo(holder: string, commands: readonly string[]): void
  /** Ends the children; what is to be undone is undone. Idempotent. */
  close(): Promise<void>
  /** Process ids of the children, for people. */
  pids(): { readonly ip: number | undefined; readonly guardian: number | undefined }
}

/**
 * Nothing short of SIGKILL ends the helpers before their input ends: a service manager's SIGTERM to every process of the unit
 * comes while the addresses are still there. SIGPIPE: see below.
 */
const ignoreSignals = `trap '' PIPE TERM INT HUP`

/**
 * Passes lines on to `ip` and keeps the last list of what is to be undone. Its standard input ends when the parent ends,
 * by SIGKILL too; then the list goes to the `ip` that runs already. No fork is needed at that moment, and no file.
 */
const guardianScript = `${ignoreSignals}
undo=
while IFS= read -r line; do
  case $line in
    'undo '*) undo=\${line#undo } ;;
    *) printf '%s\\n' "$line" ;;
  esac
done
IFS=';'
for command in $undo; do
  case $command in
    /*) printf 0 2>/dev/null >"$command" ;;
    *) printf '%s\\n' "$command" ;;
  esac
done`

/**
 * Both streams in one, so that answers and errors stay in order. SIGPIPE is ignored: after the parent's death an error
 * message of one deletion must not end `ip` before the next.
 */
const ipScript = `${ignoreSignals}; exec ip -j -force -batch - 2>&1`

interface Pending {
  readonly marker: string
  readonly commands: readonly string[]
  readonly resolve: (result: BatchResult) => void
  readonly reject: (error: Error) => void
  /** Number of its first line as the running `ip` counts. */
  firstLine: number
  attempts: number
}

interface Children {
  readonly ip: ChildProcess
  readonly guardian: ChildProcess
  /** Lines that `ip` was handed. */
  lines: number
  output: string
  /** It has acknowledged something: it is an `ip` that knows batches. */
  answered: boolean
}

const closeLimitMs = 2000

/**
 * A persistent `ip -force -batch -`: 0.2 ms for a command where a `spawn` costs 3 ms, and 50 with a gigabyte of memory.
 * A word that `ip` does not know, written behind the commands, is its acknowledgement: the complaint about it comes after
 * everything else. The children start with the first command, live in a session of their own (a terminal's Ctrl-C is not
 * for them) and are started again when they die; unanswered commands are then repeated once.
 */
export function createIpBatch({ logger }: { logger: Logger }): IpBatch {
  const pending: Pending[] = []
  let children: Children | undefined
  const undoing = new Map<string, readonly string[]>()
  let markers = 0
  let closed = false

  function start(): Children {
    const ip = spawn('sh', ['-c', ipScript], { ...childOptions(), stdio: ['pipe', 'pipe', 'ignore'] })
    const guardian = spawn('sh', ['-c', guardianScript], { ...childOptions(), stdio: ['pipe', ip.stdin, 'ignore'] })
    // The guardian now holds the writing end alone: when it ends, ip ends.
    ip.stdin.destroy()
    const started: Children = { ip, guardian, lines: 0, output: '', answered: false }
    const ended = (what: string) => (detail: unknown) => {
      if (children === started) restart(`${what} ended (${detail instanceof Error ? detail.message : detail})`)
    }
    for (const [name, child] of Object.entries({ ip, guardian })) {
      child.on('error', ended(name))
      // 'close' comes when its last words have been read too.
      child.on('close', (code, signal) => ended(name)(signal ?? `status ${code}`))
    }
    guardian.stdin?.on('error', () => {})
    ip.stdout.setEncoding('utf8')
    ip.stdout.on('data', (text: string) => {
      started.output += text
      if (children === started) settle(started)
    })
    children = started
    write(started, undoLine())
    return started
  }

  const undoLine = (): string => `undo ${[...undoing.values()].flat().join(';')}`

  function write(to: Children, text: string): void {
    ;(to.guardian.stdin as Socket | null)?.write(`${text}\n`)
  }

  function send(to: Children, entry: Pending): void {
    entry.firstLine = to.lines + 1
    entry.attempts += 1
    to.lines += entry.commands.length + 1
    write(to, [...entry.commands, entry.marker].join('\n'))
  }

  /** Answers every batch whose marker has come back. */
  function settle(from: Children): void {
    for (let entry = pending[0]; entry; entry = pending[0]) {
      const lastLine = entry.firstLine + entry.commands.length
      const match = new RegExp(`Object "${entry.marker}" is unknown.*\\nCommand failed -:${lastLine}\\n`).exec(
        from.output,
      )
      if (!match) return
      pending.shift()
      from.answered = true
      const printed = from.output.slice(0, match.index)
      from.output = from.output.slice(match.index + match[0].length)
      entry.resolve({ ...readPrinted(printed, entry), repeated: entry.attempts > 1 })
    }
  }

  function stop(): Children | undefined {
    const old = children
    children = undefined
    // The guardian first and by SIGKILL: it must not take this for the end of the parent.
    old?.guardian.kill('SIGKILL')
    old?.ip.kill('SIGKILL')
    return old
  }

  function restart(reason: string): void {
    const old = stop()
    const said = old?.output.trim() ? `: ${old.output.trim().slice(0, 500)}` : ''
    if (!closed) logger.warn({ reason }, `ip -batch: ${reason}${said}`)
    // A child that never answered would never answer the repetition either.
    const hopeless = closed || !old?.answered
    for (const entry of pending.filter((candidate) => hopeless || candidate.attempts > 1)) {
      pending.splice(pending.indexOf(entry), 1)
      entry.reject(
        new HotStandbyError(
          'HS_HOST',
          `${reason}${said}; floating addresses need the 'ip' command of iproute2 4.14 or newer with -batch and -j (busybox has neither)`,
        ),
      )
    }
    if (hopeless) return
    const fresh = start()
    for (const entry of pending) send(fresh, entry)
  }

  return {
    run(commands, signal) {
      return new Promise<BatchResult>((resolve, reject) => {
        if (closed) return reject(new HotStandbyError('HS_STATE', 'the ip helper is closed'))
        if (signal?.aborted)
          return reject(new HotStandbyError('HS_TIMEOUT', 'not begun: the operation was over already'))
        markers += 1
        const abort = (): void => {
          pending.splice(pending.indexOf(entry), 1)
          reject(new HotStandbyError('HS_TIMEOUT', `ip did not answer in time to: ${commands.join('; ')}`))
          restart('ip did not answer in time')
        }
        const done = <T>(settleWith: (value: T) => void) => {
          return (value: T): void => {
            signal?.removeEventListener('abort', abort)
            settleWith(value)
          }
        }
        const entry: Pending = {
          marker: `ack${markers}`,
          commands,
          resolve: done(resolve),
          reject: done(reject),
          firstLine: 0,
          attempts: 0,
        }
        signal?.addEventListener('abort', abort, { once: true })
        pending.push(entry)
        send(children ?? start(), entry)
      })
    },

    undo(holder, commands) {
      undoing.set(holder, commands)
      if (children) write(children, undoLine())
    },

    async close() {
      if (closed) return
      closed = true
      const { guardian, ip } = children ?? {}
      if (!guardian || !ip) return
      const exits = [guardian, ip].filter((child) => child.exitCode === null && child.signalCode === null)
      const ended = Promise.all(exits.map((child) => once(child, 'exit')))
      const limit = setTimeout(() => restart('ip did not end in time'), closeLimitMs)
      guardian.stdin?.end()
      await ended
      clearTimeout(limit)
    },

    pids: () => ({ ip: children?.ip.pid, guardian: children?.guardian.pid }),
  }
}

/** Sorts what `ip` printed for one batch into answers and the errors of its lines. */
function readPrinted(printed: string, entry: Pending): { json: unknown[]; errors: (string | undefined)[] } {
  const json: unknown[] = []
  const errors: (string | undefined)[] = entry.commands.map(() => undefined)
  let text: string[] = []
  for (const line of printed.split('\n')) {
    const failed = /^Command failed -:(\d+)$/.exec(line)
    const answer = parsedArray(line)
    if (answer) json.push(...answer)
    else if (failed) {
      errors[Number(failed[1]) - entry.firstLine] =
        text.join(' ').replace(/^(RTNETLINK answers|Error): /, '') || 'failed'
      text = []
    } else if (line.trim()) text.push(line.trim())
  }
  return { json, errors }
}

function parsedArray(line: string): unknown[] | undefined {
  if (!line.startsWith('[')) return undefined
  try {
    return JSON.parse(line) as unknown[]
  } catch {
    return undefined
  }
}
