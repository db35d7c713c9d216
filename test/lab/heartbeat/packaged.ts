import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { World } from '../world.ts'
import { Pairing } from './pairing.ts'
import { type Kinds, NODES } from './settings.ts'

/** What a story cost the client, ms. */
interface Cost {
  /** Each outage in order, for people. */
  readonly each: string
  readonly longest: number
  readonly total: number
}

/** A fault and its repair, the same for any pairing; `home` serves at the end. */
interface Story {
  readonly name: string
  readonly row: string
  readonly ci?: readonly string[]
  readonly haresources?: (floating: string) => string
  /** Files that both hosts have besides. */
  readonly files?: Readonly<Record<string, string>>
  readonly home: NodeName
  readonly tell: (pairing: Pairing) => Promise<void>
  /** How many moves it makes; default 2, there and home. */
  readonly moves?: number
  /** What two daemons do at it is no measure: this much is allowed. */
  readonly limitMs?: number
}

/** Longer than the dead time, so that both serve; as long as a switch needs that is started again. */
const FAULT_MS = 5000
/** A shorter one is the machine's doing. */
const BUSY_MS = 100
/** How much longer than with two daemons a move may take on a busy machine. */
const MARGIN_MS = 1500
/** The client is served without a pause for so long when it is over. */
const CALM_MS = 4000

const lineFault = (work: (world: World) => Promise<void>) => async (pairing: Pairing) => {
  await work(pairing.world)
  await sleep(FAULT_MS)
  await pairing.world.mend('master', 'eth1')
}

const stories: readonly Story[] = [
  {
    name: 'moves',
    row: 'the moves of a migration: standby, takeover, an ordered stop and a start',
    home: 'master',
    moves: 4,
    async tell(pairing) {
      await pairing.standby('master')
      await pairing.stage.client.waitForServing('slave', 20_000)
      await sleep(CALM_MS)
      await pairing.takeover('master')
      await pairing.stage.client.waitForServing('master', 20_000)
      await sleep(CALM_MS)
      await pairing.stop('master')
      await pairing.stage.client.waitForServing('slave', 20_000)
      await sleep(CALM_MS)
      await pairing.start('master')
    },
  },
  {
    name: 'merge',
    row: 'the only line is cut, so that both serve, and mended',
    ci: ['our-slave', 'our-master'],
    home: 'master',
    tell: lineFault((world) => world.cut('master', 'eth1')),
  },
  {
    name: 'oneway-in',
    row: 'the master does not hear the slave for a while',
    home: 'master',
    tell: lineFault((world) => world.cutOneway('master', 'eth1', 'in')),
  },
  {
    name: 'oneway-out',
    row: 'the slave does not hear the master for a while',
    home: 'master',
    tell: lineFault((world) => world.cutOneway('master', 'eth1', 'out')),
  },
  {
    name: 'freeze',
    row: "the master's own processes rest for longer than the dead time while its service goes on",
    home: 'master',
    tell: (pairing) => pairing.pause('master', FAULT_MS),
  },
  {
    name: 'killed',
    row: "the master's own processes are killed, and started again after a while: the address goes, whoever added it",
    home: 'master',
    // A killed daemon leaves its address to nobody's care; ours is taken away at once, and the peer waits for the dead time.
    limitMs: 8000,
    async tell(pairing) {
      if (pairing.kinds.master === 'daemon') await pairing.daemon('master').kill()
      else await pairing.world.killPair('master')
      await sleep(FAULT_MS)
      await pairing.start('master')
    },
  },
  {
    name: 'stop-fails',
    row: 'a script beside the address will not stop: the address is cut off all the same, and one host serves',
    ci: ['our-master'],
    home: 'slave',
    haresources: (floating) => `master IPaddr2::${floating}/24/eth0 clinging nginx\n`,
    files: {
      '/etc/ha.d/resource.d/clinging': `#!/bin/sh
case $1 in
  start) touch /run/clinging.on ;;
  stop) if grep -q master /etc/clinging-host 2>/dev/null; then exit 1; fi; rm -f /run/clinging.on ;;
  status) [ -e /run/clinging.on ] && echo running || echo stopped ;;
esac
`,
    },
    // Two daemons wait for the reboot of the host, which the laboratory does not let them have.
    limitMs: 10_000,
    async tell(pairing) {
      await pairing.world.host('master').write('/etc/clinging-host', 'master\n')
      // It is refused or reported as failed: what counts is what the client sees.
      await pairing.standby('master').catch(() => undefined)
      if (pairing.kinds.master === 'daemon') await pairing.world.crash('master')
    },
  },
]

const aloneHolds = async (pairing: Pairing, home: NodeName): Promise<void> => {
  let seen = ''
  const holds = async (): Promise<boolean> => {
    seen = (await pairing.world.holders()).join()
    return seen === home
  }
  await waitFor(holds, { what: `${home} alone has the address`, withinMs: 60_000, everyMs: 200, seen: () => seen })
}

/** Plays a story on a fresh world. */
const play = async (world: World, story: Story, kinds: Kinds): Promise<Cost> => {
  await using pairing = await Pairing.set(world, 'merge', { kinds, autoFailback: true, packaged: true })
  const { stage } = pairing
  for (const node of NODES) {
    for (const [file, text] of Object.entries(story.files ?? {}))
      await world.host(node).write(file, text, { mode: 0o755 })
    const words = story.haresources?.(world.floating) ?? `master IPaddr2::${world.floating}/24/eth0 nginx\n`
    await stage.rewrite(node, 'haresources', () => words)
  }
  await pairing.start(...NODES)
  await stage.client.waitForServing('master', 30_000)
  for (const node of NODES) await pairing.agrees(node, { master: 'master' }, 20_000)
  await sleep(1000)
  const sinceMs = stage.client.mark()
  await story.tell(pairing)
  await aloneHolds(pairing, story.home)
  await stage.client.waitForServing(story.home, 60_000)
  for (;;) {
    const calmSinceMs = stage.client.mark()
    await sleep(CALM_MS)
    const { failed, servedBy } = await stage.client.report(calmSinceMs)
    if (failed === 0 && servedBy.length === 1 && servedBy[0]?.by === story.home) break
  }
  await aloneHolds(pairing, story.home)
  const { outages } = await stage.client.report(sinceMs)
  const lengths = outages.map(({ outageMs }) => outageMs).filter((ms) => ms > BUSY_MS)
  const each = lengths.map((ms) => ms.toFixed(0)).join(', ')
  return { each, longest: Math.max(0, ...lengths), total: lengths.reduce((sum, ms) => sum + ms, 0) }
}

const pairings: readonly { readonly suffix: string; readonly kinds: Kinds }[] = [
  { suffix: 'our-slave', kinds: { master: 'daemon', slave: 'ours' } },
  { suffix: 'our-master', kinds: { master: 'ours', slave: 'daemon' } },
]

/** What two daemons cost, by story: played once for both pairings of a run. */
const daemons = new Map<string, Cost>()

const compared = async (given: World, story: Story, kinds: Kinds, title: string) => {
  if (!daemons.has(story.name)) daemons.set(story.name, await play(given, story, { master: 'daemon', slave: 'daemon' }))
  await given.destroy({ keepLogs: false })
  const theirs = daemons.get(story.name) as Cost
  await using world = await World.build({ title })
  const ours = await play(world, story, kinds).catch((error: unknown) => {
    // The account that follows is that of the first world, which is gone.
    console.log(world.account())
    mkdirSync(given.directory, { recursive: true })
    throw error
  })
  const limitMs = (of: number, moves = 1): number => story.limitMs ?? Math.ceil(of + MARGIN_MS * moves)
  for (const what of ['longest', 'total'] as const) {
    const told = `${story.name}: ${what} outage ${ours[what].toFixed(0)} ms, two daemons ${theirs[what].toFixed(0)} ms`
    if (ours[what] > limitMs(theirs[what], what === 'total' ? (story.moves ?? 2) : 1)) {
      console.log(world.account(5))
      mkdirSync(given.directory, { recursive: true })
      assert.fail(`${told}; each: ${ours.each}; of two daemons: ${theirs.each}`)
    }
  }
  const act = (what: string, ms: number, limit: number) => ({ what, servedBy: [], ms, limitMs: limit, isStart: false })
  return {
    acts: [
      { ...act('longest outage', ours.longest, limitMs(theirs.longest)), servedBy: [story.home] },
      act('outages in all', ours.total, limitMs(theirs.total, story.moves ?? 2)),
      act('longest outage of two daemons', theirs.longest, Number.POSITIVE_INFINITY),
      act('outages of two daemons in all', theirs.total, Number.POSITIVE_INFINITY),
    ],
    remarks: [`each: ${ours.each}; of two daemons: ${theirs.each}`],
  }
}

for (const story of stories)
  for (const { suffix, kinds } of pairings) {
    const name = `packaged-${story.name}-${suffix}`
    const setting = `${suffix.replace('-', ' ')}, heartbeat's scripts on both`
    scenario(
      name,
      {
        row: `${story.row}; with heartbeat's package on both hosts, never worse than two daemons`,
        limitMs: 400_000,
        setting,
        ci: story.ci?.includes(suffix) ?? false,
      },
      (world) => compared(world, story, kinds, name),
    )
  }
