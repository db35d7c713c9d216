import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, silentLogger } from '../../src/roles/logger.ts'
import type { OperationContext, ResourceContext } from '../../src/roles/resource-agent.ts'

const directories: string[] = []
// A member that is stopped after the test writes its state once more, and so makes its directory anew.
process.once('exit', () => {
  for (const path of directories) rmSync(path, { recursive: true, force: true })
})

/** A directory of its own that is removed when the test is over. */
export function temporaryDirectory(t: { after(run: () => unknown): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'hot-standby-'))
  directories.push(path)
  // Whatever the test has left running may still write into it.
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 10 }))
  return path
}

/** An executable shell script. */
export function writeScript(directory: string, name: string, body: string, mode = 0o755): string {
  const path = join(directory, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, mode)
  return path
}

/** Circumstances of one operation, with a limit so that a hanging test ends. */
export function within(limitMs = 20_000, epoch = 1): OperationContext {
  return { epoch, signal: AbortSignal.timeout(limitMs) }
}

/** What the engine gives an agent; `record()` is what it wrote down, `changes()` how often it reported a change. */
export function agentContext(
  directory: string,
  leftover: Readonly<Record<string, unknown>> | null = null,
  logger: Logger = silentLogger,
): ResourceContext & { record(): Readonly<Record<string, unknown>> | null; changes(): number } {
  let changes = 0
  let record: Readonly<Record<string, unknown>> | null = null
  return {
    self: 'master',
    group: 'web',
    logger,
    directory,
    changed() {
      changes++
    },
    remember(next) {
      record = next
    },
    leftover,
    record: () => record,
    changes: () => changes,
  }
}

/** A logger that keeps its lines as `level message`. */
export function collectingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const at = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`)
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}

/** A TCP port of loopback that nobody uses. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
