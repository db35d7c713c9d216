import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './sources.ts'

let folder: string | undefined

/** Where the library stands as the build makes it from these sources: made at the first call, and removed with this process. */
export function builtFolder(): string {
  if (folder !== undefined) return folder
  const made = mkdtempSync(join(tmpdir(), 'hot-standby-built-'))
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  symlinkSync(join(root, 'node_modules'), join(made, 'node_modules'))
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), join(made, 'dist')], { cwd: root })
  folder = join(made, 'dist')
  return folder
}

/** The `hot-standby` command. It starts several times as fast as through a loader of TypeScript. */
export const builtCommand = (): string => join(builtFolder(), 'cli/main.js')
