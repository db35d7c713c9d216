import { type Message, text } from '../../wire/message.ts'
import { claimOf, type PeerClaim } from '../peer/claims.ts'
import type { GroupConfig, Refusal } from '../types.ts'
import { takenByDaemon } from './heartbeat-word.ts'
import type { DialoguePort } from './port.ts'

/** A daemon answers when its script has run; one that is just starting may not. */
const askAgainMs = 2000

/** Whom the legacy conversation tells. */
interface LegacyPort extends DialoguePort {
  /** What the daemon holds is known now. */
  onReport(): void
}

/**
 * `auto_failback legacy`: Heartbeat before its reports and handshakes (docs/ha-cf.md). Each node that lives serves the
 * groups that prefer it: a node that comes asks for each of them by `ip-request`, and takes it at the `ip-request-resp`.
 * Nothing else is said of groups, and nothing moves by hand.
 */
export class Legacy {
  readonly #port: LegacyPort
  #met = false
  /** How the daemon has been heard to speak in this run; undefined: as the configuration says. */
  #spoken: 'legacy' | 'reports' | undefined
  /** Keys that the daemon waits for, and the groups that are stopped here for them. */
  readonly #owed = new Map<string, GroupConfig>()
  /** Keys of groups that the daemon has given up while it holds others of the same group. */
  readonly #freed = new Set<string>()

  constructor(port: LegacyPort) {
    this.#port = port
  }

  get on(): boolean {
    if (this.#port.peer().kind !== 'heartbeat') return false
    return this.#spoken === 'legacy' || (this.#spoken === undefined && this.#configured)
  }

  get #configured(): boolean {
    return this.#port.config().autoFailback === 'legacy'
  }

  /** Why nothing can be moved by hand, if so. */
  get obstacle(): Refusal | undefined {
    if (!this.on || !this.#port.peerAlive()) return undefined
    const { peer } = this.#port.config()
    const message = `${peer} is a Heartbeat daemon with auto_failback legacy: every group stays with the node it prefers; standby and takeover need auto_failback on or off, on both nodes`
    return { code: 'HS_MOVE', message }
  }

  /** The daemon begins anew, or is gone. */
  forget(): void {
    this.#met = false
    this.#spoken = undefined
    this.#owed.clear()
    this.#freed.clear()
    this.#port.timers.clear('legacy')
  }

  /** A status of the peer was heard. */
  meet(): void {
    if (this.#met || !this.on || this.#port.peer().status !== 'active') return
    this.#met = true
    const { groups } = this.#port.config()
    const known = this.#port.peer().groups
    this.#port.setClaims(
      new Map(
        groups.map(({ name }): [string, PeerClaim] => {
          const epoch = known?.get(name)?.epoch ?? this.#port.claim(name)?.epoch ?? 0
          return [name, claimOf(this.#port.holds(name) ? 'standby' : 'active', epoch)]
        }),
      ),
    )
    this.#port.onReport()
    this.#ask()
  }

  /** One of its messages; false when it is none. `ip-request` of a group that is served here, or not; and the answer to ours. */
  receive(type: string, incoming: Message): boolean {
    if (type === 'starting' || type === 'resource') this.#hear('reports')
    if (type !== 'ip-request' && type !== 'ip-request-resp') return this.#refuse(type)
    if (type === 'ip-request') this.#hear('legacy')
    const key = text(incoming, 'ipaddr') ?? ''
    const group = this.#port.config().groups.find((entry) => keysOf(entry).includes(key))
    if (type === 'ip-request') this.#asked(key, group)
    else if (group && text(incoming, 'ok') === 'OK') this.#free(group, key)
    return true
  }

  /** Something of our own groups has changed: what the daemon waits for may have stopped. */
  groupsChanged(): void {
    for (const [key, { name }] of [...this.#owed]) {
      if (this.#port.holds(name)) continue
      this.#owed.delete(key)
      this.#give(key, name, 'yes')
    }
  }

  /** The daemon has stopped one of its lines. Where several are one group here, that is free when all of them are. */
  #free(group: GroupConfig, key: string): void {
    this.#freed.add(key)
    const keys = keysOf(group)
    if (!keys.every((each) => this.#freed.has(each))) return
    for (const each of keys) this.#freed.delete(each)
    this.#setClaim(group.name, 'standby')
  }

  #asked(key: string, group: GroupConfig | undefined): void {
    if (group === undefined) return this.#answer(key, 'no')
    if (!this.#port.holds(group.name)) return this.#give(key, group.name, 'no')
    this.#owed.set(key, group)
    this.#port.give(group.name, 'yield', 'failback')
    this.groupsChanged()
  }

  #give(key: string, name: string, owned: 'yes' | 'no'): void {
    this.#answer(key, owned)
    this.#setClaim(name, 'active')
  }

  #answer(ipaddr: string, weown: 'yes' | 'no'): void {
    this.#port.send({ t: 'ip-request-resp', dest: this.#port.config().peer, ipaddr, weown, ok: 'OK' })
  }

  #setClaim(name: string, state: 'active' | 'standby'): void {
    const known = this.#port.peer().groups
    const was = known?.get(name)
    const ours = this.#port.claim(name)
    const claim =
      state === 'active' && was?.state !== 'active' ? takenByDaemon(was, ours) : claimOf(state, was?.epoch ?? 0)
    this.#port.setClaims(new Map([...(known ?? []), [name, claim]]))
  }

  /** Asks for the groups that prefer this node and are not here. */
  #ask(): void {
    const { self, groups } = this.#port.config()
    const claimed = (name: string) => this.#port.peer().groups?.get(name)?.state === 'active'
    const missing = groups.filter(({ name, preferred }) => preferred === self && claimed(name))
    for (const ipaddr of missing.flatMap(keysOf)) this.#port.send({ t: 'ip-request', ipaddr })
    if (missing.length > 0)
      this.#port.timers.set('legacy', this.#port.monoMs() + askAgainMs, () => {
        if (this.on && this.#port.peerAlive()) this.#ask()
      })
  }

  /** Nothing of the handshake is answered; a word of it is told, since somebody there wants something. */
  #refuse(type: string): boolean {
    if (!this.on || (type !== 'ask_resources' && type !== 'hb_takeover')) return false
    const { peer } = this.#port.config()
    const why = `${peer} was asked for a move by hand, which auto_failback legacy does not know`
    this.#port.event('move:failed', { groups: [], to: this.#port.config().self, why })
    return true
  }

  #hear(spoken: 'legacy' | 'reports'): void {
    if (this.#spoken === spoken || this.#port.peer().kind !== 'heartbeat') return
    this.#spoken = spoken
    if ((spoken === 'legacy') === this.#configured) return
    const [ours, theirs] = this.#configured ? ['legacy', 'on or off'] : ['on or off', 'legacy']
    const { peer } = this.#port.config()
    const fields = ['autoFailback']
    this.#port.event('config:differs', {
      peer,
      fields,
      ours: `auto_failback ${ours}`,
      theirs: `auto_failback ${theirs}`,
    })
    this.meet()
  }
}

/** Heartbeat's keys of a group: the first word of each of its lines in haresources. */
function keysOf({ key, name }: GroupConfig): readonly string[] {
  return [key ?? name].flat()
}
