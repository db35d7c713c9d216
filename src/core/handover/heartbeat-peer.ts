import { type Message, text } from '../../wire/message.ts'
import type { Reason } from '../events.ts'
import { isClaimed, type PeerClaim } from '../peer/claims.ts'
import type { RscHold } from '../peer/own-claims.ts'
import { type DaemonWord, daemonClaims, daemonWord, rscHold, takenByDaemon } from './heartbeat-word.ts'
import type { DialoguePort, Move } from './port.ts'
import type { DialogueEvent } from './table.ts'
import { holdOfMove, reasonOf } from './words.ts'

/** It takes 2 s to begin its restart, and longer while a script of it runs; one that did not notice anything never does. */
export const daemonRestartsMs = 6000

/** What the conversation remembers of a daemon as peer: its own word, and what it was told. */
export class DaemonPeer {
  readonly #port: DialoguePort
  /** What it has said of itself in this run. */
  #word: DaemonWord | undefined
  /** What it was last told that we hold; undefined while that changes. */
  #told: RscHold | undefined
  #restarting = false
  /** An offer of ours that was dropped for one of the daemon's, on its way at the same moment. */
  #crossed: Move | undefined
  #wasOurs = false

  constructor(port: DialoguePort) {
    this.#port = port
  }

  get present(): boolean {
    return this.#port.peer().kind === 'heartbeat'
  }

  /** A node of ours that is spoken to as a daemon is from here on, over a slow line alone, has yet to hear our word. */
  #meet(): void {
    if (this.present && this.#wasOurs) this.#told = undefined
    this.#wasOurs = this.#port.peer().kind === 'hot-standby'
  }

  /** It begins anew, or is gone. */
  forget(): void {
    this.#word = undefined
    this.#told = undefined
    this.#restarting = false
    this.#port.timers.clear('daemon')
  }

  /** It is heard again in the run in which it was dead: it gives up and restarts, and only complains of what it hears before. */
  returned(then: () => void): void {
    if (!this.present) return
    this.#restarting = true
    this.#port.timers.set('daemon', this.#port.monoMs() + daemonRestartsMs, () => {
      this.#restarting = false
      then()
    })
  }

  /** Our offer was dropped, for its own where `on` says so. */
  dropped(move: Move | undefined, on: DialogueEvent): void {
    this.#crossed = on === 'me' && this.present && move?.giving ? { ...move, commandId: undefined } : undefined
  }

  /** It has taken our offer before it made its own, which it then ignores: it waits for what we offered, for an hour. */
  tookOurs(hold: string | undefined): boolean {
    const { self, groups } = this.#port.config()
    return this.#crossed !== undefined && hold === holdOfMove(self, groups, this.#crossed.groups)
  }

  get crossed(): Move | undefined {
    return this.#crossed
  }

  /** It is about to restart: nothing is to be said to it. */
  get restarting(): boolean {
    return this.#restarting
  }

  /** A daemon is asked for a move only while both are stable: it ignores the request otherwise, and complains. */
  get peerListens(): boolean {
    return !this.present || (this.#word?.stable === true && this.#told !== undefined)
  }

  /** It has reported what it holds. */
  report(incoming: Message): void {
    if (text(incoming, 'info') === 'mach_down') return
    // Kept of a node of ours too: over a slow line alone it will be spoken to as a daemon is, and it does not report twice.
    this.#word = daemonWord(this.#word, incoming)
    if (!this.present) return
    const { groups: before } = this.#port.peer()
    const ours = (group: string) => this.#port.claim(group)
    this.#port.setClaims(daemonClaims(this.#port.config(), incoming, before, ours, this.#word.everStable))
  }

  /** Our word for what we hold. `without` are groups on their way to it, which still run here. */
  hold(without: readonly string[] = []): RscHold {
    const holds = (group: string) => this.#port.holds(group) && !without.includes(group)
    return rscHold(this.#port.config(), holds, this.#word)
  }

  tell(hold: RscHold | undefined): void {
    this.#told = hold
  }

  /** It hears of our groups when they have come to rest, and only what it has not heard: it may answer each report. */
  owesReport(): boolean {
    this.#meet()
    return (
      this.present && !this.#restarting && this.#port.peerAlive() && this.#port.steady() && this.#told !== this.hold()
    )
  }

  /** It offers a whole set, whatever of it is served here already: that simply stays. */
  offered(named: readonly string[]): readonly string[] {
    return this.present ? named.filter((group) => !this.#port.holds(group)) : named
  }

  /** It does not say why it gives: where it reaches fewer ping targets, its ipfail does, and its groups go home by themselves. */
  reason(incoming: Message): Reason {
    return this.present && this.#port.peerIsPoorer() ? 'connectivity' : reasonOf(incoming)
  }

  /** What it has taken when it says `done` before it reports so. */
  taken(named: readonly string[]): ReadonlyMap<string, PeerClaim> {
    const claim = (group: string) => this.#port.peer().groups?.get(group)
    const taken = named.filter((group) => !isClaimed(claim(group)))
    return new Map(taken.map((group) => [group, takenByDaemon(claim(group), this.#port.claim(group))]))
  }
}
