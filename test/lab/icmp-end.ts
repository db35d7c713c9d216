/** An icmpPing arbiter as a process of its own. Arguments: address, device or ''. Prints a JSON line for everything that happens; ends with its input. */
import { icmpPing } from '../../src/arbiters/icmp-ping.ts'
import { silentLogger } from '../../src/roles/logger.ts'

const [address = '', device = ''] = process.argv.slice(2)
const tell = (event: string, text: string) => process.stdout.write(`${JSON.stringify({ event, text })}\n`)
const arbiter = icmpPing(address, { device: device || undefined }).create({
  intervalMs: 100,
  logger: silentLogger,
  observe: ({ target, reachable, rttMs }) => tell('observed', `${target} ${reachable} ${rttMs}`),
  problem: (error) => tell('problem', error.message),
})
process.stdin.resume()
process.stdin.on('end', () => void arbiter.close().then(() => process.exit()))
try {
  await arbiter.open()
  tell('opened', address)
} catch (error) {
  tell('refused', error instanceof Error ? error.message : String(error))
}
