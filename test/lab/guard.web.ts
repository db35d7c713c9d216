/** A service that runs on its host whatever becomes of the pair, as a hot nginx does: answers each request with its argument. */
import { createServer } from 'node:net'

const [name = ''] = process.argv.slice(2)
createServer((socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', () => socket.end(name))
}).listen(80, '0.0.0.0', () => console.log('listening'))
