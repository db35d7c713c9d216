import { cpus, loadavg } from 'node:os'
import { failover } from './failover.ts'
import { type Figure, figureHead, figureRow } from './figure.ts'
import { flood } from './flood.ts'
import { liveness } from './liveness.ts'
import { packetPath } from './packet-path.ts'
import { idleMemory, importTime } from './process.ts'
import { simulation } from './simulation.ts'

/** Every measurement by name; `npm run bench -- NAME...` runs some of them. */
const measurements: Readonly<Record<string, () => Promise<readonly Figure[]> | readonly Figure[]>> = {
  packet: packetPath,
  liveness,
  flood,
  simulation,
  import: async () => [await importTime()],
  memory: idleMemory,
  failover,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in measurements))
if (unknown.length > 0) {
  console.error(`no measurement is named ${unknown.join(', ')}; there are: ${Object.keys(measurements).join(', ')}`)
  process.exit(2)
}
console.log(`Node ${process.version}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n\n${figureHead}`)
for (const [name, measure] of Object.entries(measurements)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  for (const figure of await measure()) console.log(figureRow(figure))
}
