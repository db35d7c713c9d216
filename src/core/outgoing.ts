import type { Instant } from '../roles/time.ts'
import { type Field, type Message, text } from '../wire/message.ts'
import type { Effect } from './types.ts'

/** What a message gets on its way out. */
interface OutgoingPort {
  /** The key that signs it, where the message names none. */
  nextKey(): number | undefined
  /** The first of its numbers, one for each link, where frames are sealed. */
  takeNumbers(): number | undefined
  now(): Instant
  peerKind(): string
}

/** When this copy leaves, by the monotonic clock that runs while the host sleeps: what is sent again gets another stamp. */
const stampOf = ({ bootMs }: Instant): Field => ({ name: 'hsmono', type: 0, value: String(Math.floor(bootMs)) })

type Sending = Extract<Effect, { type: 'send' }>

/** The one place where a message gets its stamp, its key and, where frames are sealed, its numbers. */
export function addresser(port: OutgoingPort): (sending: Sending) => Sending {
  /** A daemon needs no stamp, a beat says to whoever hears it what we are, and a proof is to stay small. */
  const isStamped = (words: Message): boolean => {
    const type = text(words, 't')
    return type === 'status' || (type !== 'hs-session' && port.peerKind() === 'hot-standby')
  }
  return ({ type, message: words, keyId = port.nextKey() }) => {
    const sequence = port.takeNumbers()
    const message = isStamped(words) ? [...words, stampOf(port.now())] : words
    return { type, message, ...(keyId !== undefined && { keyId }), ...(sequence !== undefined && { sequence }) }
  }
}
