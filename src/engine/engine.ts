import { hostname } from 'node:os'
import { openKeyRing } from '../authenticators/keyring.ts'
import { type Core, createCore } from '../core/core.ts'
import type { CoreEvent } from '../core/events.ts'
import { deadpingIssues, guardMarginMs } from '../core/timing.ts'
import type { CoreConfig, Reconfiguration, Refusal } from '../core/types.ts'
import type { Resolved } from '../options/resolve.ts'
import { bootTimeMs, isoNow, wallClockMs } from '../platform/clocks.ts'
import { guardianCaution } from '../platform/container.ts'
import { type HeartbeatFiles, type Identity, takeIdentity } from '../platform/identity.ts'
import { addressesOf, deviceState } from '../platform/interfaces.ts'
import { withinLimit } from '../platform/limit.ts'
import { randomBytes, randomHex } from '../platform/random.ts'
import { respawn } from '../platform/respawn.ts'
import { deviceTowards } from '../platform/route.ts'
import { readSecretFile } from '../platform/secret-file.ts'
import { openStateDirectory, respawnRecord, type StateDirectory } from '../platform/state.ts'
import { type FlightRecorder, openRecorder } from '../recorder/flight-recorder.ts'
import { History } from '../recorder/history.ts'
import type { Account } from '../recorder/timeline.ts'
import { TimelineStore } from '../recorder/timeline-store.ts'
import type { Arbiter } from '../roles/arbiter.ts'
import { configurationError, HotStandbyError, isHotStandbyError, messageOf } from '../roles/error.ts'
import type { KeyRing } from '../roles/key-ring.ts'
import type { LeaseStore } from '../roles/lease-store.ts'
import type { ResourceAgent, ResourceContext } from '../roles/resource-agent.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { diagnoseSilence } from '../transports/link-diagnosis.ts'
import { deviceError } from '../transports/udp-errors.ts'
import { classicCutter } from '../wire/classic-cutter.ts'
import { sessionBytes } from '../wire/sealed.ts'
import { abortable } from './abortable.ts'
import { Agents } from './agents.ts'
import { addressesByGroup, floatingAddresses, groupConfig } from './group-config.ts'
import { GuardLine } from './guard-line.ts'
import { monotonicMs, RealHost } from './host.ts'
import { Loop } from './loop.ts'
import { loopLinks, type OpenLink } from './open-link.ts'

/** Whom the engine tells. */
export interface EngineListeners {
  onEvent(event: CoreEvent): void
  onMessage(payload: Uint8Array): void
  onReply(id: number, refusal: Refusal | undefined): void
  onHalt(): void
  onFatal(group: string, reason: string): void
}

/** The stall probe never rests longer than this, in milliseconds (rule S1 of docs/safety.md). */
const probeMaxMs = 50
/** A link on which nothing was heard for so long after the start is told, at the latest. */
const silentLinkMaxMs = 10_000
/** How long one agent, link or arbiter may take to close before the others are closed without it. */
const closeLimitMs = 10_000
/** Of what closes parts with a limit of their own: the longest that a timer can wait. */
const eachHasItsLimit = 2 ** 31 - 1

/** Everything of a running pair member that is not decided by the core: files, keys, links, agents, arbiters, time. */
export class Engine {
  readonly #options: Resolved
  readonly #listeners: EngineListeners
  /** What was opened, in order; closed in reverse. */
  readonly #closers: { readonly close: () => Promise<void> | void; readonly limitMs: number }[] = []
  readonly #links = new Map<string, OpenLink>()
  readonly #agents: Agents
  #arbiters: Arbiter[] = []
  readonly #stores = new Map<string, LeaseStore>()
  #guard: GuardLine | undefined
  /** The shortest so far: ping targets are asked, and stalls are looked for, as often as that needs. */
  #keepaliveMs: number
  #ring: KeyRing
  #floating: readonly string[]
  #state!: StateDirectory
  #core!: Core
  #recorder: FlightRecorder | undefined
  readonly #timelineStore: TimelineStore
  #history: History | undefined
  #loop!: Loop
  #host!: RealHost
  #respawned = false
  /** Told when there is somebody to tell it to. */
  readonly #stateProblems: { readonly where: string; readonly message: string }[] = []
  #closing: Promise<void> | undefined
  readonly bootId: string = randomHex(8)
  /** Never used by another run: numbered from 1, its frames have nonces of their own. */
  readonly #session = randomBytes(sessionBytes)
  generation = 0

  /** Reads the keys, so that a wrong one is known before anything starts. */
  constructor(options: Resolved, listeners: EngineListeners) {
    this.#options = options
    this.#listeners = listeners
    this.#ring = openKeys(options)
    this.#floating = floatingAddresses(options.groups)
    this.#keepaliveMs = options.liveness.times.keepaliveMs
    this.#agents = new Agents((group, name) => this.#contextOf(group, name), options.logger)
    this.#timelineStore = new TimelineStore(options.node, options.peer)
  }

  get loop(): Loop {
    return this.#loop
  }

  get core(): Core {
    return this.#core
  }

  get links(): readonly OpenLink[] {
    return [...this.#links.values()]
  }

  /** What the flight recorder holds; undefined when nothing is recorded. */
  get recording(): string | undefined {
    return this.#recorder?.recorder.recording()
  }

  /** What has been told so far, with the reasons; undefined before the loop has started. */
  get account(): Account | undefined {
    return this.#timelineStore.account
  }

  /** What was lived through, also in earlier runs; undefined before the state is read. */
  get history(): History | undefined {
    return this.#history
  }

  get agents(): ReadonlyMap<string, ResourceAgent> {
    return this.#agents
  }

  /** Opens everything in order and starts the loop; when anything fails, all of it is closed again. */
  async open(signal?: AbortSignal): Promise<void> {
    try {
      await this.#open(signal)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #open(signal?: AbortSignal): Promise<void> {
    const { stateDirectory, logger, groups } = this.#options
    this.#state = openStateDirectory(stateDirectory, {
      logger,
      problem: (message) => this.#tellStateProblem(stateDirectory, message),
    })
    this.#whenClosing(() => this.#state.close())
    this.#whenClosing(() => this.#agents.close(), eachHasItsLimit)
    await this.#openGuard(signal)
    // Agents first: they fork their helpers while the process is small, and remove what a killed predecessor left.
    for (const group of groups)
      for (const plugin of group.resources) await this.#agents.open(group.name, plugin, signal)
    const identity = await this.#takeIdentity()
    this.#history = new History(this.#state.history(), (entries) => this.#state.keepHistory(entries))
    const began = `${this.#options.node} started (run ${this.generation})`
    this.#history.add({ time: isoNow(), event: 'started', groups: [], text: began })
    await this.#openStore(signal)
    const transports = this.#usableTransports()
    refuseWithoutDevice(transports)
    for (const plugin of transports) await this.#openLink(plugin, signal)
    const onIsolated = this.#options.onIsolated ?? (await this.#defaultOnIsolated())
    this.#startLoop(identity, onIsolated)
    this.#whenClosing(() => this.#closeArbiters(this.#arbiters), eachHasItsLimit)
    await this.#openArbiters(this.#options, this.#arbiters, signal)
    signal?.throwIfAborted()
    this.#loop.start()
    for (const { where, message } of this.#stateProblems.splice(0)) this.#tellStateProblem(where, message)
    this.#tellForgotten()
    const caution = this.#floating.length > 0 ? guardianCaution() : undefined
    if (caution !== undefined) logger.warn({ pid: process.pid }, caution)
  }

  #tellStateProblem(where: string, message: string): void {
    if (!this.#loop) return void this.#stateProblems.push({ where, message })
    this.#loop.tell('problem', { where, code: 'HS_STATE_DIRECTORY', message })
  }

  /** What an earlier run has added for resources that are configured no more: nobody here knows how to remove it. */
  #tellForgotten(): void {
    for (const name of this.#state.rememberedResources()) {
      if (name === respawnRecord || this.#agents.has(name) || this.#state.remembered(name) === null) continue
      const message = `an earlier run has left something of ${name} on this host, and it is configured no more: remove it by hand, or configure it once more`
      this.#tellStateProblem(this.#options.stateDirectory, message)
    }
  }

  /** Before the core is built: what the store can promise decides which class is shown. */
  async #openStore(signal?: AbortSignal): Promise<void> {
    const { lease, name: cluster, logger } = this.#options
    if (!lease) return
    const { description } = lease.store
    const problem = (error: Error) => this.#problem(description, error)
    const store = lease.store.create({ cluster, logger, problem })
    this.#stores.set(description, store)
    this.#whenClosing(() => store.close())
    await abortable(store.open(), signal)
    refuseWeakStore(this.#options, store)
  }

  /** Before the agents, and closed after them: nothing of ours is on this host that the guard does not know. */
  async #openGuard(signal?: AbortSignal): Promise<void> {
    const { guard: plugin, name: cluster, node, logger, groups } = this.#options
    if (!plugin) return
    const guard = plugin.create({ cluster, node, logger })
    this.#whenClosing(() => guard.close())
    await abortable(guard.open(), signal)
    const line = new GuardLine({ guard, marginMs: guardMarginMs, now: monotonicMs }, addressesByGroup(groups))
    await abortable(line.open(), signal)
    this.#guard = line
  }

  async #takeIdentity(): Promise<Identity> {
    const identity = await takeIdentity({
      state: this.#state,
      node: this.#options.node,
      heartbeat: this.#heartbeatFiles(),
      wallMs: wallClockMs(),
      problem: (where, message) => this.#tellStateProblem(where, message),
    })
    this.generation = identity.state.generation
    return identity
  }

  /** A daemon runs only as the node that has its host's name: as another one this node shares nothing with it. */
  #heartbeatFiles(): HeartbeatFiles | undefined {
    const { heartbeat, node } = this.#options
    if (!heartbeat || hostname().toLowerCase() !== node.toLowerCase()) return undefined
    const { directory, generationFrom = 'file', uuidFrom = 'file' } = heartbeat
    return { directory, generationFrom, uuidFrom }
  }

  #contextOf(group: string, name: string): ResourceContext {
    return {
      self: this.#options.node,
      group,
      logger: this.#options.logger,
      directory: this.#state.directoryFor(name),
      changed: () => this.#loop?.changed(name),
      remember: (record) => this.#state.remember(name, record),
      leftover: this.#state.remembered(name),
    }
  }

  /** Heartbeat's files may name both ends, the same on both hosts: the link to our own address is left out. */
  #usableTransports(): readonly TransportPlugin[] {
    const { transports, node, peer, logger } = this.#options
    // Two members on one machine, told apart by their ports, mean what they say.
    const isLoopback = (address: string) => address.startsWith('127.') || address === '::1'
    const own = new Set(addressesOf().flatMap(({ address }) => (isLoopback(address) ? [] : address)))
    const towardsUs = (plugin: TransportPlugin) => own.has(plugin.remoteAddress?.(node, peer) ?? '')
    const usable = transports.filter((plugin) => !towardsUs(plugin))
    if (usable.length === 0 || usable.length === transports.length) return transports
    for (const { link } of transports.filter(towardsUs))
      logger.info({ link }, `link ${link} leads to this host itself and is left out`)
    return usable
  }

  async #openLink(plugin: TransportPlugin, signal?: AbortSignal): Promise<void> {
    const { node: self, peer, logger } = this.#options
    const { link } = plugin
    const floating = () => this.#floating
    const transport = plugin.create({
      self,
      peer,
      logger,
      receive: (bytes, from) => this.#loop?.receive(link, bytes, from),
      peerIsOurs: this.#ring.protects === 'sealing',
      restarted: () => this.#links.get(link)?.cutter?.restart(),
      get floating() {
        return floating()
      },
      moved: (path, before) => this.#loop?.tell('link:moved', { link, path, before }),
      dropped: (reason, from) => this.#loop?.dropped(link, reason, from),
      problem: (error) => {
        const open = this.#links.get(link)
        if (open) open.lastProblem = error.message
        this.#problem(`link ${link}`, error)
      },
    })
    const cutter = transport.capabilities.framing === 'stream' ? classicCutter() : undefined
    this.#links.set(link, { plugin, transport, cutter, lastProblem: undefined })
    signal?.throwIfAborted()
    this.#whenClosing(() => transport.close())
    await abortable(transport.open(), signal)
  }

  /** Each is in `opened` before it opens, so that whoever gives up closes it. */
  async #openArbiters({ arbiters, liveness }: Resolved, opened: Arbiter[], signal?: AbortSignal): Promise<void> {
    for (const plugin of arbiters) {
      const arbiter = plugin.create({
        intervalMs: liveness.times.keepaliveMs,
        logger: this.#options.logger,
        observe: (observation) => this.#loop.observe(observation),
        problem: (error) => this.#problem(`ping ${plugin.target}`, error),
      })
      opened.push(arbiter)
      signal?.throwIfAborted()
      await abortable(arbiter.open(), signal)
    }
  }

  async #closeArbiters(arbiters: readonly Arbiter[]): Promise<void> {
    await Promise.all(arbiters.map((arbiter) => this.#close(() => arbiter.close())))
  }

  /** `continue` where every target lies behind the only heartbeat line: there one dead switch would stop both nodes. */
  async #defaultOnIsolated(): Promise<'stop' | 'continue'> {
    const addresses = this.#options.arbiters.flatMap((arbiter) => arbiter.addresses)
    const links = [...this.#links.values()]
    if (addresses.length === 0 || links.length !== 1) return 'stop'
    const device = links[0]?.plugin.device
    if (device === undefined) return 'stop'
    const routes = await Promise.all(addresses.map((address) => deviceTowards(address)))
    return routes.every((route) => route === device) ? 'continue' : 'stop'
  }

  #startLoop(identity: Identity, onIsolated: 'stop' | 'continue'): void {
    const { liveness } = this.#options
    const config = this.#coreConfig(identity, onIsolated)
    this.#tellAdvisedTimes(this.#options, config)
    this.#recorder = openRecorder(this.#options, config, (error) => this.#problem('recorder', error))
    const core = this.#timelineStore.wrap(
      createCore(config, liveness.create(), (step) => {
        this.#timelineStore.decided(step)
        this.#recorder?.recorder.decided(step)
      }),
    )
    this.#whenClosing(() => this.#recorder?.close())
    this.#core = this.#recorder?.recorder.wrap(core) ?? core
    const host = new RealHost({
      probeMs: probeMs(this.#keepaliveMs),
      agents: this.#agents,
      stores: this.#stores,
      guard: this.#guard,
      writeState: (written) => this.#state.write(written),
      bootMs: bootTimeMs,
      onWake: () => this.#loop.wake(),
      onDrained: () => this.#loop.drained(),
    })
    this.#host = host
    this.#whenClosing(() => host.close())
    this.#loop = new Loop({
      ...this.#listeners,
      core: this.#core,
      host,
      links: loopLinks(this.#links, { ring: this.#ring, session: this.#session }, this.#options),
      silentLinkMs: Math.min(liveness.times.initdeadMs, Math.max(liveness.times.deadtimeMs, silentLinkMaxMs)),
      diagnose: (link, junk) => this.#diagnose(link, junk),
      onTold: (event) => {
        this.#timelineStore.note(event)
        this.#recorder?.recorder.note(event)
      },
      onEvent: (event) => {
        if (event.name === 'phase' && event.payload.from === 'listening') this.#respawn()
        this.#listeners.onEvent(event)
      },
    })
  }

  #coreConfig({ uuid, state }: Identity, onIsolated: 'stop' | 'continue'): CoreConfig {
    const { name, node, peer, lease } = this.#options
    const changeable = this.#reconfiguration(this.#options, onIsolated)
    return {
      ...changeable,
      self: node,
      peer,
      uuid,
      bootId: this.bootId,
      generation: this.generation,
      state,
      links: [...this.#links.keys()],
      sealed: this.#ring.protects === 'sealing',
      guarded: this.#guard !== undefined,
      ...(lease && { lease: leaseConfig(name, lease, this.#stores) }),
    }
  }

  #reconfiguration(options: Resolved, onIsolated: 'stop' | 'continue'): Reconfiguration {
    const targets = options.arbiters.map(({ target, deadpingMs = options.deadpingMs }) => ({ target, deadpingMs }))
    return {
      times: options.liveness.times,
      targets,
      deadpingMs: Math.max(0, ...targets.map(({ deadpingMs }) => deadpingMs)),
      keyId: this.#ring.active,
      held: this.#ring.held,
      groups: options.groups.map((group) => groupConfig(group, options.restarts, this.#agents)),
      autoFailback: options.autoFailback ?? false,
      onIsolated,
      restartWindowMs: options.restartWindowMs,
      holdDownMs: options.holdDownMs,
    }
  }

  /** Agents may advise other stop limits than the options could know when they were checked. */
  #tellAdvisedTimes({ warnings }: Resolved, { times, targets, groups }: Reconfiguration): void {
    for (const { path, message } of deadpingIssues({ times, targets, groups }))
      if (!warnings.some((told) => told.message === message))
        this.#options.logger.warn({ where: path }, `${path}: ${message}`)
  }

  #diagnose(name: string, heardJunk: number): string {
    const { node, peer } = this.#options
    const link = this.#links.get(name)
    if (!link) return 'the link is not open'
    const { plugin, lastProblem } = link
    const { type, device } = plugin
    return diagnoseSilence({
      type,
      device,
      deviceState: device === undefined ? undefined : deviceState(device),
      remote: plugin.remoteAddress?.(node, peer),
      heardJunk,
      lastProblem,
      peerHeardElsewhere: this.#core.view().links.some(({ up }) => up === true),
    })
  }

  #respawn(): void {
    const { respawn: programs, logger, node } = this.#options
    const leftover = this.#state.remembered(respawnRecord)
    if (this.#respawned || (programs.length === 0 && leftover === null)) return
    this.#respawned = true
    const context = {
      env: { HA_CURHOST: node },
      onEvent: (event: object) => logger.info(event, 'respawn'),
      remember: (record: Readonly<Record<string, unknown>> | null) => this.#state.remember(respawnRecord, record),
      leftover,
    }
    const started = respawn(programs, context)
    // They get five seconds each to end in order.
    this.#whenClosing(async () => (await started).stop(), closeLimitMs * (programs.length + 1))
    started.catch((error: unknown) => this.#problem('respawn', error))
  }

  /**
   * Takes new keys, times and resources while everything runs on; resolves to what the core is to be told. Rejects, with
   * everything as it was, when something new cannot be opened or the signal aborts before all of it is.
   */
  async reload(options: Resolved, signal: AbortSignal): Promise<Reconfiguration> {
    const ring = openKeys(options)
    const onIsolated = options.onIsolated ?? (await this.#defaultOnIsolated())
    // A target that is asked less often would seem silent while the old deadping is in force: only a shorter keepalive counts at once.
    const { keepaliveMs } = options.liveness.times
    const asksMore = keepaliveMs < this.#keepaliveMs
    const arbiters: Arbiter[] = []
    try {
      if (asksMore) await this.#openArbiters(options, arbiters, signal)
      await this.#agents.reload(options.groups, signal)
    } catch (error) {
      await this.#closeArbiters(arbiters)
      throw error
    }
    if (asksMore) {
      void this.#closeArbiters(this.#arbiters)
      this.#arbiters = arbiters
      this.#keepaliveMs = keepaliveMs
    }
    await this.#guard?.moveTo(addressesByGroup(options.groups)).catch((error: unknown) => this.#problem('guard', error))
    this.#ring = ring
    this.#floating = floatingAddresses(options.groups)
    this.#loop.setLinks(loopLinks(this.#links, { ring, session: this.#session }, options))
    this.#host.probeEvery(probeMs(this.#keepaliveMs))
    const config = this.#reconfiguration(options, onIsolated)
    this.#tellAdvisedTimes(options, config)
    return config
  }

  #problem(where: string, error: unknown): void {
    const code = isHotStandbyError(error) ? error.code : 'HS_HOST'
    const payload = { where, code, message: messageOf(error) }
    if (this.#loop) this.#loop.tell('problem', payload)
    else this.#options.logger.error(payload, `${where}: ${payload.message}`)
  }

  /** Closes everything in reverse order; idempotent. A part that fails to close, or never ends, does not keep the others from it. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    for (const { close, limitMs } of this.#closers.reverse()) await this.#close(close, limitMs)
  }

  #whenClosing(close: () => Promise<void> | void, limitMs = closeLimitMs): void {
    this.#closers.push({ close, limitMs })
  }

  async #close(close: () => Promise<void> | void, limitMs = closeLimitMs): Promise<void> {
    try {
      await withinLimit(Promise.resolve(close()), limitMs)
    } catch (error) {
      this.#options.logger.warn({ reason: messageOf(error) }, `closing: ${messageOf(error)}`)
    }
  }
}

/** Only a store that is open knows whether it keeps what it confirms. */
function refuseWeakStore({ requireGuarantee, lease }: Resolved, { capabilities }: LeaseStore): void {
  if (requireGuarantee === undefined || requireGuarantee === 'G1' || capabilities.linearizable) return
  const why = capabilities.note ?? 'it may forget what it has confirmed'
  const message = `class ${requireGuarantee} is required, and ${lease?.store.description} gives G1: ${why}`
  throw configurationError([{ where: 'requireGuarantee', message, severity: 'error' }])
}

function leaseConfig(
  cluster: string,
  { store: { description: store }, ttlMs, renewMs }: NonNullable<Resolved['lease']>,
  stores: ReadonlyMap<string, LeaseStore>,
): NonNullable<CoreConfig['lease']> {
  return { store, cluster, ttlMs, renewMs, class: stores.get(store)?.capabilities.linearizable ? 'G2' : 'G1' }
}

const probeMs = (keepaliveMs: number): number => Math.min(keepaliveMs / 2, probeMaxMs)

/** One link whose device is missing can wait for it. A node without any would hear nobody, and serve beside its peer. */
function refuseWithoutDevice(transports: readonly TransportPlugin[]): void {
  const missing = ({ device }: TransportPlugin) => device !== undefined && deviceState(device) === 'missing'
  const [first] = transports
  if (first?.device !== undefined && transports.every(missing)) throw deviceError(first.device)
}

function openKeys({ authenticator, name: cluster, node: self, peer }: Resolved): KeyRing {
  return openKeyRing(authenticator, readSecretFile, { cluster, self, peer })
}

/** The error that a refused command is rejected with. */
export function refusalError({ code, message }: Refusal): HotStandbyError {
  return new HotStandbyError(code, message)
}
