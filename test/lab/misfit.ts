/**
 * Sends what a misconfigured node may send to a node of ours: `misfit.ts ADDRESS PORT NAME PEER KEY` where NAME is that node's own
 * name. Each kind comes in a burst; the kinds follow each other a little more than a second apart. Prints a line for each.
 */
import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKeyRing } from '../../src/authenticators/keyring.ts'
import { sha1 } from '../../src/authenticators/sha1.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { message } from '../../src/wire/message.ts'

const [address = '', port = '', name = '', peer = '', secret = ''] = process.argv.slice(2)

const codecOf = (key: string) => {
  const { keys, active } = sha1({ key, id: 1 })
  const entries = keys.map((spec) => ({ id: spec.id, authenticator: spec.create(Buffer.from(key)) }))
  return createCodec({ ring: createKeyRing(entries, active), framing: 'datagram' })
}
const right = codecOf(secret)
const wrong = codecOf('the secret of another cluster')

const beat = (changes: Record<string, string>) =>
  message({
    t: 'status',
    st: 'active',
    dt: '3e8',
    protocol: '1',
    ts: '1',
    ttl: '3',
    seq: '1',
    hg: '70000000',
    ...changes,
  })

const kinds: Readonly<Record<string, Uint8Array>> = {
  'another cluster': wrong.seal(beat({ src: 'db1' })),
  'our own name': right.seal(beat({ src: name, hg: '1' })),
  'a foreign node': right.seal(beat({ src: 'db1' })),
  'an old generation': right.seal(beat({ src: peer, hg: '1' })),
  compressed: right.seal(message({ _compressed_payload: new Uint8Array(40), _compression_algorithm: 'zlib' })),
  'no frame': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
}

const socket = createSocket('udp4')
for (const [kind, datagram] of Object.entries(kinds)) {
  for (let count = 0; count < 50; count++) {
    await new Promise((done) => socket.send(datagram, Number(port), address, done))
    await sleep(10)
  }
  console.log(JSON.stringify({ sent: kind }))
  await sleep(700)
}
socket.close()
