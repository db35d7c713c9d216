import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { crc } from '../authenticators/crc.ts'
import { keyring } from '../authenticators/keyring.ts'
import { md5 } from '../authenticators/md5.ts'
import { maxKeyId } from '../authenticators/ring-of-one.ts'
import { sha1 } from '../authenticators/sha1.ts'
import { sha256 } from '../authenticators/sha256.ts'
import { checkTrusted } from '../platform/trust.ts'
import type { SigningPlugin } from '../roles/authenticator.ts'
import { type Issue, isHotStandbyError, messageOf } from '../roles/error.ts'
import { areTooMany, attempt, hasErrors } from './problems.ts'

/** An authkeys file that was read: its keys, or none where it has errors, and everything worth saying about it. */
export interface Authkeys {
  /** `undefined` when `issues` holds an error. */
  readonly plugin: SigningPlugin | undefined
  /** In the order of the lines. No message ever shows a key. */
  readonly issues: Issue[]
}

const maxFileBytes = 65_536
/** Below this a key is worth a warning: 16 random characters hold about 100 bits. */
const shortKeyBytes = 16

const keyedMethods = new Map([
  ['md5', md5],
  ['sha1', sha1],
  ['sha256', sha256],
])
const validMethods = 'crc, md5, sha1 and sha256'

/** What the lines of one file have said so far. */
interface Reading {
  readonly keys: SigningPlugin[]
  /** Line of each id that a key line named, also where that line is wrong. */
  readonly lineOfId: Map<number, number>
  active: { readonly id: number; readonly line: number } | undefined
  /** Whether any line tried to say which key is active. */
  authSeen: boolean
}

type Report = (line: number, severity: Issue['severity'], message: string) => void

/**
 * Reads the text of Heartbeat's authkeys: `auth N`, then `N METHOD KEY` for each key, blank lines and `#` comments. As in
 * Heartbeat, `auth N` stands before line N, a key is one word without blanks and what follows it is ignored. Of
 * several `auth` lines, and of several lines for one id, the last one counts; a warning says so.
 * @param file Name of the file, for the issues' `file:line`.
 */
export function parseAuthkeys(text: string, file: string): Authkeys {
  return parse(Buffer.from(text, 'utf8'), file)
}

function parse(content: Buffer, file: string): Authkeys {
  const issues: Issue[] = []
  const report: Report = (line, severity, message) => issues.push({ where: `${file}:${line}`, message, severity })
  const reading: Reading = { keys: [], lineOfId: new Map(), active: undefined, authSeen: false }
  // Latin-1, so that every byte of a key survives: Heartbeat takes keys as they are.
  for (const [index, raw] of content.toString('latin1').split('\n').entries()) {
    if (areTooMany(issues, `${file}:${index + 1}`)) break
    const line = stripped(raw)
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith('a')) readAuth(line, index + 1, reading, report)
    else attempt(issues, `${file}:${index + 1}`, () => readKey(line, index + 1, reading, report))
  }
  finish(reading, report)
  const { active, keys } = reading
  if (active === undefined || hasErrors(issues)) return { plugin: undefined, issues }
  return { plugin: keyring({ active: active.id, keys }), issues }
}

/** Without blanks at both ends; a pattern that looks for them from the right would try each blank in the middle. */
function stripped(text: string): string {
  let [from, to] = [0, text.length]
  while (' \t\r'.includes(text[from] ?? 'x')) from++
  while (to > from && ' \t\r'.includes(text[to - 1] ?? 'x')) to--
  return text.slice(from, to)
}

function readAuth(line: string, number: number, reading: Reading, report: Report): void {
  reading.authSeen = true
  const match = /^auth[ \t]+([0-9]{1,9})(?:[ \t]|$)/.exec(line)
  const id = Number(match?.[1])
  if (!match) {
    report(number, 'error', "a line that begins with 'a' says which key signs: write 'auth N'")
  } else if (id > maxKeyId) {
    report(number, 'error', `auth ${id}: ids of keys go from 0 to ${maxKeyId}`)
  } else {
    if (reading.active) {
      const { line: earlier, id: other } = reading.active
      report(number, 'warning', `auth ${id}: line ${earlier} says auth ${other}; as in Heartbeat the last one counts`)
    }
    reading.active = { id, line: number }
    const before = reading.lineOfId.get(id)
    if (before !== undefined) {
      report(number, 'error', `auth ${id} must stand before line '${id} …', which is line ${before}; move it up`)
    }
  }
}

function readKey(line: string, number: number, reading: Reading, report: Report): void {
  const match = /^([0-9]{1,9})[ \t]+([^ \t]+)(?:[ \t]+([^ \t]+)[ \t]*(.*))?$/.exec(line)
  if (!match) {
    report(number, 'error', "neither 'auth N' nor 'N METHOD KEY' nor a comment")
    return
  }
  const [, digits, method = '', key, rest = ''] = match
  const id = Number(digits)
  if (id > maxKeyId) {
    report(number, 'error', `${id} is not a key ID; ids go from 0 to ${maxKeyId}`)
    return
  }
  const before = reading.lineOfId.get(id)
  reading.lineOfId.set(id, before ?? number)
  if (before !== undefined) {
    report(number, 'warning', `id ${id} is already on line ${before}; as in Heartbeat the last one counts`)
    const earlier = reading.keys.findIndex((plugin) => plugin.keys[0]?.id === id)
    if (earlier !== -1) reading.keys.splice(earlier, 1)
  }
  if (method === 'crc') {
    if (key === undefined) reading.keys.push(crc({ id }))
    else report(number, 'error', 'crc uses no key; remove what follows it, or write md5 or sha1')
  } else {
    readKeyed(id, method, key, rest, number, reading, report)
  }
}

function readKeyed(
  id: number,
  method: string,
  key: string | undefined,
  rest: string,
  number: number,
  reading: Reading,
  report: Report,
): void {
  const make = keyedMethods.get(method)
  if (!make) {
    // The word may be the key of somebody who forgot the method: it is shown only where it looks like a method.
    const found = /^(?:md|sha|crc|hmac)[-_]?[0-9]*$/i.test(method) ? `'${method}'` : 'the word after the id'
    report(number, 'error', `${found} is not a method; valid are ${validMethods}, in small letters`)
  } else if (key === undefined) {
    report(number, 'error', `${method} needs a key: write '${id} ${method} KEY'`)
  } else {
    const bytes = Uint8Array.from(Buffer.from(key, 'latin1'))
    reading.keys.push(make({ id, key: bytes }))
    if (method === 'sha256') report(number, 'note', 'a Heartbeat daemon does not know sha256 and refuses this file')
    else if (bytes.length < shortKeyBytes) {
      const advice = `take at least ${shortKeyBytes} random characters`
      report(number, 'warning', `a key of ${bytes.length} bytes can be guessed from one recorded packet; ${advice}`)
    }
    if (rest !== '' && !rest.startsWith('#')) {
      report(number, 'warning', 'a key is one word: what follows it is ignored, as Heartbeat does')
    }
  }
}

/** What can be said only of the whole file. */
function finish(reading: Reading, report: Report): void {
  const { active, lineOfId, keys } = reading
  if (!active) {
    if (!reading.authSeen) report(1, 'error', "no line says which key signs; put 'auth N' before the keys")
    return
  }
  if (!lineOfId.has(active.id)) {
    report(active.line, 'error', `auth ${active.id}: no line '${active.id} METHOD KEY' follows`)
  }
  const crcLines = keys.flatMap((plugin) => plugin.keys).filter(({ method }) => method === 'crc')
  const crcSigns = crcLines.some(({ id }) => id === active.id)
  for (const { id } of crcLines) {
    const line = lineOfId.get(id)!
    if (crcSigns) report(line, 'warning', 'crc has no key: whoever can send to the link can take part in the cluster')
    else
      report(
        line,
        'warning',
        'crc is not accepted while another method signs; a Heartbeat daemon would let anybody in by this line: remove it',
      )
  }
}

/**
 * Reads an authkeys file, refused when group or others may read it. The checks are made on the open file, so what is
 * checked is what is read. Every failure is an issue; nothing is thrown.
 */
export function readAuthkeys(path: string): Authkeys {
  const issue = (severity: Issue['severity'], message: string): Issue => ({ where: path, message, severity })
  let descriptor: number
  try {
    // O_NONBLOCK: a pipe in the file's place must not hang the start.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return { plugin: undefined, issues: [issue('error', `cannot be opened: ${messageOf(error)}`)] }
  }
  try {
    const refusal = judge(path, descriptor)
    if (refusal !== undefined) return { plugin: undefined, issues: [issue('error', refusal)] }
    checkTrusted('authkeys', path)
    return parse(readFileSync(descriptor), path)
  } catch (error) {
    const message = isHotStandbyError(error)
      ? messageOf(error).replace(`authkeys ${path}: `, '')
      : `cannot be read: ${messageOf(error)}`
    return { plugin: undefined, issues: [issue('error', message)] }
  } finally {
    closeSync(descriptor)
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0')

function judge(path: string, descriptor: number): string | undefined {
  const stat = fstatSync(descriptor)
  const { mode, size } = stat
  let refusal: string | undefined
  if (!stat.isFile()) refusal = 'is not a regular file'
  else if (mode & 0o044) refusal = `has mode ${octal(mode)}, so that others can read the keys; run chmod 600 ${path}`
  else if (size > maxFileBytes) refusal = `has ${size} bytes; at most ${maxFileBytes} are read`
  return refusal
}
