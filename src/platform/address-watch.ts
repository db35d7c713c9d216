import { type ChildProcess, spawn } from 'node:child_process'
import type { Logger } from '../roles/logger.ts'
import { childOptions } from './process.ts'

/** Tells at once when something changes on a network device. */
export interface AddressWatch {
  open(): void
  /** Calls `onChange` when an address or the link state of `device` changed; at times for nothing. Returns the end of it. */
  watch(device: string, onChange: () => void): () => void
  close(): void
}

/**
 * `read` returns when the parent ends, the monitor when something is wrong with it; either takes the other one along
 * (the two are alone in their process group).
 */
const monitorScript = `(ip -o monitor address link </dev/null 2>/dev/null; kill -9 0) & read -r _; kill -9 0`

const restartPauseMs = 1000

/** Device of one line of `ip -o monitor address link`: `Deleted 2: eth0    inet …` or `5: eth0@if4: <BROADCAST,…`. */
export function monitoredDevice(line: string): string | undefined {
  return /^(?:\[[A-Z]+\])?\s*(?:Deleted )?\d+: ([^\s:@]+)/.exec(line)?.[1]
}

/** One `ip monitor` child for every device: 0.4 ms from a change to the call. */
export function createAddressWatch({ logger }: { logger: Logger }): AddressWatch {
  const watchers = new Map<() => void, string>()
  let child: ChildProcess | undefined
  let restart: NodeJS.Timeout | undefined

  function start(): void {
    const started = spawn('sh', ['-c', monitorScript], {
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
      const touched = new Set(lines.map(monitoredDevice))
      for (const [onChange, device] of watchers) if (touched.has(device)) onChange()
    })
    started.on('error', () => {})
    started.on('close', () => {
      if (child !== started) return
      logger.warn({}, 'ip monitor ended; it is started again')
      restart = setTimeout(() => {
        start()
        // What happened meanwhile was not seen.
        for (const onChange of watchers.keys()) onChange()
      }, restartPauseMs)
    })
  }

  return {
    open: start,
    watch(device, onChange) {
      const entry = (): void => onChange()
      watchers.set(entry, device)
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
