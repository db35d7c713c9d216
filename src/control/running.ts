import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { checkTrusted } from '../platform/trust.ts'
import { HotStandbyError } from '../roles/error.ts'
import { defaultControlPath, makeControlDirectory } from './path.ts'

/** Where default sockets stand, and the links that lead from a configuration directory to the socket of its member. */
const controlDirectory = (): string => dirname(defaultControlPath('any', 'any'))

/** A directory by whatever path it is named. */
function prefixOf(dir: string): string {
  let path = resolve(dir)
  try {
    path = realpathSync(path)
  } catch {
    // It is gone; a member that was started by it may run all the same.
  }
  return `dir-${createHash('sha256').update(path).digest('hex').slice(0, 16)}-`
}

const linkOf = (dir: string, node: string): string =>
  join(controlDirectory(), `${prefixOf(dir)}${node.replace(/[^A-Za-z0-9._-]/g, '_')}`)

/**
 * Leaves word which socket serves the member that was started by `dir`, so that it is found without its files. Answers how to take
 * the word back.
 */
export function markRunning(dir: string, node: string, socket: string): () => void {
  const link = linkOf(dir, node)
  const target = resolve(socket)
  makeControlDirectory(link)
  // A member that was killed leaves its link.
  for (const old of linksIn(dirname(link))) if (!existsSync(old.target)) rmSync(old.link, { force: true })
  rmSync(link, { force: true })
  symlinkSync(target, link)
  return () => {
    if (targetOf(link) === target) rmSync(link, { force: true })
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

/** Every link of a member in a directory, and where it leads. */
function linksIn(directory: string): readonly { readonly link: string; readonly target: string }[] {
  return namesIn(directory).flatMap((name) => {
    const link = join(directory, name)
    const target = name.startsWith('dir-') ? targetOf(link) : undefined
    return target === undefined ? [] : [{ link, target }]
  })
}

/** Whether something stands at the end of a link: a member that was killed may leave both, and then the socket refuses. */
function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket()
  } catch {
    return false
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/**
 * The socket of the member that was started by `dir`; undefined when there is none.
 * @throws {HotStandbyError} `HS_CONTROL` when there are several and `node` does not say which.
 */
export function runningControlPath(dir: string, node: string | undefined): string | undefined {
  const directory = controlDirectory()
  const prefix = prefixOf(dir)
  const wanted = node === undefined ? undefined : basename(linkOf(dir, node)).toLowerCase()
  const found = linksIn(directory).flatMap(({ link, target }) => {
    const name = basename(link)
    if (!name.startsWith(prefix) || (wanted !== undefined && name.toLowerCase() !== wanted)) return []
    return isSocket(target) ? [{ node: name.slice(prefix.length), socket: target }] : []
  })
  if (found.length > 0) checkTrusted('control socket in', directory, { code: 'HS_CONTROL' })
  if (found.length < 2) return found[0]?.socket
  const nodes = found.map((each) => each.node).join(', ')
  throw new HotStandbyError('HS_CONTROL', `${dir}: several members run by it (${nodes}); name one with --node`)
}

/** Every socket at a default path. */
export function defaultControlSockets(): readonly string[] {
  const directory = controlDirectory()
  return namesIn(directory).flatMap((name) => (name.endsWith('.sock') ? [join(directory, name)] : []))
}
