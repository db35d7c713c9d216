/**
 * One end of a link as a process of its own, so that it can stand in a network namespace. Argument: type, options, own name.
 * Sends a numbered beat every 50 ms as the engine does; prints a JSON line for everything that happens; ends with its input.
 */
import { silentLogger } from '../../src/roles/logger.ts'
import { udpBroadcast } from '../../src/transports/udp-broadcast.ts'
import { udpMulticast } from '../../src/transports/udp-multicast.ts'
import { udpUnicast } from '../../src/transports/udp-unicast.ts'

const [type = '', options = '{}', self = 'a'] = process.argv.slice(2)
const { floating, ...parsed } = JSON.parse(options)
const makers = {
  unicast: () => udpUnicast(parsed),
  broadcast: () => udpBroadcast(parsed),
  multicast: () => udpMulticast(parsed),
}
const tell = (event: string, text: string) => process.stdout.write(`${JSON.stringify({ event, text })}\n`)
let newest = 0
const plugin = makers[type as keyof typeof makers]()
const transport = plugin.create({
  self,
  peer: self === 'a' ? 'b' : 'a',
  logger: silentLogger,
  receive(bytes, from) {
    const text = Buffer.from(bytes).toString()
    // A flood is not told of: its length is none of this process's business.
    if (!text.startsWith('beat')) return
    const number = Number(/^beat of \w+ (\d+)$/.exec(text)?.[1])
    // The first of a new run is news too.
    if (!text.startsWith(`beat of ${self}`) && (number > newest || number === 1)) {
      newest = number
      // As the engine does it: for where news came from, not for who plays them back.
      transport.heardPeer?.(from)
    }
    // Told at last: whoever stops this process when it has heard a beat finds the peer's socket open.
    tell('received', text)
  },
  problem: (error) => tell('problem', error.message),
  floating,
  moved: (path, before) => tell('moved', `${path}, before ${before}`),
  dropped: (reason, from) => tell('dropped', `${reason} ${from}`),
})
process.stdin.resume()
process.stdin.on('end', () => process.exit())
try {
  await transport.open()
  tell('opened', transport.describe())
  let count = 0
  setInterval(() => transport.send(Buffer.from(`beat of ${self} ${++count}`)), 50)
} catch (error) {
  tell('refused', error instanceof Error ? error.message : String(error))
}
