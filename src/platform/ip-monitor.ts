import { type ChildProcess, spawn } from 'node:child_process'
import type { Logger } from '../roles/logger.ts'
import { childOptions } from './process.ts'

/** Tells at once when something of the host's network changes. */
export interface IpMonitor {
  open(): void
  /** Calls `onChange` when what is meant by `key` changed; at times for nothing. Returns the end of it. */
  watch(key: string, onChange: () => void): () => void
  close(): void
}

/** Options of {@link createIpMonitor}. */
export interface IpMonitorOptions {
  /** What `ip monitor` shall tell of: `address link`. */
  readonly objects: string
  /** What a line is about; undefined: nothing that could be watched. */
  readonly keyOf: (line: string) => string | undefined
  readonly logger: Logger
}

/**
 * `read` returns when the parent ends, the monitor when something is wrong with it; either takes the other one along
 * (the two are alone in their process group).
 */
const scriptFor = (objects: string): string =>
  `(ip -o monitor ${objects} </dev/null 2>/dev/null; kill -9 0) & read -r _; kill -9 0`

const restartPauseMs = 1000

/** Device of one line of `ip -o monitor address link`: `Deleted 2: eth0    inet …` or `5: eth0@if4: <BROADCAST,…`. */
export function monitoredDevice(line: string): string | undefined {
  return /^(?:\[[A-Z]+\])?\s*(?:Deleted )?\d+: ([^\s:@]+)/.exec(line)?.[1]
}

/** Destination of one line of `ip -o monitor route`: `default` of `Deleted default via 192.0.2.1 dev eth0`, `10.1.0.0/16`, `10.1.0.1`. */
export function monitoredDestination(line: string): string | undefined {
  return /^(?:Deleted )?(?:[a-z]+ )?(default|[\da-f.:]+(?:\/\d+)?)(?= )/.exec(line)?.[1]
}

/** One `ip monitor` child for everything that is watched: 0.4 ms from a change to the call. */
export function createIpMonitor({ objects, keyOf, logger }: IpMonitorOptions): IpMonitor {
  const watchers = new Map<() => void, string>()
  let child: ChildProcess | undefined
  let restart: NodeJS.Timeout | undefined

  function start(): void {
    const started = spawn('sh', ['-c', scriptFor(objects)], {
      ...childOptions(),
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    child = started
    let rest = ''
    started.stdin.on('error', () => {})
    started.stdout.setEncoding('utf8')
    started.stdout.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      const touched = new Set(lines.map(keyOf))
      for (const [onChange, key] of watchers) if (touched.has(key)) onChange()
    })
    started.on('error', () => {})
    started.on('close', () => {
      if (child !== started) return
      logger.warn({ objects }, 'ip monitor ended; it is started again')
      restart = setTimeout(() => {
        start()
        // What happened meanwhile was not seen.
        for (const onChange of watchers.keys()) onChange()
      }, restartPauseMs)
    })
  }

  return {
    open: start,
    watch(key, onChange) {
      const entry = (): void => onChange()
      watchers.set(entry, key)
      return () => void watchers.delete(entry)
    },
    close() {
      clearTimeout(restart)
      const old = child
      child = undefined
      old?.stdin?.end()
    },
  }
}
