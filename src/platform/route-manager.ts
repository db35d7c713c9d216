import { HotStandbyError } from '../roles/error.ts'
import type { Logger } from '../roles/logger.ts'
import type { IpBatch } from './ip-batch.ts'
import { createIpMonitor, type IpMonitor, monitoredDestination } from './ip-monitor.ts'

/** One route, in the kernel's spelling. */
export interface Route {
  /** `10.1.0.0/16`, `0.0.0.0/0`, `::/0`. */
  readonly destination: string
  readonly family: 4 | 6
  readonly via?: string | undefined
  readonly device?: string | undefined
  readonly metric?: number | undefined
  readonly table?: number | undefined
  readonly source?: string | undefined
}

/** Adds and removes routes, and removes no others. */
export interface RouteManager {
  /**
   * Adds it and verifies it; one that was added here already is left alone. Rejects with `HS_RESOURCE` and nothing left when
   * the kernel refuses it, or has one of the same destination and metric by somebody else's doing.
   */
  add(route: Route, signal?: AbortSignal): Promise<void>
  /** Removes it if it was added here, and verifies that it is gone. */
  remove(route: Route, signal?: AbortSignal): Promise<void>
  /** Takes over what a killed predecessor had added and is still there in that form. */
  adopt(route: Route, signal?: AbortSignal): Promise<boolean>
  /** Is it there, in exactly this form? */
  has(route: Route, signal?: AbortSignal): Promise<boolean>
  /** Was it added here and not removed since? */
  holds(route: Route): boolean
  /** Calls `onChange` as soon as a route to its destination comes or goes; at times for nothing. Returns the end of it. */
  watch(route: Route, onChange: () => void): () => void
  /** Ends what watches. Idempotent. */
  close(): void
}

/** What `ip -j route show` says, as far as it is used. */
interface ShownRoute {
  readonly gateway?: string
  readonly via?: { readonly host?: string }
  readonly dev?: string
  readonly metric?: number
  readonly table?: string
  readonly prefsrc?: string
}

/** The kernel's metric of a route that names none (IP6_RT_PRIO_USER). */
const defaultMetric = { 4: 0, 6: 1024 } as const

/** The words after `ip route add` and `ip route del`. */
export function routeWords({ destination, via, device, metric, table, source }: Route): string {
  const words: readonly (readonly [word: string, value: string | number | undefined])[] = [
    ['via', via],
    ['dev', device],
    ['metric', metric],
    ['table', table],
    ['src', source],
  ]
  return [destination, ...words.flatMap(([word, value]) => (value === undefined ? [] : [word, value]))].join(' ')
}

/** Is one of the routes that were shown this one? */
export function isShown(route: Route, shown: readonly unknown[]): boolean {
  const { via, device, source, family, metric = defaultMetric[family], table } = route
  return (shown as readonly ShownRoute[]).some(
    (entry) =>
      (entry.gateway ?? entry.via?.host) === via &&
      (device === undefined || entry.dev === device) &&
      (entry.metric ?? 0) === metric &&
      (source === undefined || entry.prefsrc === source) &&
      (entry.table ?? 'main') === tableName(table),
  )
}

/** `ip` shows the three tables of the kernel by name. */
function tableName(table: number | undefined): string {
  const names: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' }
  return table === undefined ? 'main' : (names[table] ?? String(table))
}

/** As `ip` shows a destination: a whole family is `default`, one host has no length. */
function shownDestination(destination: string): string {
  return destination.replace(/^.*\/0$/, 'default').replace(/^(.*\..*)\/32$|^(.*:.*)\/128$/, '$1$2')
}

/** Routes through the persistent `ip`; its guardian removes them when this process dies. */
export function createRouteManager({ batch, logger }: { batch: IpBatch; logger: Logger }): RouteManager {
  /** From the first route on: a router may have many changes that are nobody's business here. */
  let monitor: IpMonitor | undefined
  const held = new Map<string, Route>()

  function hold(): void {
    batch.undo(
      'routes',
      [...held.keys()].map((words) => `route del ${words}`),
    )
  }

  function release(words: string): void {
    held.delete(words)
    hold()
  }

  /** Of both families and every table only `table all` finds a default route. */
  async function run(commands: readonly string[], { destination }: Route, signal?: AbortSignal) {
    return batch.run([...commands, `route show exact ${destination} table all`], signal)
  }

  const manager: RouteManager = {
    async add(route, signal) {
      const words = routeWords(route)
      if (held.has(words) && (await manager.has(route, signal))) return
      // The guardian learns of it before the kernel does.
      held.set(words, route)
      hold()
      const { errors, json, repeated } = await run([`route add ${words}`], route, signal)
      if (isShown(route, json) && (!errors[0] || repeated)) return
      if (errors[0] && !repeated) release(words)
      else await manager.remove(route, signal)
      const taken = /File exists/.test(errors[0] ?? '')
      const hint = taken
        ? '; a route of this destination and metric is there by somebody else, choose another metric'
        : ''
      throw new HotStandbyError(
        'HS_RESOURCE',
        `ip route add ${words}: ${errors[0] ?? 'it is not there although it was added'}${hint}`,
      )
    },

    async remove(route, signal) {
      const words = routeWords(route)
      if (!held.has(words)) return
      const { json } = await run([`route del ${words}`], route, signal)
      if (isShown(route, json))
        throw new HotStandbyError('HS_RESOURCE', `the route ${words} is still there after its removal`)
      release(words)
    },

    async adopt(route, signal) {
      if (!(await manager.has(route, signal))) return false
      held.set(routeWords(route), route)
      hold()
      return true
    },

    async has(route, signal) {
      return isShown(route, (await run([], route, signal)).json)
    },

    holds: (route) => held.has(routeWords(route)),

    watch({ destination }, onChange) {
      if (!monitor) {
        monitor = createIpMonitor({ objects: 'route', keyOf: monitoredDestination, logger })
        monitor.open()
      }
      return monitor.watch(shownDestination(destination), onChange)
    },

    close() {
      monitor?.close()
      monitor = undefined
    },
  }
  return manager
}
