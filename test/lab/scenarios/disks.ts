import assert from 'node:assert/strict'
import { scenario } from '../scenario.ts'
import { LIMITS, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { TUTORIAL } from '../world/configuration.ts'
import type { World } from '../world.ts'

const { takeover, noGap } = LIMITS
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
    make: small(STATE),
    spoil: `mount -o remount,ro ${STATE}`,
    mend: `mount -o remount,rw ${STATE}`,
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

const shell = async (world: World, script: string): Promise<void> => {
  await world.host('slave').run(['sh', '-c', script])
}

for (const { name, what, make, spoil, mend, starts, tells } of disks) {
  scenario(
    `disk-${name}`,
    { row: `${what} on the slave, master dies: slave within D + k`, ci: true },
    async (world) => {
      await shell(world, make)
      const stage = await Stage.up(world)
      await shell(world, spoil)
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
        if (starts) {
          assert.equal(await stage.stop('slave'), 0)
          await stage.act('slave starts on that disk', () => stage.start('slave'), {
            servedBy: ['slave'],
            limitMs: TUTORIAL.initdeadMs + 2 * takeover,
            withinMs: 3 * TUTORIAL.initdeadMs,
          })
        }
      } finally {
        await shell(world, mend)
      }
      return stage.end('slave')
    },
  )
}
