import type { EventName, EventPayloads } from '../core/events.ts'

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

/** One event with its name and wall-clock time, as `on('*', …)` gets it and `hot-standby events --json` prints it. */
export interface NamedEvent {
  readonly name: keyof ClusterEvents
  /** ISO 8601, for people. */
  readonly time: string
  readonly payload: object
}
