import { createSocket, type Socket } from 'node:dgram'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

// A third host on the heartbeat network. It hears what is broadcast to port 694 and keeps it; on its standard input it is told
// `replay ADDRESS` (everything it has heard, in order, again and again), `flood RATE ADDRESS…` (junk), `as ADDRESS` (it sends from
// there, port 694, from now on) or `stop`.

const PORT = 694
const recorded: Buffer[] = []
let recording = true
let task = 0

const ears = createSocket({ type: 'udp4', reuseAddr: true })
ears.on('message', (frame) => recording && recorded.push(Buffer.from(frame)))
ears.bind(PORT)
let mouth = mouthAt(0)

function mouthAt(port: number, address?: string): Socket {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  return socket.on('error', () => {}).bind(port, address, () => socket.setBroadcast(true))
}

const tell = (event: object): void => console.log(JSON.stringify(event))
const send = (frame: Uint8Array, address: string): void => mouth.send(frame, PORT, address, () => {})

async function replay(address: string): Promise<void> {
  const mine = ++task
  recording = false
  tell({ event: 'replaying', frames: recorded.length })
  for (let at = 0; task === mine && recorded.length > 0; at++) {
    send(recorded[at % recorded.length] as Buffer, address)
    if (at % 5 === 0) await sleep(5)
  }
}

/** Half of the junk begins as a sealed frame does, half as Heartbeat's. */
async function flood(rate: number, addresses: readonly string[]): Promise<void> {
  const mine = ++task
  const junk = ['HSS\x01', '###\n'].map((mark) => Buffer.from(mark.padEnd(300, 'x')))
  const beganMs = performance.now()
  let sent = 0
  while (task === mine) {
    const due = Math.min(((performance.now() - beganMs) * rate) / 1000, sent + rate / 20)
    for (; sent < due; sent++) send(junk[sent % 2] as Buffer, addresses[(sent >> 1) % addresses.length] as string)
    await sleep(1)
  }
  tell({ event: 'flooded', perSecond: Math.round((1000 * sent) / (performance.now() - beganMs)) })
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [word, ...rest] = line.split(' ')
    if (word === 'replay') void replay(rest[0] as string)
    else if (word === 'as') mouth = mouthAt(PORT, rest[0])
    else if (word === 'flood') void flood(Number(rest[0]), rest.slice(1))
    else task++
  })
  .on('close', () => process.exit(0))
tell({ event: 'ready' })
