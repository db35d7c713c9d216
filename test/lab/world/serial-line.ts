import { SerialCable } from '../../support/serial-cable.ts'
import type { Host } from './host.ts'

type End = 'master' | 'slave'

const ENDS: readonly [End, End] = ['master', 'slave']

/** A file of the host's own disk, so that it outlives a crash as a device does. */
export const SERIAL_DEVICE = '/var/lib/ttyLAB0'

/** The part of the laboratory that a line needs. */
interface Hosts {
  host(name: End): Host
}

/**
 * A serial line between master and slave. It ends before the world does: `await using line = await serialLine(world)`.
 */
export class SerialLine implements AsyncDisposable {
  /** The device as `serial` of ha.cf names it, the same on both hosts. */
  readonly device: string = SERIAL_DEVICE
  /** `cut`, `mend`, `disturb`, `sent`. */
  readonly cable: SerialCable<End>
  readonly #hosts: Hosts

  private constructor(hosts: Hosts, cable: SerialCable<End>) {
    this.#hosts = hosts
    this.cable = cable
  }

  static async lay(hosts: Hosts, bitsPerSecond?: number): Promise<SerialLine> {
    const line = new SerialLine(hosts, new SerialCable(ENDS, bitsPerSecond))
    for (const end of ENDS) await line.plug(end)
    return line
  }

  /** Plugs the adapter of a host in: its device is there. */
  async plug(end: End): Promise<void> {
    const terminal = await this.cable.plug(end)
    await this.#hosts.host(end).run(['ln', '-sfn', terminal, SERIAL_DEVICE])
  }

  /** Pulls the adapter out of a host: who has the device open gets a hang-up. */
  async unplug(end: End): Promise<void> {
    await this.cable.unplug(end)
    await this.#hosts.host(end).run(['rm', '-f', SERIAL_DEVICE])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cable[Symbol.asyncDispose]()
  }
}

/** Lays a serial line between master and slave; `bitsPerSecond` is the speed at which it really passes bytes on. */
export const serialLine = (hosts: Hosts, bitsPerSecond?: number): Promise<SerialLine> =>
  SerialLine.lay(hosts, bitsPerSecond)
