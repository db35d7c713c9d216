import { messageOf } from '../roles/error.ts'
import { silentLogger } from '../roles/logger.ts'
import type { OperationContext, ResourceAgent, ResourceContext, ResourcePlugin } from '../roles/resource-agent.ts'
import { check, equal } from './assert.ts'
import { pause } from './waiting.ts'

/** One resource to be tried, made anew for every test, with nothing of it running. */
export interface ResourceFixture {
  readonly plugin: ResourcePlugin
  /**
   * Does it serve? Seen from outside (a request, the process table), never asked of the agent. Without it the suite must
   * believe `status`.
   */
  serves?(): boolean | Promise<boolean>
  /** Breaks what runs, behind the agent's back, and resolves when it is broken. With it the manifest `breaks`. */
  break?(): void | Promise<void>
  /** Makes the next start hang until its signal aborts. With it the manifest `hangs`. */
  hang?(): void | Promise<void>
  /** Takes everything down, whatever the test left. */
  cleanup?(): void | Promise<void>
}

/**
 * What can be tried with the fixtures of a resource. It decides which tests there are, so that none passes because nothing could be
 * tried; that the fixtures can do exactly this is a test itself.
 */
export interface ResourceManifest {
  /** It is seen from outside whether it serves (`serves`). */
  readonly sees: boolean
  /** It can be broken behind the agent's back (`break`). */
  readonly breaks: boolean
  /** Its next start can be made to hang (`hang`). */
  readonly hangs: boolean
}

/** What {@link resourceAgentSuite} is given. */
export interface ResourceAgentSuiteOptions {
  /** Registers one test: `test` of `node:test`, `it` of another runner. */
  test(name: string, run: () => Promise<void>): unknown
  /** A fresh resource that nothing has touched. */
  create(): ResourceFixture | Promise<ResourceFixture>
  /** What can be tried. */
  readonly manifest: ResourceManifest
  /** Directory for the agent's own files. @defaultValue `'/tmp'` */
  readonly directory?: string | undefined
  /** Set for a resource that keeps running on a standby (a hot one): a stop is then seen in `status` only. */
  readonly keepsRunning?: boolean | undefined
}

interface Bench {
  readonly fixture: ResourceFixture
  readonly agent: ResourceAgent
  /** What the agent has written down, as a restart would find it. */
  record(): Readonly<Record<string, unknown>> | null
  /** The agent of a second process that finds what the first one wrote down. */
  successor(): ResourceAgent
}

type Name = 'start' | 'stop' | 'announce' | 'isolate' | 'restore' | 'prepare'

/**
 * The contract of a resource agent, as tests. Each plug-in runs it; so can yours:
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { app } from 'hot-standby'
 * import { resourceAgentSuite } from 'hot-standby/testing'
 *
 * resourceAgentSuite({
 *   test,
 *   manifest: { sees: true, breaks: false, hangs: false },
 *   create() {
 *     let on = false
 *     const plugin = app({ start: () => { on = true }, stop: () => { on = false } })
 *     return { plugin, serves: () => on }
 *   },
 * })
 * ```
 */
export function resourceAgentSuite(options: ResourceAgentSuiteOptions): void {
  const { manifest, keepsRunning = false } = options

  const trial = (name: string, run: (bench: Bench) => Promise<void>, canBeTried = true): void => {
    if (!canBeTried) return
    options.test(name, async () => {
      const fixture = await options.create()
      let record: Readonly<Record<string, unknown>> | null = null
      const context = (): ResourceContext => ({
        self: 'master',
        group: 'suite',
        logger: silentLogger,
        directory: options.directory ?? '/tmp',
        changed() {},
        remember(next) {
          // As through a file: an agent must not rely on an object being the same.
          record = next === null ? null : JSON.parse(JSON.stringify(next))
        },
        leftover: record,
      })
      const agents: ResourceAgent[] = []
      const create = (): ResourceAgent => {
        const agent = fixture.plugin.create(context())
        agents.push(agent)
        return agent
      }
      const agent = create()
      try {
        await agent.open?.()
        await run({ fixture, agent, record: () => record, successor: create })
      } finally {
        for (const opened of agents) await opened.close?.()
        await fixture.cleanup?.()
      }
    })
  }

  trial('resource: the plug-in declares its name, its times and what its agent can do', async ({ fixture, agent }) => {
    const { plugin } = fixture
    equal(plugin.kind, 'resource', 'kind')
    check(plugin.name.length > 0, 'the plug-in has no name')
    for (const [name, value] of Object.entries(plugin.times)) {
      check(Number.isFinite(value) && value >= 0, `times.${name} is ${value}`)
    }
    for (const [name, value] of Object.entries(agent.advice?.() ?? {})) {
      check(name in plugin.times, `advice.${name} is none of the times`)
      check(Number.isFinite(value) && value > 0, `advice.${name} is ${value}`)
    }
    for (const operation of ['start', 'stop', 'status'] as const) {
      check(plugin.operations.includes(operation), `${operation} is not among the operations`)
    }
    for (const operation of ['prepare', 'announce', 'isolate', 'restore'] as const) {
      const declared = plugin.operations.includes(operation)
      equal(typeof agent[operation] === 'function', declared, `${operation} is declared exactly when the agent has it`)
    }
    equal(
      plugin.operations.includes('isolate'),
      plugin.operations.includes('restore'),
      'isolate and restore come together',
    )
  })

  trial('resource: the manifest says what can be tried', async ({ fixture }) => {
    equal(fixture.serves !== undefined, manifest.sees, 'the fixture has serves() exactly when the manifest sees')
    equal(fixture.break !== undefined, manifest.breaks, 'the fixture has break() exactly when the manifest breaks')
    equal(fixture.hang !== undefined, manifest.hangs, 'the fixture has hang() exactly when the manifest hangs')
  })

  trial('resource: stopped, running, stopped again', async ({ fixture, agent }) => {
    equal(await state(agent), 'stopped', 'status before the first start')
    await call(agent, 'start')
    equal(await state(agent), 'running', 'status after start')
    await serves(fixture, true, 'after start')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after stop')
    if (!keepsRunning) await serves(fixture, false, 'after stop')
  })

  trial('resource: preparing changes nothing', async ({ fixture, agent }) => {
    if (!agent.prepare) return
    await call(agent, 'prepare')
    equal(await state(agent), 'stopped', 'status after prepare')
    if (!keepsRunning) await serves(fixture, false, 'after prepare')
  })

  trial('resource: starting what runs and stopping what does not run succeeds', async ({ fixture, agent }) => {
    await call(agent, 'stop')
    await call(agent, 'start')
    await call(agent, 'start')
    equal(await state(agent), 'running', 'status after the second start')
    await serves(fixture, true, 'after the second start')
    await call(agent, 'stop')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after the second stop')
  })

  trial('resource: it starts again after a stop', async ({ fixture, agent }) => {
    for (let round = 0; round < 3; round++) {
      await call(agent, 'start')
      await serves(fixture, true, `in round ${round}`)
      await call(agent, 'stop')
    }
    equal(await state(agent), 'stopped', 'status after three rounds')
  })

  trial('resource: asking for the status changes nothing', async ({ fixture, agent }) => {
    for (let round = 0; round < 3; round++) equal(await state(agent), 'stopped', 'status before start')
    await call(agent, 'start')
    for (let round = 0; round < 3; round++) equal(await state(agent), 'running', 'status after start')
    await serves(fixture, true, 'after being asked')
    await call(agent, 'stop')
  })

  trial('resource: what was written down is taken back by the stop', async ({ agent, record }) => {
    await call(agent, 'start')
    await call(agent, 'stop')
    equal(record(), null, 'record after stop')
  })

  trial(
    'resource: what a killed process left is gone before its successor joins',
    async ({ fixture, agent, record, successor }) => {
      await call(agent, 'start')
      // Nothing written down: it ends with its process, or it may stay.
      if (record() === null) return call(agent, 'stop')
      const next = successor()
      await next.open?.()
      await serves(fixture, false, 'after the successor has opened')
      equal(await state(next), 'stopped', 'status of the successor')
      await call(next, 'start')
      await serves(fixture, true, 'after the successor has started it')
      await call(next, 'stop')
    },
  )

  trial('resource: a start that is cut short at once leaves nothing that a stop does not take away', async (bench) => {
    const { fixture, agent } = bench
    const abort = new AbortController()
    const started = outcome(agent.start({ epoch: 1, signal: abort.signal }))
    abort.abort(new Error('no longer wanted'))
    check((await within(started, 10_000)) !== late, 'start goes on 10 s after its signal was aborted')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after the stop')
    if (!keepsRunning) await serves(fixture, false, 'after the stop')
    await call(agent, 'start')
    await serves(fixture, true, 'after the next start')
    await call(agent, 'stop')
  })

  trial('resource: a stop that is cut short can be done again', async ({ fixture, agent }) => {
    await call(agent, 'start')
    const abort = new AbortController()
    const stopped = outcome(agent.stop({ epoch: 1, signal: abort.signal }))
    abort.abort(new Error('no longer wanted'))
    check((await within(stopped, 10_000)) !== late, 'stop goes on 10 s after its signal was aborted')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after the second stop')
    if (!keepsRunning) await serves(fixture, false, 'after the second stop')
  })

  trial('resource: the status may be asked by several at once, and beside an announcement', async ({ agent }) => {
    await call(agent, 'start')
    const asked = Promise.all([state(agent), state(agent), call(agent, 'announce'), state(agent)])
    equal(
      (await asked).filter((found) => typeof found === 'string'),
      ['running', 'running', 'running'],
      'all at once',
    )
    await call(agent, 'stop')
  })

  trial('resource: another epoch is no other resource', async ({ fixture, agent }) => {
    const at = (epoch: number): OperationContext => ({ epoch, signal: new AbortController().signal })
    await agent.start(at(3))
    await agent.start(at(7))
    equal((await agent.status(at(7))).state, 'running', 'status in the second epoch')
    await agent.stop(at(8))
    if (!keepsRunning) await serves(fixture, false, 'after the stop')
  })

  trial('resource: what is prepared while another node serves, and again, changes nothing', async ({ agent }) => {
    if (!agent.prepare) return
    for (let round = 0; round < 3; round++) await call(agent, 'prepare')
    equal(await state(agent), 'stopped', 'status after three preparations')
  })

  trial(
    'resource: a start that hangs ends with its signal, and can be stopped',
    async ({ fixture, agent }) => {
      await fixture.hang?.()
      const abort = new AbortController()
      const started = outcome(agent.start({ epoch: 1, signal: abort.signal }))
      await pause(50)
      abort.abort(new Error('the limit of the start is over'))
      const result = await within(started, 5000)
      check(result !== late, 'start goes on 5 s after its signal was aborted')
      check(result !== 'done', 'an aborted start must not succeed')
      await call(agent, 'stop')
      if (!keepsRunning) await serves(fixture, false, 'after the stop')
    },
    manifest.hangs,
  )

  trial(
    'resource: a failure shows in the status, and a restart mends it',
    async ({ fixture, agent }) => {
      await call(agent, 'start')
      await fixture.break?.()
      const found = await agent.status(circumstances())
      check(found.state !== 'running', 'status says running though it was broken')
      if (found.state === 'failed') check(found.reason.length > 0, 'a failed status without its reason')
      await call(agent, 'stop')
      await call(agent, 'start')
      equal(await state(agent), 'running', 'status after the restart')
      await serves(fixture, true, 'after the restart')
      await call(agent, 'stop')
    },
    manifest.breaks,
  )

  trial('resource: an isolated one serves nobody until it is restored', async ({ fixture, agent }) => {
    if (!agent.isolate || !agent.restore) return
    await call(agent, 'start')
    await call(agent, 'isolate')
    await serves(fixture, false, 'while isolated')
    await call(agent, 'restore')
    await serves(fixture, true, 'after restore')
    await call(agent, 'isolate')
    await call(agent, 'isolate')
    await serves(fixture, false, 'after a second isolation')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after isolation and stop')
    await call(agent, 'start')
    await serves(fixture, true, 'after a start: the isolation has ended with the stop')
    await call(agent, 'stop')
  })

  trial('resource: isolating what does not run is quick and harmless', async ({ fixture, agent }) => {
    if (!agent.isolate) return
    // The core gives a cut 2 s, and counts on it whatever the state.
    const isolated = outcome(agent.isolate(circumstances()))
    check((await within(isolated, 2000)) === 'done', 'isolate did not succeed within 2 s')
    await serves(fixture, false, 'after the isolation')
    await call(agent, 'stop')
    equal(await state(agent), 'stopped', 'status after the stop')
  })

  trial('resource: announcing changes nothing', async ({ fixture, agent }) => {
    if (!agent.announce) return
    await call(agent, 'start')
    await call(agent, 'announce')
    await serves(fixture, true, 'after announce')
    await call(agent, 'stop')
  })

  trial('resource: what it shows of itself is plain data', async ({ agent }) => {
    const shown = agent.inspect?.()
    if (shown !== undefined)
      equal(JSON.parse(JSON.stringify(shown)), shown, 'inspect() after a round trip through JSON')
  })

  trial('resource: closing twice succeeds', async ({ agent }) => {
    await agent.close?.()
    await agent.close?.()
  })
}

function circumstances(): OperationContext {
  return { epoch: 1, signal: new AbortController().signal }
}

async function call(agent: ResourceAgent, name: Name): Promise<void> {
  await agent[name]?.(circumstances())
}

async function state(agent: ResourceAgent): Promise<string> {
  return (await agent.status(circumstances())).state
}

async function serves(fixture: ResourceFixture, expected: boolean, when: string): Promise<void> {
  if (fixture.serves) equal(await fixture.serves(), expected, `serves, seen from outside, ${when}`)
}

function outcome(work: Promise<void>): Promise<string> {
  return work.then(
    () => 'done',
    (error) => messageOf(error),
  )
}

/** What {@link within} answers when the time is over. */
const late = Symbol('late')

async function within<T>(work: Promise<T>, limitMs: number): Promise<T | typeof late> {
  let limit: ReturnType<typeof setTimeout> | undefined
  const over = new Promise<typeof late>((resolve) => {
    limit = setTimeout(() => resolve(late), limitMs)
  })
  const first = await Promise.race([work, over])
  clearTimeout(limit)
  return first
}
