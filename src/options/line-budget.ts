import type { AuthenticatorPlugin, SigningKeySpec } from '../roles/authenticator.ts'
import type { Issue } from '../roles/error.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'
import { attachClassic, encodeClassic } from '../wire/classic.ts'
import { type Fields, message } from '../wire/message.ts'
import { encodeNetstring } from '../wire/netstring.ts'
import { sealedOverhead, toLine } from '../wire/sealed.ts'

/** What decides how long a beat is. */
export interface BeatFacts {
  readonly nodes: readonly string[]
  readonly groups: readonly { readonly name: string }[]
  readonly authenticator: AuthenticatorPlugin
  readonly times: LivenessTimes
}

/** What a slow line has to carry, and what it can. Both nodes reckon the same from the same configuration. */
export interface LineBudget {
  readonly bitsPerSecond: number
  readonly keepaliveMs: number
  /** Largest beat of Heartbeat's own fields, bytes. */
  readonly beatBytes: number
  /** Largest beat with this project's extra fields too, bytes. */
  readonly fullBytes: number
  /** Whether the extra fields travel on this line: with them, a beat takes at most half of the time between two. */
  readonly extras: boolean
}

/** Eight data bits between a start and a stop bit. */
const bitsPerByte = 10

/** How long a line is busy with so many bytes. */
export function lineMs(bytes: number, bitsPerSecond: number): number {
  return Math.ceil((bytes * bitsPerByte * 1000) / bitsPerSecond)
}

/** The fields of a beat as step.ts and messenger.ts write them, as long as they become in years of running. */
function longestBeat({ nodes, groups, times, authenticator }: BeatFacts) {
  const byLength = [...nodes].sort((one, other) => other.length - one.length)
  const own = {
    t: 'status',
    st: 'active',
    dt: Math.round(times.deadtimeMs).toString(16),
    protocol: '1',
    src: byLength[0],
    srcuuid: new Uint8Array(16),
    hg: 'ffffffff',
    ts: 'ffffffff',
    ttl: '3',
    seq: 'ffffffff',
    // Travels on every line once anything was in maintenance.
    hsmaint: groups.map(({ name }) => `${name}:off:${'9'.repeat(13)}`).join(' '),
  }
  const extra = {
    hs: '1',
    hsf: 'overlap maintenance age',
    hsboot: '0'.repeat(16),
    hsgrp: groups.map(({ name }) => `${name}:holds/probation:9999999999`).join(' '),
    hsall: '1',
    hsecho: 'ffffffff:99999',
    hsrun: '0'.repeat(16),
    hsslow: '99999',
    hsmono: '9'.repeat(12),
    hsstall: '99999',
    hscfg: '0'.repeat(8),
    hscfgs: '0'.repeat(16),
    hskeys: authenticator.keys.length > 1 ? authenticator.keys.map(() => '15:01234567').join(' ') : undefined,
  }
  return { own, extra }
}

/** Longest token that a frame may have; taken for a method that refuses the key below. */
const longestToken = 128
/** Any key will do: the length of a signature does not depend on it. */
const someKey = Uint8Array.from({ length: 64 }, (_, index) => 33 + index)

/** The longest signature of a ring, whichever of its keys signs. */
function longestAuth(keys: readonly SigningKeySpec[]): string {
  const auths = keys.map((spec) => `${spec.id} ${'f'.repeat(tokenLength(spec))}`)
  return auths.reduce((longest, auth) => (auth.length > longest.length ? auth : longest), '')
}

function tokenLength({ method, create }: SigningKeySpec): number {
  // A checksum is printed without leading zeros.
  if (method === 'crc') return 8
  try {
    return create(someKey).sign(someKey).length
  } catch {
    return longestToken
  }
}

/** How many bytes a message is on the line. */
function sizeOf({ keys }: AuthenticatorPlugin): (fields: Fields) => number {
  const signing = keys.filter((spec) => spec.protects === 'signing')
  if (signing.length === 0)
    return (fields) => toLine(new Uint8Array(sealedOverhead + encodeNetstring(message(fields)).length)).length
  const auth = longestAuth(signing)
  return (fields) => attachClassic(encodeClassic(message(fields)), auth).length
}

/** Largest frame that any transport carries: the largest payload of a UDP datagram. */
const largestFrameBytes = 65_507
/** What one packet of an Ethernet surely carries, tunnels included. What is larger travels in parts, and one lost is all lost. */
const onePacketBytes = 1400

/** What is wrong with the size of a pair's beats, if anything: reckoned as they are while the pair is apart, which is when they are longest. */
export function sizeIssue(facts: BeatFacts): Pick<Issue, 'message' | 'severity'> | undefined {
  const { own, extra } = longestBeat(facts)
  const hsfor = facts.groups.map(({ name }) => `${name}:${'9'.repeat(12)}`).join(' ')
  const frameBytes = datagramBytes(facts.authenticator, { ...own, ...extra, hsfor })
  const count = facts.groups.length
  const them = `${frameBytes} bytes for ${count} ${count === 1 ? 'group' : 'groups'}`
  const remedy = 'use fewer groups or shorter names, or split them between several pairs'
  if (frameBytes > largestFrameBytes) {
    const message = `a beat would not fit into a datagram: ${them}, and a datagram carries at most ${largestFrameBytes}; ${remedy}`
    return { message, severity: 'error' }
  }
  if (frameBytes <= onePacketBytes) return undefined
  const message =
    `a beat can become larger than one packet: ${them}, and one packet carries ${onePacketBytes}; ` +
    `it then travels in fragments, and is lost when one of them is; ${remedy}`
  return { message, severity: 'warning' }
}

function datagramBytes({ keys }: AuthenticatorPlugin, fields: Fields): number {
  const bytes = encodeNetstring(message(fields)).length
  const signing = keys.filter((spec) => spec.protects === 'signing')
  if (signing.length === 0) return sealedOverhead + bytes
  // The signature stands behind the markers as one more netstring: `34:3 cb71…,`.
  const auth = longestAuth(signing).length
  return bytes + String(auth).length + 1 + auth + 1
}

/** What a line of this speed can carry of this pair's beats. */
export function lineBudget(facts: BeatFacts, bitsPerSecond: number): LineBudget {
  const { own, extra } = longestBeat(facts)
  const size = sizeOf(facts.authenticator)
  const beatBytes = size(own)
  const fullBytes = size({ ...own, ...extra })
  const { keepaliveMs } = facts.times
  return {
    bitsPerSecond,
    keepaliveMs,
    beatBytes,
    fullBytes,
    extras: lineMs(fullBytes, bitsPerSecond) <= keepaliveMs / 2,
  }
}

/** `214 bytes × 10 bits / 9600 bit/s = 223 ms`. */
function arithmetic(bytes: number, bitsPerSecond: number): string {
  return `${bytes} bytes × ${bitsPerByte} bits / ${bitsPerSecond} bit/s = ${lineMs(bytes, bitsPerSecond)} ms`
}

/** What is wrong with a pair's beats on a line, if anything. */
export function budgetIssue(budget: LineBudget): Pick<Issue, 'message' | 'severity'> | undefined {
  const { bitsPerSecond, keepaliveMs, beatBytes, fullBytes } = budget
  const takesMs = lineMs(beatBytes, bitsPerSecond)
  if (takesMs > keepaliveMs) {
    const message =
      `a beat does not fit: ${arithmetic(beatBytes, bitsPerSecond)}, longer than keepalive (${keepaliveMs} ms); ` +
      `a keepalive of ${2 * takesMs} ms leaves half of the line for everything else, or take a faster line`
    return { message, severity: 'error' }
  }
  if (budget.extras) return undefined
  const message =
    `the extra fields are left out on this line: with them a beat takes ${arithmetic(fullBytes, bitsPerSecond)}, ` +
    `more than half of keepalive (${keepaliveMs} ms); while no other link carries them, each node takes the other for a ` +
    `heartbeat daemon; a keepalive of ${2 * lineMs(fullBytes, bitsPerSecond)} ms has room for them`
  return { message, severity: 'warning' }
}

/** Bytes of the frame of an application's message: base64 and what stands around it. */
export function payloadFrameBytes({ beatBytes }: LineBudget, payloadBytes: number): number {
  // `stream`, `ord`, `to` and their like.
  const besideBytes = 100
  return beatBytes + besideBytes + 4 * Math.ceil(payloadBytes / 3)
}

/** Why a message of the application must not go over a line that is the only live one, if so. */
export function payloadRefusal(budget: LineBudget, payloadBytes: number): string | undefined {
  const { bitsPerSecond, keepaliveMs } = budget
  const frameBytes = payloadFrameBytes(budget, payloadBytes)
  if (lineMs(frameBytes, bitsPerSecond) <= keepaliveMs) return undefined
  return (
    `${payloadBytes} bytes are too many for the only live link, as a frame ${arithmetic(frameBytes, bitsPerSecond)}, ` +
    `longer than keepalive (${keepaliveMs} ms): beats would be late`
  )
}
