import { get } from 'node:http'
import { messageOf } from '../roles/error.ts'

/** Answer of one probe. */
export type HttpProbeResult =
  | { readonly ok: true; readonly status: number }
  | { readonly ok: false; readonly reason: string }

/**
 * Asks for one page over a new connection and looks at the status line only: 200–399 is well. Never rejects.
 * `host` replaces the `Host` header, for a virtual server that is asked under an address.
 */
export function probeHttp(
  url: string,
  {
    signal,
    timeoutMs = 5000,
    host,
  }: { signal?: AbortSignal | undefined; timeoutMs?: number; host?: string | undefined } = {},
): Promise<HttpProbeResult> {
  return new Promise((resolve) => {
    const failed = (reason: string): void => resolve({ ok: false, reason: `${url}: ${reason}` })
    const limit = setTimeout(() => request?.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    let request: ReturnType<typeof get> | undefined
    try {
      request = get(url, { agent: false, ...(signal ? { signal } : {}), ...(host ? { headers: { host } } : {}) })
    } catch (error) {
      clearTimeout(limit)
      failed(messageOf(error))
      return
    }
    request.once('response', (response) => {
      const status = response.statusCode ?? 0
      response.destroy()
      if (status >= 200 && status < 400) resolve({ ok: true, status })
      else failed(`answered with status ${status}`)
    })
    request.on('error', (error) => failed(messageOf(error)))
    request.once('close', () => {
      clearTimeout(limit)
      failed('the connection was closed without an answer')
    })
  })
}
