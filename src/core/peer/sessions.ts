import { bytes, type Message, message, text } from '../../wire/message.ts'
import type { Emit, Mark } from '../types.ts'

const windowSize = 1024
const nonceBytes = 16
/** The peer's runs that may wait for their proof at once; only who has recorded that many can fill it. */
const candidatesMax = 16
/** One challenge for each unproven run in this time … */
const answerEveryMs = 50
/** … and for all of them so many at once, and so many a second. */
const burst = 20
const perSecond = 100
/** A run that is unproven for so long is told: the peer proves a real one within a round trip. */
const suspectAfterMs = 2000

const nothing = new Uint8Array(nonceBytes)

/** What a frame's mark says of its message. */
export type Standing =
  /** Of the run that has proven itself, and not seen before. */
  | 'current'
  /** It completed the proof of a new run. */
  | 'proven'
  /** Part of a proof; nothing more is in it. */
  | 'handshake'
  /** Of a run that has not proven itself: it may only trigger a challenge. */
  | 'unproven'
  /** Seen before. */
  | 'replayed'

/** Which of the last 1024 numbers were seen. */
class Window {
  readonly #seen = new Uint32Array(windowSize / 32)
  #highest = 0

  isNew(number: number): boolean {
    if (number > this.#highest) return true
    if (this.#highest - number >= windowSize) return false
    return (this.#seen[(number % windowSize) >>> 5]! & (1 << (number & 31))) === 0
  }

  /** Notes a number; false when it was seen before, or is too old to tell. */
  add(number: number): boolean {
    if (!this.isNew(number)) return false
    if (number - this.#highest >= windowSize) this.#seen.fill(0)
    else for (let at = this.#highest + 1; at < number; at++) this.#set(at, false)
    this.#highest = Math.max(this.#highest, number)
    this.#set(number, true)
    return true
  }

  #set(number: number, seen: boolean): void {
    const word = (number % windowSize) >>> 5
    const bit = 1 << (number & 31)
    this.#seen[word] = seen ? this.#seen[word]! | bit : this.#seen[word]! & ~bit
  }
}

interface Candidate {
  readonly window: Window
  readonly sinceMs: number
  nextAnswerMs: number
  /** Its own challenge, as last heard: what is sent to it carries the answer. */
  asked: Uint8Array
}

/** What the sessions need and whom they tell. */
export interface SessionsPort {
  readonly effect: Emit
  monoMs(): number
  /** A run of the peer is unproven for longer than a proof can take. */
  suspect(): void
  /** Whether the run that is believed is still heard. */
  currentLives(): boolean
  /** A run that another has superseded proved that it runs still, while that one is heard: no process comes back, so there are two. */
  twice(): void
}

/**
 * Which run of the peer is believed, where frames are sealed. A new one has to prove that it runs now: it echoes a random
 * challenge in a frame of its own. No clock and no number on a disk is needed for that, so what was recorded before our
 * restart, or before the peer's, is refused.
 */
export class Sessions {
  readonly #port: SessionsPort
  #current: { readonly session: string; readonly window: Window } | undefined
  readonly #candidates = new Map<string, Candidate>()
  /** Runs that were believed before the present one. */
  readonly #superseded = new Set<string>()
  /** The outstanding challenge: used for one proof, then drawn anew. */
  #challenge: Uint8Array | undefined
  #sequence = 0
  #tokens = burst
  #tokensAtMs = 0

  constructor(port: SessionsPort) {
    this.#port = port
  }

  /** Asks for the first challenge. */
  start(): void {
    this.#draw()
  }

  #draw(): void {
    this.#challenge = undefined
    this.#port.effect({ type: 'askRandom', count: nonceBytes })
  }

  /** The bytes that were asked for. */
  drawn(random: Uint8Array): void {
    if (random.length === nonceBytes) this.#challenge = random
  }

  /** The first of `count` numbers for frames of this run. */
  takeNumbers(count: number): number {
    const first = this.#sequence + 1
    this.#sequence += count
    return first
  }

  /** Whether a frame is worth being opened; changes nothing. */
  isNew({ session, sequence }: Mark): boolean {
    const known = this.#current?.session === session ? this.#current : this.#candidates.get(session)
    return known === undefined || known.window.isNew(sequence)
  }

  /** Sorts a frame in that was verified with key `keyId`; with the same it is answered. */
  receive(mark: Mark, incoming: Message, keyId: number): Standing {
    const isHandshake = text(incoming, 't') === 'hs-session'
    const asked = isHandshake ? nonceOf(incoming, 'nonce') : undefined
    if (this.#current?.session === mark.session) {
      if (!this.#current.window.add(mark.sequence)) return 'replayed'
      if (!isHandshake) return 'current'
      if (asked) this.#send(nothing, asked, keyId)
      return 'handshake'
    }
    const candidate = this.#candidate(mark.session)
    if (!candidate.window.add(mark.sequence)) return 'replayed'
    const answer = isHandshake ? nonceOf(incoming, 'answer') : undefined
    if (answer && this.#challenge && same(answer, this.#challenge)) {
      if (this.#superseded.has(mark.session) && this.#port.currentLives()) {
        this.#draw()
        this.#port.twice()
        return 'unproven'
      }
      this.#supersede(mark.session)
      this.#current = { session: mark.session, window: candidate.window }
      this.#candidates.clear()
      this.#draw()
      if (asked) this.#send(nothing, asked, keyId)
      return 'proven'
    }
    this.#ask(candidate, asked, keyId)
    return 'unproven'
  }

  #supersede(by: string): void {
    this.#superseded.delete(by)
    if (this.#current) this.#superseded.add(this.#current.session)
    const [oldest] = this.#superseded
    if (this.#superseded.size > candidatesMax && oldest !== undefined) this.#superseded.delete(oldest)
  }

  #candidate(session: string): Candidate {
    let candidate = this.#candidates.get(session)
    if (candidate) return candidate
    candidate = { window: new Window(), sinceMs: this.#port.monoMs(), nextAnswerMs: 0, asked: nothing }
    const oldest = this.#candidates.keys().next().value
    if (this.#candidates.size >= candidatesMax && oldest !== undefined) this.#candidates.delete(oldest)
    this.#candidates.set(session, candidate)
    return candidate
  }

  /** Challenges an unproven run, and answers its own challenge in the same frame: both prove themselves in three steps. */
  #ask(candidate: Candidate, asked: Uint8Array | undefined, keyId: number): void {
    const nowMs = this.#port.monoMs()
    if (nowMs - candidate.sinceMs >= suspectAfterMs) this.#port.suspect()
    const isNews = asked !== undefined && !same(asked, candidate.asked)
    if (isNews) candidate.asked = asked
    // Two that start together have just challenged each other: the answer must not wait for that.
    const due = isNews || nowMs >= candidate.nextAnswerMs
    if (!this.#challenge || !due || !this.#takeToken(nowMs)) return
    candidate.nextAnswerMs = nowMs + answerEveryMs
    this.#send(this.#challenge, candidate.asked, keyId)
  }

  #takeToken(nowMs: number): boolean {
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#tokensAtMs) * perSecond) / 1000)
    this.#tokensAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Always of the same size, and smaller than every other message: what triggers it is never smaller. */
  #send(nonce: Uint8Array, answer: Uint8Array, keyId: number): void {
    this.#port.effect({ type: 'send', message: message({ t: 'hs-session', nonce, answer }), keyId })
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** A nonce of a handshake; zeros say that there is none. */
function nonceOf(incoming: Message, name: string): Uint8Array | undefined {
  const found = bytes(incoming, name)
  return found?.length === nonceBytes && !same(found, nothing) ? found : undefined
}
