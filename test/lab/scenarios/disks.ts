import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { LIMITS, type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TUTORIAL } from '../world/configuration.ts'
import type { World } from '../world.ts'

const { takeover, planned, noGap } = LIMITS
const STATE = '/var/lib/hot-standby'
const IMAGE = '/run/disk.img'

/** A disk that goes bad under a member: how it is made beforehand, what happens to it, and how it is mended. */
interface BadDisk {
  readonly name: string
  readonly what: string
  readonly make: string
  readonly spoil: string
  readonly mend: string
  /** False: the directory is made anew, and can be written. */
  readonly tells: boolean
  /** A new process cannot lock its directory on a disk that hangs. */
  readonly starts: boolean
}

const small = (directory: string): string => `mkdir -p ${directory} && mount -t tmpfs -o size=128k tmpfs ${directory}`
const fill = (directory: string): string => `dd if=/dev/zero of=${directory}/ballast bs=4k 2>/dev/null || true`
const onLoop = `mkdir -p ${STATE} && truncate -s 16M ${IMAGE} && mkfs.ext4 -q ${IMAGE} && mount -o loop ${IMAGE} ${STATE}`

const disks: readonly BadDisk[] = [
  {
    name: 'full',
    what: 'the disks of the state and of the log are full',
    make: `${small(STATE)} && ${small('/var/log')}`,
    spoil: `${fill(STATE)}; ${fill('/var/log')}`,
    mend: `rm -f ${STATE}/ballast /var/log/ballast`,
    starts: true,
    tells: true,
  },
  {
    name: 'read-only',
    what: 'the disk of the state is read-only',
    make: onLoop,
    // What the kernel does after an error, also while files are open.
    spoil: `mount -o remount,abort ${STATE}`,
    mend: `umount -l ${STATE}`,
    starts: true,
    tells: true,
  },
  {
    name: 'vanished',
    what: 'the state directory is removed, and its disk unmounted',
    make: small(STATE),
    spoil: `rm -rf ${STATE}/*; umount -l ${STATE}`,
    mend: 'true',
    starts: true,
    tells: false,
  },
  {
    name: 'hung',
    what: 'no write to the disk of the state ends',
    make: onLoop,
    spoil: `fsfreeze --freeze ${STATE}`,
    mend: `fsfreeze --unfreeze ${STATE}`,
    starts: false,
    tells: true,
  },
]

const shell = async (world: World, script: string, node: NodeName = 'slave'): Promise<void> => {
  await world.host(node).run(['sh', '-c', script])
}

for (const { name, what, make, spoil, mend, starts, tells } of disks) {
  scenario(
    `disk-${name}`,
    { row: `${what} on the slave, master dies: slave within D + k`, ci: true },
    async (world) => {
      await shell(world, make)
      const stage = await Stage.up(world)
      await shell(world, spoil)
      let isMended = false
      const heal = async (): Promise<void> => {
        if (!isMended) await shell(world, mend)
        isMended = true
      }
      try {
        await stage.act('master dies', () => world.crash('master'), {
          servedBy: ['master', 'slave'],
          limitMs: takeover,
        })
        if (tells)
          await waitFor(() => stage.told('slave', 'problem') || stage.told('slave', 'state:failed'), {
            what: 'slave says that its disk takes nothing',
          })
        await stage.act('it goes on', async () => {}, { servedBy: ['slave'], limitMs: noGap, holdMs: 3000 })
        const beganMs = performance.now()
        assert.equal(await stage.stop('slave'), 0)
        // State, recordings and logs wait two seconds each for a disk that hangs, and the group has to stop.
        const tookMs = performance.now() - beganMs
        assert.ok(tookMs < 15_000, `the stop took ${Math.round(tookMs)} ms`)
        if (!starts) await heal()
        await stage.act(starts ? 'slave starts on that disk' : 'slave starts again', () => stage.start('slave'), {
          servedBy: ['slave'],
          // It waits for initdead and nothing else; the rest is how long a busy machine takes to load the program.
          limitMs: 2 * TUTORIAL.initdeadMs,
          withinMs: 3 * TUTORIAL.initdeadMs,
        })
      } finally {
        await heal()
      }
      return stage.end('slave')
    },
  )
}

for (const { name, what, make, spoil, mend } of disks) {
  scenario(
    `disk-${name}-owner`,
    { row: `${what} on the master while it serves: it serves on, gives the group away and takes it back` },
    async (world) => {
      await shell(world, make, 'master')
      // A busy machine must not look like a dead node.
      const stage = await Stage.up(world, { deadtimeMs: 4000 })
      await shell(world, spoil, 'master')
      try {
        await stage.act('it serves on', async () => {}, { servedBy: ['master'], limitMs: noGap, holdMs: 3000 })
        await stage.act('standby', () => stage.command('master', 'standby'), {
          servedBy: ['master', 'slave'],
          limitMs: planned,
        })
        await stage.act('takeover', () => stage.command('master', 'takeover'), {
          servedBy: ['slave', 'master'],
          limitMs: planned,
        })
      } finally {
        await shell(world, mend, 'master')
      }
      return stage.end('master')
    },
  )
}

/** What else a member could wait for, and must not: how it is spoiled on a host, before the pair starts there. */
const others: readonly {
  readonly name: string
  readonly what: string
  readonly spoil: string
  readonly log: string
}[] = [
  {
    name: 'syslog-hung',
    what: 'syslog takes nothing',
    spoil:
      "printf '#!/bin/sh\\nexec sleep 100000\\n' > /run/logger && chmod 755 /run/logger && mount --bind /run/logger $(readlink -f $(command -v logger))",
    log: 'logfacility daemon\ndebug 1',
  },
  {
    name: 'names-hung',
    what: 'the name service never answers',
    spoil:
      "printf 'nameserver 192.0.2.1\\noptions timeout:30 attempts:5\\n' > /run/resolv.conf && mount --bind /run/resolv.conf /etc/resolv.conf && echo 127.0.0.1 localhost > /etc/hosts",
    log: 'logfile /var/log/ha-log',
  },
]

for (const { name, what, spoil, log } of others)
  scenario(`${name}`, { row: `${what} on the slave, master dies: slave within D + k` }, async (world) => {
    await shell(world, spoil)
    const stage = await Stage.set(world)
    await stage.rewrite('slave', 'ha.cf', (text) => text.replace(/^logfile .*$/m, log))
    await stage.act('both start', () => stage.start('master', 'slave'), {
      servedBy: ['master'],
      limitMs: TUTORIAL.initdeadMs,
    })
    await waitFor(() => stage.told('slave', 'peer:alive'), { what: 'the slave knows its peer' })
    await stage.act('master dies', () => world.crash('master'), { servedBy: ['master', 'slave'], limitMs: takeover })
    await stage.act('it goes on', async () => {}, { servedBy: ['slave'], limitMs: noGap, holdMs: 3000 })
    assert.equal(await stage.stop('slave'), 0)
    return stage.end()
  })
