import type { EventName, EventPayloads } from './events.ts'

/** A message of the peer's application. */
export interface MessageEvent {
  /** What was given to `send()` there. */
  readonly payload: Uint8Array
}

/**
 * Every event of a {@link Cluster}, as the arguments its listeners get. Payloads are plain data; times in them are in
 * milliseconds.
 */
export type ClusterEvents = { [Name in EventName]: [event: EventPayloads[Name]] } & {
  /** The peer's application sent something; in order, once each. */
  message: [event: MessageEvent]
}

/** What the listeners of an event get: `EventPayload<'peer:dead'>`. */
export type EventPayload<Name extends keyof ClusterEvents> = ClusterEvents[Name][0]

/**
 * One event with its name and wall-clock time, as `onAny()` and `events()` get it and `hot-standby events --json` prints it. A union
 * by `name`: where the name is known, so is the payload. `NamedEvent<'peer:dead'>` is one of them.
 */
export type NamedEvent<Name extends keyof ClusterEvents = keyof ClusterEvents> = {
  [Each in Name]: {
    readonly name: Each
    /** ISO 8601, for people. */
    readonly time: string
    readonly payload: EventPayload<Each>
  }
}[Name]

/** An event as it leaves the process (control socket, `--json`): of a message of the application its size alone is told. */
export type WrittenEvent =
  | Exclude<NamedEvent, NamedEvent<'message'>>
  | { readonly name: 'message'; readonly time: string; readonly payload: { readonly bytes: number } }
