import assert from 'node:assert/strict'
import { LIMITS, Stage } from '../lab/stage.ts'
import { waitFor } from '../lab/wait-for.ts'
import { TIMES, TUTORIAL } from '../lab/world/configuration.ts'
import { World } from '../lab/world.ts'
import type { Entry, Theatre } from './play.ts'

/** The tutorial's pair on hosts of its own: network namespaces, real nginx, a real floating address. Needs root on Linux. */
export const openLaboratory = async (onEntry: (entry: Entry) => void): Promise<Theatre> => {
  const world = await World.build({ title: 'demo', onEntry })
  try {
    return await theatreOf(world)
  } catch (error) {
    await world.destroy()
    throw error
  }
}

const theatreOf = async (world: World): Promise<Theatre> => {
  const stage = await Stage.set(world)
  const there = { servedBy: ['master', 'slave'], limitMs: LIMITS.planned } as const
  const back = { servedBy: ['slave', 'master'], limitMs: LIMITS.planned } as const
  return {
    mode: 'laboratory',
    about: [
      'Four hosts in network namespaces: master, slave, a gateway, and a client that asks for the page every 5 ms.',
      `ha.cf, authkeys and haresources of the tutorial, with keepalive ${TIMES.keepaliveMs} ms and deadtime ${TUTORIAL.deadtimeMs} ms.`,
      `The page is served by nginx at the floating address ${world.floating}.`,
    ],
    witness: stage.client,
    steps: [
      {
        step: "both start; the client sees the master's page",
        act: async () => {
          await stage.start('master', 'slave')
          await waitFor(() => stage.told('master', 'peer:alive') && stage.told('slave', 'peer:alive'), {
            what: 'both know each other',
          })
        },
        servedBy: ['master'],
        limitMs: LIMITS.noGap,
        begins: true,
      },
      { step: 'master: iptables -A INPUT -p icmp -j DROP', act: () => world.dropIcmp('master'), ...there },
      { step: 'master: iptables -D INPUT -p icmp -j DROP', act: () => world.allowIcmp('master'), ...back },
      {
        step: "the master's host crashes",
        act: () => world.crash('master'),
        servedBy: ['master', 'slave'],
        limitMs: LIMITS.takeover,
      },
      { step: 'the master boots again (auto_failback on)', act: () => stage.reboot('master'), ...back },
      {
        step: 'master: hot-standby standby',
        act: async () => {
          const { code, stderr } = await stage.command('master', 'standby')
          assert.equal(code, 0, stderr)
        },
        ...there,
      },
    ],
    [Symbol.asyncDispose]: () => world.destroy({ keepLogs: false }),
  }
}
