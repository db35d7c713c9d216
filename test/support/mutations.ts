/** A small generator of pseudo-random numbers (mulberry32), so that the printed seed replays the run. */
export function generator(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** Damages a frame. */
export type Mutation = (frame: Buffer) => Buffer

/** `piece` put into a frame. */
export const insert = (frame: Buffer, at: number, piece: Buffer): Buffer =>
  Buffer.concat([frame.subarray(0, at), piece, frame.subarray(at)])

/** What befalls any frame: bits and bytes changed, cut at either end, parts left out, doubled, or joined with another one's. */
export function damages(random: (below: number) => number, other: () => Buffer): readonly Mutation[] {
  return [
    (frame) => {
      const copy = Buffer.from(frame)
      const at = random(copy.length)
      copy[at] = copy[at]! ^ (1 << random(8))
      return copy
    },
    (frame) => {
      const copy = Buffer.from(frame)
      for (let times = 1 + random(8); times > 0; times--) copy[random(copy.length)] = random(256)
      return copy
    },
    (frame) => frame.subarray(0, random(frame.length)),
    (frame) => frame.subarray(random(frame.length)),
    (frame) => {
      const from = random(frame.length)
      return Buffer.concat([frame.subarray(0, from), frame.subarray(from + 1 + random(20))])
    },
    (frame) => {
      const second = other()
      return Buffer.concat([frame.subarray(0, random(frame.length)), second.subarray(random(second.length))])
    },
    (frame) => {
      const from = random(frame.length)
      return insert(frame, random(frame.length), frame.subarray(from, from + random(40)))
    },
    () => Buffer.from(Array.from({ length: random(60) }, () => random(256))),
  ]
}
