import type { CoreEvent } from '../core/events.ts'
import type { TableStep } from '../core/transition-table.ts'
import type { Effect, Input } from '../core/types.ts'
import type { OperationRequest, OperationResult } from '../roles/host.ts'
import type { Pause } from './simulated-clock.ts'
import type { Arrival } from './simulated-network.ts'

/** How the process of a host ended. */
export type Ending = 'crash' | 'kill' | 'stopped' | 'fatal'

/** Sees everything that happens in a simulation, at both nodes. It must change nothing. */
export interface SimulationObserver {
  /** A process began. */
  started?(node: string): void
  /** A process is gone; `stopped`: by itself, after a command. */
  gone?(node: string, ending: Ending): void
  /** A process, or its whole host, stands still. */
  paused?(node: string, pause: Pause): void
  /** It goes on; `forMs` of true time have passed. */
  resumed?(node: string, forMs: number): void
  /** Links were cut, mended, held or released with a verb of the simulation. */
  linked?(): void
  /** A packet reached the socket of a node that is not asleep, whether its process goes on or stands still. */
  arrived?(node: string, link: string, arrival: Arrival, bytes: Uint8Array): void
  /** The process of a node takes a packet from its socket. */
  takes?(node: string, link: string, arrival: Arrival): void
  /** A node sent a frame on a link. */
  sent?(node: string, link: string, frame: Uint8Array): void
  /** The core is about to be told something. */
  input?(node: string, input: Input): void
  /** What the core answers. */
  effects?(node: string, input: Input, effects: readonly Effect[]): void
  /** A row of a table was taken, or none held. */
  step?(node: string, step: TableStep): void
  /** The node told its application something. */
  event?(node: string, event: CoreEvent): void
  /** An agent began an operation. */
  began?(node: string, request: OperationRequest): void
  /** An agent answered. */
  ended?(node: string, request: OperationRequest, result: OperationResult): void
}
