import type { ClientRequest } from 'node:http'
import { messageOf } from '../roles/error.ts'

/** Answer of one probe. */
export type HttpProbeResult =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly reason: string }

/** Read of a page in which a text is looked for. */
const maxPageBytes = 65_536

/**
 * Asks for one page over a new connection and looks at the status line: 200–399 is well. With `expect`, the page's first
 * 64 KiB must hold that text too. Never rejects. `host` replaces the `Host` header, for a virtual server that is asked under
 * an address.
 */
export function probeHttp(
  url: string,
  {
    signal,
    timeoutMs = 5000,
    host,
    expect,
  }: {
    signal?: AbortSignal | undefined
    timeoutMs?: number
    host?: string | undefined
    expect?: string | undefined
  } = {},
): Promise<HttpProbeResult> {
  // Not imported: two megabytes, for a member that probes nothing.
  const { get } = process.getBuiltinModule('node:http')
  return new Promise((resolve) => {
    const failed = (reason: string): void => resolve({ ok: false, reason: `${url}: ${reason}` })
    const limit = setTimeout(() => request?.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    let request: ClientRequest | undefined
    try {
      request = get(url, { agent: false, ...(signal ? { signal } : {}), ...(host ? { headers: { host } } : {}) })
    } catch (error) {
      clearTimeout(limit)
      failed(messageOf(error))
      return
    }
    request.once('response', (response) => {
      const status = response.statusCode ?? 0
      const well = status >= 200 && status < 400
      if (!well) failed(`answered with status ${status}`)
      else if (expect === undefined) resolve({ ok: true, status })
      if (!well || expect === undefined) {
        response.destroy()
        return
      }
      let page = ''
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        page += text
        if (page.includes(expect)) resolve({ ok: true, status })
        if (page.includes(expect) || page.length > maxPageBytes) response.destroy()
      })
      response.once('close', () => failed(`the page does not hold '${expect}'; it begins '${page.slice(0, 80)}'`))
    })
    request.on('error', (error) => failed(messageOf(error)))
    request.once('close', () => {
      clearTimeout(limit)
      failed('the connection was closed without an answer')
    })
  })
}
