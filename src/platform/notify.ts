import { spawn } from 'node:child_process'
import { childOptions, findProgram } from './process.ts'

/**
 * Tells systemd about this service (`Type=notify`) through its own `systemd-notify`: Node has no unix datagram sockets.
 * Does nothing where no service manager asked for it. Failures change nothing: systemd notices the silence itself.
 */
export function notifySystemd(message: 'READY=1' | 'STOPPING=1'): void {
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
