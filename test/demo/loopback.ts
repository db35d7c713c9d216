import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../lab/wait-for.ts'
import { nowMs } from '../lab/world/timeline.ts'
import { LoopbackClient } from './loopback-client.ts'
import type { MemberSettings } from './member.ts'
import type { Entry, NodeName, Theatre } from './play.ts'

const TIMES = { keepaliveMs: 200, deadtimeMs: 1000, initdeadMs: 3000, deadpingMs: 600 } as const
/** What a noisy machine may add, ms. */
const MARGIN_MS = 1500
const MEMBER = fileURLToPath(new URL('./member.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')

/** A node as a process of its own. */
class Member {
  readonly #settings: MemberSettings
  readonly #onEntry: (entry: Entry) => void
  readonly #told = new Set<string>()
  #child: ChildProcess | undefined
  #answer: ((refusal: string | null) => void) | undefined

  constructor(settings: MemberSettings, onEntry: (entry: Entry) => void) {
    this.#settings = settings
    this.#onEntry = onEntry
  }

  /** Starts it and waits until it knows the other one. */
  async join(): Promise<void> {
    this.start()
    await waitFor(() => this.#told.has('peer:alive'), { what: `${this.#settings.node} knows its peer` })
  }

  start(): void {
    const { node } = this.#settings
    const argv = ['--import', TSX, MEMBER, JSON.stringify(this.#settings)]
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#told.clear()
    this.#child = child
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { name?: string; standby?: string | null }
      if (said.standby !== undefined) return this.#answer?.(said.standby)
      this.#told.add(said.name ?? '')
      this.#onEntry({ atMs: nowMs(), who: node, what: line })
    })
    this.#note('started')
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async crash(): Promise<void> {
    this.#note('kill -9')
    await this.kill()
  }

  /** Gives everything to the other node; resolves when that has confirmed. */
  async standby(): Promise<void> {
    const refusal = await new Promise<string | null>((resolve) => {
      this.#answer = resolve
      this.#child?.stdin?.write('standby\n')
    })
    if (refusal !== null) throw new Error(refusal)
  }

  #note(what: string): void {
    this.#onEntry({ atMs: nowMs(), who: this.#settings.node, what })
  }
}

/** Stands for the gateway: a UDP port that answers everybody but those it is told to leave without an answer. */
class EchoTarget {
  readonly ignored = new Set<string>()
  readonly #socket: Socket = createSocket('udp4')

  async open(): Promise<number> {
    this.#socket.on('message', (bytes, { port, address }) => {
      if (!this.ignored.has(bytes.toString())) this.#socket.send(bytes, port, address)
    })
    this.#socket.bind(0, '127.0.0.1')
    await once(this.#socket, 'listening')
    return this.#socket.address().port
  }

  close(): void {
    this.#socket.close()
  }
}

/** A TCP port that is free now. */
const freeTcpPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('loopback gave no port')
  return address.port
}

/** UDP ports that are free now. */
const freeUdpPorts = async (count: number): Promise<number[]> => {
  const sockets = Array.from({ length: count }, () => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  const ports = sockets.map((socket) => socket.address().port)
  for (const socket of sockets) socket.close()
  return ports
}

/** The same pair without root: two processes of this machine, each with the service inside. */
export const openLoopback = async (why: string, onEntry: (entry: Entry) => void): Promise<Theatre> => {
  const scratch = mkdtempSync(join(tmpdir(), 'hot-standby-demo-'))
  const gateway = new EchoTarget()
  const echoPort = await gateway.open()
  const pagePort = await freeTcpPort()
  const [first = 0, second = 0] = await freeUdpPorts(2)
  const heartbeat = { master: `127.0.0.1:${first}`, slave: `127.0.0.1:${second}` }
  const member = (node: NodeName): Member =>
    new Member({ ...TIMES, node, heartbeat, pagePort, echoPort, stateDirectory: join(scratch, node) }, onEntry)
  const [master, slave] = [member('master'), member('slave')]
  const witness = new LoopbackClient(pagePort, onEntry)
  const note = (what: string): void => onEntry({ atMs: nowMs(), who: 'gateway', what })
  const there = { servedBy: ['master', 'slave'], limitMs: MARGIN_MS } as const
  const back = { servedBy: ['slave', 'master'], limitMs: MARGIN_MS } as const
  return {
    mode: 'loopback',
    about: [
      `Not the laboratory: ${why}.`,
      'master and slave are two processes of this machine; the page is a service inside each of them, and a local echo',
      `target stands for the gateway. keepalive ${TIMES.keepaliveMs} ms, deadtime ${TIMES.deadtimeMs} ms; the client asks every 5 ms.`,
    ],
    witness,
    steps: [
      {
        step: "both start; the client sees the master's page",
        act: () => Promise.all([master.join(), slave.join()]),
        servedBy: ['master'],
        limitMs: 300,
        begins: true,
      },
      {
        step: 'the gateway no longer answers the master',
        act: async () => {
          gateway.ignored.add('master')
          note('answers the slave only')
        },
        ...there,
      },
      {
        step: 'the gateway answers the master again',
        act: async () => {
          gateway.ignored.delete('master')
          note('answers both')
        },
        ...back,
      },
      {
        step: 'the master crashes (kill -9)',
        act: () => master.crash(),
        servedBy: ['master', 'slave'],
        limitMs: TIMES.deadtimeMs + TIMES.keepaliveMs + MARGIN_MS,
      },
      { step: 'the master starts again (autoFailback)', act: () => master.join(), ...back },
      { step: 'master: cluster.standby()', act: () => master.standby(), ...there },
    ],
    async [Symbol.asyncDispose]() {
      witness.close()
      await Promise.all([master.kill(), slave.kill()])
      gateway.close()
      rmSync(scratch, { recursive: true, force: true })
    },
  }
}
