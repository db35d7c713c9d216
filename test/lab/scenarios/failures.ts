import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { scenario } from '../scenario.ts'
import { type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { FLOATING } from '../world/layout.ts'
import type { World } from '../world.ts'

const NODES: readonly NodeName[] = ['master', 'slave']
const OTHER = '192.168.1.110'
/** The last resort silences a node; its peer waits that long. Long enough for a busy machine. */
const DEADTIME_MS = 4000

/** A service that obeys files in /run: `no-stop`, `no-look` and, until its next stop, `sick`; `on` says that it runs. */
const SERVICE = `#!/bin/sh
case "$1" in
  start) touch /run/on ;;
  stop) rm -f /run/sick; if [ -e /run/no-stop ]; then echo "will not"; exit 1; fi; rm -f /run/on ;;
  status) [ -e /run/no-look ] && exec sleep 60; [ -e /run/on ] && [ ! -e /run/sick ] && echo running || echo stopped ;;
esac
exit 0
`
/** A floating address by a script: its name and its argument say so. */
const ADDRESS = `#!/bin/sh
case "$2" in
  start) ip addr replace "$1" dev eth0; touch /run/on ;;
  stop) rm -f /run/sick; if [ -e /run/no-stop ]; then echo "will not"; exit 1; fi; ip addr del "$1" dev eth0 2>/dev/null; rm -f /run/on ;;
  status) [ ! -e /run/sick ] && ip -o addr show to "\${1%%/*}" | grep -q . && echo running || echo stopped ;;
esac
exit 0
`
const FILES = { '/etc/ha.d/service': SERVICE, '/etc/ha.d/IPaddr2': ADDRESS }

const times = ['startTimeout = 5s', 'stopTimeout = 3s', 'statusTimeout = 3s', 'statusInterval = 500ms']
const service = ['[resource.service]', 'type = script', 'path = /etc/ha.d/service', ...times]
const carried = ['[resource.carried]', 'type = script', 'path = /etc/ha.d/IPaddr2', `args = ${FLOATING}/24`, ...times]
const group = (name: string, ...resources: readonly string[]) => [
  `[group.${name}]`,
  'preferred = master',
  ...resources.map((resource) => `resources[] = ${resource}`),
]

/** One row of the table in docs/groups.md: what fails, on what, beside which peer, and what comes of it. */
interface Row {
  readonly name: string
  readonly row: string
  readonly groups: readonly string[]
  readonly peer: 'alive' | 'dead'
  /** Done on the master before the pair starts. */
  readonly before?: string
  /** What fails on the master, and what is asked of the pair then. */
  act(stage: Stage, sh: (script: string) => Promise<void>): Promise<void>
  /** Where the service runs in the end, and who has each address. */
  readonly runs: readonly NodeName[]
  readonly addresses?: Readonly<Record<string, readonly NodeName[]>>
  /** Events of the master, and what it must not tell. */
  readonly told?: readonly string[]
  readonly untold: readonly string[]
}

const calm = ['group:stuck', 'group:failed', 'fatal']
/** `standby` of the master must be refused with that. */
const refused = async (stage: Stage): Promise<void> => {
  const { code, stderr } = await stage.command('master', 'standby')
  assert.equal(code, 1, stderr)
  assert.match(stderr, /neither be stopped nor cut off/)
}

const rows: readonly Row[] = [
  {
    name: 'look-alone',
    row: 'a status does not answer, the peer is dead: asked again, nothing is stopped',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'dead',
    async act(stage, sh) {
      await sh('touch /run/no-look')
      await sleep(14_000)
      assert.equal(stage.count('master', 'resource:failed'), 1, 'told once')
      await sh('rm /run/no-look')
    },
    runs: ['master'],
    addresses: { [FLOATING]: ['master'] },
    untold: calm,
  },
  {
    name: 'look-peer',
    row: 'a status does not answer three times, the peer could take it: the peer serves',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    act: (_, sh) => sh('touch /run/no-look'),
    runs: ['slave'],
    addresses: { [FLOATING]: ['slave'] },
    told: ['resource:failed'],
    untold: [],
  },
  {
    name: 'not-running',
    row: 'it was seen not to run: restarted in place, then the peer serves',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    async act(stage, sh) {
      await sh('rm /run/on')
      await waitFor(() => stage.told('master', 'resource:restarted'), { what: 'restarted in place', withinMs: 20_000 })
      await sh('rm /run/on')
    },
    runs: ['slave'],
    addresses: { [FLOATING]: ['slave'] },
    told: ['resource:restarted'],
    untold: ['group:stuck', 'fatal'],
  },
  {
    name: 'not-runnable',
    row: 'it cannot be executed at all: nothing needs a stop, the peer serves',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    before: "sed -i '1s,.*,#!/usr/bin/no-such-shell,' /etc/ha.d/service",
    act: async () => {},
    runs: ['slave'],
    addresses: { [FLOATING]: ['slave'] },
    untold: ['group:stuck', 'fatal'],
  },
  {
    name: 'cut',
    row: 'a stop fails, the cut succeeds (address): the peer serves',
    groups: [...group('web', 'carried'), ...carried],
    peer: 'alive',
    async act(stage, sh) {
      await sh('touch /run/no-stop')
      const { code, stderr } = await stage.command('master', 'standby')
      assert.equal(code, 0, stderr)
      await sh('rm /run/on')
    },
    runs: ['slave'],
    addresses: { [FLOATING]: ['slave'] },
    told: ['group:stuck'],
    untold: ['fatal'],
  },
  {
    name: 'beside-healthy',
    row: 'neither succeeds (data) beside another group: that one serves on, the other is claimed without its address',
    groups: [...group('web', `${FLOATING}/24/eth0`), ...group('mail', `${OTHER}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    act: (_, sh) => sh('touch /run/no-stop /run/sick'),
    runs: ['master'],
    addresses: { [FLOATING]: ['master'], [OTHER]: [] },
    told: ['group:stuck'],
    untold: ['fatal'],
  },
  {
    name: 'last-resort',
    row: 'neither succeeds (data), nothing else is held: fatal, without its addresses; the peer serves after its dead time',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    async act(stage, sh) {
      await sh('touch /run/no-stop')
      await refused(stage)
      assert.equal((await stage.world.pair('master').ended).code, 1)
    },
    runs: ['master', 'slave'],
    addresses: { [FLOATING]: ['slave'] },
    told: ['group:stuck', 'fatal'],
    untold: [],
  },
  {
    name: 'alone',
    row: 'neither succeeds, the peer is dead: started again without a stop',
    groups: [...group('web', `${FLOATING}/24/eth0`, 'service'), ...service],
    peer: 'dead',
    act: (_, sh) => sh('touch /run/no-stop /run/sick'),
    runs: ['master'],
    addresses: { [FLOATING]: ['master'] },
    told: ['group:stuck'],
    untold: ['fatal'],
  },
  {
    name: 'cut-alone',
    row: 'a stop fails, the cut succeeds (address), the peer is dead: started again without a stop',
    groups: [...group('web', 'carried'), ...carried],
    peer: 'dead',
    act: (_, sh) => sh('touch /run/no-stop /run/sick'),
    runs: ['master'],
    addresses: { [FLOATING]: ['master'] },
    told: ['group:stuck'],
    untold: ['fatal'],
  },
  {
    name: 'leaving',
    row: 'neither succeeds while the node stops: the other groups stop first, then it ends with an error',
    groups: [...group('web', `${FLOATING}/24/eth0`), ...group('mail', `${OTHER}/24/eth0`, 'service'), ...service],
    peer: 'alive',
    async act(stage, sh) {
      await sh('touch /run/no-stop')
      assert.equal(await stage.stop('master'), 1)
    },
    runs: ['master', 'slave'],
    addresses: { [FLOATING]: ['slave'], [OTHER]: ['slave'] },
    told: ['group:stuck', 'group:released', 'fatal'],
    untold: [],
  },
]

const runsOn = async (world: World): Promise<readonly NodeName[]> => {
  const found = await Promise.all(
    NODES.map((node) => world.host(node).run(['test', '-e', '/run/on'], { check: false })),
  )
  return NODES.filter((_, index) => found[index]?.code === 0)
}

/** Exactly these nodes have the service and the addresses, in the end and for a while. */
const comesTo = async (world: World, { runs, addresses = {} }: Row): Promise<void> => {
  const wanted = JSON.stringify([runs, ...Object.values(addresses)])
  let seen = ''
  const look = async (): Promise<boolean> => {
    const holders = await Promise.all(Object.keys(addresses).map((address) => world.holders(address)))
    seen = JSON.stringify([await runsOn(world), ...holders])
    return seen === wanted
  }
  await waitFor(look, { what: `service and addresses are on ${wanted}`, withinMs: 40_000, seen: () => seen })
  await sleep(2500)
  assert.ok(await look(), `service and addresses stay on ${wanted}, not ${seen}`)
}

for (const failure of rows)
  scenario(`failure-${failure.name}`, { row: failure.row }, async (world) => {
    const stage = await Stage.set(world, {
      source: 'ini',
      autoFailback: false,
      deadtimeMs: DEADTIME_MS,
      initdeadMs: failure.peer === 'dead' ? DEADTIME_MS : 20_000,
    })
    const sh = async (script: string): Promise<void> => void (await world.host('master').run(['sh', '-c', script]))
    for (const node of NODES) {
      await stage.rewrite(node, 'hot-standby.ini', (text) =>
        [text.slice(0, text.indexOf('[group.')), ...failure.groups, ''].join('\n'),
      )
      for (const [file, text] of Object.entries(FILES)) await world.host(node).write(file, text, { mode: 0o755 })
    }
    if (failure.before !== undefined) await sh(failure.before)
    const alive = failure.peer === 'alive' ? NODES : (['master'] as const)
    await stage.start(...alive)
    if (failure.before === undefined)
      await waitFor(async () => (await runsOn(world)).join() === 'master' && stage.told('master', 'group:acquired'), {
        what: 'the master serves',
        withinMs: 30_000,
      })
    if (failure.peer === 'alive')
      await waitFor(() => NODES.every((node) => stage.told(node, 'peer:alive')), { what: 'both know each other' })
    await failure.act(stage, sh)
    for (const event of failure.told ?? [])
      await waitFor(() => stage.told('master', event), { what: `the master tells ${event}`, withinMs: 30_000 })
    await comesTo(world, failure)
    for (const event of failure.untold) assert.ok(!stage.told('master', event), `the master did not tell ${event}`)
    return { acts: stage.acts, remarks: [] }
  })
