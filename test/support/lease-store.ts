import type { LeaseStoreCapabilities, LeaseStorePlugin, StoredLease } from '../../src/index.ts'

/** What members in one process share as their lease store; `down`: it answers nobody. */
export class SharedRecords {
  readonly #records = new Map<string, StoredLease>()
  #version = 0
  down = false

  async read(name: string, signal: AbortSignal): Promise<StoredLease | null> {
    await this.#answer(signal)
    return this.#records.get(name) ?? null
  }

  async swap(name: string, expected: string | null, value: string, signal: AbortSignal) {
    await this.#answer(signal)
    if ((this.#records.get(name)?.version ?? null) !== expected) return { swapped: false } as const
    const version = String(++this.#version)
    this.#records.set(name, { value, version })
    return { swapped: true, version } as const
  }

  async #answer(signal: AbortSignal): Promise<void> {
    if (!this.down) return
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
}

/** A store of leases for members in one process. */
export function storeOf(
  records: SharedRecords = new SharedRecords(),
  capabilities: LeaseStoreCapabilities = { linearizable: true },
): LeaseStorePlugin {
  return {
    kind: 'store',
    type: 'test',
    description: 'a store of this test',
    create: () => ({
      capabilities,
      open: async () => {},
      read: (name, signal) => records.read(name, signal),
      swap: (name, expected, value, signal) => records.swap(name, expected, value, signal),
      close: async () => {},
    }),
  }
}
