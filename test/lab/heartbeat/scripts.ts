import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { command } from '../world/command.ts'
import { prepareForHeartbeat } from '../world/heartbeat.ts'
import { PAIRING_LIMITS, Pairing } from './pairing.ts'
import { type Kinds, NODES, SECOND } from './settings.ts'

/** Scripts run one after the other, `Delay` waits on purpose, and each of Debian's scripts starts a shell of OCF functions. */
const LIMIT_MS = 15_000
/** Our node has asked every script for its status by then. */
const STATUS_MS = 12_000
const DATA = '/var/lib/data'
/** Debian's resource.d takes `status` for the OCF monitor, and that of Delay sleeps half a minute unless told otherwise. */
const NO_DELAY_OF_STATUS = 'export OCF_RESKEY_mondelay=0'

/** A disk that both hosts reach: a loop device of this machine, with a file system on it. */
class SharedDisk implements AsyncDisposable {
  readonly device: string
  readonly #folder: string

  private constructor(device: string, folder: string) {
    this.device = device
    this.#folder = folder
  }

  static async make(): Promise<SharedDisk> {
    const folder = mkdtempSync(join(tmpdir(), 'hot-standby-disk-'))
    const image = join(folder, 'image')
    writeFileSync(image, '')
    truncateSync(image, 16 << 20)
    await command(['mke2fs', '-q', '-F', '-t', 'ext4', image])
    const { stdout } = await command(['losetup', '-f', '--show', image])
    return new SharedDisk(stdout.trim(), folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await command(['losetup', '-d', this.device])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/**
 * Every script that can run here, in one group. SendArp stands before IPaddr: behind it, its status says running for the
 * seconds in which IPaddr announces the same address, so it is not started, and has failed at the first look afterwards.
 */
const haresources = (floating: string, { device }: SharedDisk): string =>
  [
    `master IPaddr2::${SECOND}/24/eth0`,
    `SendArp::${floating}/eth0`,
    `IPaddr::${floating}/24/eth0`,
    `Filesystem::${device}::${DATA}::ext4`,
    'Delay::1::0',
    'nginx\n',
  ].join(' \\\n\t')

const playOf =
  (kinds: Kinds): Play =>
  async (world) => {
    await using disk = await SharedDisk.make()
    await using pairing = await Pairing.set(world, 'scripts', { kinds, autoFailback: true })
    for (const node of NODES) {
      await prepareForHeartbeat(world.host(node))
      await world.host(node).run(['mkdir', '-p', DATA])
      await pairing.stage.rewrite(node, 'haresources', () => haresources(world.floating, disk))
      await pairing.stage.rewrite(node, 'shellfuncs', (text) => `${text}\n${NO_DELAY_OF_STATUS}\n`)
    }
    const on = async (node: NodeName, ...argv: readonly string[]) =>
      (await world.host(node).run(argv, { check: false })).stdout
    /** Everything of the group runs on `holder`, and nothing of it on the other. */
    const allOn = async (holder: NodeName, told: string): Promise<void> => {
      for (const node of NODES) {
        const here = node === holder
        const addresses = await on(node, 'ip', '-o', '-4', 'addr', 'show', 'dev', 'eth0')
        for (const address of [world.floating, SECOND])
          assert.equal(addresses.includes(` ${address}/24 `), here, `${address} on ${node}: ${addresses}`)
        assert.equal((await on(node, 'cat', '/proc/mounts')).includes(` ${DATA} ext4 `), here, `${DATA} on ${node}`)
      }
      assert.equal(await on(holder, 'cat', `${DATA}/told`), told, 'what the other has written')
    }
    await pairing.act('both start', () => pairing.start(...NODES), ['master'], 40_000)
    await world.host('master').run(['sh', '-c', `printf 'of the master' > ${DATA}/told`])
    await allOn('master', 'of the master')
    await pairing.act('all of them run on', () => sleep(STATUS_MS), ['master'], PAIRING_LIMITS.noGap)
    await pairing.act('standby on the master', () => pairing.standby('master'), ['master', 'slave'], LIMIT_MS)
    await allOn('slave', 'of the master')
    await world.host('slave').run(['sh', '-c', `printf 'of the slave' > ${DATA}/told; sync`])
    await pairing.act('takeover on the master', () => pairing.takeover('master'), ['slave', 'master'], LIMIT_MS)
    await allOn('master', 'of the slave')
    await pairing.act('the master crashes', () => world.crash('master'), ['master', 'slave'], LIMIT_MS, ['slave'])
    assert.equal(await on('slave', 'cat', `${DATA}/told`), 'of the slave')
    await pairing.act('the master boots', () => pairing.reboot('master'), ['slave', 'master'], LIMIT_MS)
    await allOn('master', 'of the slave')
    return await pairing.end('master')
  }

const pairings: readonly { readonly suffix: string; readonly kinds: Kinds }[] = [
  { suffix: 'daemons', kinds: { master: 'daemon', slave: 'daemon' } },
  { suffix: 'our-slave', kinds: { master: 'daemon', slave: 'ours' } },
  { suffix: 'our-master', kinds: { master: 'ours', slave: 'daemon' } },
]

for (const { suffix, kinds } of pairings)
  scenario(
    `scripts-${suffix}`,
    {
      row: `Debian's own resource scripts move between the hosts: IPaddr, IPaddr2, SendArp, Filesystem, Delay (${suffix})`,
      limitMs: 240_000,
    },
    playOf(kinds),
  )
