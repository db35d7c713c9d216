import { spawn, spawnSync } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './agents.ts'
import { until } from './pair.ts'

/** Why there is no browser here; false: there is one. */
export const noBrowser: string | false =
  spawnSync('chromium', ['--version']).error === undefined
    ? false
    : 'chromium is not installed (Debian: chromium; node scripts/packages.mjs monitoring)'

type Answer = { readonly id?: number; readonly result?: unknown; readonly error?: { readonly message: string } }

/** A headless Chromium with one page, driven over its debugging pipe. */
export interface Page {
  send<Result>(method: string, parameters?: object): Promise<Result>
  /** Value of an expression in the page. */
  evaluate<Value>(expression: string): Promise<Value>
  /** Waits until an expression in the page is true. */
  sees(expression: string): Promise<void>
  /** Presses a key, as a person would. */
  press(key: string, code: number): Promise<void>
  /** The page as a picture. */
  picture(): Promise<Buffer>
}

/** Opens an address. The browser is gone when the test is over. */
export async function openPage(
  t: TestContext,
  url: string,
  { width = 1200, height = 1100, dark = false } = {},
): Promise<Page> {
  const profile = temporaryDirectory(t)
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage']
  const child = spawn('chromium', [...flags, '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const ended = new Promise((resolve) => child.on('close', resolve))
  t.after(async () => {
    // Its helpers are in the same group, and write into the profile until they are gone.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    await ended
  })
  const [input, output] = [child.stdio[3] as Writable, child.stdio[4] as Readable]
  const waiting = new Map<number, (answer: Answer) => void>()
  let rest = ''
  output.setEncoding('utf8').on('data', (chunk: string) => {
    const messages = (rest + chunk).split('\0')
    rest = messages.pop() ?? ''
    for (const message of messages) {
      const answer = JSON.parse(message) as Answer
      if (answer.id !== undefined) waiting.get(answer.id)?.(answer)
    }
  })
  let nextId = 1
  let sessionId: string | undefined
  const send = <Result>(method: string, params: object = {}): Promise<Result> =>
    new Promise((resolve, reject) => {
      const id = nextId++
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id)
        if (error) reject(new Error(`${method}: ${error.message}`))
        else resolve(result as Result)
      })
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
  sessionId = (await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })).sessionId
  await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 })
  const scheme = { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }
  await send('Emulation.setEmulatedMedia', { features: [scheme] })
  await send('Page.navigate', { url })
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    type Evaluated = {
      result: { value: Value }
      exceptionDetails?: { text: string; exception?: { description?: string } }
    }
    const found = await send<Evaluated>('Runtime.evaluate', { expression, returnByValue: true })
    const { exceptionDetails: thrown } = found
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text)
    return found.result.value
  }
  const sees = async (expression: string): Promise<void> => {
    let seen = false
    let asking = false
    await until(`in the page: ${expression}`, () => {
      if (!asking && !seen) {
        asking = true
        evaluate<boolean>(expression).then(
          (value) => {
            seen = value === true
            asking = false
          },
          () => {
            asking = false
          },
        )
      }
      return seen
    })
  }
  const press = async (key: string, windowsVirtualKeyCode: number): Promise<void> => {
    const text = key === 'Enter' ? '\r' : undefined
    await send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key, windowsVirtualKeyCode, text })
    await send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode })
  }
  const picture = async (): Promise<Buffer> =>
    Buffer.from(
      (await send<{ data: string }>('Page.captureScreenshot', { captureBeyondViewport: true })).data,
      'base64',
    )
  return { send, evaluate, sees, press, picture }
}
