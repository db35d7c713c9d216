import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { addressesOf, deviceIndex, deviceState, type InterfaceAddress } from '../platform/interfaces.ts'
import { ipFamily } from '../platform/ip.ts'
import { type LimitedReport, onceASecond } from '../platform/once-a-second.ts'
import { HotStandbyError } from '../roles/error.ts'
import type { Transport, TransportCapabilities, TransportContext } from '../roles/transport.ts'
import { type Endpoint, endpointText, parseEndpoint } from './endpoint.ts'
import { PeerEars } from './peer-ears.ts'
import { bindError, deviceError, sendError } from './udp-errors.ts'

/** One socket to be bound. */
export interface SocketPlan extends Endpoint {
  /** Other sockets may be bound to the same address and port. */
  readonly shared?: boolean | undefined
  /** Sets options once it is bound. */
  prepare?(socket: Socket): void
}

/** Where one UDP link binds, where it sends to, whom it listens to. */
export interface UdpPlan {
  /** Sends, and receives unless there is a socket of its own for that. */
  readonly sending: SocketPlan
  readonly receiving?: SocketPlan | undefined
  readonly to: Endpoint
  /** The kernel drops what comes from anywhere but `to`, port included: only where the peer surely sends from there. */
  readonly connected?: boolean | undefined
  /** Address filter on the sender: the cheapest check, before anything is parsed. The port is never looked at. */
  accepts(address: string): boolean
  /** A sender that is not accepted here and still no stranger: another link of this host hears it. Dropped without a word. */
  elsewhere?(address: string): boolean
  /** Called for a sender that is not accepted. */
  refused?(address: string): void
}

/** What differs between the UDP transports. */
export interface UdpLinkOptions {
  readonly device: string | undefined
  /**
   * Made anew at every (re)opening from the device's present addresses.
   * @throws {HotStandbyError} `HS_TRANSPORT` when these addresses will not do.
   */
  plan(own: readonly InterfaceAddress[]): UdpPlan
}

/** Pause between two attempts to open the sockets again, and the longest time that a link stays deaf after its device is back. */
const reopenMs = 1000
/** How often a link looks whether the host's addresses are still what it was planned for. */
const lookMs = 250
/** Bytes that may wait in this process for a network that does not take them; old beats are worthless, so more is dropped. */
const queueLimitBytes = 1 << 20

const notOpen = 'not open'

/** Failures after which the socket itself may be stale: its address or device went away. */
const staleCodes: ReadonlySet<string> = new Set(
  'EADDRNOTAVAIL EBADF EHOSTUNREACH EINVAL ENETDOWN ENETUNREACH ENODEV ENXIO'.split(' '),
)

/**
 * Life of a UDP link: opens, sends, receives, heals, closes. It owns no timer: the caller sends a beat every keepalive, and a
 * send finds out that the link is broken or may be whole again.
 */
export class UdpLink implements Transport {
  readonly capabilities: TransportCapabilities = { framing: 'datagram', maxFrameBytes: 65_507, echoes: false }
  readonly #options: UdpLinkOptions
  readonly #context: TransportContext
  readonly #problem: LimitedReport
  #opened = false
  #plan: UdpPlan | undefined
  #sending: Socket | undefined
  #sockets: readonly Socket[] = []
  readonly #ears = new PeerEars((socket) => this.#drop(socket))
  #stale = false
  #refusalTold = false
  #triedMs = 0
  #lookedMs = 0
  /** The addresses that the plan was made of. */
  #ground = ''
  /** Where our own datagrams come from; asked once, since a flood of others is compared with it. */
  #own: Endpoint | undefined

  constructor(options: UdpLinkOptions, context: TransportContext) {
    this.#options = options
    this.#context = context
    this.#problem = onceASecond((error) => context.problem(error))
  }

  async open(): Promise<void> {
    if (this.#opened) throw new HotStandbyError('HS_STATE', 'the link is open already; close it first')
    this.#opened = true
    try {
      this.#bind()
    } catch (error) {
      // An unplugged cable, a peer on a crossover cable that is off, or a broken card must not keep this node from starting.
      if (this.#deviceMayCome()) return this.#problem('open', () => error as Error)
      await this.close()
      throw error
    }
  }

  send(frame: Uint8Array): void {
    if (!this.#opened) return
    this.#look()
    if ((this.#stale || !this.#sending) && performance.now() - this.#triedMs >= reopenMs) this.#reopen()
    const socket = this.#sending
    const plan = this.#plan
    if (!socket || !plan) return
    const hindrance = this.#hindrance(socket, frame)
    if (hindrance !== undefined) {
      this.#failed(hindrance)
      return
    }
    this.#sendOn(socket, frame, plan)
  }

  #sendOn(socket: Socket, frame: Uint8Array, { connected, to }: UdpPlan, again = false): void {
    const sent = (error: Error | null): void => {
      if (!error || socket !== this.#sending) return
      const code = (error as NodeJS.ErrnoException).code ?? error.message
      // A connected socket reports an earlier refusal in place of sending: this frame has not left yet.
      if (code === 'ECONNREFUSED' && !again) this.#sendOn(socket, frame, { ...(this.#plan as UdpPlan) }, true)
      else this.#failed(code, error)
    }
    if (connected) socket.send(frame, sent)
    else socket.send(frame, to.port, to.address, sent)
  }

  async close(): Promise<void> {
    this.#opened = false
    this.#unbind()
    this.#plan = undefined
  }

  describe(): string {
    return this.#sending ? this.#way() : notOpen
  }

  /** Where it sends, or would. */
  #way(): string {
    const plan = this.#plan
    return plan ? `${endpointText(plan.sending)} -> ${endpointText(plan.to)}` : notOpen
  }

  #deviceMayCome(): boolean {
    const { device } = this.#options
    return device !== undefined && ['missing', 'down', 'no-carrier'].includes(deviceState(device))
  }

  /** What the kernel would say, or would not: IPv6 takes a little more than the limit, and a queue has none. */
  #hindrance(socket: Socket, frame: Uint8Array): string | undefined {
    if (frame.length > this.capabilities.maxFrameBytes) return 'EMSGSIZE'
    return socket.getSendQueueSize() > queueLimitBytes ? 'ENOBUFS' : undefined
  }

  #failed(code: string, cause?: unknown): void {
    // Nobody is bound there: the peer's process is off, which its silence says too. Once is enough until it was heard.
    if (code === 'ECONNREFUSED') {
      if (this.#refusalTold) return
      this.#refusalTold = true
    }
    if (staleCodes.has(code)) this.#stale = true
    this.#problem(code, () => sendError(code, this.#way(), this.#options.device, cause))
  }

  /** Follows the host's addresses: 0.1 ms, and needs no helper that could die. */
  #look(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lookedMs < lookMs) return
    this.#lookedMs = nowMs
    const { device, plan: make } = this.#options
    const own = addressesOf(device)
    // Down, without carrier or gone: a send says so, and there is nothing to plan with.
    if (own.length === 0 || !this.#sending || !this.#plan) return
    const ground = groundOf(device)
    if (ground === this.#ground) return
    const before = this.#plan
    const index = this.#ground.split(' ', 1)[0]
    try {
      const plan = make(own)
      if (pathOf(plan) !== pathOf(before) || ground.split(' ', 1)[0] !== index) return this.#reopen()
      // The sockets may stay; who is heard and how far a packet may go can be another matter.
      plan.sending.prepare?.(this.#sending)
      this.#plan = plan
      this.#ground = ground
    } catch (error) {
      this.#stale = true
      this.#problem('open', () => error as Error)
    }
  }

  #reopen(): void {
    const before = this.describe()
    try {
      this.#bind()
      if (this.#sending && before !== this.describe()) this.#context.moved?.(this.describe(), before)
    } catch (error) {
      this.#problem('open', () => error as Error)
    }
  }

  /** Binds everything anew; on failure nothing stays bound. */
  #bind(): void {
    this.#triedMs = performance.now()
    this.#unbind()
    this.#stale = false
    const { device } = this.#options
    const own = addressesOf(device)
    if (device !== undefined && own.length === 0) {
      const state = deviceState(device)
      if (state === 'missing') throw deviceError(device, state)
    }
    const ground = groundOf(device)
    const plan = this.#options.plan(own)
    this.#plan = plan
    this.#ground = ground
    const receive = (bytes: Buffer, from: RemoteInfo) => this.#receive(bytes, from)
    try {
      const sending = this.#socket(plan.sending, plan.receiving ? undefined : receive)
      if (plan.connected && !connect(sending, plan.to)) {
        // As a send that finds no route: it is told, and tried again.
        this.#unbind()
        return this.#failed('ENETUNREACH')
      }
      if (plan.receiving) this.#socket(plan.receiving, receive)
      this.#sending = sending
      this.#own = sending.address()
    } catch (error) {
      this.#unbind()
      throw error
    }
  }

  /**
   * Whoever sends to everybody, or to a group, fills the queue of every socket that waits there. One that is connected to the
   * peer's end takes nothing else. The open one stays: a peer that starts anew, and a daemon above all, sends from another port.
   */
  heardPeer(from: string): void {
    const receiving = this.#plan?.receiving
    const peer = parseEndpoint(from, 0)
    if (!receiving || !peer || !this.#sending || this.#ears.knows(from)) return
    let socket: Socket | undefined
    try {
      socket = this.#socket(receiving, (bytes, sender) => this.#receive(bytes, sender))
      if (!connect(socket, peer)) socket = this.#drop(socket)
    } catch {
      // The open socket hears the peer as well, only not as surely.
    }
    this.#ears.add(from, socket)
  }

  #drop(socket: Socket): undefined {
    this.#sockets = this.#sockets.filter((other) => other !== socket)
    socket.close()
  }

  #unbind(): void {
    this.#ears.clear()
    for (const socket of this.#sockets) socket.close()
    this.#sockets = []
    this.#sending = undefined
    this.#own = undefined
  }

  /** Binds one socket. With a lookup that answers at once (addresses only, never names) `bind` is done when it returns. */
  #socket(plan: SocketPlan, receive: ((bytes: Buffer, from: RemoteInfo) => void) | undefined): Socket {
    const family = ipFamily(plan.address) === 6 ? 6 : 4
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      reuseAddr: plan.shared ?? false,
      lookup: (address, _options, done) => done(null, address, family),
    })
    let failure: NodeJS.ErrnoException | undefined
    let bound = false
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!bound) failure = error
      else if (error.code === 'ECONNREFUSED') this.#failed(error.code, error)
      else if (socket === this.#sending || this.#sockets.includes(socket)) {
        this.#stale = true
        this.#problem('socket', () => sendError(error.code ?? error.message, this.#way(), this.#options.device, error))
      }
    })
    if (receive) socket.on('message', (bytes, from) => this.#sockets.includes(socket) && receive(bytes, from))
    this.#sockets = [...this.#sockets, socket]
    try {
      // `exclusive`: in a cluster worker the socket is ours, not the primary's.
      socket.bind({ address: plan.address, port: plan.port, exclusive: true })
      if (failure) throw failure
      if (receive) enlarge(socket)
      plan.prepare?.(socket)
    } catch (error) {
      throw bindError(error as NodeJS.ErrnoException, plan, this.#options.device)
    }
    bound = true
    return socket
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const plan = this.#plan
    if (!plan) return
    if (plan.receiving && this.#isEcho(from)) return
    if (plan.accepts(from.address)) {
      const sender = endpointText(from)
      if (this.#ears.isCopy(sender, bytes)) return
      this.#refusalTold = false
      return this.#context.receive(bytes, sender)
    }
    if (plan.elsewhere?.(from.address)) return
    plan.refused?.(from.address)
    this.#context.dropped?.('foreign-address', from.address)
  }

  /** Broadcasts, and multicasts with loop, come back to the host that sent them; exactly ours are dropped here. */
  #isEcho(from: RemoteInfo): boolean {
    return from.port === this.#own?.port && from.address === this.#own.address
  }
}

/** Number of the device, and all addresses of this host: the networks of other devices tell whose a sender is. */
function groundOf(device: string | undefined): string {
  const all = addressesOf().map((entry) => `${entry.device}=${entry.cidr}`)
  return `${(device && deviceIndex(device)) ?? 0} ${all.sort().join(' ')}`
}

function pathOf({ sending, receiving, to }: UdpPlan): string {
  return [sending, receiving ?? sending, to].map(endpointText).join(' ')
}

/** Room for what arrives while this process is busy: some 10,000 small datagrams, if the kernel allows it (net.core.rmem_max). */
const receiveBufferBytes = 1 << 22

function enlarge(socket: Socket): void {
  try {
    socket.setRecvBufferSize(receiveBufferBytes)
  } catch {
    // The default serves as well, only not as long.
  }
}

/** With an address for a name the lookup answers at once, so the socket is connected when this returns, or never will be. */
function connect(socket: Socket, { address, port }: Endpoint): boolean {
  socket.connect(port, address)
  try {
    socket.remoteAddress()
    return true
  } catch {
    return false
  }
}
