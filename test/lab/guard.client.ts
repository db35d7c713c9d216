/**
 * Asks an address every 10 ms, each time over a new connection, whether or not others have been answered. A line for each answer or
 * failure: when it was asked and when it ended, by the monotonic clock of this machine, and who answered (`-`: nobody).
 */
import { connect } from 'node:net'

const [address = ''] = process.argv.slice(2)
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

setInterval(() => {
  const sentMs = nowMs()
  const socket = connect({ host: address, port: 80 })
  let over = false
  const end = (by: string): void => {
    if (over) return
    over = true
    socket.destroy()
    process.stdout.write(`${sentMs} ${nowMs()} ${by}\n`)
  }
  socket.setTimeout(4000, () => end('-'))
  socket.on('error', () => end('-'))
  socket.on('data', (data) => end(String(data)))
  socket.on('close', () => end('-'))
  socket.write('?')
}, 10)
