import type { Logger } from '../roles/logger.ts'
import { type AddressManager, createAddressManager } from './address.ts'
import { type Announcer, createAnnouncer } from './announce.ts'
import { createIpBatch } from './ip-batch.ts'
import { createMacvlanManager, type MacvlanManager } from './macvlan.ts'
import { createRouteManager, type RouteManager } from './route-manager.ts'
import { type Share, shared } from './shared.ts'

/** What the agents of addresses and routes do on this host, with one set of helpers for all of them. */
export interface NetHost {
  readonly addresses: AddressManager
  readonly announcer: Announcer
  readonly macvlans: MacvlanManager
  readonly routes: RouteManager
}

/** A share of it; the first user starts the helpers, the last one ends them. */
export const acquireNetHost: (logger: Logger) => Promise<Share<NetHost>> = shared((logger: Logger) => {
  const batch = createIpBatch({ logger })
  const addresses = createAddressManager({ batch, logger })
  const announcer = createAnnouncer({ manager: addresses, logger })
  const routes = createRouteManager({ batch, logger })
  return {
    addresses,
    announcer,
    macvlans: createMacvlanManager({ batch }),
    routes,
    async open(): Promise<void> {
      await addresses.open()
      await announcer.open()
    },
    async close(): Promise<void> {
      routes.close()
      await announcer.close()
      await addresses.close()
    },
  }
})
