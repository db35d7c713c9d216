import { writeLeaseRecord } from '../../src/core/authority/lease-record.ts'
import type { CoreEvent, EventName } from '../../src/core/events.ts'
import type { TableStep } from '../../src/core/transition-table.ts'
import type { Scope } from '../../src/core/types.ts'
import { deadtime } from '../../src/liveness/deadtime.ts'
import type { Duration } from '../../src/roles/duration.ts'
import { durationMs } from '../../src/roles/duration.ts'
import type { Operation } from '../../src/roles/resource-agent.ts'
import { simulatedRing } from '../../src/testing/simulated-ring.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import type { SimulatedGroup, SimulationOptions } from '../../src/testing/simulation-options.ts'
import { createCodec } from '../../src/wire/codec.ts'
import { message } from '../../src/wire/message.ts'
import { hearsLaterVersion } from '../support/later-version.ts'

/** One block of a scenario file: commands, `----`, what is then seen. */
export interface Stanza {
  /** The lines before `----`, comments included. */
  readonly commands: readonly string[]
  readonly expected: string
}

/** Takes a scenario file apart. */
export function parseScenario(text: string): Stanza[] {
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const lines = block.trimEnd().split('\n')
      const line = lines.indexOf('----')
      if (line < 0) return { commands: lines, expected: '' }
      return { commands: lines.slice(0, line), expected: lines.slice(line + 1).join('\n') }
    })
}

/** The reverse of {@link parseScenario}. */
export function formatScenario(stanzas: readonly Stanza[]): string {
  const blocks = stanzas.map(({ commands, expected }) =>
    commands.every((line) => line.startsWith('#')) ? commands.join('\n') : [...commands, '----', expected].join('\n'),
  )
  return `${blocks.join('\n\n')}\n`
}

/** Told only on demand: they say how, the others what. */
const quiet: readonly EventName[] = ['phase', 'group:announced', 'link:up', 'peer:mistake']

/** Whether an event is told only on demand. */
export const isQuiet = (name: EventName): boolean => quiet.includes(name)

/** Payload entries that say nothing a reader needs. */
const untold: readonly string[] = ['peer', 'rttMs', 'lossRatio', 'generation', 'kind', 'ours', 'theirs']

/**
 * Plays the commands of scenario files on a {@link Simulation}. Each command is a method below, documented there; words with `=`
 * are its options.
 */
export class ScenarioPlayer {
  readonly steps: TableStep[] = []
  readonly #lines: string[] = []
  #pair: Simulation | undefined
  #options: SimulationOptions | undefined
  #shown = 0
  readonly #told = new Set<EventName>()
  readonly #groups: string[] = []
  /** Virtual milliseconds since the last report in which nobody, or both, served a group. */
  readonly #gaps = new Map<string, { nobody: number; both: number }>()
  readonly #captured: {
    readonly from: string
    readonly link: string
    readonly frame: Uint8Array
    readonly atMs: number
  }[] = []
  #sent = 0
  #received = new Map<string, number>()
  #unserved = new Set<string>()
  #disturbed = false

  /** Runs one stanza's commands and returns what is seen then. */
  play(commands: readonly string[]): string {
    for (const line of commands) {
      const words = split(line)
      const [name] = words
      if (name === undefined || name.startsWith('#')) continue
      const command = this.#commands[name]
      if (!command) throw new Error(`no such command: ${line}`)
      const options = new Map<string, string>()
      const plain: string[] = []
      for (const word of words.slice(1)) {
        const at = word.indexOf('=')
        if (at > 0) options.set(word.slice(0, at), word.slice(at + 1))
        else plain.push(word)
      }
      command(plain, options)
    }
    this.#tell()
    return this.#lines.splice(0).join('\n')
  }

  /** What must be true of every scenario when it has ended. */
  problems(): string[] {
    const pair = this.#sim
    const found: string[] = []
    const nodes = this.#options?.nodes.filter((node) => pair.isRunning(node)) ?? []
    for (const node of nodes)
      if (pair.unanswered(node) > 0 && !pair.isFrozen(node)) found.push(`${node} owes ${pair.unanswered(node)} answers`)
    if (this.#disturbed || nodes.length === 0) return found
    for (const group of this.#groups) {
      const count = pair.serving(group).length
      if (count !== (this.#unserved.has(group) ? 0 : 1)) found.push(`${count} nodes serve ${group} in the end`)
    }
    return found
  }

  get #sim(): Simulation {
    if (!this.#pair) throw new Error('the first command of a scenario is `pair`')
    return this.#pair
  }

  readonly #commands: Readonly<Record<string, (words: string[], options: Map<string, string>) => void>> = {
    /**
     * Builds the pair: keepalive, deadtime, warntime, initdead, deadping, holdDown, restartWindow, monitor (durations),
     * `lease=TTL renew=TIME`: groups are leased; `guard=on`: the kernel guards them;
     * `later=NODE`: what it hears of its peer is of a later version; autoFailback=on, onIsolated=stop|continue, targets=a,b, links=eth1,eth2, seed; `NODE.KEY=VALUE` for one node only.
     * Further groups: `group` before it.
     */
    pair: (_, options) => this.#build(options),
    /** `group NAME PREFERRED RESOURCE… [cuttable=no] [data=RESOURCE,…] [handover=make-before-break] [restarts=3]`; before `pair`. Without any: `web`, preferring master, of vip and nginx. */
    group: ([name = '', preferred = '', ...resources], options) => {
      this.#declared.push({
        name,
        preferred,
        resources,
        cuttable: options.get('cuttable') !== 'no',
        data: options.get('data')?.split(','),
        handover: options.get('handover') as 'make-before-break' | undefined,
        restarts: options.has('restarts') ? Number(options.get('restarts')) : undefined,
      })
    },
    start: (nodes) => {
      for (const node of nodes) this.#sim.start(node)
    },
    /** Lets time pass. */
    run: ([time = '']) => this.#sim.run(durationMs(time, 'run')),
    crash: ([node = '']) => this.#sim.crash(node),
    /** kill -9 of the process alone. */
    kill: ([node = '']) => this.#sim.kill(node),
    /** `freeze NODE [suspended|halted]`: the process alone, as after SIGSTOP; or the host sleeps; or stands still with all its clocks. */
    freeze: ([node = '', pause = 'stopped']) => this.#sim.freeze(node, pause as Parameters<Simulation['freeze']>[1]),
    thaw: ([node = '']) => this.#sim.thaw(node),
    /** `cut [LINK]`, or `cut from=NODE [LINK]` for one direction. */
    cut: ([link], options) => {
      this.#disturbed = true
      const from = options.get('from')
      if (from === undefined) this.#sim.partition(link)
      else this.#sim.partitionOneway(from, link)
    },
    mend: ([link]) => {
      this.#disturbed = false
      this.#sim.repair(link)
    },
    /** `network [loss=0.2] [delay=1ms] [delayMax=5ms] [pace=300ms] [from=NODE]` on every link, both ways or one. */
    network: (_, options) => {
      const [a, b] = this.#options?.nodes ?? ['', '']
      for (const link of this.#sim.links)
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const) {
          if (options.has('from') && options.get('from') !== from) continue
          const conditions = this.#sim.network.conditions(from, to, link)
          conditions.paceMs = options.has('pace') ? durationMs(options.get('pace') as Duration, 'pace') : 0
          conditions.loss = Number(options.get('loss') ?? 0)
          conditions.delayMinMs = durationMs(options.get('delay') ?? '0.1ms', 'delay') || 0.1
          conditions.delayMaxMs = durationMs(options.get('delayMax') ?? '0.3ms', 'delayMax') || 0.3
        }
    },
    /** No target answers a node any more; `icmp-mend` undoes it. */
    'icmp-drop': (nodes) => this.#targets(nodes, false),
    'icmp-mend': (nodes) => this.#targets(nodes, true),
    /** `behave NODE RESOURCE OPERATION [fails=WHY] [took=5s] [hangs] [unknown=WHY] [missing]`; nothing more: well again. */
    behave: ([node = '', resource = '', operation = '', ...rest], options) => {
      const took = options.get('took')
      const tookMs = rest.includes('hangs') ? Number.POSITIVE_INFINITY : took && durationMs(took, 'took')
      this.#sim.resource(node, resource).behaviour[operation as Operation] = {
        ...(options.has('fails') ? { fails: options.get('fails') } : {}),
        ...(options.has('unknown') ? { unknown: options.get('unknown') } : {}),
        ...(rest.includes('missing') ? { missing: true } : {}),
        ...(tookMs ? { tookMs } : {}),
      }
    },
    /** A resource dies by itself. */
    break: ([node = '', resource = '']) => {
      this.#sim.resource(node, resource).running = false
    },
    /** `disk NODE fails|lost`: what the node must remember cannot be written, or is confirmed and lost; nothing more: well again. */
    disk: ([node = '', fault]) => this.#sim.stateFault(node, fault as Parameters<Simulation['stateFault']>[1]),
    /** `store NODE [cut|deaf] [delay=2ms]`: the node does not reach the lease store, or does not hear it; nothing more: well again. */
    store: ([node = '', fault], options) => {
      const conditions = this.#sim.store.conditions(node)
      conditions.cut = fault === 'cut'
      conditions.answersLost = fault === 'deaf'
      conditions.delayMs = durationMs((options.get('delay') ?? '2ms') as Duration, 'delay')
    },
    /** `store-down`, `store-up`: nobody reaches it. */
    'store-down': () => {
      this.#sim.store.down = true
    },
    'store-up': () => {
      this.#sim.store.down = false
    },
    /** `store-put GROUP rubbish`, or `store-put GROUP [holder=NAME] [epoch=7]`: somebody else writes the record. */
    'store-put': ([group = '', rubbish], options) => {
      const holder = options.get('holder') ?? null
      const record = { holder, run: 'x', epoch: Number(options.get('epoch') ?? 0), ttlMs: 3000, seq: 1 }
      this.#sim.store.put(group, rubbish ?? writeLeaseRecord(record))
    },
    /** `clock NODE 10m`: the wall clock is set forward; `clock NODE back 10m`. */
    clock: ([node = '', ...words]) => {
      const stepMs = durationMs(words.at(-1) ?? '', 'clock')
      this.#sim.stepWall(node, words[0] === 'back' ? -stepMs : stepMs)
    },
    standby: (words) => this.#move('standby', words),
    takeover: (words) => this.#move('takeover', words),
    /** `pause NODE TIME`: the node announces that it will not run for a while. */
    pause: ([node = '', time = '']) =>
      this.#sim.command(node, { name: 'expectPause', pauseMs: durationMs(time, 'pause') }, (refusal) =>
        this.#answered(`pause ${node}`, refusal),
      ),
    stop: ([node = '']) =>
      this.#sim.command(node, { name: 'stop' }, (refusal) => this.#answered(`stop ${node}`, refusal)),
    /** `maintenance NODE on|off [GROUP…]`. */
    maintenance: ([node = '', word = '', ...groups]) => {
      const scope = groups.length === 0 ? 'all' : groups
      const label = ['maintenance', node, word, ...groups].join(' ')
      this.#sim.command(node, { name: 'maintenance', on: word === 'on', scope }, (refusal) =>
        this.#answered(label, refusal),
      )
    },
    /** `resources NODE GROUP RESOURCE…`: the group has these from now on. */
    resources: ([node = '', group = '', ...names]) => {
      const config = this.#sim.config(node)
      const groups = config.groups.map((entry) =>
        entry.name === group ? { ...entry, resources: names.map((name) => this.#sim.resourceConfig(name)) } : entry,
      )
      this.#sim.command(node, { name: 'configure', config: { ...config, groups } }, (refusal) =>
        this.#answered(`resources ${node} ${group} ${names.join(' ')}`, refusal),
      )
    },
    /** `log NODE RESOURCE`: what was done to it since the last look. */
    log: ([node = '', name = '']) => {
      const { log } = this.#sim.resource(node, name)
      const done = log.splice(0).filter(({ operation }) => operation === 'start' || operation === 'stop')
      this.#say(
        node,
        `${name}: ${done.map(({ atMs, operation }) => `${operation} ${atMs.toFixed(0)}`).join(', ') || 'untouched'}`,
      )
    },
    /** `reload NODE [autoFailback=on] [without=GROUP] [holdDown=5s]`. */
    reload: ([node = ''], options) => {
      const config = this.#sim.reconfiguration(node)
      const failback = options.get('autoFailback')
      this.#sim.command(
        node,
        {
          name: 'configure',
          config: {
            ...config,
            autoFailback: failback === undefined ? config.autoFailback : failback === 'on',
            groups: config.groups.filter(({ name }) => name !== options.get('without')),
          },
        },
        (refusal) => this.#answered(`reload ${node}`, refusal),
      )
    },
    /** Sends COUNT numbered messages of the application; the answers are counted. */
    send: ([node = '', count = '1']) => {
      const answers = { acknowledged: 0, refused: new Map<string, number>() }
      const wanted = Number(count)
      for (let index = 0; index < wanted; index++)
        this.#sim.command(
          node,
          { name: 'send', payload: new TextEncoder().encode(String(++this.#sent)) },
          (refusal) => {
            if (refusal) answers.refused.set(refusal.message, (answers.refused.get(refusal.message) ?? 0) + 1)
            else answers.acknowledged++
            const refused = [...answers.refused.values()].reduce((sum, each) => sum + each, 0)
            if (answers.acknowledged + refused < wanted) return
            this.#say(node, `answers acknowledged=${answers.acknowledged}`)
            for (const [why, times] of answers.refused) this.#say(node, `answers refused=${times} "${why}"`)
          },
        )
    },
    /** Which messages arrived since the last look, as ranges in the order of arrival. */
    received: ([node = '']) => {
      const all = this.#sim.messages(node).map((payload) => Number(new TextDecoder().decode(payload)))
      const fresh = all.slice(this.#received.get(node) ?? 0)
      this.#received.set(node, all.length)
      this.#say(node, `received ${ranges(fresh) || 'nothing'}`)
    },
    /** A verified message that claims to come from another node of the cluster: `inject TO from=NAME [hg=5] [uuid=other]`. */
    inject: ([to = ''], options) => {
      const fields = {
        t: 'status',
        st: 'active',
        dt: '3e8',
        src: options.get('from') ?? 'intruder',
        srcuuid: new TextEncoder().encode((options.get('uuid') ?? 'of another host').padEnd(16, '.').slice(0, 16)),
        hg: options.get('hg') ?? '1',
        seq: options.get('seq') ?? '1',
        ts: '1',
        ttl: '3',
      }
      this.#sim.network.inject(
        to,
        'eth1',
        createCodec({ ring: simulatedRing(), framing: 'datagram' }).seal(message(fields)),
      )
    },
    /** Everything that NODE has sent so far arrives at its peer once more, in the order in which it was sent. */
    replay: ([node = '']) => {
      const to = this.#options?.nodes.find((name) => name !== node) ?? ''
      for (const { from, link, frame } of [...this.#captured])
        if (from === node) this.#sim.network.inject(to, link, frame)
    },
    /** `hand NODE every=200ms since=3s`: what NODE has sent since then arrives at its peer once more, one after the other. */
    hand: ([node = ''], options) => {
      const sinceMs = durationMs(options.get('since') as Duration, 'since')
      const everyMs = durationMs(options.get('every') as Duration, 'every')
      const to = this.#options?.nodes.find((name) => name !== node) ?? ''
      const frames = this.#captured.filter(({ from, atMs }) => from === node && atMs >= sinceMs)
      const next = (): void => {
        const first = frames.shift()
        if (!first) return
        this.#sim.network.inject(to, first.link, first.frame)
        this.#sim.schedule.at(this.#sim.nowMs + everyMs, next)
      }
      next()
    },
    /** Tells these events too: `phase`, `group:announced`, `link:up`, `peer:mistake`. */
    show: (names) => {
      for (const name of names) this.#told.add(name as EventName)
    },
    /** The scenario may end with nobody serving this group. */
    unserved: (groups) => {
      for (const group of groups) this.#unserved.add(group)
    },
    /** The scenario ends while something is broken: who serves is in the file alone. */
    disturbed: () => {
      this.#disturbed = true
    },
  }

  readonly #declared: SimulatedGroup[] = []

  #build(options: Map<string, string>): void {
    const time = (name: string): Duration | undefined => options.get(name) as Duration | undefined
    const ms = (name: string) => {
      const value = options.get(name)
      return value === undefined ? undefined : durationMs(value, name)
    }
    const list = (name: string) => options.get(name)?.split(',')
    const groups =
      this.#declared.length > 0 ? this.#declared : [{ name: 'web', preferred: 'master', resources: ['vip', 'nginx'] }]
    const liveness = deadtime({
      keepalive: time('keepalive') ?? '200ms',
      deadtime: time('deadtime') ?? '1s',
      warntime: time('warntime'),
      initdead: time('initdead') ?? '5s',
    })
    const errors = liveness.issues.filter(({ severity }) => severity === 'error')
    if (errors.length > 0) throw new Error(errors.map(({ message: text }) => text).join('; '))
    this.#options = {
      seed: Number(options.get('seed') ?? 1),
      nodes: ['master', 'slave'],
      groups,
      liveness,
      ring: simulatedRing,
      links: list('links'),
      targets: list('targets'),
      autoFailback: options.get('autoFailback') === 'on',
      onIsolated: options.get('onIsolated') as 'stop' | 'continue' | undefined,
      deadpingMs: ms('deadping'),
      holdDownMs: ms('holdDown'),
      restartWindowMs: ms('restartWindow'),
      monitorMs: ms('monitor'),
      ...(options.has('lease') && { lease: { ttlMs: ms('lease') ?? 0, renewMs: ms('renew') ?? 400 } }),
      guarded: options.get('guard') === 'on',
      copies: true,
      wrap: (node, core) => (node === options.get('later') ? hearsLaterVersion(core) : core),
      trace: (_, step) => this.steps.push(step),
      override: (node) =>
        options.has(`${node}.autoFailback`) ? { autoFailback: options.get(`${node}.autoFailback`) === 'on' } : {},
    }
    this.#pair = new Simulation(this.#options)
    this.#pair.network.tap = (from, link, frame) => this.#captured.push({ from, link, frame, atMs: this.#sim.nowMs })
    for (const { name } of groups) {
      this.#groups.push(name)
      this.#gaps.set(name, { nobody: 0, both: 0 })
    }
    this.#probe()
  }

  /** Who serves is asked every millisecond, as a client would. */
  #probe(): void {
    for (const [group, gap] of this.#gaps) {
      const count = this.#sim.serving(group).length
      if (count === 0) gap.nobody++
      if (count === 2) gap.both++
    }
    this.#sim.schedule.at(this.#sim.nowMs + 1, () => this.#probe())
  }

  #targets(nodes: readonly string[], answers: boolean): void {
    for (const node of nodes)
      for (const target of this.#options?.targets ?? []) this.#sim.setTarget(node, target, answers)
  }

  #move(name: 'standby' | 'takeover', [node = '', ...words]: string[]): void {
    const [first = 'all'] = words
    const scope: Scope = first === 'all' || first === 'local' || first === 'foreign' ? first : words
    const label = [name, node, ...words].join(' ')
    this.#sim.command(node, { name, scope }, (refusal) => this.#answered(label, refusal))
  }

  #answered(label: string, refusal: { readonly code: string; readonly message: string } | undefined): void {
    this.#events()
    this.#lines.push(
      `${this.#time(this.#sim.nowMs)}         ${label}: ${refusal ? `${refusal.code} ${refusal.message}` : 'done'}`,
    )
  }

  #say(node: string, text: string): void {
    this.#events()
    this.#lines.push(`${this.#time(this.#sim.nowMs)} ${node.padEnd(7)} ${text}`)
  }

  #time(atMs: number): string {
    return atMs.toFixed(0).padStart(6)
  }

  #events(): void {
    const { events } = this.#sim
    for (; this.#shown < events.length; this.#shown++) {
      const { atMs, node, event } = events[this.#shown] as (typeof events)[number]
      if (quiet.includes(event.name) && !this.#told.has(event.name)) continue
      this.#lines.push(`${this.#time(atMs)} ${node.padEnd(7)} ${formatEvent(event)}`)
    }
  }

  #tell(): void {
    this.#events()
    for (const [group, gap] of this.#gaps) {
      const serving = this.#sim.serving(group).join(' and ') || 'nobody'
      const gaps = Object.entries(gap)
        .filter(([, ms]) => ms > 0)
        .map(([who, ms]) => `${who} for ${ms} ms`)
      this.#lines.push(
        `${this.#time(this.#sim.nowMs)} ${group}: ${serving}${gaps.length > 0 ? ` (${gaps.join(', ')})` : ''}`,
      )
      gap.nobody = 0
      gap.both = 0
    }
  }
}

/** Words of a line; a quoted part keeps its blanks. */
function split(line: string): string[] {
  return (line.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', ''))
}

/** An event as the files write it. */
export function formatEvent({ name, payload }: CoreEvent): string {
  const parts = Object.entries(payload)
    .filter(([key, value]) => !untold.includes(key) && value !== null && `${key} ${value}` !== 'stallCreditMs 0')
    .map(([key, value]) => {
      const text = typeof value === 'number' ? String(Math.round(value)) : String(value)
      return `${key}=${/[\s"]/.test(text) ? JSON.stringify(text) : text}`
    })
  return [name, ...parts].join(' ')
}

/** `1..20 25 22` for a list of numbers, in their order. */
function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = []
  for (const number of numbers) {
    const last = parts.at(-1)
    if (last && number === last[1] + 1) last[1] = number
    else parts.push([number, number])
  }
  return parts.map(([first, last]) => (first === last ? String(first) : `${first}..${last}`)).join(' ')
}
