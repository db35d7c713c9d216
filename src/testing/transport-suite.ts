import { silentLogger } from '../roles/logger.ts'
import type { Transport, TransportPlugin } from '../roles/transport.ts'
import { check, equal, rejects } from './assert.ts'
import { pause, until } from './waiting.ts'

/** Two plug-ins whose links reach each other. */
export interface TransportPair {
  /** Names of the two nodes; the first plug-in is made for the first. */
  readonly nodes: readonly [string, string]
  /** One plug-in per node; the same one twice where the options are the same on both. */
  readonly plugins: readonly [TransportPlugin, TransportPlugin]
  /** Removes what was set up for the pair. */
  dispose?(): Promise<void>
}

/** What {@link transportSuite} needs. */
export interface TransportSuiteOptions {
  /** Registers a test: `test` of `node:test`, or of another runner with the same two arguments. */
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** Makes a pair that shares nothing with an earlier one. */
  readonly create: () => TransportPair | Promise<TransportPair>
  /** Longest time that a frame may take, in milliseconds. @defaultValue 5000 */
  readonly patienceMs?: number | undefined
}

/** One opened end and what happened to it. */
interface End {
  readonly transport: Transport
  readonly received: Uint8Array[]
  readonly problems: Error[]
}

/**
 * Registers the tests that every transport must pass. What a transport says of itself in `capabilities` decides which ones:
 * large frames as far as `maxFrameBytes`, none on a slow line; for a `stream` bytes count, not chunks; own frames may come
 * back only with `echoes`.
 */
export function transportSuite({ test, create, patienceMs = 5000 }: TransportSuiteOptions): void {
  const withPair = (name: string, run: (one: End, other: End) => Promise<void>) =>
    test(`transport: ${name}`, async () => {
      const pair = await create()
      const ends = pair.plugins.map((plugin, index) => endOf(plugin, pair.nodes, index)) as [End, End]
      try {
        for (const end of ends) await end.transport.open()
        await run(...ends)
      } finally {
        for (const end of ends) await end.transport.close()
        await pair.dispose?.()
      }
    })
  const arrives = (end: End, bytes: number) => until(() => lengthOf(end) >= bytes, patienceMs)

  withPair('a frame arrives whole and unchanged, both ways', async (one, other) => {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const frame = frameOf(300, 1)
      from.transport.send(frame)
      await arrives(to, frame.length)
      sameBytes(to, frame)
    }
    if (!one.transport.capabilities.echoes) equal(lengthOf(one), 300, 'own frames must not come back')
  })

  withPair('frames of every small size keep their bounds', async (one, other) => {
    const sizes = [1, 2, 150, 512, 1400]
    for (const [index, size] of sizes.entries()) {
      one.transport.send(frameOf(size, index))
      const sent = sizes.slice(0, index + 1).reduce((sum, each) => sum + each, 0)
      await arrives(other, sent)
    }
    if (one.transport.capabilities.framing === 'datagram') {
      equal(sizesOf(other), sizes, 'each frame arrives as one packet')
    }
  })

  withPair('a large frame arrives whole', async (one, other) => {
    const { maxFrameBytes, bitsPerSecond } = one.transport.capabilities
    if (bitsPerSecond !== undefined) return
    const frame = frameOf(Math.min(60_000, maxFrameBytes), 7)
    one.transport.send(frame)
    await arrives(other, frame.length)
    sameBytes(other, frame)
  })

  withPair('a frame that is too large is reported once a second and not sent', async (one, other) => {
    const frame = frameOf(one.transport.capabilities.maxFrameBytes + 1, 3)
    const before = performance.now()
    for (let count = 0; count < 20; count++) one.transport.send(frame)
    await until(() => one.problems.length > 0, patienceMs)
    await pause(50)
    if (performance.now() - before < 1000) equal(one.problems.length, 1, 'problems within a second')
    equal(lengthOf(other), 0, 'bytes received')
  })

  withPair('a burst of frames throws nothing and leaves the link usable', async (one, other) => {
    if (one.transport.capabilities.bitsPerSecond !== undefined) return
    for (let count = 0; count < 1000; count++) one.transport.send(frameOf(200, count))
    await until(() => lengthOf(other) > 0, patienceMs)
    await settled(() => lengthOf(other))
    const before = other.received.length
    one.transport.send(frameOf(201, 0))
    await until(() => other.received.length > before, patienceMs)
  })

  withPair('opening twice is refused and harms nothing', async (one, other) => {
    await rejects(one.transport.open(), 'HS_STATE', 'a second open')
    one.transport.send(frameOf(10, 0))
    await arrives(other, 10)
  })

  withPair('nothing is received after close, and sending to a closed end is harmless', async (one, other) => {
    one.transport.send(frameOf(10, 0))
    await arrives(other, 10)
    one.transport.send(frameOf(10, 1))
    await other.transport.close()
    const atClose = lengthOf(other)
    for (let count = 0; count < 10; count++) one.transport.send(frameOf(10, count))
    await pause(50)
    equal(lengthOf(other), atClose, 'bytes received after close')
  })

  withPair('close is idempotent, and sending afterwards is harmless', async (one, other) => {
    await one.transport.close()
    await one.transport.close()
    one.transport.send(frameOf(10, 0))
    await pause(20)
    equal(lengthOf(other), 0, 'bytes received from a closed link')
    equal(one.problems.length, 0, 'problems of a closed link')
  })

  withPair('a closed link can be opened again', async (one, other) => {
    await one.transport.close()
    await one.transport.open()
    one.transport.send(frameOf(10, 0))
    await arrives(other, 10)
    other.transport.send(frameOf(10, 0))
    await arrives(one, 10)
  })

  withPair('it describes itself', async (one) => {
    check(one.transport.describe() !== '', 'describe() answers a text')
  })
}

function endOf(plugin: TransportPlugin, nodes: readonly [string, string], index: number): End {
  const [self, peer] = index === 0 ? nodes : ([nodes[1], nodes[0]] as const)
  const received: Uint8Array[] = []
  const problems: Error[] = []
  const transport = plugin.create({
    self,
    peer,
    logger: silentLogger,
    // A copy: the transport may use its buffer again.
    receive: (bytes) => received.push(new Uint8Array(bytes)),
    problem: (error) => problems.push(error),
  })
  return { transport, received, problems }
}

/** Printable text without line ends, which every kind of line lets pass; different for each `seed`. */
function frameOf(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => 33 + ((index * 7 + seed) % 94))
}

function sizesOf(end: End): readonly number[] {
  return end.received.map((bytes) => bytes.length)
}

function lengthOf(end: End): number {
  return sizesOf(end).reduce((sum, size) => sum + size, 0)
}

function sameBytes(end: End, frame: Uint8Array): void {
  const received = end.received.flatMap((bytes) => [...bytes])
  equal(received.length, frame.length, 'bytes received')
  check(
    received.every((byte, index) => byte === frame[index]),
    'the bytes received differ from those sent',
  )
}

/** Waits until a value no longer changes. */
async function settled(value: () => number): Promise<void> {
  for (let last = -1; last !== value(); await pause(50)) last = value()
}
