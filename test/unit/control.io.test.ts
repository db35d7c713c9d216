import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  type Cluster,
  connectControl,
  defaultControlPath,
  isHotStandbyError,
  serveControl,
  type WrittenEvent,
} from '../../src/index.ts'
import { temporaryDirectory } from '../support/agents.ts'
import { pairOf, startPair, stateOf, until } from '../support/pair.ts'

const failure =
  (message: RegExp, code = 'HS_CONTROL') =>
  (error: unknown) => {
    assert.ok(isHotStandbyError(error), String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  }

/** A running pair, and the control socket of its first member. */
async function controlled(t: TestContext): Promise<{ one: Cluster; two: Cluster; path: string }> {
  const { one, two } = pairOf(t)
  await startPair(one, two)
  const control = await serveControl(one, { path: join(temporaryDirectory(t), 'sub/one.sock') })
  t.after(() => control.close())
  return { one, two, path: control.path }
}

/** A client that writes what it likes; resolves to the lines it got until the connection ended. */
function raw(path: string, ...lines: string[]): Promise<{ [key: string]: unknown }[]> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(path, () => {
      for (const line of lines) socket.write(line)
    })
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      text += chunk
      if (text.split('\n').length > lines.length) socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () =>
      resolve(
        text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      ),
    )
  })
}

describe('the control socket', () => {
  it('belongs to this user alone, and is gone when it is closed', async (t) => {
    const { one, path } = await controlled(t)
    assert.equal(lstatSync(path).mode & 0o777, 0o600)
    assert.equal(lstatSync(join(path, '..')).mode & 0o777, 0o700)
    await one.stop()
    await until('the socket closes with the member', () => !existsSync(path))
  })

  it('answers status, standby, takeover and events', async (t) => {
    const { one, two, path } = await controlled(t)
    const client = await connectControl(path)
    const other = await connectControl(path)
    const events: WrittenEvent[] = []
    const listening = other.events((event) => events.push(event))
    // Both are taken at a moment of their own: counters and ages may differ, what is said may not.
    const uncounted = (snapshot: unknown): unknown =>
      JSON.parse(
        JSON.stringify(snapshot, (key, value) =>
          key === 'time' || typeof value === 'number' || value === null ? 0 : value,
        ),
      )
    assert.deepEqual(uncounted(await client.status()), uncounted(one.snapshot()))
    await client.standby('all')
    assert.equal(stateOf(two), 'active')
    await client.takeover(['jobs'])
    assert.equal(stateOf(one), 'active')
    await two.send('hello')
    await until('the message is told', () => events.some(({ name }) => name === 'message'))
    assert.ok(events.some(({ name }) => name === 'group:acquired'))
    assert.deepEqual(events.find(({ name }) => name === 'message')?.payload, { bytes: 5 })
    assert.match(events[0]?.time ?? '', /^\d{4}-\d\d-\d\dT/)
    client.close()
    client.close()
    await assert.rejects(client.status(), failure(/closed here/))
    await one.stop()
    await listening
  })

  it('tells why a role has changed', async (t) => {
    const { one, two, path } = await controlled(t)
    const client = await connectControl(path)
    await two.takeover('all')
    const explanation = await client.explain('jobs')
    // A busy machine adds pauses of this process to the time line at any moment.
    const { timeline: _later, ...again } = await client.explain()
    const { timeline: _first, ...said } = explanation
    assert.deepEqual(again, said)
    assert.ok(explanation.changedAtMs !== undefined && Math.abs(Date.now() - explanation.changedAtMs) < 60_000)
    assert.match(explanation.sentences.join('\n'), /^jobs is standby on one since .*\nAt .*: jobs active -> stopping: /)
    assert.ok(explanation.timeline.length > 2)
    assert.equal(one.explain().changedAtMs, explanation.changedAtMs)
    await assert.rejects(client.explain('nobody'), failure(/no group 'nobody'; there are: jobs/, 'HS_RECORDING'))
    client.close()
  })

  it('hands the reason of a refusal over, with its code', async (t) => {
    const { one, two, path } = await controlled(t)
    const client = await connectControl(path)
    await assert.rejects(client.standby(['nobody']), failure(/no group is named nobody/, 'HS_MOVE'))
    await two.stop()
    await assert.rejects(client.standby('all'), failure(/two/, 'HS_PEER'))
    assert.equal(stateOf(one), 'active')
    client.close()
  })

  it('replaces the socket of a process that is gone, and nothing else', async (t) => {
    const { one } = pairOf(t)
    const path = join(temporaryDirectory(t), 'one.sock')
    const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', program])
    assert.ok(lstatSync(path).isSocket(), 'a killed process leaves its socket')
    const control = await serveControl(one, { path })
    const client = await connectControl(path)
    assert.equal((await client.status()).life, 'new')
    client.close()
    await control.close()
    await control.close()
    assert.ok(!existsSync(path))
    writeFileSync(path, 'my notes')
    await assert.rejects(serveControl(one, { path }), failure(/exists and is not a socket/))
    await assert.rejects(serveControl(one, { path: `/tmp/${'x'.repeat(120)}` }), failure(/125 bytes are too long.*107/))
    await assert.rejects(serveControl(one, { path: join(path, 'below') }), failure(/control socket/))
  })

  it('is served once', async (t) => {
    const { one, two, path } = await controlled(t)
    await assert.rejects(serveControl(two, { path }), failure(/is served by another process/))
    const client = await connectControl(path)
    assert.equal((await client.status()).node, one.node)
    client.close()
  })

  it('has a default path for each node of each pair', () => {
    const paths = [defaultControlPath('a', 'one'), defaultControlPath('a', 'two'), defaultControlPath('b', 'one')]
    assert.equal(new Set(paths).size, 3)
    assert.match(paths[0] as string, /hot-standby.*\/a-one\.sock$/)
  })
})

describe('what is no request', () => {
  it('is refused, and the connection goes on', async (t) => {
    const { one, path } = await controlled(t)
    const junk = [
      'hello\n',
      'null\n',
      '5\n',
      '[]\n',
      '{"id":1}\n',
      '{"id":1,"call":"stop"}\n',
      '{"id":1,"call":"standby"}\n',
    ]
    const more = [
      '{"id":1,"call":"standby","scope":[]}\n',
      '{"id":1,"call":"takeover","scope":[5]}\n',
      '{"id":"1","call":"status"}\n',
    ]
    const ugly = ['{"id":1,"call":"__proto__"}\n', '{"id":1,"call":"standby","scope":"jobs"}\n', '\u0000\u0001\n']
    const all = [...junk, ...more, ...ugly]
    const answers = await raw(path, ...all, '{"id":7,"call":"status"}\n')
    assert.equal(answers.length, all.length + 1)
    for (const [index, answer] of answers.slice(0, -1).entries())
      assert.equal((answer['error'] as { code: string }).code, 'HS_CONTROL', all[index])
    assert.equal(answers.at(-1)?.['id'], 7)
    assert.equal(stateOf(one), 'active')
  })

  it('and never ends is cut off with the reason', async (t) => {
    const { one, path } = await controlled(t)
    const answers = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(path)
      socket.setEncoding('utf8')
      socket.on('data', (chunk) => (text += chunk))
      // The server hangs up while this side still writes.
      socket.on(
        'error',
        (error: NodeJS.ErrnoException) => error.code !== 'EPIPE' && error.code !== 'ECONNRESET' && reject(error),
      )
      socket.on('close', () => resolve(text))
      const more = () => {
        while (!socket.destroyed && socket.write('x'.repeat(10_000)));
        if (!socket.destroyed) socket.once('drain', more)
      }
      more()
    })
    assert.ok(answers === '' || /at most 65536 bytes/.test(answers), answers)
    assert.equal(stateOf(one), 'active')
  })

  it('in many pieces is put together', async (t) => {
    const { path } = await controlled(t)
    const request = '{"id":3,"call":"status"}\n'
    const answers = await new Promise<string>((resolve) => {
      const socket: Socket = connect(path)
      socket.setEncoding('utf8')
      for (const character of request) socket.write(character)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        if (text.endsWith('\n')) socket.end(() => resolve(text))
      })
    })
    assert.equal(JSON.parse(answers).id, 3)
  })
})

describe('a client', () => {
  it('that does not read is let go, and the heart goes on', async (t) => {
    const { one, two, path } = await controlled(t)
    const socket = connect(path)
    t.after(() => socket.destroy())
    socket.pause()
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => {})
    // More answers than the kernel and the limit of the server take together.
    const asking = setInterval(() => socket.write('{"id":1,"call":"status"}\n'.repeat(500)), 1)
    t.after(() => clearInterval(asking))
    await until('the server hangs up', () => socket.errored !== null || socket.closed)
    await closed
    assert.equal(stateOf(one), 'active')
    assert.equal(one.snapshot().peer.liveness, 'alive')
    await two.send('well')
  })

  it('is told when nobody serves the path', async (t) => {
    const directory = temporaryDirectory(t)
    await assert.rejects(
      connectControl(join(directory, 'none')),
      failure(/no member serves it; is the pair running here\?/),
    )
    writeFileSync(join(directory, 'file'), '')
    await assert.rejects(connectControl(join(directory, 'file')), failure(/control socket/))
  })

  it('is told when something else answers', async (t) => {
    const path = join(temporaryDirectory(t), 'other.sock')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('220 mail.example.net ESMTP\n')
    })
    await new Promise<void>((done) => server.listen(path, done))
    t.after(() => server.close())
    const client = await connectControl(path)
    await assert.rejects(client.status(), failure(/no member of hot-standby answers there: '220 mail/))
  })

  it('is told when the connection ends while it waits', async (t) => {
    const path = join(temporaryDirectory(t), 'other.sock')
    const server = createServer((socket) => void socket.once('data', () => socket.destroy()))
    await new Promise<void>((done) => server.listen(path, done))
    t.after(() => server.close())
    const client = await connectControl(path)
    await assert.rejects(client.standby('all'), failure(/the member has ended the connection/))
  })
})

describe('a crowd at the control socket', () => {
  it('gets every answer, one request of a client at a time, and the heart goes on', async (t) => {
    const { one, two, path } = await controlled(t)
    const late: string[] = []
    two.on('peer:late', () => late.push('late'))
    // Half of the dead time; shorter pauses are those of a busy machine.
    one.on('local:stall', ({ stallMs }) => stallMs >= 500 && late.push(`a stall of ${stallMs} ms`))
    const request = (call: string, id: number) => `${JSON.stringify({ id, call })}\n`
    const calls = ['status', 'why', 'record', 'events']
    const clients = Array.from({ length: 8 }, (_, at) => {
      const many = Array.from({ length: 40 }, (_none, id) => request(calls[(at + id) % 4] as string, id)).join('')
      return new Promise<number[]>((resolve, reject) => {
        let text = ''
        const socket = connect(path, () => socket.write(many))
        socket.setEncoding('utf8')
        socket.on('data', (chunk) => {
          text += chunk
          if (!chunk.includes('"id":39,"result"')) return
          const answers = text.split('\n').filter(Boolean)
          resolve(
            answers.map((line) => JSON.parse(line)).flatMap(({ id, result }) => (result === undefined ? [] : [id])),
          )
          socket.destroy()
        })
        socket.on('error', reject)
      })
    })
    const inOrder = Array.from({ length: 40 }, (_, id) => id)
    for (const answered of await Promise.all(clients)) assert.deepEqual(answered, inOrder)
    assert.deepEqual(late, [])
  })

  it('of one client is told an event once, however often it subscribes', async (t) => {
    const { one, path } = await controlled(t)
    const socket = connect(path, () => socket.write('{"id":1,"call":"events"}\n'.repeat(50)))
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    t.after(() => socket.destroy())
    await until('the subscriptions are answered', () => text.split('\n').length > 50)
    await one.stop()
    await until('the end is told', () => text.includes('"name":"group:released"'))
    assert.equal(text.split('"name":"group:released"').length - 1, 1)
  })
})

describe('a control socket in a shared directory', () => {
  const isRoot = process.getuid?.() === 0
  const skip = isRoot ? false : 'needs root, to make files of another user'
  const stranger = 1234

  it('is neither served from nor asked in a directory of somebody else', { skip }, async (t) => {
    const { one } = pairOf(t)
    const shared = temporaryDirectory(t)
    chmodSync(shared, 0o1777)
    const directory = join(shared, 'planted')
    mkdirSync(directory)
    chownSync(directory, stranger, stranger)
    const path = join(directory, 'one.sock')
    await assert.rejects(serveControl(one, { path }), failure(/belongs to user 1234.*chown root/))
    const impostor = createServer().listen(path)
    t.after(() => impostor.close())
    await until('the impostor listens', () => existsSync(path))
    await assert.rejects(connectControl(path), failure(/belongs to user 1234, who could change it/))
    chownSync(directory, 0, 0)
    chownSync(path, stranger, stranger)
    await assert.rejects(connectControl(path), failure(/it belongs to user 1234; only root and user 1234/))
    chownSync(path, 0, 0)
    chmodSync(directory, 0o777)
    await assert.rejects(connectControl(path), failure(/mode 0777, so that everybody could change it.*chmod go-w/))
  })
})
