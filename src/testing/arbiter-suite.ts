import type { Arbiter, ArbiterPlugin, Observation } from '../roles/arbiter.ts'
import { silentLogger } from '../roles/logger.ts'
import { check, equal } from './assert.ts'
import { pause, until } from './waiting.ts'

/** One target to be asked, made anew for every test; it answers. */
export interface ArbiterFixture {
  readonly plugin: ArbiterPlugin
  /** Makes the target answer no more. Without it the manifest must say so, and the tests about silence are left out. */
  silence?(): void | Promise<void>
  /** Makes it answer again. */
  answer?(): void | Promise<void>
  /** Takes down whatever the test left. */
  cleanup?(): void | Promise<void>
}

/** What {@link arbiterSuite} needs. */
export interface ArbiterSuiteOptions {
  /** Registers one test: `test` of `node:test`, or of another runner with the same two arguments. */
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** Makes a target that shares nothing with an earlier one. */
  readonly create: () => ArbiterFixture | Promise<ArbiterFixture>
  /** What the fixture can do: `silences` when it has `silence` and `answer`. Decides which tests there are. */
  readonly manifest: { readonly silences: boolean }
  /** How often the target is asked. @defaultValue 200 */
  readonly intervalMs?: number | undefined
  /** Longest time for three answers, in milliseconds. @defaultValue 10000 */
  readonly patienceMs?: number | undefined
}

interface Bench {
  readonly fixture: ArbiterFixture
  readonly arbiter: Arbiter
  readonly observed: readonly Observation[]
  readonly problems: readonly unknown[]
}

/**
 * Registers the tests that every observing arbiter must pass: it says of its target, by its name, that it answers, as long as it
 * does and no longer; it judges nothing itself; it ends when it is closed.
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { icmpPing } from 'hot-standby'
 * import { arbiterSuite } from 'hot-standby/testing'
 *
 * arbiterSuite({ test, manifest: { silences: false }, create: () => ({ plugin: icmpPing('127.0.0.1') }) })
 * ```
 */
export function arbiterSuite(options: ArbiterSuiteOptions): void {
  const { test, create, manifest, intervalMs = 200, patienceMs = 10_000 } = options

  const trial = (name: string, run: (bench: Bench) => Promise<void>): unknown =>
    test(`arbiter: ${name}`, async () => {
      const fixture = await create()
      const observed: Observation[] = []
      const problems: unknown[] = []
      const arbiter = fixture.plugin.create({
        intervalMs,
        logger: silentLogger,
        observe: (observation) => observed.push(observation),
        problem: (error) => problems.push(error),
      })
      try {
        await run({ fixture, arbiter, observed, problems })
      } finally {
        await arbiter.close()
        await fixture.cleanup?.()
      }
    })
  const answers = (observed: readonly Observation[], count: number): Promise<void> => {
    const wanted = observed.length + count
    return until(() => observed.length >= wanted, patienceMs, `${count} observations`)
  }

  trial('the plug-in declares its target, and the manifest what can be tried', async ({ fixture }) => {
    const { plugin } = fixture
    equal(plugin.kind, 'arbiter', 'kind')
    check(plugin.type !== '' && plugin.target !== '', 'the plug-in has a type and a target')
    check(Array.isArray(plugin.addresses), 'addresses is a list')
    const { deadpingMs } = plugin
    check(deadpingMs === undefined || deadpingMs > 0, `deadpingMs is ${deadpingMs}`)
    const can = fixture.silence !== undefined && fixture.answer !== undefined
    equal(can, manifest.silences, 'the fixture has silence() and answer() exactly when the manifest says so')
  })

  trial(
    'says again and again that its target answers, and nothing before it is opened',
    async ({ fixture, ...bench }) => {
      const { arbiter, observed, problems } = bench
      await pause(2 * intervalMs)
      equal(observed.length, 0, 'observations before open')
      await arbiter.open()
      await answers(observed, 3)
      for (const { target, reachable, rttMs } of observed) {
        equal(target, fixture.plugin.target, 'the target by its name')
        equal(reachable, true, 'it answers')
        check(rttMs === undefined || (Number.isFinite(rttMs) && rttMs >= 0), `rttMs is ${rttMs}`)
      }
      equal(JSON.parse(JSON.stringify(observed)), observed, 'observations are plain data')
      equal(problems.length, 0, 'problems')
    },
  )

  trial('asks about as often as it is told', async ({ arbiter, observed }) => {
    await arbiter.open()
    await answers(observed, 1)
    const before = observed.length
    await pause(5 * intervalMs)
    // Generous downwards for a busy machine; upwards it must not flood its target.
    const count = observed.length - before
    check(count <= 15, `${count} observations within five intervals`)
  })

  trial(
    'says nothing after it is closed; closing twice, and before opening, is harmless',
    async ({ arbiter, observed }) => {
      await arbiter.close()
      await arbiter.open()
      await answers(observed, 1)
      await arbiter.close()
      await arbiter.close()
      const atClose = observed.length
      await pause(5 * intervalMs)
      equal(observed.length, atClose, 'observations after close')
    },
  )

  trial('two of one plug-in do not know each other', async ({ fixture, arbiter, observed }) => {
    let others = 0
    const other = fixture.plugin.create({
      intervalMs,
      logger: silentLogger,
      observe: () => void others++,
      problem() {},
    })
    await arbiter.open()
    await other.open()
    try {
      await until(() => others > 0, patienceMs, 'an observation of the second')
      await other.close()
      await answers(observed, 2)
    } finally {
      await other.close()
    }
  })

  if (!manifest.silences) return

  trial('never says that a silent target answers, and says so again when it does', async ({ fixture, ...bench }) => {
    const { arbiter, observed } = bench
    await arbiter.open()
    await answers(observed, 1)
    await fixture.silence?.()
    // An answer may be on its way.
    await pause(2 * intervalMs)
    const before = observed.length
    await pause(5 * intervalMs)
    const good = observed.slice(before).filter(({ reachable }) => reachable)
    equal(good.length, 0, 'answers of a silent target')
    await fixture.answer?.()
    const after = observed.length
    const isBack = () => observed.slice(after).some(({ reachable }) => reachable)
    await until(isBack, 3 * patienceMs, 'an answer after the silence')
  })

  trial('opens though its target is silent: absence is no error', async ({ fixture, arbiter, observed }) => {
    await fixture.silence?.()
    await arbiter.open()
    await pause(3 * intervalMs)
    equal(observed.filter(({ reachable }) => reachable).length, 0, 'answers of a silent target')
  })
}
