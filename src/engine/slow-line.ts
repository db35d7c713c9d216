import { type LineBudget, lineMs, payloadFrameBytes } from '../options/line-budget.ts'
import type { FrameHint } from '../roles/transport.ts'
import { bytes, type Message, text } from '../wire/message.ts'

/**
 * Fields of a beat that a slow line does without. What is in maintenance has to be known however slow the line: the peer would
 * take a group that looks free.
 */
const isExtra = (name: string): boolean => name.startsWith('hs') && name !== 'hsmaint'
/** Every message has it. */
const isStamp = (name: string): boolean => name === 'hsmono'

/**
 * What of a message goes over a slow line: the same, or a beat without the extra fields where they do not fit. `undefined`:
 * nothing, because it would hold up the beats; a faster link carries it, or the sender is told that it is not acknowledged.
 */
export function forSlowLine(message: Message, budget: LineBudget): Message | undefined {
  const payload = bytes(message, 'payload')
  if (payload && lineMs(payloadFrameBytes(budget, payload.length), budget.bitsPerSecond) > budget.keepaliveMs)
    return undefined
  if (budget.extras) return message
  // The others are rare, and what they ask of a group must not be guessed.
  const isLeftOut = text(message, 't') === 'status' ? isExtra : isStamp
  return message.some(({ name }) => isLeftOut(name)) ? message.filter(({ name }) => !isLeftOut(name)) : message
}

/** What a transport is told of a frame, so that a slow line can choose. */
export function hintOf(message: Message): FrameHint {
  const type = text(message, 't') ?? ''
  const seq = Number.parseInt(text(message, 'seq') ?? '0', 16)
  const lane = type === 'status' ? 'beat' : bytes(message, 'payload') ? 'payload' : 'dialogue'
  // What is outside the sequence is the same when it asks, or says, the same.
  const key = seq > 0 ? String(seq) : `${type} ${text(message, 'firstseq') ?? ''}`
  return { lane, seq, key }
}

/** Whether the peer's beat on this line shows that it reckons otherwise than this node; `undefined`: it shows nothing. */
export function reckonsOtherwise(message: Message, budget: LineBudget, peerIsOurs: boolean): boolean | undefined {
  if (text(message, 't') !== 'status') return undefined
  const extras = message.some(({ name }) => isExtra(name))
  // A daemon has none anywhere.
  if (!extras && !peerIsOurs) return undefined
  return extras !== budget.extras
}
