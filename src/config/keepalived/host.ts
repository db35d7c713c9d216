import { existsSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { VrrpUser } from '../../options/vrrp-options.ts'
import { readPlainFile } from '../../platform/durable-file.ts'
import { hasDevice } from '../../platform/interfaces.ts'
import { findProgram } from '../../platform/process.ts'
import { distrust } from '../../platform/trust.ts'
import { userOf } from '../../platform/user.ts'
import { messageOf } from '../../roles/error.ts'

/** A program as keepalived will find it. */
export interface FoundProgram {
  /** Without links in its directories, as keepalived runs it. */
  readonly path: string
  /** Why it cannot run at all. */
  readonly problem?: string | undefined
  /** Why root should not run it: somebody else could change it. */
  readonly distrust?: string | undefined
}

/** What a configuration is judged by besides its text; tests hand in another. */
export interface KeepalivedHost {
  /** What `@name` lines are compared with. */
  readonly configId: string
  readonly hostname: string
  /** Content of a file. @throws what the system says. */
  read(path: string): string
  /** Files that a pattern names, sorted. */
  glob(pattern: string, directory: string): readonly string[]
  /** Why keepalived would skip an included file. */
  whyNotIncluded(path: string): string | undefined
  /** Undefined: this system does not tell. */
  hasInterface(name: string): boolean | undefined
  user(name: string, group?: string | undefined): VrrpUser | undefined
  program(file: string, user: VrrpUser | undefined): FoundProgram
}

const fileMaxBytes = 4_194_304

/** This host. */
export function realHost(configId: string, hostname: string): KeepalivedHost {
  return {
    configId,
    hostname,
    read: (path) => readPlainFile(path, { limitBytes: fileMaxBytes }).toString('utf8'),
    glob,
    whyNotIncluded,
    hasInterface: hasDevice,
    user: (name, group) => userOf(name, group),
    program,
  }
}

/** Alternatives in braces, `a{b,c}d`, written out; at most so many. */
const alternativesMax = 64

function alternatives(pattern: string): string[] {
  const done: string[] = []
  const left = [pattern]
  while (left.length > 0 && done.length + left.length <= alternativesMax) {
    const one = left.shift() as string
    const [whole, head, choices, tail] = /^([^{}]*)\{([^{}]*)\}(.*)$/s.exec(one) ?? []
    if (whole === undefined) done.push(one)
    else left.unshift(...(choices as string).split(',').map((choice) => `${head}${choice}${tail}`))
  }
  return done
}

/** A pattern of one directory level as an expression; every `*` but the last of a run is possessive, so no name takes long. */
function expressionOf(pattern: string): (name: string) => boolean {
  const parts = pattern.split(/\*+/)
  const plain = parts.map((part) =>
    part.replace(/\[[!^]?[^\]]+\]|\?|[\\^$.|+()[\]{}]/g, (found) => {
      if (found === '?') return '.'
      if (found.length === 1) return `\\${found}`
      return found.replace(/^\[[!^]/, '[^').replaceAll('\\', '\\\\')
    }),
  )
  const last = plain.length - 1
  return (name) => {
    if (name.startsWith('.') && !pattern.startsWith('.')) return false
    let at = 0
    for (const [index, part] of plain.entries()) {
      const anchor = index === 0 ? '' : '.*?'
      const match = new RegExp(`^${anchor}${index === last && index > 0 ? `(?:${part})$` : part}`, 's').exec(
        name.slice(at),
      )
      if (!match) return false
      at += match[0].length
    }
    return last > 0 || at === name.length
  }
}

function glob(pattern: string, directory: string): readonly string[] {
  return alternatives(pattern).flatMap((one) => {
    let found = [one.startsWith('/') ? '/' : directory]
    for (const level of one.split('/').filter((part) => part !== '' && part !== '.')) {
      const fits = /[*?[]/.test(level) ? expressionOf(level) : undefined
      found = found.flatMap((place) => {
        if (!fits) return existsSync(join(place, level)) ? [join(place, level)] : []
        try {
          return readdirSync(place)
            .filter(fits)
            .sort()
            .map((name) => join(place, name))
        } catch {
          return []
        }
      })
    }
    return found
  })
}

function whyNotIncluded(path: string): string | undefined {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) return 'is a directory'
    if (!stat.isFile()) return 'is not a regular file'
    return stat.mode & 0o111 ? 'is executable, and so no configuration for keepalived; run chmod a-x' : undefined
  } catch (error) {
    return messageOf(error)
  }
}

function program(file: string, user: VrrpUser | undefined): FoundProgram {
  if (!file.includes('/')) {
    const found = findProgram(file)
    if (found === null) return { path: file, problem: 'is not found in PATH' }
    return program(found, user)
  }
  try {
    const real = realpathSync(file)
    const byOwnName = join(dirname(real), basename(file))
    const path = basename(real) === basename(file) || !isSame(byOwnName, real) ? real : byOwnName
    const stat = statSync(real)
    const [uid, gid] = [user?.uid ?? process.getuid?.() ?? 0, user?.gid ?? process.getgid?.() ?? 0]
    if (!stat.isFile() || !mayExecute(stat, uid, gid))
      return { path, problem: `is not executable for user ${user?.name ?? uid}; run chmod a+x ${file}` }
    return uid === 0 || gid === 0 ? { path, distrust: distrust(resolve(file), 0) } : { path }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return { path: file, problem: code === 'ENOENT' ? 'does not exist' : messageOf(error) }
  }
}

function isSame(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)]
    return a.dev === b.dev && a.ino === b.ino
  } catch {
    return false
  }
}

function mayExecute({ mode, uid: owner, gid: group }: Stats, uid: number, gid: number): boolean {
  if (uid === 0) return (mode & 0o111) !== 0
  if (uid === owner) return (mode & 0o100) !== 0
  return (mode & (gid === group ? 0o010 : 0o001)) !== 0
}
