import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { message } from '../src/wire/message.ts'
import { benchCodec } from './sealed-pair.ts'

const [role, from, to, count] = process.argv.slice(2)
const [fromPort, toPort, perSecond] = [Number(from), Number(to), Number(count)]
const socket = createSocket('udp4')
socket.on('error', () => {}) // refusals of a connected receiver come back here
socket.bind(fromPort, '127.0.0.1')
await new Promise((resolve) => socket.once('listening', resolve))
socket.setSendBufferSize(1 << 20)

/** What a stranger sends who has seen one frame: everything in the clear is right, the box is not. */
const junk = Buffer.from(benchCodec('slave').seal(message({ t: 'status', info: 'x'.repeat(300) }), undefined, 1))
junk.fill(0x55, 60)
const codec = benchCodec('slave')

const beganMs = performance.now()
let sent = 0
let skipped = 0
process.on('message', () => {
  process.send?.((1000 * (sent - skipped)) / (performance.now() - beganMs))
  process.exit(0)
})
for (;;) {
  const due = ((performance.now() - beganMs) * perSecond) / 1000
  // What could not be sent within a while is left out: a sender that was held up must not make up for it at once.
  const late = Math.floor(due - sent - perSecond / 5)
  if (role === 'junk' && late > 0) {
    skipped += late
    sent += late
  }
  while (sent < due) {
    sent++
    socket.send(
      role === 'junk' ? junk : codec.seal(message({ t: 'status', seq: sent.toString(16) }), undefined, sent),
      toPort,
      '127.0.0.1',
      () => {},
    )
  }
  await sleep(1)
}
