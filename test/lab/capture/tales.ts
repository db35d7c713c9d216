import { setTimeout as sleep } from 'node:timers/promises'
import { type NodeName, Stage } from '../stage.ts'
import { waitFor } from '../wait-for.ts'
import { Heartbeat, prepareForHeartbeat } from '../world/heartbeat.ts'
import type { World } from '../world.ts'

const NODES = ['master', 'slave'] as const
/** The tutorial's times. */
export const TIMES = { keepalive: '1s', deadtime: '5s', warntime: '3s', initdead: '10s' } as const
export const KEY = '1 sha1 a-secret-of-the-laboratory'

/** What our node is told to do, at the wall clock's milliseconds. */
export interface Deed {
  readonly atMs: number
  readonly command: string
}

/** Who runs where while a tale is played. */
export class Cast {
  readonly world: World
  readonly stage: Stage
  readonly ours: NodeName
  readonly theirs: NodeName
  readonly deeds: Deed[] = []
  #daemon: Heartbeat | undefined

  private constructor(world: World, stage: Stage, ours: NodeName) {
    this.world = world
    this.stage = stage
    this.ours = ours
    this.theirs = ours === 'master' ? 'slave' : 'master'
  }

  static async set(world: World, ours: NodeName, autoFailback: boolean): Promise<Cast> {
    const stage = await Stage.set(world, { autoFailback })
    const changed = /^(?:ping|respawn|deadping|keepalive|deadtime|warntime|initdead) /
    const times = Object.entries(TIMES).map(([name, time]) => `${name} ${Number.parseInt(time, 10)}`)
    for (const node of NODES) {
      const rewrite = (text: string): string =>
        [...text.split('\n').filter((line) => !changed.test(line)), ...times, ''].join('\n')
      await stage.rewrite(node, 'ha.cf', rewrite)
      await stage.rewrite(node, 'authkeys', () => `auth 1\n${KEY}\n`)
      await stage.rewrite(node, 'haresources', () => `master IPaddr::${world.floating}/24/eth0\n`)
      await world.host(node).start(['nginx', '-g', 'daemon off;'])
    }
    return new Cast(world, stage, ours)
  }

  /** Notes what our node is told, when it is told. */
  #tell(command: string): void {
    this.deeds.push({ atMs: Date.now(), command })
  }

  async startOurs(): Promise<void> {
    this.#tell('start')
    await this.stage.start(this.ours)
  }

  async startDaemon(): Promise<void> {
    await prepareForHeartbeat(this.world.host(this.theirs))
    this.#daemon = await Heartbeat.start(this.world.host(this.theirs), this.world.timeline)
  }

  get daemon(): Heartbeat {
    if (!this.#daemon) throw new Error('the daemon was not started')
    return this.#daemon
  }

  async command(command: 'standby' | 'takeover'): Promise<void> {
    this.#tell(command)
    await this.stage.command(this.ours, command)
  }

  async stopOurs(): Promise<void> {
    this.#tell('stop')
    await this.stage.stop(this.ours)
  }

  /** Waits until this node serves the client, and for a while more, in which the dialogue comes to rest. */
  async served(by: NodeName): Promise<void> {
    await this.stage.client.waitForServing(by, 40_000)
    await sleep(2500)
  }

  /** Both have joined, and the master serves. */
  async both(): Promise<void> {
    await Promise.all([this.startDaemon(), this.startOurs()])
    await waitFor(async () => (await this.daemon.holds()) !== '', { what: 'the daemon has joined', withinMs: 40_000 })
    await this.served('master')
  }
}

/** One exchange. It begins with the start of our node, because what follows depends on it. */
export interface Tale {
  readonly name: string
  readonly about: (ours: NodeName) => string
  readonly autoFailback: boolean
  readonly tell: (cast: Cast) => Promise<void>
}

const theOther = (node: NodeName): NodeName => (node === 'master' ? 'slave' : 'master')

export const tales: readonly Tale[] = [
  {
    name: 'cold-start',
    about: () => 'Both start at once: the master serves.',
    autoFailback: true,
    tell: (cast) => cast.both(),
  },
  {
    name: 'join',
    about: (ours) =>
      `The ${theOther(ours)}'s daemon joins while our ${ours} serves all; auto_failback off: nothing moves.`,
    autoFailback: false,
    async tell(cast) {
      await cast.startOurs()
      await cast.served(cast.ours)
      await cast.startDaemon()
      await waitFor(async () => (await cast.daemon.holds()) === 'none' || (await cast.daemon.holds()) === 'local', {
        what: 'the daemon has joined',
        withinMs: 40_000,
      })
      await cast.served(cast.ours)
    },
  },
  {
    name: 'failback',
    about: (ours) =>
      ours === 'slave'
        ? "The master's daemon joins while our slave serves all; auto_failback on: the group goes home."
        : "Our master starts while the slave's daemon serves all; auto_failback on: the group comes home.",
    autoFailback: true,
    async tell(cast) {
      if (cast.ours === 'slave') {
        await cast.startOurs()
        await cast.served('slave')
        await cast.startDaemon()
      } else {
        await cast.startDaemon()
        await cast.served('slave')
        await cast.startOurs()
      }
      await cast.served('master')
    },
  },
  ...(['standby', 'takeover'] as const).flatMap((command): readonly Tale[] => [
    {
      name: `${command}-by-daemon`,
      about: (ours) => `hb_${command} on the ${theOther(ours)}'s daemon, there and back.`,
      autoFailback: false,
      async tell(cast) {
        await cast.both()
        // It gives what it has, or takes what it has not; then the other command goes the way back.
        const gives = (command === 'standby') === (cast.theirs === 'master')
        if (gives) {
          await cast.daemon[command]('all')
          return cast.served('slave')
        }
        await cast.daemon[command === 'standby' ? 'takeover' : 'standby']('all')
        await cast.served('slave')
        await cast.daemon[command]('all')
        await cast.served('master')
      },
    },
    {
      name: `${command}-by-us`,
      about: (ours) => `${command} on our ${ours}.`,
      autoFailback: false,
      async tell(cast) {
        await cast.both()
        const gives = (command === 'standby') === (cast.ours === 'master')
        if (gives) {
          await cast.command(command)
          return cast.served('slave')
        }
        await cast.command(command === 'standby' ? 'takeover' : 'standby')
        await cast.served('slave')
        await cast.command(command)
        await cast.served('master')
      },
    },
  ]),
  {
    name: 'stop-of-daemon',
    about: (ours) => `The ${theOther(ours)}'s daemon stops gracefully.`,
    autoFailback: false,
    async tell(cast) {
      await cast.both()
      await cast.daemon.stop()
      await cast.served(cast.ours)
      await sleep(6000) // its silence is no death
    },
  },
  {
    name: 'stop-of-ours',
    about: (ours) => `Our ${ours} stops gracefully.`,
    autoFailback: false,
    async tell(cast) {
      await cast.both()
      await cast.stopOurs()
      await cast.served(cast.theirs)
    },
  },
  {
    name: 'death',
    about: (ours) => `The ${theOther(ours)}'s host crashes.`,
    autoFailback: false,
    async tell(cast) {
      await cast.both()
      await cast.world.crash(cast.theirs)
      await cast.served(cast.ours)
      await sleep(4000)
    },
  },
  {
    name: 'merge',
    about: (ours) =>
      `The line breaks, both serve; it is mended, and the ${theOther(ours)}'s daemon restarts itself. auto_failback off.`,
    autoFailback: false,
    async tell(cast) {
      await cast.both()
      await cast.world.cut('slave', 'eth1')
      await sleep(9000)
      await cast.world.mend('slave', 'eth1')
      await sleep(30_000)
    },
  },
]
