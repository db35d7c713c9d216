import type { Logger } from './logger.ts'

/** What a transport can do. Gates tests of the compliance suite and is shown in the snapshot. */
export interface TransportCapabilities {
  /** `datagram`: one frame per packet, in Heartbeat's netstring form. `stream`: a line of bytes, in its classic form. */
  readonly framing: 'datagram' | 'stream'
  /** Largest frame in bytes. */
  readonly maxFrameBytes: number
  /** Bits per second of a slow line; undefined where it does not matter. */
  readonly bitsPerSecond?: number | undefined
  /** True when own frames may come back (broadcast, multicast with loop). */
  readonly echoes: boolean
}

/** What a frame carries. A line so slow that frames wait for one another chooses by it; the others need not look. */
export interface FrameHint {
  /** `beat`: the newest one counts; `dialogue`: in order with the beats; `payload`: of the application, may be overtaken. */
  readonly lane: 'beat' | 'dialogue' | 'payload'
  /** Sequence number of the message, 0 where it has none. */
  readonly seq: number
  /** The same for a message and its retransmission, different for any two messages. */
  readonly key: string
}

/** Why a transport turns bytes away by itself: they come from another address than the peer has. */
export type TransportDrop = 'foreign-address'

/** What a transport is given by the engine. */
export interface TransportContext {
  /** Configured name of this node. */
  readonly self: string
  /** Configured name of the other node. */
  readonly peer: string
  readonly logger: Logger
  /** Hand over one received packet (or, for a stream, one chunk). `from` is for people: an address, a device. */
  receive(bytes: Uint8Array, from: string): void
  /** A stream broke off and begins anew: what comes next continues nothing that came before, and may begin in the midst of a frame. */
  restarted?(): void
  /** Bytes were turned away before anybody looked at them; they are counted. */
  dropped?(reason: TransportDrop, from: string): void
  /** Addresses that come and go with a group: no link may send from one. A reload may change them. @defaultValue none */
  readonly floating?: readonly string[] | undefined
  /** The addresses of this host changed, and the link now goes this way, as `describe()` shows it. */
  moved?(path: string, before: string): void
  /** The peer is surely one of ours (frames are sealed), so it sends from the port that it is bound to. @defaultValue false */
  readonly peerIsOurs?: boolean | undefined
  /** Something went wrong with the link; it stays open and tries on unless `close()` is called. Called at most once per cause and second. */
  problem(error: Error): void
}

/** One path to the peer. Best effort: what is sent may be lost, doubled or late. */
export interface Transport {
  readonly capabilities: TransportCapabilities
  /**
   * Opens the link. Rejects with `HS_TRANSPORT` and the likely cause (port in use, address not here, privilege). A device that is
   * missing, down or without carrier may come later: that is a `problem`, and the link opens when it can.
   */
  open(): Promise<void>
  /** Sends one frame. Never throws and never blocks; errors go to `problem`. */
  send(frame: Uint8Array, hint?: FrameHint | undefined): void
  /** What was received from there, as `receive` was told, was believed and is new: the peer sends from there now. */
  heardPeer?(from: string): void
  /** Closes the link; idempotent. Nothing is received afterwards. */
  close(): Promise<void>
  /** For people: local and remote end, as in `192.168.2.105:694 -> 192.168.2.106:694`. */
  describe(): string
}

/** What the factories `udpUnicast`, `udpBroadcast`, … return: data, and how to make the transport of it. */
export interface TransportPlugin {
  readonly kind: 'transport'
  /** Which transport: `udp-unicast`, `udp-broadcast`, `udp-multicast`, `serial`, `memory`. */
  readonly type: string
  /** Name of the link, unique within a node: the device where one is given, as Heartbeat has it. */
  readonly link: string
  /** Network device, where one was named. */
  readonly device?: string | undefined
  /** Bits per second of a slow line: known before it is opened, so that a configuration that asks too much of it is refused. */
  readonly bitsPerSecond?: number | undefined
  /** What the transport is made of: plain data. A reload that changes it is refused. @defaultValue nothing beyond the fields above */
  readonly settings?: unknown
  /** What is wrong with the options for this pair of nodes, if anything; paths are relative to the plug-in (`addresses.master`). */
  validate?(nodes: readonly string[]): readonly { readonly path: string; readonly message: string }[]
  /** Address of the peer on this link, where it has one: a link whose peer address is this host's own is left out (Heartbeat's files may name both ends). */
  remoteAddress?(self: string, peer: string): string | undefined
  /** Makes the transport; opens nothing. */
  create(context: TransportContext): Transport
}
