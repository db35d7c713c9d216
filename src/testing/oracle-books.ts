import type { EventName, EventPayloads } from '../core/events.ts'
import type { NodeFacts } from './oracle-node.ts'

/** What the books ask beyond the node itself. */
export interface Circumstances {
  readonly nowMs: number
  readonly keepaliveMs: number
  readonly togetherMs: number
  readonly serving: ReadonlyMap<string, readonly string[]>
  other(node: string): NodeFacts
  resources(group: string): readonly string[]
  /** It has an address: something that can be cut off, and announced. */
  isCuttable(group: string): boolean
}

const unrest = ['peer-dead', 'peer-left', 'failback', 'connectivity', 'resource-failed']

type Books = {
  readonly [Name in EventName]?: (facts: NodeFacts, payload: EventPayloads[Name], all: Circumstances) => void
}

/** What an event changes in the books. Opening and closing stand beside each other. */
export const bookkeeping: Books = {
  'peer:alive': (facts, payload, all) => {
    const { how } = payload
    facts.liveness = 'alive'
    facts.returnedMs = all.nowMs
    if (how !== 'returned') facts.peerNewMs = all.nowMs
    else
      for (const [name, group] of facts.groups)
        if (group.state === 'active' && all.isCuttable(name) && all.serving.get(name)?.includes(facts.name))
          group.owes.set('announce', all.nowMs + 2 * all.keepaliveMs)
  },
  'peer:late': (facts) => {
    facts.liveness = 'late'
  },
  'peer:dead': (facts) => {
    facts.liveness = 'dead'
    // When it is heard again, it may have given way already.
    for (const group of facts.groups.values()) group.owes.delete('contested')
  },
  'peer:left': (facts) => {
    facts.liveness = 'left'
  },
  // Should they come after all, nobody waits for them any more.
  'messages:lost': (facts, { from, to }) => {
    for (let seq = Math.max(from, to - 250); seq <= to; seq++) facts.arrivedSeqs.add(seq)
  },
  'group:starting': (facts, payload, all) => {
    const { group: name, epoch, reason } = payload
    const group = facts.group(name)
    group.epoch = epoch
    // Nobody else is left to serve: it starts over what would not stop, whether that was cut off or not.
    const alone = facts.liveness !== 'alive' && facts.liveness !== 'late'
    group.revives = alone && (group.takenFrom === 'stuck' || group.takenFrom === 'failed')
    group.reason = reason
    group.takenMs = all.nowMs
    if (reason === 'command') group.takings = []
    else if (unrest.includes(reason)) group.takings.push(all.nowMs)
    group.seenEpoch = Math.max(group.seenEpoch, epoch)
    group.usedEpoch = Math.max(group.usedEpoch, epoch)
    group.mustCut = false
    facts.open.set(`starting ${name}`, all.nowMs)
  },
  'group:acquired': (facts, payload) => {
    const { group: name, epoch } = payload
    facts.open.delete(`starting ${name}`)
    const group = facts.group(name)
    // What would not stop serves again.
    if (group.revives) facts.open.delete(`stopping ${name}`)
    group.broken = false
    if (group.owes.delete('acquired')) facts.kept++
    // A contest may have raised it.
    group.epoch = Math.max(group.epoch, epoch)
    group.usedEpoch = Math.max(group.usedEpoch, epoch)
    group.seenEpoch = Math.max(group.seenEpoch, epoch)
  },
  'group:stopping': (facts, payload, all) => {
    const { group, reason } = payload
    facts.open.delete(`starting ${group}`)
    facts.group(group).owes.clear()
    facts.group(group).broken = false
    if (reason === 'command') facts.group(group).takings = []
    facts.open.set(`stopping ${group}`, all.nowMs)
  },
  'group:released': (facts, payload) => {
    facts.open.delete(`stopping ${payload.group}`)
  },
  'group:failed': (facts, payload, all) => {
    const { group: name } = payload
    const group = facts.group(name)
    facts.open.delete(`starting ${name}`)
    // What would not stop was started over, that failed, and what was begun of it is stopped.
    if (group.revives) facts.open.delete(`stopping ${name}`)
    group.failedAtMs = all.nowMs
    group.broken = true
  },
  'group:stuck': (facts, payload, all) => {
    const { group } = payload
    facts.open.delete(`starting ${group}`)
    facts.group(group).revives = false
    facts.open.set(`stopping ${group}`, all.nowMs)
  },
  'group:probation': (facts, payload) => {
    facts.group(payload.group).owes.clear()
  },
  contested: (facts, payload, all) => {
    const { group: name, winner } = payload
    const group = facts.group(name)
    if (group.owes.delete('contested')) facts.kept++
    group.contestedMs = all.nowMs
    const serving = all.serving.get(name) ?? []
    const ms = all.keepaliveMs
    if (winner !== facts.name) group.mustCut = group.touched.has(all.resources(name)[0] ?? '') && all.isCuttable(name)
    else if (group.state === 'active' && serving.includes(facts.name)) {
      group.owes.set('acquired', all.nowMs + 2 * ms)
      if (all.isCuttable(name)) group.owes.set('announce', all.nowMs + 2 * ms)
    }
    const other = all.other(facts.name).group(name)
    // A contest that goes on, because one was not heard meanwhile, is told once. Who has just woken, or thinks this node dead, may
    // believe its first word when it has given way already.
    const told = other.contestedMs >= other.takenMs
    const { resumedMs, liveness, peerNewMs } = all.other(facts.name)
    // Whoever has just met this run of its peer does not know yet whether what it says is current (S13).
    const knows = all.nowMs - peerNewMs > ms
    const listens = all.nowMs - resumedMs > 2 * ms && knows && (liveness === 'alive' || liveness === 'late')
    if (serving.length === 2 && all.togetherMs > 0 && !told && listens) other.owes.set('contested', all.nowMs + 2 * ms)
  },
  'move:offered': (facts, payload, all) => {
    facts.open.set(`move ${payload.groups}`, all.nowMs)
  },
  'move:done': (facts, payload) => {
    facts.open.delete(`move ${payload.groups}`)
  },
  'move:failed': (facts, payload) => {
    facts.open.delete(`move ${payload.groups}`)
  },
  'ping:down': (facts, payload, all) => {
    facts.open.set(`ping ${payload.target}`, all.nowMs)
  },
  'ping:up': (facts, payload) => {
    facts.open.delete(`ping ${payload.target}`)
  },
  'link:down': (facts, payload, all) => {
    facts.open.set(`link ${payload.link}`, all.nowMs)
  },
  'link:up': (facts, payload) => {
    facts.open.delete(`link ${payload.link}`)
  },
  isolated: (facts, _, all) => {
    facts.open.set('isolated', all.nowMs)
  },
  connected: (facts) => {
    facts.open.delete('isolated')
  },
  'config:differs': (facts, _, all) => {
    facts.open.set('config', all.nowMs)
  },
  'config:agrees': (facts) => {
    facts.open.delete('config')
  },
}
