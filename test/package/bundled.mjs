// An application with everything that is loaded late: bundled, and run where nothing is installed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { app, Cluster, memoryNetwork, readHaDir, sealed } from 'hot-standby'

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'hot-standby-bundled-'))
  const wire = memoryNetwork()
  const key = Array.from({ length: 32 }, (_, at) => (at * 7 + 16).toString(16).padStart(2, '0')).join('')
  const member = (node) =>
    new Cluster({
      name: 'bundled',
      nodes: ['one', 'two'],
      node,
      transports: [wire.transport('a'), wire.transport('b')],
      authenticator: sealed({ key }),
      groups: [{ name: 'web', preferred: 'one', resources: [app({ start() {}, stop() {} })] }],
      stateDirectory: join(folder, node),
    })
  const [one, two] = [member('one'), member('two')]
  const served = one.once('group:acquired')
  await Promise.all([one.start(), two.start()])
  await served
  if (!/"library":"\d/.test(one.recording())) throw new Error('the bundle does not know its version')
  await one.standby()
  if (two.snapshot().groups[0].state !== 'active') throw new Error('the group did not move')
  await one.stop()
  await two.stop()
  writeFileSync(join(folder, 'hot-standby.ini'), '[cluster]\nname = "quoted name"\n')
  try {
    readHaDir(folder)
  } catch (error) {
    if (error.code !== 'HS_CONFIG') throw error
  }
  rmSync(folder, { recursive: true, force: true })
  console.log('the bundled pair ran')
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
