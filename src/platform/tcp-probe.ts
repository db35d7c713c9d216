import { connect } from 'node:net'
import { messageOf } from '../roles/error.ts'

/** Answer of one probe: nothing, or why it is not well. */
export type ProbeFailure = string | undefined

/** Opens one connection and closes it again. Never rejects; answers why it could not be opened. */
export function probeTcp(
  { host, port }: { readonly host: string; readonly port: number },
  { signal, timeoutMs }: { signal?: AbortSignal | undefined; timeoutMs: number },
): Promise<ProbeFailure> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, autoSelectFamily: true })
    const end = (failure: ProbeFailure): void => {
      clearTimeout(limit)
      signal?.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(failure && `${host}:${port}: ${failure}`)
    }
    const limit = setTimeout(() => end(`no connection within ${timeoutMs} ms`), timeoutMs)
    const onAbort = (): void => end(messageOf(signal?.reason))
    socket.once('connect', () => end(undefined))
    socket.once('error', (error) => end(messageOf(error) || 'no connection'))
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
  })
}
