import { hasAt, lineFeed, maxFrameBytes, utf8 } from './frame.ts'

const start = utf8('>>>\n')
const stop = utf8('<<<\n')
/** As much before the first frame may be the rest of one that was under way: longer than any beat, and soon said by a line at the wrong speed. */
const restBytes = 2048

/** Finds classic frames in a stream of bytes. */
export interface ClassicCutter {
  /** Takes the next chunk, of any size, and returns the frames that it completes. They are candidates: nothing is verified. */
  push(chunk: Uint8Array): Uint8Array[]
  /**
   * Bytes that turned out to belong to no frame, so far: garbage between two, and what was left of one that broke off. Not
   * among them: what comes first, up to 2 KiB before the first frame begins. It is the rest of one that was under way.
   */
  readonly discarded: number
  /** The line was opened again: what comes next continues nothing of what came before. */
  restart(): void
}

/**
 * A cutter for one serial line. It holds at most `limitBytes`, forgets what grows beyond that, and finds the next frame after
 * garbage and after a frame that broke off. A `>>>` at the end of a line is ambiguous: either the previous frame broke off
 * there or a value ends so. Then both candidates are returned, and the signature decides.
 */
export function classicCutter(limitBytes: number = maxFrameBytes): ClassicCutter {
  const held = new Uint8Array(limitBytes)
  let length = 0
  let lineStart = 0
  let discarded = 0
  /** How much of the rest of a frame that was under way may still come. */
  let rest = restBytes
  /** Whether what is held begins with the start marker. */
  let inFrame = false
  /** Where another frame may begin inside the one that is held; -1: nowhere. */
  let inner = -1

  /** Forgets what is held before `from`. */
  const keep = (from: number): void => {
    held.copyWithin(0, from, length)
    length -= from
    lineStart = Math.max(0, lineStart - from)
    inner = -1
  }

  /** Forgets what is held before `from`, which belongs to no frame. */
  const discard = (from: number): void => {
    const excused = Math.min(from, rest)
    rest -= excused
    discarded += from - excused
    keep(from)
  }

  /** Makes room: goes on with the frame that began last, or with as much as a start marker may need. */
  const overflow = (): void => {
    inFrame = inFrame && inner > 0
    discard(inFrame ? inner : length - (start.length - 1))
  }

  const lineEnded = (frames: Uint8Array[]): void => {
    const isStart = hasAt(held, length - start.length, start) && length - start.length >= 0
    const atLineStart = length - start.length === lineStart
    if (isStart && (atLineStart || !inFrame)) {
      inFrame = true
      discard(length - start.length)
      rest = 0
    } else if (isStart) {
      inner = length - start.length
    } else if (inFrame && atLineStart && hasAt(held, lineStart, stop)) {
      frames.push(held.slice(0, length))
      if (inner > 0) frames.push(held.slice(inner, length))
      inFrame = false
      keep(length)
    }
    if (!inFrame) discard(length)
    lineStart = length
  }

  return {
    get discarded() {
      return discarded
    },
    restart() {
      keep(length)
      inFrame = false
      rest = restBytes
    },
    push(chunk) {
      const frames: Uint8Array[] = []
      for (const byte of chunk) {
        if (length === held.length) overflow()
        held[length++] = byte
        if (byte === lineFeed) lineEnded(frames)
      }
      return frames
    },
  }
}
