import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DBusCallError, DBusConnection, DBusConnectionError } from '../../src/platform/dbus.ts'
import { type DBusMessage, decodeMessage, encodeMessage, messageLength } from '../../src/platform/dbus-message.ts'
import { temporaryDirectory } from '../support/agents.ts'

type Answer = (call: DBusMessage, socket: Socket) => void

/** A service's own socket: consents with `consent`, then answers each call. */
function service(t: TestContext, answer: Answer, consent = 'OK 1234\r\n'): Promise<string> {
  const path = join(temporaryDirectory(t), 'socket')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let received: Buffer = Buffer.alloc(0)
    let isKnown = false
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf('BEGIN\r\n')
      if (!isKnown && end !== -1) {
        const user = Buffer.from(String(process.geteuid?.())).toString('hex')
        assert.equal(received.toString('latin1', 0, end), `\0AUTH EXTERNAL ${user}\r\n`)
        isKnown = true
        received = received.subarray(end + 7)
        socket.write(consent)
      }
      while (isKnown) {
        const length = messageLength(received)
        if (length === null || received.length < length) return
        const call = decodeMessage(received.subarray(0, length))
        received = received.subarray(length)
        if (call) answer(call, socket)
      }
    })
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new Promise((resolve) => server.listen(path, () => resolve(path)))
}

const limit = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms)
const call = { destination: 'a.b', path: '/a', interface: 'a.B', member: 'C', signature: 's', body: ['x'] }

async function connected(t: TestContext, answer: Answer, isBus = false): Promise<DBusConnection> {
  const connection = await DBusConnection.open({ socket: await service(t, answer), isBus }, limit())
  t.after(() => connection.close())
  return connection
}

test('calls and their answers find each other, whatever their order and however the bytes come', async (t) => {
  const calls: DBusMessage[] = []
  const connection = await connected(t, (message, socket) => {
    calls.push(message)
    if (calls.length < 3) return
    for (const { serial, body } of calls.reverse()) {
      const reply: DBusMessage = {
        type: 'return',
        serial: 1,
        replySerial: serial,
        signature: 's',
        body: [`${body[0]}!`],
      }
      for (const byte of encodeMessage(reply)) socket.write(Buffer.of(byte))
    }
  })
  const answers = ['a', 'b', 'c'].map((word) => connection.call({ ...call, body: [word] }, limit()))
  assert.deepEqual(await Promise.all(answers), [['a!'], ['b!'], ['c!']])
})

test('a bus is greeted and asked for signals, which are heard in order', async (t) => {
  const connection = await connected(
    t,
    ({ serial, member, body }, socket) => {
      socket.write(encodeMessage({ type: 'return', serial: 1, replySerial: serial, signature: 's', body: [':1.7'] }))
      if (member !== 'AddMatch') return assert.equal(member, 'Hello')
      assert.deepEqual(body, ["type='signal'"])
      const signal = { type: 'signal', serial: 2, path: '/a', interface: 'a.B', member: 'D', signature: 'u' } as const
      socket.write(Buffer.concat([1, 2].map((value) => encodeMessage({ ...signal, body: [value] }))))
    },
    true,
  )
  const heard: unknown[] = []
  const both = new Promise<void>((resolve) => {
    connection.onSignal = ({ body }) => {
      heard.push(body[0])
      if (heard.length === 2) resolve()
    }
  })
  await connection.match("type='signal'", limit())
  await both
  assert.deepEqual(heard, [1, 2])
})

test('a refused call names the error', async (t) => {
  const connection = await connected(t, ({ serial }, socket) => {
    const body = { signature: 's', body: ['not you'] }
    socket.write(encodeMessage({ type: 'error', serial: 1, replySerial: serial, errorName: 'a.AccessDenied', ...body }))
  })
  await assert.rejects(connection.call(call, limit()), (error) => {
    assert.ok(error instanceof DBusCallError)
    assert.deepEqual([error.errorName, error.message], ['a.AccessDenied', 'not you'])
    return true
  })
})

test('a silent service keeps a call no longer than its limit', async (t) => {
  const connection = await connected(t, () => {})
  const limited = new AbortController()
  const answer = connection.call(call, limited.signal)
  limited.abort(new Error('time is up'))
  await assert.rejects(answer, { code: 'HS_TIMEOUT', message: 'no answer to C: time is up' })
})

test('a lost connection ends every call, and is told once', async (t) => {
  const ways: readonly (readonly [how: string, answer: Answer, message: RegExp])[] = [
    ['closed', (_call, socket) => void socket.end(), /the other end closed the connection/],
    ['nonsense', (_call, socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n'), /sent bytes that are no D-Bus/],
    [
      'too long',
      (_call, socket) => void socket.write(Buffer.from(`6c010001${'ff'.repeat(12)}`, 'hex')),
      /more than \d+ bytes/,
    ],
  ]
  for (const [how, answer, message] of ways) {
    const connection = await connected(t, answer)
    let lost = 0
    connection.onLost = () => {
      lost += 1
    }
    const calls = [connection.call(call, limit()), connection.call(call, limit())]
    for (const one of calls) {
      await assert.rejects(one, (error: Error) => {
        assert.ok(error instanceof DBusConnectionError, how)
        assert.match(error.message, message)
        return true
      })
    }
    await assert.rejects(connection.call(call, limit()), DBusConnectionError)
    assert.equal(lost, 1)
  }
})

test('who is not let in, and who finds nobody, is told so', async (t) => {
  const rejected = await service(t, () => {}, 'REJECTED EXTERNAL\r\n')
  const endless = await service(t, () => {}, 'OK '.repeat(1000))
  const cases: readonly (readonly [socket: string, message: RegExp])[] = [
    [rejected, /user \d+ is not let in: "REJECTED EXTERNAL/],
    [endless, /is not let in: "OK OK OK/],
    ['/nonexistent/socket', /\/nonexistent\/socket: .*ENOENT/],
  ]
  for (const [socket, message] of cases) {
    await assert.rejects(DBusConnection.open({ socket, isBus: false }, limit()), (error: Error) => {
      assert.ok(error instanceof DBusConnectionError)
      assert.match(error.message, message)
      return true
    })
  }
  const limited = new AbortController()
  const silent = DBusConnection.open({ socket: await service(t, () => {}, ''), isBus: false }, limited.signal)
  limited.abort(new Error('time is up'))
  await assert.rejects(silent, { code: 'HS_TIMEOUT', message: /connecting to .*time is up/ })
})
