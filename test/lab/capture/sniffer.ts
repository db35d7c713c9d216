import { readFileSync } from 'node:fs'
import type { NodeName } from '../stage.ts'
import type { Host } from '../world/host.ts'
import { type Device, plugOf } from '../world/layout.ts'
import type { Program } from '../world/program.ts'

const FILE = '/tmp/capture.pcap'
/** Lengths of the headers in a pcap file, and before a datagram in an Ethernet frame. */
const [FILE_HEADER, RECORD_HEADER, ETHERNET, UDP] = [24, 16, 14, 8]

/** A datagram as it passed, at the wall clock's milliseconds. */
export interface Datagram {
  readonly atMs: number
  readonly from: NodeName
  readonly bytes: Uint8Array
}

/** tcpdump on the heartbeat line of a host. */
export class Sniffer {
  readonly #host: Host
  readonly #device: Device
  readonly #program: Program

  private constructor(host: Host, device: Device, program: Program) {
    this.#host = host
    this.#device = device
    this.#program = program
  }

  static async start(host: Host, device: Device): Promise<Sniffer> {
    const argv = ['tcpdump', '-i', device, '-U', '-Z', 'root', '-w', FILE, 'udp and dst port 694']
    return new Sniffer(host, device, await host.start(argv))
  }

  /** Ends it; what has passed, in order. */
  async stop(): Promise<readonly Datagram[]> {
    this.#program.signal('SIGINT')
    await this.#program.ended
    const file = readFileSync(this.#host.path(FILE))
    const datagrams: Datagram[] = []
    for (let at = FILE_HEADER; at < file.length; ) {
      const atMs = file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000
      const length = file.readUInt32LE(at + 8)
      const packet = file.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
      at += RECORD_HEADER + length
      const ip = packet.subarray(ETHERNET)
      const source = [...ip.subarray(12, 16)].join('.')
      const from = (['master', 'slave'] as const).find((node) => plugOf(node, this.#device).address === source)
      const header = ((ip[0] ?? 0) & 15) * 4
      if (from) datagrams.push({ atMs, from, bytes: Uint8Array.from(ip.subarray(header + UDP, ip.readUInt16BE(2))) })
    }
    return datagrams
  }
}
