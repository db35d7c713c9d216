import type { Resolved } from '../options/resolve.ts'
import { respawn } from '../platform/respawn.ts'
import { openStateDirectory, respawnRecord } from '../platform/state.ts'

/** Lets each agent remove what a killed predecessor had written down, ends the programs it kept alive, and nothing else. */
export async function cleanUp({ stateDirectory, logger, groups, node }: Resolved): Promise<void> {
  const state = openStateDirectory(stateDirectory, { logger })
  try {
    const programs = state.remembered(respawnRecord)
    if (programs !== null) {
      const remember = (record: Readonly<Record<string, unknown>> | null) => state.remember(respawnRecord, record)
      await respawn([], { onEvent: () => {}, remember, leftover: programs })
    }
    for (const group of groups)
      for (const plugin of group.resources) {
        const leftover = state.remembered(plugin.name)
        if (leftover === null) continue
        const agent = plugin.create({
          self: node,
          group: group.name,
          logger,
          directory: state.directoryFor(plugin.name),
          changed: () => {},
          remember: (record) => state.remember(plugin.name, record),
          leftover,
        })
        try {
          await agent.open?.()
        } finally {
          await agent.close?.()
        }
      }
  } finally {
    await state.close()
  }
}
