import { openSigningRing } from '../../src/authenticators/keyring.ts'
import { parseAuthkeys } from '../../src/config/authkeys.ts'
import type { Scope } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { Duration } from '../../src/roles/duration.ts'
import type { SigningRing } from '../../src/roles/key-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulatedGroup } from '../../src/testing/simulation-options.ts'
import { hexOf, type Message, text } from '../../src/wire/message.ts'
import { DatagramText, openDatagram } from './datagram-text.ts'
import { formatEvent, isQuiet } from './scenario.ts'

/** One line of a conversation, at a virtual millisecond. */
export interface Line {
  readonly atMs: number
  /** `<` a datagram of the daemon, `!` a command, `>` a datagram of ours, `=` an event of ours. */
  readonly mark: '<' | '!' | '>' | '='
  readonly text: string
}

/** A conversation of one node of ours with a heartbeat daemon. */
export interface Conversation {
  /** What it is about, and the settings, as they stand in the file. */
  readonly head: readonly string[]
  readonly lines: readonly Line[]
}

const RULE = '----'

/** Takes a conversation's file apart. */
export function parseConversation(file: string): Conversation {
  const all = file.trimEnd().split('\n')
  const rule = all.indexOf(RULE)
  if (rule < 0) throw new Error(`a conversation has a line '${RULE}' between its settings and what is said`)
  const lines = all.slice(rule + 1).map((line): Line => {
    const [, at, mark, rest] = /^\s*(\d+) ([<!>=]) (.*)$/.exec(line) ?? []
    if (!at || !mark || rest === undefined) throw new Error(`no line of a conversation: ${line}`)
    return { atMs: Number(at), mark: mark as Line['mark'], text: rest }
  })
  return { head: all.slice(0, rule), lines }
}

/** The reverse of {@link parseConversation}. */
export function formatConversation({ head, lines }: Conversation): string {
  const body = lines.map(({ atMs, mark, text: said }) => `${atMs.toFixed(0).padStart(6)} ${mark} ${said}`)
  return `${[...head, RULE, ...body].join('\n')}\n`
}

/** The keys of a conversation: `key ID METHOD KEY` is a line of `authkeys`. */
export function ringOf(conversation: Pick<Conversation, 'head'>): SigningRing {
  const line = setting(conversation, 'key').join(' ')
  const { plugin, issues } = parseAuthkeys(`auth ${line.split(' ')[0]}\n${line}\n`, 'key')
  if (!plugin) throw new Error(issues.map(({ message }) => message).join('; '))
  return openSigningRing(plugin, () => {
    throw new Error('no key file here')
  })
}

function setting({ head }: Pick<Conversation, 'head'>, name: string): readonly string[] {
  const line = head.find((candidate) => candidate.startsWith(`${name} `))
  if (!line) throw new Error(`a conversation has a line '${name} …' before '${RULE}'`)
  return line.split(' ').slice(1)
}

/** What of our own datagrams is not told: the same in each, or different in each run. */
const UNTOLD: readonly string[] = [
  ...['t', 'src', 'srcuuid', 'seq', 'hg', 'ts', 'ttl', 'protocol'],
  ...['hs', 'hsf', 'hsall', 'hsboot', 'hsecho', 'hsrun', 'hsmono', 'hsstall', 'hscfg', 'hscfgs'],
]

/**
 * Plays a conversation on the unchanged loop and core, in virtual time: the daemon's datagrams arrive when they arrived in the
 * laboratory, and what our node says and does is written down. Its beats are told when they say something new.
 */
export class ConversationPlayer {
  readonly #conversation: Conversation
  readonly #node: string
  readonly #pair: Simulation
  readonly #ring: SigningRing
  readonly #said: Line[] = []
  #lastBeat = ''
  #highestSeq = 0
  #shown = 0

  constructor(conversation: Conversation) {
    this.#conversation = conversation
    const [node = '', peer = ''] = setting(conversation, 'nodes')
    const [keepalive, dead, warn, initdead] = setting(conversation, 'times') as Duration[]
    const [name = '', preferred = '', ...resources] = setting(conversation, 'group')
    const group: SimulatedGroup = { name, preferred, resources }
    this.#node = node
    this.#ring = ringOf(conversation)
    this.#pair = new Simulation({
      seed: 1,
      nodes: [node, peer],
      groups: [group],
      liveness: deadtime({ keepalive, deadtime: dead, warntime: warn, initdead }),
      ring: () => this.#ring,
      autoFailback: setting(conversation, 'autoFailback')[0] === 'on',
      copies: true,
    })
    this.#pair.network.tap = (_, __, frame) => this.#hears(openDatagram(this.#ring, frame))
  }

  /** Plays it; returns the conversation as it went now. */
  play(): Conversation {
    const given = this.#conversation.lines.filter(({ mark }) => mark === '<' || mark === '!')
    const datagrams = new DatagramText(this.#ring)
    const played: Line[] = []
    for (const line of given) {
      this.#until(line.atMs, played)
      played.push(line)
      if (line.mark === '!') this.#command(line.text)
      else {
        const datagram = datagrams.parse(line.text)
        openDatagram(this.#ring, datagram)
        this.#pair.network.inject(this.#node, 'eth1', datagram)
      }
    }
    this.#until((given.at(-1)?.atMs ?? 0) + Number.parseInt(setting(this.#conversation, 'after')[0] ?? '0', 10), played)
    return { head: this.#conversation.head, lines: played }
  }

  /** Which groups the node serves now. */
  get serves(): boolean {
    const [name = ''] = setting(this.#conversation, 'group')
    return this.#pair.serving(name).includes(this.#node)
  }

  #until(atMs: number, played: Line[]): void {
    if (atMs > this.#pair.nowMs) this.#pair.run(atMs - this.#pair.nowMs)
    this.#events()
    played.push(...this.#said.splice(0))
  }

  #command(line: string): void {
    const [name = '', scope = 'all'] = line.split(' ')
    if (name === 'start') return this.#pair.start(this.#node)
    if (name === 'crash') return this.#pair.crash(this.#node)
    const done = (refusal: { readonly code: string; readonly message: string } | undefined) => {
      this.#events()
      this.#say('=', `${line}: ${refusal ? `${refusal.code} ${refusal.message}` : 'done'}`)
    }
    if (name === 'stop') return this.#pair.command(this.#node, { name }, done)
    if (name !== 'standby' && name !== 'takeover') throw new Error(`no such command: ${line}`)
    this.#pair.command(this.#node, { name, scope: scope as Scope }, done)
  }

  #say(mark: Line['mark'], said: string): void {
    this.#said.push({ atMs: this.#pair.nowMs, mark, text: said })
  }

  #events(): void {
    const { events } = this.#pair
    for (; this.#shown < events.length; this.#shown++) {
      const { atMs, event } = events[this.#shown] as (typeof events)[number]
      if (isQuiet(event.name)) continue
      this.#said.push({ atMs, mark: '=', text: formatEvent(event) })
    }
  }

  /** Our node has sent something. */
  #hears(message: Message): void {
    this.#events()
    const type = text(message, 't') ?? ''
    const words = message.flatMap(({ name, value }) =>
      UNTOLD.includes(name) || typeof value !== 'string'
        ? []
        : `${name}=${/\s/.test(value) ? JSON.stringify(value) : value}`,
    )
    const said = [type, ...words].join(' ')
    const seq = hexOf(message, 'seq') ?? Number.POSITIVE_INFINITY
    if (seq <= this.#highestSeq) return this.#say('>', `again ${seq.toString(16)}: ${said}`)
    if (Number.isFinite(seq)) this.#highestSeq = seq
    if (type === 'status') {
      if (said === this.#lastBeat) return
      this.#lastBeat = said
    }
    this.#say('>', said)
  }
}
