import type { Socket } from 'node:dgram'

/** Ends that the peer was heard from lately: another's, who once was quicker with a frame of the peer, must not displace it. */
const earsMax = 2
/** Frames of an end that are kept to know their copies, by their ends: a frame's signature or seal stands there. */
const framesMax = 64
const tailBytes = 24

interface Ear {
  /** Undefined where the kernel does not connect to that end: no route leads there. */
  readonly socket: Socket | undefined
  readonly frames: Set<string>
}

/** The sockets that hear one end of the peer each, beside the open one, which hears these frames too. */
export class PeerEars {
  readonly #ears = new Map<string, Ear>()
  readonly #close: (socket: Socket) => void

  constructor(close: (socket: Socket) => void) {
    this.#close = close
  }

  /** Whether this end has its socket; it is the one heard last then. */
  knows(end: string): boolean {
    const ear = this.#ears.get(end)
    if (!ear) return false
    this.#ears.delete(end)
    this.#ears.set(end, ear)
    return true
  }

  add(end: string, socket: Socket | undefined): void {
    this.#ears.set(end, { socket, frames: new Set() })
    const [oldest] = this.#ears
    if (this.#ears.size <= earsMax || !oldest) return
    this.#ears.delete(oldest[0])
    if (oldest[1].socket) this.#close(oldest[1].socket)
  }

  /** Whether a frame of that end came already by its other socket. */
  isCopy(end: string, bytes: Buffer): boolean {
    const ear = this.#ears.get(end)
    if (!ear?.socket) return false
    const frame = bytes.toString('latin1', Math.max(0, bytes.length - tailBytes))
    if (ear.frames.delete(frame)) return true
    ear.frames.add(frame)
    if (ear.frames.size > framesMax) ear.frames.delete(ear.frames.values().next().value as string)
    return false
  }

  /** All sockets are closed elsewhere. */
  clear(): void {
    this.#ears.clear()
  }
}
