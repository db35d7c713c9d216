import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { HotStandbyError, messageOf } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import { childOptions, findProgram } from './process.ts'

/** What is handed to `nft` when this process has ended in whatever way, a `kill -9` too. */
export interface LastWords {
  /** Run at once. */
  readonly first: string
  /** Run when the addresses of this process have been removed as well. */
  readonly afterwards: string
}

/** A running `nft -i`. */
export interface NftProcess {
  /**
   * Runs one line; everything in it takes effect together, or nothing of it does. Written at once: nothing waits for an earlier
   * line's answer. Rejects with `HS_HOST` and the words of `nft` when it refuses the line, or when it ends before it has answered;
   * with `HS_TIMEOUT` when the signal aborts first: then the children are ended, so that the line is not run later.
   */
  run(line: string, signal?: AbortSignal): Promise<void>
  /** Ends the children, without the last words. What was added stays. Idempotent. */
  close(): void
  /** Process ids of the children, for people. */
  pids(): readonly number[]
}

/** Whatever ends this process also removes its addresses, within a fraction of this; in seconds. */
const untilAddressesAreGone = 3

/**
 * Passes lines on to `nft`. Its standard input ends when the parent ends, by SIGKILL too; then it says the last words. See the
 * guardian of `ip-batch.ts` for why it ignores signals.
 */
const guardianScript = `trap '' PIPE TERM INT HUP
while IFS= read -r line; do printf '%s\\n' "$line"; done
[ -n "$1" ] || exit 0
printf '%s\\n' "$1"
sleep ${untilAddressesAreGone}
printf '%s\\n' "$2"`

const nftScript = `trap '' PIPE TERM INT HUP; exec "$1" -i 2>&1 >/dev/null`

interface Pending {
  readonly marker: string
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

interface Children {
  readonly nft: ChildProcess
  readonly guardian: ChildProcess
  output: string
}

/**
 * A persistent `nft -i`: 1 ms for a line where a `spawn` costs 10. It says nothing when a line has worked, so a word that it does
 * not know is written behind each line: the complaint about it is the acknowledgement. The child starts with the first line, and
 * once more after it has ended.
 */
export function createNftProcess({ logger, lastWords }: { logger: Logger; lastWords?: LastWords }): NftProcess {
  let children: Children | undefined
  let pending: Pending[] = []
  let markers = 0
  let closed = false

  function start(): Children {
    const program = findProgram('nft')
    if (program === null)
      throw new HotStandbyError('HS_HOST', 'the program nft is missing; install the package nftables')
    const nft = spawn('sh', ['-c', nftScript, 'sh', program], { ...childOptions(), stdio: ['pipe', 'pipe', 'ignore'] })
    const words = [lastWords?.first ?? '', lastWords?.afterwards ?? '']
    const stdio = ['pipe', nft.stdin, 'ignore'] as const
    const guardian = spawn('sh', ['-c', guardianScript, 'sh', ...words], { ...childOptions(), stdio: [...stdio] })
    // The guardian now holds the writing end alone: when it ends, nft ends.
    nft.stdin?.destroy()
    const started: Children = { nft, guardian, output: '' }
    const ended = (what: string) => (detail: unknown) => {
      if (children === started) fail(`${what} ended (${detail instanceof Error ? detail.message : detail})`)
    }
    for (const [name, child] of Object.entries({ nft, guardian })) {
      child.on('error', ended(name))
      child.on('close', (code, signal) => ended(name)(signal ?? `status ${code}`))
    }
    guardian.stdin?.on('error', () => {})
    nft.stdout?.setEncoding('utf8').on('data', (text: string) => {
      started.output += text
      if (children === started) settle(started)
    })
    children = started
    return started
  }

  /** Only what is asked keeps this process alive. */
  function hold(): void {
    const { nft, guardian } = children ?? {}
    const word = pending.length > 0 ? 'ref' : 'unref'
    for (const part of [nft, guardian, guardian?.stdin, nft?.stdout])
      (part as Pick<Socket, 'ref' | 'unref'> | null | undefined)?.[word]()
  }

  /** Answers every line whose marker has come back. */
  function settle(from: Children): void {
    for (let entry = pending[0]; entry; entry = pending[0]) {
      const match = new RegExp(`[^\\n]*\\n${entry.marker}\\n[ ^~]*\\^[ ^~]*\\n`).exec(from.output)
      if (!match) return hold()
      pending.shift()
      const said = from.output.slice(0, match.index)
      from.output = from.output.slice(match.index + match[0].length)
      if (/\bError: /.test(said)) entry.reject(new HotStandbyError('HS_HOST', `nft: ${firstErrorOf(said)}`))
      else entry.resolve()
    }
    hold()
  }

  function fail(reason: string): void {
    const said = children?.output.trim()
    stop()
    if (!closed) logger.warn({ reason }, `nft: ${reason}${said ? `: ${said.slice(0, 500)}` : ''}`)
    for (const { reject } of pending.splice(0)) reject(new HotStandbyError('HS_HOST', `nft: ${reason}`))
  }

  function stop(): void {
    const old = children
    hold()
    children = undefined
    // The guardian first and by SIGKILL: it must not take this for the end of the parent.
    old?.guardian.kill('SIGKILL')
    old?.nft.kill('SIGKILL')
  }

  return {
    run(line, signal) {
      return new Promise((resolve, reject) => {
        if (closed) return reject(new HotStandbyError('HS_STATE', 'nft: the helper is closed'))
        if (signal?.aborted) return reject(new HotStandbyError('HS_TIMEOUT', 'nft: the operation was over already'))
        const marker = `hsdone${++markers}`
        pending.push({ marker, resolve, reject })
        const giveUp = () => {
          const isOpen = pending.some((entry) => entry.marker === marker)
          reject(new HotStandbyError('HS_TIMEOUT', 'nft did not answer in time'))
          // Taken later than that it would do harm: the child goes, and with it what waits for it.
          if (isOpen) fail('it did not answer in time')
        }
        signal?.addEventListener('abort', giveUp, { once: true })
        try {
          ;((children ?? start()).guardian.stdin as Socket | null)?.write(`${line.replaceAll('\n', ' ')}\n${marker}\n`)
          hold()
        } catch (error) {
          pending = pending.filter((entry) => entry.marker !== marker)
          reject(error instanceof Error ? error : new Error(messageOf(error)))
        }
      })
    },

    close() {
      if (closed) return
      closed = true
      fail('the helper is closed')
    },

    pids: () => (children ? [children.nft.pid, children.guardian.pid].filter((pid) => pid !== undefined) : []),
  }
}

/** `Error: Could not process rule: No such file or directory`, without the echo of the line, which may be long. */
function firstErrorOf(said: string): string {
  const at = said.indexOf('Error: ')
  return said.slice(at + 'Error: '.length).split('\n')[0] as string
}
