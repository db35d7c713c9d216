import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { icmpPing } from '../../src/arbiters/icmp-ping.ts'
import { pingGroup } from '../../src/arbiters/ping-group.ts'
import { pingProgram } from '../../src/platform/icmp.ts'
import type { Arbiter, ArbiterPlugin } from '../../src/roles/arbiter.ts'
import { silentLogger } from '../../src/roles/logger.ts'

/** Closed after each test, however it ends: a ping that goes on keeps the process from ending. */
const opened: Arbiter[] = []

/** Puts a shell script in the place of `ping` while `run` runs. */
async function withPing(script: string | undefined, run: () => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hs-ping-'))
  const { find } = pingProgram
  if (script !== undefined) {
    writeFileSync(join(directory, 'ping'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, 'ping'), 0o755)
  }
  pingProgram.find = () => join(directory, 'ping')
  try {
    await run()
  } finally {
    for (const arbiter of opened.splice(0)) await arbiter.close()
    pingProgram.find = find
    rmSync(directory, { recursive: true })
  }
}

/** An arbiter and what it said. */
function made(plugin: ArbiterPlugin, intervalMs = 1000) {
  const observed: object[] = []
  const problems: string[] = []
  const arbiter = plugin.create({
    intervalMs,
    logger: silentLogger,
    observe: (observation) => observed.push(observation),
    problem: (error) => problems.push(error.message),
  })
  opened.push(arbiter)
  return { arbiter, observed, problems }
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 1000, `not within 5 s: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const reply = 'echo "64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.5 ms"'

test('a missing ping refuses the start and names the package', async () => {
  await withPing(undefined, async () => {
    for (const plugin of [icmpPing('127.0.0.1'), pingGroup('group', ['127.0.0.1', '127.0.0.2'])]) {
      const { arbiter, problems } = made(plugin)
      await assert.rejects(arbiter.open(), { code: 'HS_HOST', message: /'ping' is missing.*iputils-ping/ })
      await arbiter.close()
      assert.deepEqual(problems, [])
    }
  })
})

test('a missing privilege refuses the start and says what gives it', async () => {
  for (const complaint of [
    'ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\nping: => missing cap_net_raw+p capability or setuid?',
    'ping: permission denied (are you root?)',
    'sh: 1: ping: Operation not permitted',
  ]) {
    await withPing(`printf '%s\\n' "${complaint}" >&2; exit 2`, async () => {
      const { arbiter } = made(icmpPing('127.0.0.1'))
      await assert.rejects(arbiter.open(), { code: 'HS_HOST', message: /CAP_NET_RAW.*ping_group_range/ })
    })
  }
})

test('a ping that ends for another reason is a problem and starts again', async () => {
  await withPing(`${reply}; echo "ping: connect: Network is unreachable" >&2; exit 2`, async () => {
    const { arbiter, observed, problems } = made(icmpPing('10.0.0.1'))
    await arbiter.open()
    await until(() => observed.length >= 2)
    assert.deepEqual(observed[0], { target: '10.0.0.1', reachable: true, rttMs: 0.5 })
    assert.match(problems.join('\n'), /ping 10\.0\.0\.1: ping: connect: Network is unreachable; again in 500 ms/)
    await arbiter.close()
    const { length } = observed
    await new Promise((resolve) => setTimeout(resolve, 700))
    assert.equal(observed.length, length, 'it went on after close')
  })
})

test('a group is reachable while one member answers', async () => {
  await withPing(`case "$*" in *10.0.0.1) ${reply};; esac; exec sleep 60`, async () => {
    const { arbiter, observed } = made(pingGroup('uplink', ['10.0.0.9', '10.0.0.1']))
    await arbiter.open()
    await until(() => observed.length > 0)
    assert.deepEqual(observed, [{ target: 'uplink', reachable: true, rttMs: 0.5 }])
    await arbiter.close()
    await arbiter.close()
  })
})

test('the interval is handed over, and without root it is kept at 200 ms and said once', async (t) => {
  const script = 'echo "64 bytes from $*: icmp_seq=1 ttl=64 time=$3""1 ms"; exec sleep 60'
  await withPing(script.replace('from $*', 'from x'), async () => {
    const rttOf = async (uid: number, intervalMs: number) => {
      t.mock.method(process as { geteuid(): number }, 'geteuid', () => uid)
      const { arbiter, observed, problems } = made(icmpPing('10.0.0.1'), intervalMs)
      await arbiter.open()
      await until(() => observed.length > 0)
      await arbiter.close()
      return [(observed[0] as { rttMs: number }).rttMs, problems.length, problems[0]]
    }
    assert.deepEqual(await rttOf(0, 50), [0.0501, 0, undefined])
    assert.deepEqual(await rttOf(1000, 2000), [2.0001, 0, undefined])
    const [interval, count, message] = await rttOf(1000, 50)
    assert.deepEqual([interval, count], [0.2001, 1])
    assert.match(String(message), /every 200 ms instead of 50 ms: less needs root/)
  })
})
