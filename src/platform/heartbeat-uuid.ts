/** glibc's `rand()` after `srand(seed)` (random_r.c, TYPE_3): an additive feedback generator over 31 words. */
function glibcRand(seed: number): () => number {
  const words = new Int32Array(34)
  words[0] = seed === 0 ? 1 : seed
  for (let index = 1; index < 31; index++) {
    const before = words[index - 1] as number
    const next = 16_807 * (before % 127_773) - 2836 * Math.trunc(before / 127_773)
    words[index] = next < 0 ? next + 2_147_483_647 : next
  }
  const state = Uint32Array.from(words.subarray(0, 31))
  let front = 3
  let rear = 0
  const next = (): number => {
    const sum = ((state[front] as number) + (state[rear] as number)) >>> 0
    state[front] = sum
    front = (front + 1) % 31
    rear = (rear + 1) % 31
    return sum >>> 1
  }
  for (let index = 0; index < 310; index++) next()
  return next
}

/** The 16 bytes that `uuidfrom nodename` gives a node on a Linux host with glibc (hb_uuid.c, gen_uuid_from_name). */
export function uuidFromName(node: string): Uint8Array {
  // Characters are signed there, and the sum wraps.
  const name = Int8Array.from(new TextEncoder().encode(node))
  const seed = name.reduce((hash, character) => (Math.imul(hash, 31) + character) | 0, 0)
  const rand = glibcRand(seed)
  return Uint8Array.from({ length: 16 }, () => (rand() % 16) * 16 + (rand() % 16))
}
