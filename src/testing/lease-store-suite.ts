import type { LeaseStore, LeaseStorePlugin } from '../roles/lease-store.ts'
import { silentLogger } from '../roles/logger.ts'
import { check, equal } from './assert.ts'

/** One store, made anew for every test; whatever is made of its plug-in sees the same records. */
export interface LeaseStoreFixture {
  readonly plugin: LeaseStorePlugin
  /** Ends the server and starts it again with what it has kept. Without it the manifest must say so. */
  restart?(): Promise<void>
  /** From now on the store answers nobody, and does not refuse either. Without it the manifest must say so. */
  silence?(): Promise<void>
  /** Takes down whatever the test left. */
  cleanup?(): void | Promise<void>
}

/** What {@link leaseStoreSuite} needs. */
export interface LeaseStoreSuiteOptions {
  /** Registers one test: `test` of `node:test`, or of another runner with the same two arguments. */
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** Makes a store that shares nothing with an earlier one. */
  readonly create: () => LeaseStoreFixture | Promise<LeaseStoreFixture>
  /** What the fixture can do. Decides which tests there are. */
  readonly manifest: { readonly restarts: boolean; readonly silences: boolean }
  /** Longest time for one call, in milliseconds. @defaultValue 10000 */
  readonly patienceMs?: number | undefined
}

/** Opens one more client of the same records. */
type Open = (cluster?: string) => Promise<LeaseStore>

/**
 * Registers the tests that every lease store must pass: a write happens only over the version that was expected, whoever else writes;
 * a version is never used twice; a call ends when its signal aborts.
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { etcd } from 'hot-standby'
 * import { leaseStoreSuite } from 'hot-standby/testing'
 *
 * const create = () => ({ plugin: etcd({ endpoints: ['http://127.0.0.1:2379'], prefix: `test-${Math.random()}/` }) })
 * leaseStoreSuite({ test, create, manifest: { restarts: false, silences: false } })
 * ```
 */
export function leaseStoreSuite(options: LeaseStoreSuiteOptions): void {
  const { test, create, manifest, patienceMs = 10_000 } = options
  const soon = () => AbortSignal.timeout(patienceMs)

  const trial = (name: string, run: (open: Open, fixture: LeaseStoreFixture) => Promise<void>): unknown =>
    test(`lease store: ${name}`, async () => {
      const fixture = await create()
      const opened: LeaseStore[] = []
      const open: Open = async (cluster = 'pair') => {
        const store = fixture.plugin.create({ cluster, logger: silentLogger, problem: () => {} })
        opened.push(store)
        await store.open()
        return store
      }
      try {
        await run(open, fixture)
      } finally {
        for (const store of opened) await store.close()
        await fixture.cleanup?.()
      }
    })
  /** Writes and answers the version; fails where the write was refused. */
  const written = async (store: LeaseStore, expected: string | null, value: string, name = 'web'): Promise<string> => {
    const result = await store.swap(name, expected, value, soon())
    check(result.swapped, `a write of ${value} over ${expected} was refused`)
    return result.version
  }

  trial('the plug-in says what and where it is', async (_, { plugin }) => {
    equal(plugin.kind, 'store', 'kind')
    check(plugin.type !== '' && plugin.description !== '', 'the plug-in has a type and a description')
  })

  trial('a record is written over the version that was read, and read by everybody', async (open) => {
    const [one, two] = [await open(), await open()]
    equal(await one.read('web', soon()), null, 'there is no record')
    const first = await written(one, null, 'first')
    equal(await two.read('web', soon()), { value: 'first', version: first }, 'what the other reads')
    const second = await written(two, first, 'second')
    check(second !== first, 'another version')
    equal(await one.read('web', soon()), { value: 'second', version: second }, 'what the first reads')
  })

  trial('a write over another version changes nothing', async (open) => {
    const store = await open()
    const first = await written(store, null, 'first')
    const second = await written(store, first, 'second')
    for (const stale of [null, first])
      equal(await store.swap('web', stale, 'third', soon()), { swapped: false }, `a write over ${stale}`)
    equal(await store.read('web', soon()), { value: 'second', version: second }, 'the record')
    equal(await store.swap('other', second, 'x', soon()), { swapped: false }, 'a write over a record that is not there')
    equal(await store.read('other', soon()), null, 'that record')
  })

  trial('of many writers at once exactly one succeeds, again and again', async (open) => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => open()))
    const versions = new Set<string>()
    let expected: string | null = null
    for (let round = 0; round < 10; round++) {
      const before: string | null = expected
      const results = await Promise.all(
        stores.map((store, index) => store.swap('web', before, `${round} ${index}`, soon())),
      )
      const won = results.flatMap((result, index) => (result.swapped ? [{ index, version: result.version }] : []))
      equal(won.length, 1, `writers that succeeded in round ${round}`)
      const [{ index, version }] = won as [{ index: number; version: string }]
      equal(await stores[0]?.read('web', soon()), { value: `${round} ${index}`, version }, 'the record')
      check(!versions.has(version), `version ${version} was used twice`)
      versions.add(version)
      expected = version
    }
  })

  trial('groups and clusters do not meet', async (open) => {
    const [pair, other] = [await open('pair'), await open('other')]
    await written(pair, null, 'web of pair')
    await written(pair, null, 'mail/in of pair', 'mail/in')
    await written(other, null, 'web of other')
    equal((await pair.read('web', soon()))?.value, 'web of pair', 'web')
    equal((await pair.read('mail/in', soon()))?.value, 'mail/in of pair', 'mail/in')
    equal((await other.read('web', soon()))?.value, 'web of other', 'web of the other cluster')
  })

  trial('a value is kept as it is', async (open) => {
    const store = await open()
    let version: string | null = null
    for (const value of ['', '{"holder":"müller"}', 'line\nline\u0000', 'x'.repeat(4000)]) {
      version = await written(store, version, value)
      equal((await store.read('web', soon()))?.value, value, 'the value')
    }
  })

  trial('a call whose signal aborts ends', async (open) => {
    const store = await open()
    const gone = AbortSignal.abort(new Error('no longer wanted'))
    for (const call of [store.read('web', gone), store.swap('web', null, 'x', gone)])
      await Promise.race([call.catch(() => {}), ended(patienceMs)])
  })

  if (manifest.silences)
    trial('a call ends in time when the store is silent', async (open, { silence }) => {
      const store = await open()
      const version = await written(store, null, 'x')
      await silence?.()
      for (const call of [
        (signal: AbortSignal) => store.read('web', signal),
        (signal: AbortSignal) => store.swap('web', version, 'y', signal),
      ]) {
        const answered = call(AbortSignal.timeout(300)).then(
          () => true,
          () => false,
        )
        equal(await Promise.race([answered, ended(patienceMs)]), false, 'an answer of a silent store')
      }
    })

  if (manifest.restarts)
    trial('a restart forgets nothing', async (open, { restart }) => {
      const store = await open()
      const version = await written(store, null, 'kept')
      await restart?.()
      equal(await store.read('web', soon()), { value: 'kept', version }, 'the record')
      await written(store, version, 'goes on')
    })
}

async function ended(ms: number): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, ms).unref())
  throw new Error(`a call did not end within ${ms} ms`)
}
