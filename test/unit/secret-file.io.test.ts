import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { probeHttp } from '../../src/platform/http-probe.ts'
import { readSecretFile, writeSecretFile } from '../../src/platform/secret-file.ts'
import { temporaryDirectory } from '../support/agents.ts'

test('a key is read without its line end', (t) => {
  const directory = temporaryDirectory(t)
  const cases = [
    ['hello!\n', 'hello!'],
    ['hello!', 'hello!'],
    ['a\r\n', 'a'],
    ['a\n\n', 'a\n'],
    [' a b \n', ' a b '],
  ] as const
  for (const [index, [text, key]] of cases.entries()) {
    const path = join(directory, String(index))
    writeFileSync(path, text, { mode: 0o600 })
    assert.equal(Buffer.from(readSecretFile(path)).toString(), key)
  }
})

test('a new key is readable for its owner only, and takes the place of no other', (t) => {
  const path = join(temporaryDirectory(t), 'key')
  const mask = process.umask(0)
  try {
    writeSecretFile(path, 'the first')
  } finally {
    process.umask(mask)
  }
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.throws(() => writeSecretFile(path, 'the second'), /exists already and is left as it is/)
  assert.equal(readFileSync(path, 'utf8'), 'the first')
})

test('a key file that others could read, or that is none, is refused with the reason', (t) => {
  const directory = temporaryDirectory(t)
  const file = (name: string, content: string, mode = 0o600) => {
    const path = join(directory, name)
    writeFileSync(path, content, { mode })
    return path
  }
  const good = file('good', 'x')
  symlinkSync(good, join(directory, 'link'))
  execFileSync('mkfifo', ['-m', '600', join(directory, 'pipe')])
  const cases: [string, RegExp][] = [
    [file('open', 'x', 0o644), /mode 0644, others could read it; run chmod 600/],
    [file('group', 'x', 0o640), /mode 0640/],
    [file('empty', ''), /is empty/],
    [file('blank', '\n'), /is empty/],
    [file('big', 'x'.repeat(70_000)), /has 70000 bytes/],
    [join(directory, 'missing'), /does not exist/],
    [join(directory, 'link'), /is a symbolic link/],
    [join(directory, 'pipe'), /not a regular file/],
    [directory, /not a regular file/],
  ]
  for (const [path, message] of cases) assert.throws(() => readSecretFile(path), { code: 'HS_KEY', message })
  if (process.getuid?.() !== 0) return
  chownSync(good, 65534, 65534)
  assert.throws(() => readSecretFile(good), { code: 'HS_KEY', message: /belongs to user 65534/ })
})

test('probeHttp: well, not well, silent, refused, aborted', async (t) => {
  const server = createServer((request, response) => {
    if (request.url === '/silent') return
    response.statusCode = Number(request.url?.slice(1))
    response.end(request.headers.host)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  assert.deepEqual(await probeHttp(`${base}/204`, { host: 'www' }), { ok: true, status: 204 })
  assert.deepEqual(await probeHttp(`${base}/301`), { ok: true, status: 301 })
  const reason = async (url: string, options = {}) => {
    const answer = await probeHttp(url, options)
    return answer.ok ? 'ok' : answer.reason
  }
  assert.match(await reason(`${base}/503`), /\/503: answered with status 503/)
  assert.match(await reason(`${base}/silent`, { timeoutMs: 100 }), /no answer within 100 ms/)
  assert.match(await reason(`${base}/silent`, { signal: AbortSignal.timeout(100) }), /aborted/)
  assert.match(await reason(`${base}/204`, { signal: AbortSignal.abort() }), /aborted/)
  assert.match(await reason('http://127.0.0.1:1/'), /ECONNREFUSED/)
  assert.match(await reason('nonsense'), /Invalid URL/)
})
