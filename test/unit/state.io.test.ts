import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { defaultStateDirectory, fileName, openStateDirectory } from '../../src/platform/state.ts'
import { collectingLogger, temporaryDirectory } from '../support/agents.ts'

const state = { generation: 7, peerGeneration: 3, epochCeilings: { web: 100, __proto__x: 2 } }

function newPath(t: TestContext): string {
  return join(temporaryDirectory(t), 'state')
}

/** Another process that opens the directory, prints `open` or its error, and stays. */
async function opener(t: TestContext, path: string): Promise<{ child: ChildProcess; said: string }> {
  const module = new URL('../../src/platform/state.ts', import.meta.url).href
  const code = `
    const { openStateDirectory } = await import(${JSON.stringify(module)})
    try { openStateDirectory(${JSON.stringify(path)}); console.log('open') }
    catch (error) { console.log(error.code + ' ' + error.message) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [chunk] = await once(child.stdout!, 'data')
  return { child, said: String(chunk).trim() }
}

test('what was written is read again after a restart', async (t) => {
  const path = newPath(t)
  const first = openStateDirectory(path)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(first.read(), null)
  await Promise.all([first.write({ ...state, generation: 6 }), first.write(state)])
  const uuid = first.uuid()
  assert.equal(uuid.length, 16)
  first.remember('vip:192.168.1.100/24', { device: 'eth0' })
  first.remember('nginx', { pid: 1 })
  first.remember('nginx', null)
  await first.close()
  await first.close()
  assert.throws(() => first.remember('x', {}), { code: 'HS_STATE_DIRECTORY' })
  await assert.rejects(first.write(state), { code: 'HS_STATE_DIRECTORY' })

  const second = openStateDirectory(path)
  assert.deepEqual(second.read(), state)
  assert.deepEqual(second.uuid(), uuid)
  assert.deepEqual(second.remembered('vip:192.168.1.100/24'), { device: 'eth0' })
  assert.equal(second.remembered('nginx'), null)
  assert.deepEqual(second.rememberedResources(), ['vip:192.168.1.100/24'])
  await second.close()
  for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o077, 0, name)
  assert.deepEqual(
    readdirSync(path).filter((name) => /lock|draft|new/.test(name)),
    ['lock'],
  )
})

test('a second opener is refused while the first lives, in the same process and in another', async (t) => {
  const path = newPath(t)
  const own = openStateDirectory(path)
  assert.throws(() => openStateDirectory(path), { code: 'HS_STATE_DIRECTORY', message: /this process itself/ })
  await own.close()
  const { child, said } = await opener(t, path)
  assert.equal(said, 'open')
  assert.throws(() => openStateDirectory(path), {
    code: 'HS_STATE_DIRECTORY',
    message: new RegExp(`in use by process ${child.pid};`),
  })
})

test('the lock of a holder killed with -9 is taken over, and of many takers one wins', async (t) => {
  const path = newPath(t)
  const { child } = await opener(t, path)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const takers = await Promise.all([opener(t, path), opener(t, path), opener(t, path)])
  assert.deepEqual(takers.map(({ said }) => said.split(' ')[0]).sort(), [
    'HS_STATE_DIRECTORY',
    'HS_STATE_DIRECTORY',
    'open',
  ])
})

test('what stands in the lock file locks nothing, and a lock file that is not a plain one is refused', async (t) => {
  const path = newPath(t)
  mkdirSync(path, { mode: 0o700 })
  // The pid of a process that lives, a container's pid 1, rubbish: only the kernel's lock counts.
  for (const content of [`${process.ppid} ${hostname()} 0123456789abcdef\n`, `1 ${hostname()} 0\n`, 'garbage', '']) {
    writeFileSync(join(path, 'lock'), content)
    await openStateDirectory(path).close()
  }
  rmSync(join(path, 'lock'))
  symlinkSync('/dev/null', join(path, 'lock'))
  assert.throws(() => openStateDirectory(path), { code: 'HS_STATE_DIRECTORY', message: /ELOOP|symbolic/ })
  rmSync(join(path, 'lock'))
  mkdirSync(join(path, 'lock'))
  assert.throws(() => openStateDirectory(path), { code: 'HS_STATE_DIRECTORY', message: /EISDIR/ })
})

test('a frozen holder keeps the lock', async (t) => {
  const path = newPath(t)
  const { child } = await opener(t, path)
  child.kill('SIGSTOP')
  assert.throws(() => openStateDirectory(path), { code: 'HS_STATE_DIRECTORY', message: /in use by process/ })
})

test('damaged files are reported and count as lost', async (t) => {
  const path = newPath(t)
  const damages = [
    '',
    '{',
    '[]',
    'null',
    '{"generation":-1,"peerGeneration":0,"epochCeilings":{}}',
    `{"generation":12}`,
    '{"generation":1,"peerGeneration":0,"epochCeilings":{"web":"9"}}',
    '\0\0\0',
  ]
  for (const damage of damages) {
    const { logger, lines } = collectingLogger()
    mkdirSync(path, { recursive: true, mode: 0o700 })
    for (const name of ['state.json', 'uuid', 'added-nginx.json']) writeFileSync(join(path, name), damage)
    const directory = openStateDirectory(path, { logger })
    assert.equal(directory.read(), null, damage)
    assert.equal(directory.remembered('nginx'), null, damage)
    assert.equal(directory.uuid().length, 16)
    assert.equal(lines.length, 3, lines.join('\n'))
    assert.match(lines[0] as string, /^warn .*state\.json cannot be read and counts as lost/)
    await directory.write(state)
    assert.deepEqual(directory.read(), state)
    await directory.close()
  }
})

test('symbolic links are neither followed nor written through', async (t) => {
  const path = newPath(t)
  const victim = join(temporaryDirectory(t), 'victim')
  writeFileSync(victim, JSON.stringify(state))
  mkdirSync(path, { mode: 0o700 })
  for (const name of ['state.json', 'state.json.new']) symlinkSync(victim, join(path, name))
  const { logger, lines } = collectingLogger()
  const directory = openStateDirectory(path, { logger })
  assert.equal(directory.read(), null)
  assert.equal(lines.length, 1)
  await directory.write({ ...state, generation: 99 })
  assert.equal(directory.read()?.generation, 99)
  assert.equal(JSON.parse(readFileSync(victim, 'utf8')).generation, 7)
  await directory.close()
})

test('a directory that others could change is refused, and so is what is no directory', async (t) => {
  const path = newPath(t)
  mkdirSync(path)
  chmodSync(path, 0o777)
  assert.throws(() => openStateDirectory(path), { code: 'HS_STATE_DIRECTORY', message: /mode 0777.*chmod 700/ })
  chmodSync(path, 0o755)
  await openStateDirectory(path).close()
  const file = join(path, 'file')
  writeFileSync(file, '')
  assert.throws(() => openStateDirectory(file), { code: 'HS_STATE_DIRECTORY' })
  symlinkSync(path, `${path}-link`)
  assert.throws(() => openStateDirectory(`${path}-link`), /is not a directory/)
  assert.throws(() => openStateDirectory('relative'), /not an absolute path/)
})

test('each agent has a directory of its own', async (t) => {
  const directory = openStateDirectory(newPath(t))
  const names = ['vip:10.0.0.1/24', 'vip:10.0.0.1_24', '../../etc', '..', '.', 'nginx']
  const paths = names.map((name) => directory.directoryFor(name))
  assert.equal(new Set(paths).size, names.length)
  for (const path of paths) assert.equal(join(path, '..'), directory.path)
  await directory.close()
})

test('default paths differ by cluster and node, whatever their names are', () => {
  assert.match(defaultStateDirectory('web-pair', 'master'), /\/hot-standby\/web-pair-master$/)
  const names = ['a', 'A', 'a/b', 'a_b', '../x', '', 'ä', 'x'.repeat(300), `${'x'.repeat(300)}y`]
  const made = names.map(fileName)
  assert.equal(new Set(made).size, names.length)
  for (const name of made) assert.match(name, /^[\w.~-]{1,80}$/)
})
