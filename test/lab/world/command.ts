import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a short command ended. */
export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Text for its standard input. */
  readonly input?: string
  /** After this time it is killed; default 20 s. */
  readonly withinMs?: number
  /** `false`: a code other than 0 is a result, not an error. Default `true`. */
  readonly check?: boolean
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a command to its end. */
export const command = async (argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> => {
  const { input = '', withinMs = 20_000, check = true, env = process.env } = options
  const [program = '', ...args] = argv
  const child = spawn(program, args, { env, stdio: 'pipe', timeout: withinMs, killSignal: 'SIGKILL' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A command may end without having read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  if (check && code !== 0) {
    throw new Error(`laboratory: '${argv.join(' ')}' ended with ${code}: ${(stderr || stdout).trim()}\n${input}`)
  }
  return { code, stdout, stderr }
}
