import { findProgram, lastLines, runProgram } from '../platform/process.ts'
import { messageOf } from '../roles/error.ts'

/** Tried in this order until one ends with success. Neither waits for services or writes to disks that may hang. */
const rebootCommands = [
  ['reboot', '-n', '-f'],
  ['systemctl', 'reboot', '--force', '--force'],
] as const

/** A command that hangs must not keep the next one waiting. */
const commandMs = 30_000

/** What a fatal action needs of its surroundings. */
export interface FatalSurroundings {
  /** Tells people what is done. */
  readonly say: (message: string) => void
  /** Ends the process with this code. */
  readonly end: (code: number) => void
  /** Looks a program up. @defaultValue in the system's usual places */
  readonly find?: ((name: string) => string | null) | undefined
}

/** Does what `action` says. The process ends afterwards, except with `none`. */
export async function runFatalAction(action: string, reason: string, around: FatalSurroundings): Promise<void> {
  const { say, end, find = findProgram } = around
  if (action === 'none') return say('onFatal is none: this node stays silent; look at this host')
  if (action === 'exit') return end(1)
  const commands = action === 'reboot' ? rebootCommands : [[action]]
  for (const [name = '', ...args] of commands) {
    const file = name.startsWith('/') ? name : find(name)
    const line = [name, ...args].join(' ')
    if (file === null) {
      say(`onFatal: ${name} is not installed`)
      continue
    }
    say(`onFatal: running ${line}`)
    try {
      const env = { HOT_STANDBY_REASON: reason }
      const result = await runProgram({ file, args, env, timeoutMs: commandMs })
      if (result.exitCode === 0) return end(1)
      const said = lastLines(result.stderr) || lastLines(result.stdout) || 'it printed nothing'
      say(`onFatal: ${line} ended with ${result.exitCode ?? result.signal}: ${said}`)
    } catch (error) {
      say(`onFatal: ${line}: ${messageOf(error)}`)
    }
  }
  say('onFatal: nothing helped; look at this host')
  end(1)
}
