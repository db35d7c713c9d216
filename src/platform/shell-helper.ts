import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import { childOptions } from './process.ts'

/** How a command ended. */
export interface ShellResult {
  /** Exit status; above 128: ended by that signal less 128; 127: there is no such program. */
  readonly status: number
  /** What it printed on both streams, cut to the helper's limit. */
  readonly output: string
}

/** A shell that was started early and runs commands, so that this process, which may be large, need not fork. */
export interface ShellHelper {
  /** Starts the shell now, while this process is small. */
  open(): void
  /**
   * Runs a line of shell; one after the other. With a `signal` it runs in a session of its own, and an abort ends it with all
   * its descendants (SIGTERM, a second later SIGKILL) and rejects with `HS_TIMEOUT` when it has ended. Rejects with `HS_HOST` when the shell itself dies.
   */
  run(line: string, signal?: AbortSignal): Promise<ShellResult>
  /**
   * Starts the background commands of a line (`a & b &`) as children of the shell itself, and answers what they had printed
   * by then. The shell collects them when they end; where this process is pid 1, orphans would stay zombies for ever.
   */
  launch(line: string): Promise<ShellResult>
  /** The same for what must not come up when nobody is there any more: should this process die, the session dies with it. */
  runWhileHere(line: string, signal: AbortSignal): Promise<ShellResult>
  /** Ends the shell after the command that runs; those that wait are rejected. Idempotent. */
  close(): Promise<void>
}

/** Options of {@link createShellHelper}. */
export interface ShellHelperOptions {
  /** Output kept per command. @defaultValue 65536 */
  readonly maxOutputBytes?: number | undefined
  /** Output that came while no command ran: of something a command left behind. */
  readonly onStray?: ((text: string) => void) | undefined
}

/** A word for a POSIX shell, whatever is in it. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

interface Command {
  readonly line: string
  readonly how: 'plain' | 'while-here' | 'background'
  readonly signal: AbortSignal | undefined
  readonly resolve: (result: ShellResult) => void
  readonly reject: (error: Error) => void
}

const killAfterMs = 1000

/** In a session of its own: the line, and SIGKILL for all of the session when fd 3 is no longer held at its other end. */
const lifeline = (line: string): string => `(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
( ${line} ) 3<&-
status=$?
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
exit $status`

/**
 * A persistent `sh`: 1 ms per command and 2.7 in a session of its own, where `spawn` from a process of one gigabyte costs 50
 * and blocks. A program that a command leaves running must redirect its own output.
 */
export function createShellHelper({ maxOutputBytes = 65_536, onStray }: ShellHelperOptions = {}): ShellHelper {
  // Random, so that no program can print it by chance.
  const mark = `hs-${randomBytes(8).toString('hex')}`
  const startPattern = new RegExp(`${mark} pid (\\d+)\\n`)
  const endPattern = new RegExp(`${mark} end (\\d+)\\n`)
  const waiting: Command[] = []
  let running: { readonly command: Command; readonly stopWatching: () => void } | undefined
  let shell: ChildProcess | undefined
  let session: number | undefined
  let output = ''
  let closed = false

  function open(): ChildProcess {
    // A session of its own: Ctrl-C in a terminal is not for it.
    const started = spawn('sh', [], { ...childOptions(), stdio: ['pipe', 'pipe', 'ignore', 'pipe'] })
    const [stdin, stdout, , end] = started.stdio as unknown as [Writable, Readable, null, Socket]
    end.on('error', () => {})
    end.unref()
    const ended = (detail: unknown): void => {
      end.destroy()
      if (shell !== started) return
      shell = undefined
      finish((command) => command.reject(new HotStandbyError('HS_HOST', `the helper shell ended (${String(detail)})`)))
    }
    stdin.on('error', () => {})
    started.on('error', ended)
    started.on('exit', (status, signal) => ended(signal ?? `status ${status}`))
    stdout.setEncoding('utf8')
    stdout.on('data', (text: string) => {
      if (!running) return onStray?.(text)
      output += text
      const start = startPattern.exec(output)
      if (start) {
        session = Number(start[1])
        output = output.replace(start[0], '')
        if (running.command.signal?.aborted) kill('SIGTERM')
      }
      const end = endPattern.exec(output)
      // Markers lie within the last characters; what is before them and too much is dropped.
      if (!end)
        output = output.length > 2 * maxOutputBytes ? output.slice(0, maxOutputBytes) + output.slice(-80) : output
      else {
        const result = { status: Number(end[1]), output: output.slice(0, end.index).slice(0, maxOutputBytes) }
        finish(({ signal, resolve, reject, line }) => {
          if (signal?.aborted) reject(new HotStandbyError('HS_TIMEOUT', `ended, ${messageOf(signal.reason)}: ${line}`))
          else resolve(result)
        })
      }
    })
    shell = started
    return started
  }

  function kill(how: 'SIGTERM' | 'SIGKILL'): void {
    if (session === undefined) return
    try {
      process.kill(-session, how)
    } catch {
      // It has just ended.
    }
  }

  function finish(answer: (command: Command) => void): void {
    const last = running
    running = undefined
    session = undefined
    output = ''
    last?.stopWatching()
    if (last) answer(last.command)
    next()
  }

  function next(): void {
    const command = running ? undefined : waiting.shift()
    if (!command) return
    const { line, how, signal } = command
    const to = shell ?? open()
    let harder: NodeJS.Timeout | undefined
    const abort = (): void => {
      kill('SIGTERM')
      harder = setTimeout(() => kill('SIGKILL'), killAfterMs)
    }
    signal?.addEventListener('abort', abort, { once: true })
    const stopWatching = (): void => {
      clearTimeout(harder)
      signal?.removeEventListener('abort', abort)
    }
    running = { command, stopWatching }
    // In a subshell and through eval: neither an exit nor a syntax error of the line ends the helper.
    const body = signal
      ? `( read -r pid _ </proc/self/stat; echo "${mark} pid $pid"; exec setsid sh -c ${quote(how === 'while-here' ? lifeline(line) : line)} )`
      : how === 'background'
        ? `{ ${line} }`
        : `( eval ${quote(line)} )`
    const streams = how === 'while-here' ? '</dev/null 2>&1' : '</dev/null 2>&1 3<&-'
    ;(to.stdin as NonNullable<ChildProcess['stdin']>).write(`${body} ${streams}; echo "${mark} end $?"\n`)
  }

  function queue(line: string, how: Command['how'], signal?: AbortSignal): Promise<ShellResult> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new HotStandbyError('HS_STATE', 'the helper shell is closed'))
      if (signal?.aborted)
        return reject(new HotStandbyError('HS_TIMEOUT', `not begun, the operation was over: ${line}`))
      waiting.push({ line, how, signal, resolve, reject })
      next()
    })
  }

  return {
    open: () => void (shell ?? open()),

    run: (line, signal) => queue(line, 'plain', signal),
    launch: (line) => queue(line, 'background'),
    runWhileHere: (line, signal) => queue(line, 'while-here', signal),

    async close() {
      if (closed) return
      closed = true
      for (const { reject } of waiting.splice(0)) reject(new HotStandbyError('HS_STATE', 'the helper shell is closed'))
      const last = shell
      if (!last || last.exitCode !== null) return
      last.stdin?.end()
      await once(last, 'exit')
      // A program that was left behind may hold the other end for ever.
      last.stdout?.destroy()
    },
  }
}
