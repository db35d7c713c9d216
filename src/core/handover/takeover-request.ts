import type { GroupState, Reason } from '../events.ts'
import { isClaimed, type PeerClaim } from '../peer/claims.ts'
import type { GroupClaim } from '../peer/own-claims.ts'
import type { Timers } from '../timers.ts'
import type { CoreConfig, EmitEvent, Refusal } from '../types.ts'
import { claimsOf, holdOfMove, limitOfGroups } from './words.ts'

/** What a wish needs and whom it tells. */
export interface TakeoverRequestPort {
  readonly timers: Timers
  readonly event: EmitEvent
  monoMs(): number
  config(): CoreConfig
  peer(): { readonly groups: ReadonlyMap<string, PeerClaim> | undefined }
  send(fields: Record<string, string>): void
  claim(group: string): GroupClaim | undefined
  serves(group: string): boolean
  isMaintained(group: string): boolean
  grant(group: string, reason: Reason): void
  reply(id: number, refusal?: Refusal): void
}

const going: readonly (GroupState | undefined)[] = ['probation', 'stopping', 'stuck']

function isGoing(state: GroupState | undefined): boolean {
  return going.includes(state)
}

/** The `takeover` command under way: groups that are wanted here. It is answered once, when all of them serve or one cannot. */
export class TakeoverRequest {
  readonly #port: TakeoverRequestPort
  #wanted: { readonly groups: readonly string[]; readonly commandId: number } | undefined

  constructor(port: TakeoverRequestPort) {
    this.#port = port
  }

  get pending(): boolean {
    return this.#wanted !== undefined
  }

  /** Why these groups cannot be wished for at this moment, if so. */
  obstacle(groups: readonly string[]): Refusal | undefined {
    const maintained = groups.filter((group) => this.#port.isMaintained(group))
    if (maintained.length > 0)
      return { code: 'HS_MOVE', message: `${maintained.join(', ')} is in maintenance; end the maintenance first` }
    const leaving = groups.filter((group) => isGoing(this.#port.claim(group)?.state))
    if (leaving.length === 0) return undefined
    const message = `${leaving.join(', ')} is being given up or checked on this node; try again when that is over`
    return { code: 'HS_MOVE', message }
  }

  begin(groups: readonly string[], commandId: number): void {
    this.#wanted = { groups, commandId }
  }

  /** Takes what nobody claims; asks for the rest where there is somebody to ask. */
  pursue(peerListens: boolean): void {
    const { groups } = this.#wanted as { groups: readonly string[] }
    const { groups: all } = this.#port.config()
    const limitMs = limitOfGroups(all, groups, 'startMs') + limitOfGroups(all, groups, 'stopMs')
    this.#port.timers.set('wish', this.#port.monoMs() + limitMs, () => this.fail('it was not done in time'))
    const held = groups.filter((group) => isClaimed(this.#port.peer().groups?.get(group)))
    if (held.length > 0 && peerListens) this.ask(held)
    for (const group of groups) if (!held.includes(group)) this.#port.grant(group, 'command')
  }

  /** Asks the peer to give groups. */
  ask(groups: readonly string[]): void {
    const { self, groups: all } = this.#port.config()
    const hold = holdOfMove(self, all, groups)
    this.#port.send({ t: 'hb_takeover', rsc_hold: hold, hsgrp: claimsOf(this.#port, groups) })
  }

  /** Looks whether it has come true, or cannot. */
  judge(): void {
    const wanted = this.#wanted
    if (!wanted) return
    if (wanted.groups.some((group) => this.#port.claim(group)?.state === 'failed'))
      return this.fail('it could not start here')
    if (wanted.groups.some((group) => isGoing(this.#port.claim(group)?.state))) return this.fail('it was taken back')
    if (!wanted.groups.every((group) => this.#port.serves(group))) return
    this.forget()
    this.#port.reply(wanted.commandId)
  }

  /** The move that was to bring these groups has ended: what did not come does not come any more. */
  settle(moved: readonly string[]): void {
    this.judge()
    const awaited = this.#wanted?.groups.filter((group) => moved.includes(group)) ?? []
    const states = awaited.map((group) => this.#port.claim(group)?.state)
    const coming: readonly (GroupState | undefined)[] = ['candidate', 'starting', 'active']
    if (states.some((state) => !coming.includes(state))) this.fail('it was taken back')
  }

  fail(why: string): void {
    const wanted = this.#wanted
    if (!wanted) return
    this.forget()
    const { self } = this.#port.config()
    this.#port.event('move:failed', { groups: wanted.groups, to: self, why })
    const message = `${self} did not take ${wanted.groups.join(', ')} over: ${why}`
    this.#port.reply(wanted.commandId, { code: 'HS_MOVE', message })
  }

  /** Drops it; the command it leaves unanswered is the caller's to answer. */
  forget(): number | undefined {
    const commandId = this.#wanted?.commandId
    this.#wanted = undefined
    this.#port.timers.clear('wish')
    return commandId
  }
}
