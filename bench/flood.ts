import { type ChildProcess, fork } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Loop } from '../src/engine/loop.ts'
import type { Host } from '../src/roles/host.ts'
import { silentLogger } from '../src/roles/logger.ts'
import { udpUnicast } from '../src/transports/udp-unicast.ts'
import type { Figure } from './figure.ts'
import { benchCodec } from './sealed-pair.ts'

const source = fileURLToPath(new URL('./flood-source.ts', import.meta.url))
const junkPerSecond = 80_000
const beatsPerSecond = 100
const seconds = 5
const rounds = 3
const link = 'eth1'

async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'))
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.bind(0, '127.0.0.1', done))))
  const ports = sockets.map((socket) => socket.address().port)
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(done))))
  return ports
}

function start(role: 'junk' | 'beats', from: number, to: number, perSecond: number): ChildProcess {
  return fork(source, [role, String(from), String(to), String(perSecond)], { execArgv: ['--import', 'tsx'] })
}

/** How many a second a child has sent; it ends. */
function finish(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('message', (sent) => resolve(Number(sent)))
    child.send('end')
  })
}

/** A host on which nothing happens but what arrives. */
const host: Host = {
  now: () => ({ monoMs: performance.now(), bootMs: 0, wallMs: 0 }),
  takeStall: () => 0,
  wakeAt() {},
  drain() {},
  randomBytes: (count) => new Uint8Array(count),
  perform() {},
  ask() {},
  guard() {},
  cancel() {},
  persist() {},
}

interface Result {
  readonly lostPercent: number
  readonly junkReadPerSecond: number
  readonly junkSentPerSecond: number
  readonly mostPerTurn: number
}

/** The way of a datagram up to the core, with a flood beside the beats of the peer. */
async function underFlood(peerIsOurs: boolean): Promise<Result> {
  const [own = 0, peer = 0] = await freePorts(2)
  const heard = new Set<number>()
  let inTurn = 0
  let mostPerTurn = 0
  const loop = new Loop({
    core: {
      step(input) {
        if (input.type === 'message' && input.mark) heard.add(input.mark.sequence)
        return []
      },
      view: () => {
        throw new Error('nobody looks')
      },
      isNew: ({ sequence }) => !heard.has(sequence),
      news: () => 0,
    },
    host,
    links: [],
    silentLinkMs: 3_600_000,
    diagnose: () => '',
    onEvent() {},
    onMessage() {},
    onReply() {},
    onHalt() {},
    onFatal() {},
  })
  const addresses = { master: `127.0.0.1:${own}`, slave: `127.0.0.1:${peer}` }
  const transport = udpUnicast({ addresses }).create({
    self: 'master',
    peer: 'slave',
    logger: silentLogger,
    peerIsOurs,
    receive(bytes, from) {
      if (inTurn++ === 0)
        setImmediate(() => {
          mostPerTurn = Math.max(mostPerTurn, inTurn)
          inTurn = 0
        })
      loop.receive(link, bytes, from)
    },
    problem() {},
  })
  await transport.open()
  loop.setLinks([{ link, transport, codec: benchCodec('master') }])
  loop.start()
  const beats = start('beats', peer, own, beatsPerSecond)
  while (heard.size === 0) await sleep(10)
  const floods = [start('junk', 0, own, junkPerSecond / 2), start('junk', 0, own, junkPerSecond / 2)]
  await sleep(1500) // both have begun
  const junkRead = () => Object.values(loop.drops(link)).reduce((sum, count) => sum + count, 0)
  const [readBefore, first, beganMs] = [junkRead(), Math.max(...heard), performance.now()]
  await sleep(seconds * 1000)
  const [last, tookS] = [Math.max(...heard), (performance.now() - beganMs) / 1000]
  const junk = (junkRead() - readBefore) / tookS
  const sent = await Promise.all(floods.map(finish))
  await finish(beats)
  await sleep(100)
  await transport.close()
  let got = 0
  for (const number of heard) if (number > first && number <= last) got++
  const beatsSent = last - first
  return {
    lostPercent: beatsSent > 0 ? 100 * (1 - got / beatsSent) : 100,
    junkReadPerSecond: junk,
    junkSentPerSecond: sent.reduce((sum, rate) => sum + rate, 0),
    mostPerTurn,
  }
}

/** Beats of the peer that are lost while strangers send 80,000 packets a second to the same port. */
export async function flood(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [socket, peerIsOurs] of [
    ['connected socket (sealed)', true],
    ['unconnected socket', false],
  ] as const) {
    const results: Result[] = []
    for (let round = 0; round < rounds; round++) results.push(await underFlood(peerIsOurs))
    const row = (what: string, unit: string, pick: (result: Result) => number, goal?: string): Figure => ({
      what: `flood at a ${socket}: ${what}`,
      unit,
      values: results.map(pick),
      goal,
    })
    figures.push(
      row('beats lost', '%', ({ lostPercent }) => lostPercent, peerIsOurs ? 'none' : 'printed beside it'),
      row('junk sent', '1/s', ({ junkSentPerSecond }) => junkSentPerSecond),
      row('junk that this process had to read', '1/s', ({ junkReadPerSecond }) => junkReadPerSecond),
      row('datagrams read in one turn of the loop, at most', '', ({ mostPerTurn }) => mostPerTurn),
    )
  }
  return figures
}
