import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { text } from '../../../src/wire/message.ts'
import {
  type Conversation,
  ConversationPlayer,
  formatConversation,
  type Line,
  ringOf,
} from '../../scenarios/conversation.ts'
import { DatagramText, openDatagram } from '../../scenarios/datagram-text.ts'
import type { NodeName } from '../stage.ts'
import { World } from '../world.ts'
import { type Datagram, Sniffer } from './sniffer.ts'
import { Cast, type Deed, KEY, type Tale, TIMES, tales } from './tales.ts'

const FOLDER = fileURLToPath(new URL('../../scenarios/heartbeat/', import.meta.url))

const headOf = ({ about, autoFailback }: Tale, ours: NodeName, version: string): readonly string[] => [
  `# ${about(ours)}`,
  `# Recorded with heartbeat ${version} as ${ours === 'master' ? 'slave' : 'master'}.`,
  `nodes ${ours} ${ours === 'master' ? 'slave' : 'master'}`,
  `key ${KEY}`,
  `times ${TIMES.keepalive} ${TIMES.deadtime} ${TIMES.warntime} ${TIMES.initdead}`,
  'group web master vip',
  `autoFailback ${autoFailback ? 'on' : 'off'}`,
  'after 1000',
]

/** What of ours the daemon had to understand: everything but proof of life, and what stands outside the sequence. */
const spoken = (type: string): boolean => type !== 'status' && !type.startsWith('NS_')

/**
 * A command reached our node a little before what it said first because of it; that is more exact than when the laboratory gave it.
 */
const toldAt = ({ atMs, command }: Deed, said: readonly { readonly atMs: number; readonly type: string }[]): number => {
  const first = said.find((entry) => entry.atMs >= atMs && (command === 'start' || spoken(entry.type)))
  return Math.max(atMs, (first?.atMs ?? atMs) - 1)
}

function conversationOf(
  head: readonly string[],
  ours: NodeName,
  datagrams: readonly Datagram[],
  deeds: readonly Deed[],
): Conversation {
  const ring = ringOf({ head })
  const said = datagrams
    .filter(({ from }) => from === ours)
    .map(({ atMs, bytes }) => ({ atMs, type: text(openDatagram(ring, bytes), 't') ?? '' }))
  const startMs = said[0]?.atMs ?? 0
  const texts = new DatagramText(ring)
  const lines = [
    ...datagrams
      .filter(({ from, atMs }) => from !== ours && atMs >= startMs)
      .map(({ atMs, bytes }): Line => ({ atMs, mark: '<', text: texts.format(bytes) })),
    ...deeds.map(
      (deed): Line => ({
        atMs: deed.command === 'start' ? startMs : toldAt(deed, said),
        mark: '!',
        text: deed.command,
      }),
    ),
  ]
  // The start comes before what was heard in the same moment.
  const inOrder = lines.sort((a, b) => a.atMs - b.atMs || (a.mark === '!' ? -1 : 1))
  return { head, lines: inOrder.map((line) => ({ ...line, atMs: Math.round(line.atMs - startMs) })) }
}

/** Plays one tale in the laboratory; what was said becomes the conversation's file. */
async function capture(tale: Tale, ours: NodeName): Promise<void> {
  const world = await World.build({ title: `capture-${tale.name}` })
  try {
    const cast = await Cast.set(world, ours, tale.autoFailback)
    const sniffer = await Sniffer.start(world.host(ours), 'eth1')
    await tale.tell(cast)
    const datagrams = await sniffer.stop()
    const head = headOf(tale, ours, await versionOf(cast))
    const played = new ConversationPlayer(conversationOf(head, ours, datagrams, cast.deeds)).play()
    writeFileSync(`${FOLDER}${tale.name}-our-${ours}.txt`, formatConversation(played))
    // What is played back must be what was said: otherwise the daemon's answers would not belong to it.
    const ring = ringOf({ head })
    const real = datagrams
      .filter(({ from }) => from === ours)
      .map(({ bytes }) => text(openDatagram(ring, bytes), 't') ?? '')
      .filter(spoken)
    const again = played.lines.filter(({ mark }) => mark === '>').map((line) => line.text.split(' ')[0] ?? '')
    assert.deepEqual(
      again.filter((type) => spoken(type) && type !== 'again'),
      real,
    )
  } finally {
    await world.destroy()
  }
}

async function versionOf(cast: Cast): Promise<string> {
  const { stdout } = await cast.world.host(cast.ours).run(['/usr/libexec/heartbeat/heartbeat', '-V'])
  return stdout.split(' ')[0] ?? ''
}

/** Records the tales of these names (`standby-by-us-our-slave`), or all. Returns how many failed. */
export async function captureAll(names: readonly string[]): Promise<number> {
  mkdirSync(FOLDER, { recursive: true })
  let failed = 0
  for (const tale of tales)
    for (const ours of ['slave', 'master'] as const) {
      const name = `${tale.name}-our-${ours}`
      if (names.length > 0 && !names.includes(name)) continue
      try {
        await capture(tale, ours)
        console.log(`recorded ${name}`)
      } catch (error) {
        failed++
        console.log(`FAILED   ${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  return failed
}
