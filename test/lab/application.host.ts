/**
 * An application that owns its pair, configured by /etc/ha.d: sends the peer's application a message for each line that it reads,
 * and tells every event, message and answer as one JSON line each. Arguments: the node's name.
 */
import { createInterface } from 'node:readline'
import { Cluster, serveControl } from '../../src/index.ts'

const [node = ''] = process.argv.slice(2)
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const cluster = Cluster.fromHaDir('/etc/ha.d', { node })
cluster.onAny(({ name, payload }) => {
  if (name !== 'message') say({ name, payload })
})
cluster.on('message', ({ payload }) => say({ message: new TextDecoder().decode(payload) }))
await cluster.start()
const control = await serveControl(cluster, {})
const stop = async (): Promise<void> => {
  await cluster.stop()
  await control.close()
  process.exit()
}
process.on('SIGTERM', () => void stop())
for await (const line of createInterface({ input: process.stdin })) {
  cluster.send(line).then(
    () => say({ acknowledged: line }),
    (error: Error) => say({ refused: line, reason: error.message }),
  )
}
