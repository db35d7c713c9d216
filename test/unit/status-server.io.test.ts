import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { type Cluster, isHotStandbyError, type StatusServer, statusServer } from '../../src/index.ts'
import { noBrowser, openPage } from '../support/browser.ts'
import { pairOf, startPair, stateOf, until } from '../support/pair.ts'

const token = 'a token of 16 characters'

/** A running pair, and a status server of its first member. */
async function served(
  t: TestContext,
  more: { token?: string } = {},
): Promise<{ one: Cluster; two: Cluster; web: StatusServer }> {
  const { one, two } = pairOf(t)
  await startPair(one, two)
  await until('the start is over', () => [one, two].every((member) => member.snapshot().phase === 'settled'))
  const web = await statusServer(one, { port: 0, ...more })
  t.after(() => web.close())
  return { one, two, web }
}

/** Asks with any header; fetch() sends its own Host. */
function ask(
  web: StatusServer,
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number | undefined; text: string; type: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: web.port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, text, type: response.headers['content-type'] }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

const move = (web: StatusServer, body: object, headers: Record<string, string> = {}) =>
  ask(web, '/move', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(body),
  })

describe('the status server', () => {
  it('answers the page, a snapshot, metrics and health, and nothing else', async (t) => {
    const { web } = await served(t)
    const page = await ask(web, '/')
    assert.equal(page.status, 200)
    assert.match(page.text, /^<!doctype html>/)
    assert.equal((await ask(web, '/', { method: 'HEAD' })).text, '')
    assert.equal(JSON.parse((await ask(web, '/snapshot')).text).cluster, 'pair')
    assert.match((await ask(web, '/metrics')).text, /^hot_standby_group_active\{.*\} 1$/m)
    assert.equal((await ask(web, '/health/jobs')).status, 200)
    assert.equal((await ask(web, '/health/web')).status, 404)
    for (const path of ['/etc/passwd', '/..', '/%', '/toString', '/health/'])
      assert.equal((await ask(web, path)).status, 404, path)
    assert.equal((await ask(web, '/', { method: 'DELETE' })).status, 405)
  })

  it('listens on loopback alone, and is asked as localhost alone', async (t) => {
    const { web } = await served(t)
    assert.match(web.url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
    const rebound = await ask(web, '/snapshot', { headers: { host: 'evil.example:80' } })
    assert.equal(rebound.status, 403)
    assert.doesNotMatch(rebound.text, /cluster/)
    assert.equal((await ask(web, '/snapshot', { headers: { host: `localhost:${web.port}` } })).status, 200)
  })

  it('moves nothing without a token, and with one only for who knows it', async (t) => {
    const { one, web } = await served(t)
    const closed = await move(web, { action: 'standby', groups: ['jobs'] })
    assert.equal(closed.status, 403)
    assert.match(closed.text, /read-only/)
    const open = await statusServer(one, { port: 0, token })
    t.after(() => open.close())
    const wanted = { action: 'standby', groups: ['jobs'] }
    assert.equal((await move(open, wanted, { authorization: 'Bearer a token of 16 characterz' })).status, 401)
    assert.equal((await move(open, wanted, { authorization: '' })).status, 401)
    assert.equal((await move(open, wanted, { 'content-type': 'text/plain' })).status, 415)
    assert.equal((await ask(open, '/move')).status, 405)
    for (const wrong of [
      {},
      { action: 'stop', groups: ['jobs'] },
      { action: 'standby', groups: 'all' },
      { action: 'standby', groups: [] },
    ])
      assert.equal((await move(open, wrong)).status, 400, JSON.stringify(wrong))
    assert.equal((await move(open, { ...wanted, more: 'x'.repeat(5000) })).status, 400)
    assert.equal(stateOf(one), 'active')
    const asked = one.once('move:asked')
    assert.equal((await move(open, wanted)).status, 200)
    assert.match((await asked).by, /^the status page \(127\.0\.0\.1\)$/)
    assert.equal(stateOf(one), 'standby')
    const refused = await move(open, { action: 'standby', groups: ['web'] })
    assert.equal(refused.status, 409)
    assert.match(refused.text, /web/)
  })

  it('tells pages what is and what happens, and ends with the member', async (t) => {
    const { one, web } = await served(t)
    let heard = ''
    const ended = new Promise((resolve) => {
      request({ host: '127.0.0.1', port: web.port, path: '/events', agent: false }, (response) => {
        response.setEncoding('utf8').on('data', (chunk) => {
          heard += chunk
        })
        response.on('close', resolve)
      }).end()
    })
    await until('the state comes', () => /^event: state\ndata: \{"snapshot":\{.*"verdict":\{"level":"good"/.test(heard))
    const before = heard.length
    await one.standby()
    await until('the event comes', () => /event: told\ndata: .*"name":"group:released"/.test(heard.slice(before)))
    await until('the new state comes', () => /"sentences":\["two serves jobs/.test(heard.slice(before)))
    await one.stop()
    await ended
    await assert.rejects(ask(web, '/'), /ECONNREFUSED/)
  })

  it('refuses options that cannot be, and a port that is taken', async (t) => {
    const { one } = pairOf(t)
    const refused =
      (message: RegExp, code = 'HS_CONFIG') =>
      (error: unknown) => {
        assert.ok(isHotStandbyError(error) && error.code === code, String(error))
        assert.match(error.message, message)
        return true
      }
    await assert.rejects(statusServer(one, { Port: 1 } as never), refused(/unknown option 'Port'; did you mean 'port'/))
    await assert.rejects(
      statusServer(one, { port: 70_000 }),
      refused(/statusServer\.port: .*0 to 65535, got number 70000/),
    )
    await assert.rejects(statusServer(one, {} as never), refused(/statusServer\.port: .*got undefined/))
    await assert.rejects(
      statusServer(one, { port: 0, token: 'short' }),
      refused(/at least 16 characters, got 5; openssl/),
    )
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    t.after(() => taken.close())
    const { port } = taken.address() as { port: number }
    await assert.rejects(statusServer(one, { port }), refused(/another process has it/, 'HS_HOST'))
    await assert.rejects(statusServer(one, { port: 0, host: '192.0.2.77' }), refused(/no such address/, 'HS_HOST'))
  })
})

describe('the status page', { skip: noBrowser, timeout: 120_000 }, () => {
  const text = (id: string) => `document.getElementById('${id}').textContent`

  it('shows the pair live, in a table that has names for everything', async (t) => {
    const { one, two, web } = await served(t)
    const page = await openPage(t, web.url)
    await page.sees(`${text('summary')} === 'All is well: one serves jobs; two is alive.'`)
    await page.sees(`${text('connection')} === 'live'`)
    assert.equal(await page.evaluate("document.querySelector('#groups tbody th').scope"), 'row')
    assert.equal(await page.evaluate("document.querySelectorAll('button:not(#dialog button)').length"), 0, 'read-only')
    type Tree = { nodes: { role?: { value: string }; name?: { value: string }; ignored: boolean }[] }
    const { nodes } = await page.send<Tree>('Accessibility.getFullAXTree')
    const named = (role: string) =>
      nodes.filter((node) => !node.ignored && node.role?.value === role).map(({ name }) => name?.value)
    assert.deepEqual(named('table'), ['Groups', 'Resources', 'Links'])
    assert.deepEqual(named('status').length, 1)
    assert.deepEqual(named('rowheader'), ['jobs', 'app', 'a', 'b'])
    assert.ok(
      ['one (this member)', 'two', 'Groups', 'Events, the newest first'].every((name) =>
        named('heading').includes(name),
      ),
    )
    await two.stop()
    await page.sees(`${text('summary')} === 'Attention: two has left.'`)
    await page.sees("document.getElementById('told').textContent.includes('two has left')")
    await one.stop()
    await page.sees(`${text('summary')}.includes('does not answer')`)
  })

  it('moves a group by the keyboard alone, for who has the token', async (t) => {
    const { one, web } = await served(t, { token })
    const page = await openPage(t, web.url)
    await page.sees("document.querySelector('#groups button')?.textContent === 'Move jobs to two'")
    await page.evaluate("document.querySelector('#groups button').focus()")
    await page.press('Enter', 13)
    await page.sees("document.getElementById('dialog').open && document.activeElement.id === 'token'")
    await page.send('Input.insertText', { text: 'a wrong one' })
    await page.press('Enter', 13)
    await page.sees(`${text('answer')} === 'the token is missing or wrong'`)
    assert.equal(stateOf(one), 'active')
    await page.evaluate("document.getElementById('token').select()")
    await page.send('Input.insertText', { text: token })
    await page.press('Enter', 13)
    await page.sees("!document.getElementById('dialog').open")
    await page.sees("document.querySelector('#groups button').textContent === 'Move jobs to one'")
    assert.equal(stateOf(one), 'standby')
  })

  it('has colours that can be read in both schemes, and fits a phone', async (t) => {
    const { web } = await served(t)
    /** WCAG's contrast of each tone with what is behind it. */
    const contrasts = `(() => {
      const light = (rgb) => rgb.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
      const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c } return 'rgb(255,255,255)' }
      const found = []
      for (const tone of ['good', 'caution', 'bad']) for (const id of ['summary', 'hereState']) {
        const e = document.getElementById(id); const was = e.className; e.className = tone
        const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x)
        found.push((a + 0.05) / (b + 0.05)); e.className = was
      }
      return Math.min(...found)
    })()`
    for (const options of [{}, { dark: true }, { width: 390, height: 800 }]) {
      const page = await openPage(t, web.url, options)
      await page.sees("document.querySelectorAll('#groups tbody tr').length === 1")
      assert.ok((await page.evaluate<number>(contrasts)) >= 4.5, JSON.stringify(options))
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), JSON.stringify(options))
    }
  })
})
