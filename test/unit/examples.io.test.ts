import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { get } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { freePort, temporaryDirectory } from '../support/agents.ts'
import { until } from '../support/pair.ts'
import { root } from '../support/sources.ts'

interface Terminal {
  readonly child: ChildProcess
  readonly out: () => string
  readonly ended: Promise<number | null>
}

/** One terminal of the example. Here its import of 'hot-standby' means the sources, not what was built from them. */
function terminal(t: TestContext, directory: string, ...args: string[]): Terminal {
  const env = { ...process.env, TMPDIR: directory, TSX_TSCONFIG_PATH: 'tsconfig.test.json' }
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/in-process-service.ts', ...args], {
    cwd: root,
    env,
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      out += chunk
    })
  }
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, out: () => out, ended }
}

/** What the service answers; the error's code when nobody does. */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

describe('examples/in-process-service.ts', { timeout: 100_000 }, () => {
  it('serves, hands over at Ctrl-C, and is taken over after kill -9', async (t) => {
    const directory = temporaryDirectory(t)
    const port = String((await freePort()) - 3)
    const one = terminal(t, directory, 'one', port)
    const two = terminal(t, directory, 'two', port)
    let answer = ''
    const answers = async (pattern: RegExp, who: Terminal) => {
      const asking = setInterval(async () => {
        answer = await ask(Number(port))
      }, 20)
      await until(`${pattern}: ${answer}\n${who.out()}`, () => pattern.test(answer), 30_000).finally(() =>
        clearInterval(asking),
      )
    }
    await answers(/^hello from one, epoch \d+\n$/, one)
    await until('two knows one', () => /one is alive/.test(two.out()))
    one.child.kill('SIGINT')
    assert.equal(await one.ended, 0, one.out())
    await answers(/^hello from two/, two)
    assert.match(one.out(), /one serves greeter.*\n(.*\n)*one no longer serves greeter/)
    assert.match(two.out(), /one has left/)

    const again = terminal(t, directory, 'one', port)
    await until('one is back', () => /two is alive/.test(again.out()), 30_000)
    two.child.kill('SIGKILL')
    await answers(/^hello from one/, again)
    assert.match(again.out(), /two is dead: silent for \d+ ms/)
  })

  it('says what is wrong when its name is', async (t) => {
    const { ended, out } = terminal(t, temporaryDirectory(t), 'three')
    assert.equal(await ended, 1)
    assert.match(out(), /node: 'three' is not one of the nodes \(one, two\)/)
  })
})
