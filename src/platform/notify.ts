import { spawn } from 'node:child_process'
import { childOptions, findProgram } from './process.ts'

/**
 * Tells systemd about this service (`Type=notify`) through its own `systemd-notify`: Node has no unix datagram sockets.
 * Does nothing where no service manager asked for it. Failures change nothing: systemd notices the silence itself.
 */
export function notifySystemd(message: 'READY=1' | 'STOPPING=1' | 'WATCHDOG=1'): void {
  const { NOTIFY_SOCKET: socket } = process.env
  const program = findProgram('systemd-notify')
  if (socket === undefined || program === null) return
  // `--pid` makes it speak for this process where NotifyAccess=main is set.
  const child = spawn(program, [`--pid=${process.pid}`, message], {
    stdio: 'ignore',
    ...childOptions({ NOTIFY_SOCKET: socket }),
  })
  child.on('error', () => {})
}

/** How often systemd wants to hear of this process: half of `WatchdogSec=`; undefined where it does not. */
export function watchdogPeriodMs(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched } = env
  if (socket === undefined || !/^[1-9]\d*$/.test(usec)) return undefined
  if (watched !== undefined && watched !== String(pid)) return undefined
  return Math.min(Math.max(Math.floor(Number(usec) / 2000), 1), 2 ** 31 - 1)
}

/**
 * Feeds systemd's watchdog (`WatchdogSec=`) as long as `turn` says that a turn of the core has run; otherwise systemd finds out
 * and does what the unit says. Answers how to end it.
 */
export function feedWatchdog(turn: () => boolean): () => void {
  const periodMs = watchdogPeriodMs(process.env, process.pid)
  if (periodMs === undefined) return () => {}
  const feed = () => {
    if (turn()) notifySystemd('WATCHDOG=1')
  }
  feed()
  const timer = setInterval(feed, periodMs)
  return () => clearInterval(timer)
}
