import type { BalancedService, BalancerOptions } from '../../options/balancer-options.ts'
import type {
  IpFamily,
  VrrpFileOptions,
  VrrpPeer,
  VrrpProcessOptions,
  VrrpRoute,
  VrrpTrack,
  VrrpUser,
} from '../../options/vrrp-options.ts'
import type { AddressDraft } from './addresses.ts'
import type { CommandDraft, ScriptRules } from './commands.ts'
import type { Statement } from './statements.ts'

/** A value that can still change while a block is read. */
type Open<T> = { -readonly [Name in keyof T]: T[Name] }

/** Announcements as `global_defs` or an instance says them; undefined: not said. */
export interface GarpDraft {
  delayMs: number
  repeat: number
  refreshMs: number
  refreshRepeat: number
  lowerPriorityDelayMs?: number | undefined
  lowerPriorityRepeat?: number | undefined
}

/** What tracks what, while it is read. */
export interface TracksDraft {
  readonly interfaces: VrrpTrack[]
  readonly scripts: VrrpTrack[]
  readonly files: VrrpTrack[]
  readonly processes: VrrpTrack[]
}

/** Names of the hooks. */
export type HookName = 'master' | 'backup' | 'fault' | 'stop' | 'any' | 'masterRxLowerPri' | 'deleted'

/** The hooks of an instance or a group, while they are read. */
export interface HooksDraft {
  readonly commands: Map<HookName, CommandDraft>
  tellsDeleted: boolean
}

/** A FIFO, while it is read. */
export interface FifoDraft {
  path?: string
  user?: VrrpUser | undefined
  script?: CommandDraft | undefined
}

/** `global_defs`, as far as it is read: what follows it in the file takes its defaults from here. */
export interface GlobalsDraft {
  routerId?: string
  version: 2 | 3
  /** `vrrp_strict`, which is refused, has been said. */
  strict: boolean
  readonly garp: GarpDraft
  downTimerAdverts: number
  arpIntervalMs: number
  neighbourIntervalMs: number
  lowerPriorityNoAdvert: boolean
  higherPrioritySendAdvert: boolean
  checkUnicastSource: boolean
  skipCheckAdvertAddresses: boolean
  notifiesPriority: boolean
  group4: string
  group6: string
  startupDelayMs: number
  dynamicInterfaces: boolean
  logUnknownVrids: boolean
  vmacPrefix: string
  defaultInterface?: string
  readonly fifos: Record<'vrrp' | 'all' | 'balancer', FifoDraft>
  startup?: CommandDraft | undefined
  startupTimeoutMs: number
  shutdown?: CommandDraft | undefined
  shutdownTimeoutMs: number
}

/** A `vrrp_instance`, while it is read. */
export interface InstanceDraft {
  readonly name: string
  readonly where: string
  /** Where each keyword of it stands. */
  readonly at: Map<string, string>
  readonly file: FileDraft
  family?: IpFamily
  state?: 'MASTER' | 'BACKUP'
  interface?: string
  vrid?: number
  priority?: number
  advertMs?: number
  version?: 2 | 3
  downTimerAdverts: number
  source?: string
  trackSource: boolean
  multicastGroup?: string
  readonly peers: VrrpPeer[]
  ttl?: number
  checkSource: boolean
  isUnicast: boolean
  checksum: 'detect' | 'old' | 'new'
  checksumAsV2: boolean
  authType?: 'PASS' | 'AH'
  authPass?: string
  hmac?: HmacDraft
  readonly addresses: AddressDraft[]
  readonly excluded: AddressDraft[]
  readonly routes: VrrpRoute[]
  preempt: boolean
  preemptDelayMs: number
  trackPrimary: boolean
  readonly tracks: TracksDraft
  readonly hooks: HooksDraft
  notifiesPriority?: boolean
  readonly garp: GarpDraft
  lowerPriorityNoAdvert?: boolean
  higherPrioritySendAdvert?: boolean
  skipCheckAdvertAddresses: boolean
  vmac?: { name?: string; mac?: string }
  vmacTransmitsFromBase: boolean
}

/** An `auth_hmac` block, while it is read. */
export interface HmacDraft {
  readonly where: string
  readonly keys: { readonly id: number; readonly key: Uint8Array }[]
  activeKey?: number
  /** It has been said why a key cannot be used. */
  isBroken: boolean
  antiReplay: 'time' | 'monotonic'
  windowMs?: number
  mode: 'enforce' | 'permissive' | 'receive-only'
}

/** A `vrrp_sync_group`, while it is read. */
export interface GroupDraft {
  readonly name: string
  readonly where: string
  readonly file: FileDraft
  readonly members: { readonly word: string; readonly where: string }[]
  readonly tracks: TracksDraft
  readonly hooks: HooksDraft
  notifiesPriority?: boolean
  memberWeights: boolean
}

/** A `vrrp_script`, while it is read. */
export interface ScriptDraft {
  readonly name: string
  readonly where: string
  readonly rules: ScriptRules
  command?: CommandDraft | undefined
  user?: VrrpUser | undefined
  /** It has been said why it cannot run. */
  isBroken: boolean
  intervalMs: number
  timeoutMs?: number
  rise: number
  fall: number
  weight: number
  reverse: boolean
  initFail: boolean
}

/** A `track_file`, while it is read. */
export interface FileTrackDraft extends Open<Omit<VrrpFileOptions, 'path'>> {
  path?: string
  weight: number
  reverse: boolean
}

/** A `vrrp_track_process`, while it is read. */
export interface ProcessDraft extends Open<Omit<VrrpProcessOptions, 'process'>> {
  process?: string
  weight: number
  reverse: boolean
}

/** Announcement intervals of some interfaces. */
export interface GarpGroupDraft {
  readonly where: string
  readonly interfaces: string[]
  arpIntervalMs?: number
  neighbourIntervalMs?: number
}

/** A whole configuration, as far as it is read. */
export interface FileDraft {
  readonly globals: GlobalsDraft
  readonly rules: ScriptRules
  readonly instances: InstanceDraft[]
  readonly groups: GroupDraft[]
  readonly scripts: ScriptDraft[]
  readonly files: FileTrackDraft[]
  readonly processes: ProcessDraft[]
  readonly garpGroups: GarpGroupDraft[]
  readonly interfaceDelays: { readonly interface: string; readonly downMs: number; readonly upMs: number }[]
  /** `virtual_server_group` blocks by name. */
  readonly serverGroups: Map<string, readonly BalancedService[]>
  /** `virtual_server` blocks are completed when the whole file is read. */
  readonly balancers: (() => BalancerOptions | undefined)[]
  /** Names of the scripts that a later line defines, with its place. */
  readonly laterScripts: ReadonlyMap<string, string>
}

/** An empty configuration with the defaults of keepalived. */
export function emptyFile(statements: readonly Statement[]): FileDraft {
  const scripts = statements.filter(({ words: [keyword] }) => keyword === 'vrrp_script')
  return {
    globals: {
      version: 2,
      strict: false,
      garp: { delayMs: 5000, repeat: 5, refreshMs: 0, refreshRepeat: 1 },
      downTimerAdverts: 3,
      arpIntervalMs: 0,
      neighbourIntervalMs: 0,
      lowerPriorityNoAdvert: false,
      higherPrioritySendAdvert: false,
      checkUnicastSource: false,
      skipCheckAdvertAddresses: false,
      notifiesPriority: false,
      group4: '224.0.0.18',
      group6: 'ff02::12',
      startupDelayMs: 0,
      dynamicInterfaces: false,
      logUnknownVrids: false,
      vmacPrefix: 'vrrp',
      fifos: { vrrp: {}, all: {}, balancer: {} },
      startupTimeoutMs: 10_000,
      shutdownTimeoutMs: 10_000,
    },
    rules: { user: undefined, userIsKnown: false, secure: false },
    instances: [],
    groups: [],
    scripts: [],
    files: [],
    processes: [],
    garpGroups: [],
    interfaceDelays: [],
    serverGroups: new Map(),
    balancers: [],
    laterScripts: new Map(scripts.map(({ words: [, name = ''], where }) => [name, where])),
  }
}

/** Nothing tracked yet. */
export const noTracks = (): TracksDraft => ({ interfaces: [], scripts: [], files: [], processes: [] })

/** No hooks yet. */
export const noHooks = (): HooksDraft => ({ commands: new Map(), tellsDeleted: false })
