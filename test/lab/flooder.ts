/**
 * A host without a key that floods an address. Arguments: address, port, number of datagrams, own address to send from.
 * It listens, and sends the first frame that it hears once more after every tenth datagram. From 40 ports; ends by itself.
 */
import { createSocket, type Socket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'

const [address = '', port = '', total = '', own = ''] = process.argv.slice(2)
const burst = 100
const isGroup = address.startsWith('239.')
const tell = (event: string, text: string) => process.stdout.write(`${JSON.stringify({ event, text })}\n`)

const bound = (socket: Socket, at: string, on = 0) => new Promise<void>((done) => socket.bind(on, at, done))
const ear = createSocket({ type: 'udp4', reuseAddr: true })
await bound(ear, address, Number(port))
if (isGroup) ear.addMembership(address, own)
const stolen = await new Promise<Buffer>((resolve) => ear.once('message', resolve))
ear.close()

const mouths = Array.from({ length: 40 }, () => createSocket('udp4'))
for (const mouth of mouths) {
  await bound(mouth, own)
  if (isGroup) mouth.setMulticastInterface(own)
  else mouth.setBroadcast(true)
}
const junk = Buffer.from('x')
for (let sent = 0; sent < Number(total); sent++) {
  const mouth = mouths[sent % mouths.length] as Socket
  mouth.send(sent % 10 === 0 ? stolen : junk, Number(port), address)
  // The sockets take a few hundred at a time; the rest of the world wants its turn too.
  if (sent % burst === 0) await sleep(1)
}
await sleep(100)
for (const mouth of mouths) mouth.close()
tell('sent', total)
