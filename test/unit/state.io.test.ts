import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createDiskWriter } from '../../src/platform/disk-writer.ts'
import { bootId } from '../../src/platform/process.ts'
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

test('an epoch that could not be raised any more is not believed, and hides nothing else', async (t) => {
  const path = newPath(t)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const epochCeilings = { web: 1e15, mail: 1e14, news: 7 }
  writeFileSync(join(path, 'state.json'), JSON.stringify({ generation: 12, peerGeneration: 3, epochCeilings }))
  const directory = openStateDirectory(path)
  assert.deepEqual(directory.read(), { generation: 12, peerGeneration: 3, epochCeilings: { mail: 1e14, news: 7 } })
  await directory.close()
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

test('a directory that others could change is refused, and so is what is not a directory', async (t) => {
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
  const directory = openStateDirectory(newPath(t), { runtime: null })
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

test('records are in memory and in the second place at once, and the disk follows', async (t) => {
  const runtime = temporaryDirectory(t)
  const path = newPath(t)
  const first = openStateDirectory(path, { runtime })
  first.remember('vip:10.0.0.9', { device: 'eth3' })
  assert.deepEqual(first.remembered('vip:10.0.0.9'), { device: 'eth3' })
  const [file = ''] = readdirSync(runtime).filter((name) => name.startsWith('added-'))
  assert.match(readFileSync(join(runtime, file), 'utf8'), /eth3/)
  await first.close()
  assert.match(readFileSync(join(path, file), 'utf8'), /eth3/)
  assert.equal(existsSync(runtime), false, 'what the disk has is not kept twice')
})

test('a disk that takes nothing is a problem, is tried again, and what was written meanwhile is found by the next run', async (t) => {
  const runtime = temporaryDirectory(t)
  const path = newPath(t)
  const problems: string[] = []
  const first = openStateDirectory(path, { runtime, problem: (message) => problems.push(message) })
  first.remember('gone', { old: true })
  await first.write({ ...state, generation: 5 })
  // Nothing can be made where a file stands.
  rmSync(path, { recursive: true })
  writeFileSync(path, '')
  first.remember('vip:10.0.0.9', { device: 'eth3' })
  first.remember('gone', null)
  await assert.rejects(first.write(state), { code: 'HS_STATE_DIRECTORY' })
  assert.equal(problems.length, 1, problems.join('\n'))
  assert.match(problems[0] as string, /tried again/)
  assert.deepEqual(first.read(), state)
  assert.equal(first.remembered('gone'), null)
  await first.close()
  rmSync(path)
  const second = openStateDirectory(path, { runtime })
  assert.deepEqual(second.read(), state)
  assert.deepEqual(second.remembered('vip:10.0.0.9'), { device: 'eth3' })
  assert.equal(second.remembered('gone'), null)
  await second.close()
})

test('a record whose removal did not reach the disk does not come back', async (t) => {
  const path = newPath(t)
  const runtime = temporaryDirectory(t)
  const [disk, memory] = [path, runtime].map((place) => (record: object | null, atMs: number) => {
    mkdirSync(place, { recursive: true, mode: 0o700 })
    writeFileSync(join(place, 'added-web.json'), JSON.stringify({ resource: 'web', boot: bootId(), atMs, record }))
  }) as [(record: object | null, atMs: number) => void, (record: object | null, atMs: number) => void]
  disk({ pid: 1 }, 100)
  memory(null, 200)
  const directory = openStateDirectory(path, { runtime })
  assert.equal(directory.remembered('web'), null)
  assert.deepEqual(directory.rememberedResources(), ['web'])
  await directory.close()
})

test('every byte that is written comes back', async (t) => {
  const path = newPath(t)
  const writer = createDiskWriter(path)
  const bytes = Uint8Array.from({ length: 512 }, (_, index) => index % 256)
  await writer.put('bytes', bytes, { durable: true })
  assert.deepEqual(Uint8Array.from(readFileSync(join(path, 'bytes'))), bytes)
  await writer.put('bytes', null)
  assert.equal(existsSync(join(path, 'bytes')), false)
  assert.equal(await writer.close(), true)
})

test('a write that never ends is given up by the caller, and holds up neither the process nor the close', async (t) => {
  const path = newPath(t)
  mkdirSync(path, { mode: 0o700 })
  const program = join(temporaryDirectory(t), 'writer.mts')
  // A helper that is stopped stands for one that sits in the kernel.
  writeFileSync(
    program,
    `import { execFileSync } from 'node:child_process'
     import { createDiskWriter } from ${JSON.stringify(new URL('../../src/platform/disk-writer.ts', import.meta.url).href)}
     const troubles = []
     const writer = createDiskWriter(${JSON.stringify(path)}, (error) => troubles.push(error?.message ?? 'well again'))
     const helper = execFileSync('pgrep', ['-P', String(process.pid), '-x', 'sh']).toString().trim()
     process.kill(Number(helper), 'SIGSTOP')
     const first = await writer.put('a', Buffer.from('1')).then(() => 'written', (error) => error.message)
     console.log(first, '/', troubles.join(), '/', await writer.close())`,
  )
  const child = spawn(process.execPath, ['--import', 'tsx', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const said: string[] = []
  child.stdout?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.match(said.join(''), /^the disk has not answered for 2000 ms \/ the disk .* \/ false$/m)
})
