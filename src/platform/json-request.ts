import type { IncomingMessage } from 'node:http'
import { messageOf } from '../roles/error.ts'

/** How a request went: an answer, or why there is none. `left`: false where the request surely never reached the server. */
export type JsonAnswer =
  | { readonly ok: true; readonly status: number; readonly body: unknown }
  | { readonly ok: false; readonly reason: string; readonly left: boolean }

/** One request. */
export interface JsonRequest {
  readonly url: string
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
  readonly tls: {
    readonly ca?: string | undefined
    readonly cert?: string | undefined
    readonly key?: string | undefined
  }
  readonly signal: AbortSignal
}

/** Errors of a connection that was never made. */
const neverLeft: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']
/** A longer answer is none that was asked for. */
const maxAnswerBytes = 1_048_576

/** Posts JSON over a new connection and reads JSON. Never rejects. */
export function postJson({ url, body, headers, tls, signal }: JsonRequest): Promise<JsonAnswer> {
  // Not imported: megabytes, for a member without a store.
  const secure = url.startsWith('https:')
  const { request } = secure ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http')
  const text = JSON.stringify(body)
  return new Promise((resolve) => {
    const failed = (reason: string, left: boolean): void => resolve({ ok: false, reason: `${url}: ${reason}`, left })
    try {
      const head = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers }
      const sent = request(url, { method: 'POST', agent: false, signal, headers: head, ...tls }, (response) =>
        answerOf(response, maxAnswerBytes).then(resolve, (error: unknown) => failed(messageOf(error), true)),
      )
      sent.on('error', (error: NodeJS.ErrnoException) =>
        failed(causeOf(error, signal), !neverLeft.includes(error.code)),
      )
      sent.end(text)
    } catch (error) {
      failed(messageOf(error), false)
    }
  })
}

function causeOf(error: NodeJS.ErrnoException, signal: AbortSignal): string {
  return signal.aborted ? 'no answer in time' : messageOf(error)
}

async function answerOf(response: IncomingMessage, maxBytes: number): Promise<JsonAnswer> {
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) {
    text += String(part)
    if (text.length > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`)
  }
  const status = response.statusCode ?? 0
  try {
    return { ok: true, status, body: JSON.parse(text) as unknown }
  } catch {
    throw new Error(`an answer that is not JSON: '${text.slice(0, 80)}'`)
  }
}
