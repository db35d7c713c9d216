// A job every second that one of two members runs. The epoch goes with every run: what stores the results refuses a lower one than
// it has seen, and so a run of a member that was frozen in the middle.
import { app, Cluster, handleSignals, sealed, udpUnicast } from 'hot-standby'

const [node = 'one', first = '8080'] = process.argv.slice(2)
const port = Number(first)

/** The work itself; it ends early when its member stops. */
async function job(epoch, signal) {
  if (!signal.aborted) console.log(`${node} runs the job (epoch ${epoch})`)
}

let timer
let running = Promise.resolve()
let ending
const scheduler = app({
  name: 'scheduler',
  start({ epoch }) {
    ending = new AbortController()
    const { signal } = ending
    // One run after the other, however long one takes.
    timer = setInterval(() => {
      running = running.then(() => job(epoch, signal)).catch((error) => console.error(error))
    }, 1000)
  },
  async stop() {
    clearInterval(timer)
    ending?.abort()
    // The peer begins when this has resolved: no run is left by then.
    await running
  },
})

const cluster = new Cluster({
  name: 'cookbook-scheduler',
  nodes: ['one', 'two'],
  node,
  // Two terminals of one machine; on two hosts their own addresses.
  transports: [udpUnicast({ addresses: { one: `127.0.0.1:${port + 1}`, two: `127.0.0.1:${port + 2}` } })],
  authenticator: sealed({ keyFile: 'key' }),
  // Its epochs outlive a restart; left out it is a directory of the system's own.
  stateDirectory: `${import.meta.dirname}/state-${node}`,
  groups: [{ name: 'scheduler', preferred: 'one', resources: [scheduler] }],
})
cluster.on('group:acquired', ({ group, epoch }) => console.log(`${node} serves ${group} (epoch ${epoch})`))
handleSignals(cluster)
await cluster.start()
