import type { Operation } from '../roles/resource-agent.ts'
import { createCodec } from '../wire/codec.ts'
import { message } from '../wire/message.ts'
import type { FaultWorld } from './fault-world.ts'
import type { SimulatedBehaviour } from './simulated-agent.ts'
import { foreignRing } from './simulated-ring.ts'

/** One kind of fault: a switch of the nemesis. */
export interface Fault {
  readonly kind: string
  readonly says: string
  /** Longest time for which it lasts. */
  readonly upToMs: number
  /** Begins it; the returned function ends it. `undefined`: it cannot be had here, or is over at once. */
  begin(world: FaultWorld): (() => void) | undefined
}

function fault(kind: string, says: string, upToMs: number, begin: Fault['begin']): Fault {
  return { kind, says, upToMs, begin }
}

/** Names one of two links, or none for all of them. */
function someLink(world: FaultWorld): string | undefined {
  return world.random() < 0.5 ? undefined : world.pick(world.pair.links)
}

function lossy(world: FaultWorld, what: Parameters<FaultWorld['lines']>[0]): () => void {
  return world.lines(what, { link: someLink(world), from: world.random() < 0.5 ? undefined : world.node() })
}

function behave(world: FaultWorld, operations: readonly Operation[], how: SimulatedBehaviour): () => void {
  const group = world.pick(world.groups)
  const resource = world.pick(group.resources)
  const operation = world.pick(operations)
  const node = world.node()
  world.say(`${operation} of ${resource} on ${node}: ${JSON.stringify(how)}`)
  const { behaviour } = world.pair.resource(node, resource)
  behaviour[operation] = how
  // Where stopping and cutting off fail or lie nobody can promise that the other is alone.
  const leaves = ['stop', 'isolate', 'restore'].includes(operation)
  if (leaves || how.lies || (how.lateMs ?? 0) > 1500) world.facts.tainted.add(group.name)
  if (how.lies) world.facts.lied.add(group.name)
  return () => {
    behaviour[operation] = {}
  }
}

function freeze(world: FaultWorld, pause: 'stopped' | 'suspended' | 'halted'): (() => void) | undefined {
  const node = world.node()
  if (!world.pair.isRunning(node) || world.pair.isFrozen(node)) return undefined
  world.say(`${pause} ${node}`)
  world.pair.wakeOrder(node, world.random() < 0.5 ? 'timers' : 'sockets')
  world.pair.freeze(node, pause)
  return () => {
    if (!world.pair.isFrozen(node)) return
    world.say(`${node} goes on`)
    world.pair.thaw(node)
  }
}

function end(world: FaultWorld, node: string, how: 'crash' | 'kill'): () => void {
  if (world.pair.isRunning(node)) {
    world.say(`${how} ${node}`)
    world.pair[how](node)
  }
  return () => world.start(node)
}

const agentStarts: readonly Operation[] = ['prepare', 'start', 'status']
const agentStops: readonly Operation[] = ['stop', 'isolate', 'restore']
const hangs: SimulatedBehaviour = { tookMs: Number.POSITIVE_INFINITY }

/** Every kind of fault that the nemesis knows. A run of the swarm has some of them. */
export const faults: readonly Fault[] = [
  // The network.
  fault('loss', 'packets are lost, each by itself', 20_000, (world) => {
    const loss = world.between(0.05, 0.6)
    world.say(`loss ${loss.toFixed(2)}`)
    return lossy(world, { loss })
  }),
  fault('burst', 'packets are lost in bursts', 20_000, (world) => {
    world.say('losses in bursts')
    return lossy(world, { burst: { begin: world.between(0.02, 0.2), end: world.between(0.1, 0.5) } })
  }),
  fault('delay', 'every packet takes longer', 20_000, (world) => {
    const delayMaxMs = world.between(5, 500)
    world.say(`delays up to ${delayMaxMs.toFixed(0)} ms`)
    return lossy(world, { delayMaxMs })
  }),
  fault('tail', 'some packets take much longer and are overtaken', 20_000, (world) => {
    const tailMs = world.between(50, 6000)
    world.say(`a tail of ${tailMs.toFixed(0)} ms`)
    return lossy(world, { tail: world.between(0.05, 0.5), tailMs })
  }),
  fault('duplicate', 'packets arrive twice', 20_000, (world) => {
    world.say('packets arrive twice')
    return lossy(world, { duplicate: world.between(0.1, 1), tail: 0.3, tailMs: 300 })
  }),
  fault('flip', 'one bit of a packet is turned over', 10_000, (world) => {
    world.say('bits are turned over')
    return lossy(world, { flip: world.between(0.05, 0.7) })
  }),
  fault('truncate', 'packets are cut off', 10_000, (world) => {
    world.say('packets are cut off')
    return lossy(world, { truncate: world.between(0.05, 0.7) })
  }),
  fault('partition', 'nothing passes on any link', 25_000, (world) => {
    world.say('all links are cut')
    return world.lines({ cut: true })
  }),
  fault('partition-oneway', 'nothing passes from one node to the other', 25_000, (world) => {
    const from = world.node()
    world.say(`all links from ${from} are cut`)
    return world.lines({ cut: true }, { from })
  }),
  fault('link', 'one link is cut', 25_000, (world) => {
    const link = world.pick(world.pair.links)
    world.say(`${link} is cut`)
    return world.lines({ cut: true }, { link })
  }),
  fault('hold', 'packets wait, and come all at once', 15_000, (world) => {
    world.say('everything waits on the way')
    return world.lines({ held: true }, { link: someLink(world), from: world.random() < 0.5 ? undefined : world.node() })
  }),
  fault('flap', 'the links come and go at about the dead time', 30_000, (world) => {
    const { deadtimeMs } = world.options.liveness.times
    world.say('the links come and go')
    let back: (() => void) | undefined
    let over = false
    const turn = () => {
      if (over) return
      if (back) {
        back()
        back = undefined
      } else back = world.lines({ cut: true })
      world.later(deadtimeMs * (0.6 + 0.05 * ((world.pair.nowMs % 17) + 1)), turn)
    }
    turn()
    return () => {
      over = true
      back?.()
    }
  }),
  fault('forged', 'packets with a foreign key, a foreign name or our own come in', 0, (world) => {
    const node = world.node()
    if (!world.pair.isRunning(node) || world.pair.isFrozen(node)) return undefined
    const link = world.pick(world.pair.links)
    const peer = world.other(node)
    const fields = (src: string) =>
      message({ t: 'status', st: 'active', dt: '1', src, srcuuid: new Uint8Array(16), hg: 'fffff', seq: '1', ttl: '3' })
    const ours = createCodec({ ring: world.options.ring(node), framing: 'datagram' })
    const theirs = createCodec({ ring: foreignRing(), framing: 'datagram' })
    world.say(`forged packets come to ${node}`)
    world.oracle.inject(node, link, theirs.seal(fields(peer)), 'a packet with a foreign key')
    world.oracle.inject(node, link, ours.seal(fields('intruder')), 'a packet of a foreign node')
    world.oracle.inject(node, link, ours.seal(fields(node)), 'a packet in our own name')
    world.oracle.inject(node, link, new Uint8Array(world.below(2000)).fill(world.below(256)), 'junk')
    return undefined
  }),
  fault('replay', 'packets of an earlier run of the peer come in once more', 0, (world) => {
    const node = world.node()
    if (!world.pair.isRunning(node) || world.pair.isFrozen(node)) return undefined
    const peer = world.other(node)
    // Before a run of the peer is known, Heartbeat's format cannot tell old from new.
    if (world.pair.view(node)?.peer.heardEver !== true) return undefined
    const known = world.facts.of(node).generation
    const old = world.captured.filter(({ from, run }) => from === peer && run < known)
    if (old.length === 0) return undefined
    world.say(`packets of an earlier run of ${peer} are replayed to ${node}`)
    for (let index = 0; index < 5; index++) {
      const { link, frame } = world.pick(old)
      world.oracle.inject(node, link, frame, 'a packet of an earlier run')
    }
    return undefined
  }),

  // Time.
  fault('freeze', 'a process stands still, as after SIGSTOP', 12_000, (world) => freeze(world, 'stopped')),
  fault('suspend', 'a host sleeps: its monotonic clock stands, its boot clock goes on', 12_000, (world) =>
    freeze(world, 'suspended'),
  ),
  fault('halt', 'a virtual machine is halted with all its clocks', 12_000, (world) => freeze(world, 'halted')),
  fault('freeze-both', 'both processes stand still at the same time', 12_000, (world) => {
    const ends = world.nodes.map((node) => {
      if (!world.pair.isRunning(node) || world.pair.isFrozen(node)) return () => {}
      world.pair.freeze(node)
      return () => world.pair.thaw(node)
    })
    world.say('both stand still')
    return () => {
      world.say('both go on')
      for (const back of ends) back()
    }
  }),
  fault('freeze-alone', 'a process stands still while its host hears nobody', 20_000, (world) => {
    const node = world.node()
    if (!world.pair.isRunning(node) || world.pair.isFrozen(node)) return undefined
    world.say(`${node} stands still and hears nobody`)
    const mend = world.lines({ cut: true })
    for (const target of world.options.targets ?? []) world.pair.setTarget(node, target, false)
    world.pair.freeze(node)
    world.later(world.between(4000, 12_000), () => world.pair.thaw(node))
    return () => {
      mend()
      world.pair.thaw(node)
      for (const target of world.options.targets ?? []) world.pair.setTarget(node, target, true)
    }
  }),
  fault('stall-in-move', 'a process stands still in the middle of a planned move', 0, (world) => {
    const holder = world.nodes.find((node) => world.groups.some(({ name }) => world.pair.serving(name).includes(node)))
    if (holder === undefined) return undefined
    const node = world.random() < 0.5 ? holder : world.other(holder)
    const forMs = world.between(3000, 6000)
    world.pair.stall(node, forMs, world.below(6), () => world.say(`${node} stood still for ${forMs.toFixed(0)} ms`))
    world.command(holder, { name: 'standby', scope: 'all' }, `standby ${holder}`)
    return undefined
  }),
  fault('stall', 'a process stands still in the middle of a turn', 0, (world) => {
    const node = world.node()
    const forMs = world.random() < 0.5 ? world.between(60, 4000) : world.between(4000, 9000)
    world.pair.stall(node, forMs, world.below(4), () => world.say(`${node} stood still for ${forMs.toFixed(0)} ms`))
    return undefined
  }),
  fault('drift', 'the clocks of a node run too fast or too slow', 60_000, (world) => {
    const node = world.node()
    const ratio = world.between(-0.01, 0.01)
    world.say(`the clock of ${node} is off by ${(ratio * 100).toFixed(2)} %`)
    world.pair.drift(node, ratio)
    return () => world.pair.drift(node, 0)
  }),
  fault('wall-step', 'the wall clock is set', 0, (world) => {
    const node = world.node()
    world.say(`the wall clock of ${node} is set`)
    world.pair.stepWall(node, world.between(-3_600_000, 3_600_000))
    return undefined
  }),
  fault('late-timers', 'the timers of a node fire late', 20_000, (world) => {
    const node = world.node()
    world.say(`the timers of ${node} fire late`)
    world.facts.timersLate = true
    world.pair.lateTimers(node, world.between(5, 300))
    return () => world.pair.lateTimers(node, 0)
  }),

  // Processes.
  fault('crash', 'a host dies and starts again', 15_000, (world) => end(world, world.node(), 'crash')),
  fault('kill', 'a process dies and starts again; its guardian removes the addresses', 15_000, (world) =>
    end(world, world.node(), 'kill'),
  ),
  fault('restart-fast', 'a host dies and is back before anybody has noticed', 1500, (world) =>
    end(world, world.node(), world.pick(['crash', 'kill'] as const)),
  ),
  fault('storm', 'a process dies again and again', 20_000, (world) => {
    const node = world.node()
    world.say(`${node} dies again and again`)
    let over = false
    const gapMs = world.between(200, 6000)
    const turn = () => {
      if (over) return
      if (world.pair.isRunning(node)) world.pair.kill(node)
      else world.start(node)
      world.later(gapMs, turn)
    }
    turn()
    return () => {
      over = true
      world.start(node)
    }
  }),
  fault('both', 'both hosts lose power', 10_000, (world) => {
    const ends = world.nodes.map((node) => end(world, node, 'crash'))
    return () => {
      for (const back of ends) back()
    }
  }),

  // Agents.
  fault('agent-fails', 'an agent fails to start, to prepare or to look', 20_000, (world) =>
    behave(world, agentStarts, { fails: 'it fails' }),
  ),
  fault('agent-hangs', 'an agent hangs until it is cancelled', 20_000, (world) => behave(world, agentStarts, hangs)),
  fault('agent-slow', 'an agent takes seconds', 20_000, (world) =>
    behave(world, ['start', 'stop', 'prepare', 'status'], { tookMs: world.between(300, 2500) }),
  ),
  fault('agent-late', 'an agent does what it was asked after it was cancelled', 20_000, (world) =>
    behave(world, ['start', 'stop', 'restore'], { ...hangs, lateMs: world.between(10, 1900) }),
  ),
  fault('agent-lies', 'an agent says that a resource runs which does not', 20_000, (world) =>
    behave(world, ['status', 'start'], { lies: true }),
  ),
  fault('agents-hang', 'everything on a host hangs until it is cancelled', 25_000, (world) => {
    const node = world.node()
    world.say(`every agent of ${node} hangs`)
    const all = world.groups.flatMap(({ resources }) =>
      resources.map((name) => world.pair.resource(node, name).behaviour),
    )
    for (const { name } of world.groups) world.facts.tainted.add(name)
    for (const behaviour of all) Object.assign(behaviour, { start: hangs, stop: hangs })
    return () => {
      for (const behaviour of all) Object.assign(behaviour, { start: {}, stop: {} })
    }
  }),
  fault('stop-fails', 'a resource would not stop, or not be cut off, or hangs at it', 20_000, (world) =>
    behave(world, agentStops, world.random() < 0.5 ? { fails: 'it would not' } : hangs),
  ),
  fault('stop-lies', 'a resource is called stopped, or cut off, and is not', 10_000, (world) =>
    behave(world, agentStops, { lies: true }),
  ),
  fault('break', 'a resource dies by itself, or its address is removed by another program', 0, (world) => {
    const resource = world.pick(world.pick(world.groups).resources)
    const node = world.node()
    world.say(`${resource} dies on ${node}`)
    world.pair.resource(node, resource).running = false
    return undefined
  }),

  // Ping targets.
  fault('target-vanishes', 'a ping target no longer answers one node', 20_000, (world) => {
    const target = world.options.targets?.[0]
    if (target === undefined) return undefined
    const node = world.node()
    world.say(`${target} no longer answers ${node}`)
    world.pair.setTarget(node, target, false)
    return () => world.pair.setTarget(node, target, true)
  }),
  fault('targets-vanish', 'no ping target answers anybody', 20_000, (world) => {
    const targets = world.options.targets ?? []
    if (targets.length === 0) return undefined
    world.say('no target answers')
    const all = (answers: boolean) => {
      for (const node of world.nodes) for (const target of targets) world.pair.setTarget(node, target, answers)
    }
    all(false)
    return () => all(true)
  }),
  fault('target-lies', 'a ping target is called dead, and answers', 0, (world) => {
    const target = world.options.targets?.[0]
    const node = world.node()
    if (target === undefined || !world.pair.isRunning(node)) return undefined
    world.say(`${target} is called dead on ${node}`)
    world.pair.observe(node, target, false)
    return undefined
  }),

  // The state file.
  fault('state-fails', 'the state file cannot be written', 20_000, (world) => {
    const node = world.node()
    world.say(`${node} cannot write its state`)
    world.facts.stateLost = true
    world.pair.stateFault(node, 'fails')
    return () => world.pair.stateFault(node, undefined)
  }),
  fault('state-lost', 'writes of the state file are confirmed, and lost if the host ends', 20_000, (world) => {
    const node = world.node()
    world.say(`${node} loses its state`)
    world.facts.stateLost = true
    world.pair.stateFault(node, 'lost')
    return () => world.pair.stateFault(node, undefined)
  }),

  // Operators and the application.
  fault('standby', 'an operator gives groups up', 0, (world) => {
    const node = world.node()
    const scope = world.pick(['all', 'local', 'foreign'] as const)
    world.command(node, { name: 'standby', scope }, `standby ${node} ${scope}`)
    return undefined
  }),
  fault('crossing', 'operators of both nodes give groups up at the same moment', 0, (world) => {
    for (const node of world.nodes) world.command(node, { name: 'standby', scope: 'all' }, `standby ${node} all`)
    return undefined
  }),
  fault('takeover', 'an operator takes groups', 0, (world) => {
    const node = world.node()
    const scope = world.pick(['all', 'local', 'foreign'] as const)
    world.command(node, { name: 'takeover', scope }, `takeover ${node} ${scope}`)
    return undefined
  }),
  fault('stop', 'an operator stops a node and starts it again', 15_000, (world) => {
    const node = world.node()
    world.command(node, { name: 'stop' }, `stop ${node}`)
    return () => world.start(node)
  }),
  fault('config-differs', 'one node is configured otherwise for a while', 20_000, (world) => {
    const node = world.node()
    const set = (autoFailback: boolean) => {
      if (!world.pair.isRunning(node)) return
      const config = { ...world.pair.reconfiguration(node), autoFailback }
      world.command(node, { name: 'configure', config }, `reload ${node} autoFailback=${autoFailback}`)
    }
    const usual = world.options.autoFailback ?? false
    set(!usual)
    return () => set(usual)
  }),
  fault('messages', 'the application sends messages', 0, (world) => {
    world.send(world.node(), 1 + world.below(world.random() < 0.2 ? 150 : 20))
    return undefined
  }),
]

/** Lines that are slow, not lossy. They are drawn beside the others: the plans of seeds that have none of them stay as they were. */
export const slowFaults: readonly Fault[] = [
  fault('constant-delay', 'everything takes seconds, and comes in its order', 60_000, (world) => {
    const delayMinMs = world.between(0.3, 3) * world.options.liveness.times.deadtimeMs
    world.say(`everything takes ${delayMinMs.toFixed(0)} ms`)
    return lossy(world, { delayMinMs, delayMaxMs: delayMinMs + 10 })
  }),
  fault('bufferbloat', 'what waits in a full buffer takes seconds, now more, now less', 60_000, (world) => {
    const delayMinMs = world.between(0.3, 2) * world.options.liveness.times.deadtimeMs
    const delayMaxMs = delayMinMs + world.between(0.1, 1) * world.options.liveness.times.deadtimeMs
    world.say(`everything takes ${delayMinMs.toFixed(0)} to ${delayMaxMs.toFixed(0)} ms`)
    return lossy(world, { delayMinMs, delayMaxMs })
  }),
  fault('held-back', 'a line hands on more slowly than is sent', 40_000, (world) => {
    const paceMs = world.between(0.3, 2) * world.options.liveness.times.keepaliveMs
    world.say(`one packet in ${paceMs.toFixed(0)} ms is handed on`)
    return lossy(world, { paceMs })
  }),
]
