import type { Snapshot } from '../cluster/snapshot.ts'
import type { NamedEvent, WrittenEvent } from '../core/cluster-events.ts'
import type { Explanation } from '../recorder/explain.ts'
import type { HistoryEntry } from '../recorder/history.ts'
import type { HotStandbyErrorCode } from '../roles/error.ts'

/** What can be asked over the control socket: one JSON object per line. */
export type Request =
  | { readonly id: number; readonly call: 'status' }
  | {
      readonly id: number
      readonly call: 'standby' | 'takeover'
      readonly scope: string | readonly string[]
      /** Who asks. */
      readonly by?: string | undefined
    }
  /** Who served what since when, over restarts too. */
  | { readonly id: number; readonly call: 'history' }
  /** What the flight recorder holds, in parts: `{ id, part }` in order, then the result. */
  | { readonly id: number; readonly call: 'record' }
  /** Why the role of a group, or of any, has changed last. */
  | { readonly id: number; readonly call: 'why'; readonly group?: string | undefined }
  | {
      readonly id: number
      readonly call: 'maintenance'
      readonly on: boolean
      readonly scope: string | readonly string[]
    }
  /** From now on every event is sent as `{ event }`. */
  | { readonly id: number; readonly call: 'events' }

/** The result of a request: of `status`, of `why`, of `history`, of any other. */
export type Result = Snapshot | Explanation | readonly HistoryEntry[] | null

/** What comes back, one JSON object per line. */
export type Answer =
  | { readonly id: number; readonly result: Result }
  | { readonly id: number; readonly part: string }
  | { readonly id: number; readonly error: { readonly code: HotStandbyErrorCode; readonly message: string } }
  | { readonly event: WrittenEvent }

/** An event as it is written out: a payload of the application is told by its size alone. */
export function withoutPayload(event: NamedEvent): WrittenEvent {
  if (event.name !== 'message') return event
  return { ...event, payload: { bytes: event.payload.payload.byteLength } }
}

/** Longest line that is read; more is no request. */
export const lineMaxBytes = 65_536

/** Cuts a stream into lines; answers false when a line is too long. */
export function lineReader(
  onLine: (line: string) => void,
  maxChars: number = lineMaxBytes,
): (chunk: string) => boolean {
  let rest = ''
  return (chunk) => {
    rest += chunk
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      if (line.trim() !== '') onLine(line)
    }
    return rest.length <= maxChars
  }
}
