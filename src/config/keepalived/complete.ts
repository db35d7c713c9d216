import type {
  VrrpAddress,
  VrrpAuthentication,
  VrrpCommand,
  VrrpFifoOptions,
  VrrpGlobals,
  VrrpHooks,
  VrrpInstanceOptions,
  VrrpOptions,
  VrrpScriptOptions,
  VrrpSyncGroupOptions,
  VrrpTrack,
  VrrpTracks,
  VrrpTransmission,
  VrrpVmac,
} from '../../options/vrrp-options.ts'
import { isLinkLocal } from '../../platform/ip.ts'
import { quoted } from '../problems.ts'
import { type AddressDraft, hostBits } from './addresses.ts'
import { type CommandDraft, settleCommand } from './commands.ts'
import type { FifoDraft, FileDraft, GarpDraft, HooksDraft, InstanceDraft } from './drafts.ts'
import { type Context, familyName } from './rows.ts'

/** An instance with the groups it is in; those are known when the file has been read. */
interface Membership {
  readonly groupOf: ReadonlyMap<string, VrrpSyncGroupOptions>
}

/** Completes what was read as keepalived does (`vrrp_complete_init`, `vrrp_complete_instance` of `vrrp.c`). */
export function completeFile(file: FileDraft, context: Context): VrrpOptions {
  const groups = completeGroups(file, context)
  const groupOf = new Map(groups.flatMap((group) => group.members.map((member) => [member, group] as const)))
  const vmacNames = new Set<string>()
  const instances = file.instances.flatMap((draft) => completeInstance(draft, { groupOf }, vmacNames, context) ?? [])
  checkIds(instances, context)
  checkScopes(instances, context)
  const tracked = [...instances, ...groups].map(({ tracks }) => tracks)
  const isTracked = (kind: keyof VrrpTracks, name: string) =>
    tracked.some((one) => one[kind].some((each) => each.name === name))
  return {
    globals: completeGlobals(file, context),
    instances: startStates(instances, groups),
    groups,
    scripts: completeScripts(file, (name) => isTracked('scripts', name), context),
    files: file.files.flatMap(({ path, weight: _weight, reverse: _reverse, ...rest }) =>
      path === undefined ? [] : [{ ...rest, path }],
    ),
    processes: file.processes.flatMap(({ process, weight: _weight, reverse: _reverse, ...rest }) =>
      process === undefined ? [] : [{ ...rest, process }],
    ),
    interfaceDelays: file.interfaceDelays,
    balancers: file.balancers.flatMap((settle) => settle() ?? []),
  }
}

function completeScripts(
  file: FileDraft,
  isTracked: (name: string) => boolean,
  context: Context,
): readonly VrrpScriptOptions[] {
  return file.scripts.flatMap(
    ({ name, where, command: draft, isBroken, intervalMs, timeoutMs, rise, fall, initFail }) => {
      if (isBroken || draft === undefined) return []
      if (!isTracked(name)) {
        context.report.warning(
          where,
          `vrrp_script ${quoted(name)} is not tracked, so it is not run; keepalived does not run it either`,
        )
        return []
      }
      const command = settleCommand(draft, file.rules.secure, context)
      if (command === undefined) return []
      return [{ name, command, intervalMs, timeoutMs: timeoutMs ?? intervalMs, rise, fall, initFail }]
    },
  )
}

function completeGlobals({ globals, rules }: FileDraft, context: Context): VrrpGlobals {
  const settle = (draft: CommandDraft | undefined) => draft && settleCommand(draft, rules.secure, context)
  const fifo = ({ path, user, script }: FifoDraft): VrrpFifoOptions | undefined => {
    if (path !== undefined) return { path, user: user ?? rules.user, script: settle(script) }
    if (script)
      context.report.warning(script.where, `${script.keyword} has no FIFO to read; as in keepalived it is not run`)
    return undefined
  }
  const limited = (draft: CommandDraft | undefined, timeoutMs: number) => {
    const command: VrrpCommand | undefined = settle(draft)
    return command && { command, timeoutMs }
  }
  return {
    routerId: globals.routerId ?? context.host.hostname,
    startupDelayMs: globals.startupDelayMs,
    dynamicInterfaces: globals.dynamicInterfaces,
    notifyFifo: fifo(globals.fifos.vrrp),
    allFifo: fifo(globals.fifos.all),
    balancerFifo: fifo(globals.fifos.balancer),
    logUnknownVrids: globals.logUnknownVrids,
    startup: limited(globals.startup, globals.startupTimeoutMs),
    shutdown: limited(globals.shutdown, globals.shutdownTimeoutMs),
  }
}

function completeHooks({ commands, tellsDeleted }: HooksDraft, secure: boolean, context: Context): VrrpHooks {
  const settled = [...commands].flatMap(([name, draft]) => {
    const command = settleCommand(draft, secure, context)
    return command === undefined ? [] : [[name, command] as const]
  })
  return { ...Object.fromEntries(settled), tellsDeleted }
}

function completeGroups(file: FileDraft, context: Context): readonly VrrpSyncGroupOptions[] {
  const { report } = context
  const taken = new Set<string>()
  return file.groups.flatMap((draft): VrrpSyncGroupOptions[] => {
    const members = draft.members.flatMap(({ word, where }) => {
      const exists = file.instances.some(({ name }) => name === word)
      if (exists && !taken.has(word)) {
        taken.add(word)
        return [word]
      }
      const why = exists ? 'is in a group already' : 'does not exist'
      report.warning(where, `vrrp_instance ${quoted(word)} ${why}; as in keepalived it is left out of ${draft.name}`)
      return []
    })
    if (members.length === 0) {
      report.warning(draft.where, `vrrp_sync_group ${draft.name} has no instance; as in keepalived it is left out`)
      return []
    }
    warnOfOwnInterfaces(file, draft.tracks.interfaces, members, context)
    if (members.length === 1) report.warning(draft.where, `vrrp_sync_group ${draft.name} has one instance only`)
    return [
      {
        name: draft.name,
        where: draft.where,
        members,
        tracks: draft.tracks,
        hooks: completeHooks(draft.hooks, file.rules.secure, context),
        notifiesPriority: draft.notifiesPriority ?? file.globals.notifiesPriority,
        memberWeights: draft.memberWeights,
      },
    ]
  })
}

/** A group that tracks what an instance of it tracks anyway. */
function warnOfOwnInterfaces(
  file: FileDraft,
  tracks: readonly VrrpTrack[],
  members: readonly string[],
  { report }: Context,
): void {
  for (const { name, where } of tracks)
    for (const one of file.instances) {
      const isOwn = one.interface === name || one.tracks.interfaces.some((track) => track.name === name)
      if (members.includes(one.name) && isOwn)
        report.warning(
          where,
          `${name} is tracked by ${one.name} already; keepalived says so too, and the group’s entry counts`,
        )
    }
}

/** All members of a group begin as MASTER, or none. */
function startStates(
  instances: readonly VrrpInstanceOptions[],
  groups: readonly VrrpSyncGroupOptions[],
): readonly VrrpInstanceOptions[] {
  const held = new Set(
    groups.flatMap(({ members }) => {
      const own = instances.filter(({ name }) => members.includes(name))
      const isMixed = own.some(({ wantedState, priority }) => wantedState === 'BACKUP' || priority !== 255)
      return isMixed ? members : []
    }),
  )
  return instances.map((one) => (held.has(one.name) ? { ...one, startState: 'BACKUP' as const } : one))
}

function completeInstance(
  draft: InstanceDraft,
  { groupOf }: Membership,
  vmacNames: Set<string>,
  context: Context,
): VrrpInstanceOptions | undefined {
  const { report } = context
  const { name, where, file } = draft
  const { globals } = file
  const family = draft.family ?? 4
  const version = family === 6 ? 3 : (draft.version ?? globals.version)
  if (family === 6 && draft.version === 2)
    report.warning(at(draft, 'version'), 'version 2 has no IPv6; version 3 is used, as keepalived does in strict mode')
  const isComplete = checkMinimum(draft, version, context)
  const wantedState = stateOf(draft, version, context)
  const priority = draft.priority ?? (draft.state === 'MASTER' ? 255 : 100)
  const { preempt, preemptDelayMs } = preemption(draft, wantedState, priority, context)
  const own = draft.interface ?? globals.defaultInterface ?? ''
  const vmac = vmacOf(draft, family, vmacNames, context)
  const advertMs = advertisement(draft, version, context)
  const placed = ({ interface: device, ...rest }: AddressDraft): VrrpAddress => ({ ...rest, interface: device ?? own })
  if (!isComplete || draft.vrid === undefined) return undefined
  return {
    name,
    where,
    vrid: draft.vrid,
    version,
    family,
    interface: own,
    wantedState,
    startState: wantedState,
    priority,
    advertMs,
    downTimerAdverts: draft.downTimerAdverts,
    source: draft.source,
    trackSource: draft.trackSource && draft.source !== undefined,
    transmission: transmission(draft, family, context),
    authentication: authenticationOf(draft, version, advertMs, context),
    addresses: draft.addresses.map(placed),
    excluded: draft.excluded.map(placed),
    routes: draft.routes,
    preempt,
    preemptDelayMs,
    trackPrimary: draft.trackPrimary,
    tracks: instanceTracks(draft, priority, groupOf.get(name), context),
    hooks: completeHooks(draft.hooks, file.rules.secure, context),
    notifiesPriority: draft.notifiesPriority ?? groupOf.get(name)?.notifiesPriority ?? globals.notifiesPriority,
    announcements: announcements(draft, own),
    lowerPriorityNoAdvert: draft.lowerPriorityNoAdvert ?? globals.lowerPriorityNoAdvert,
    higherPrioritySendAdvert: draft.higherPrioritySendAdvert ?? globals.higherPrioritySendAdvert,
    skipCheckAdvertAddresses: draft.skipCheckAdvertAddresses,
    checksumAsV2: draft.checksumAsV2,
    vmac,
    group: groupOf.get(name)?.name,
  }
}

/** Where a keyword of the instance stands, or the instance itself. */
const at = ({ at: places, where }: InstanceDraft, keyword: string): string => places.get(keyword) ?? where

/** What keepalived refuses to run without, and what it should. */
function checkMinimum(draft: InstanceDraft, version: 2 | 3, { report }: Context): boolean {
  const { name, where } = draft
  const before = report.issues.length
  if (draft.vrid === undefined && !draft.at.has('virtual_router_id'))
    report.error(where, `vrrp_instance ${name} has no virtual_router_id; keepalived also refuses to run`)
  if (draft.interface === undefined && !draft.at.has('interface'))
    report.error(where, `vrrp_instance ${name} has no interface`)
  if (draft.addresses.length === 0 && !draft.at.has('virtual_ipaddress'))
    report.error(
      where,
      `vrrp_instance ${name} has no virtual_ipaddress; ` +
        (version === 3 ? 'keepalived also refuses to run' : 'keepalived would be MASTER of nothing'),
    )
  else if (draft.addresses.length === 0 && !report.issues.some((issue) => issue.severity === 'error'))
    report.error(at(draft, 'virtual_ipaddress'), `virtual_ipaddress of ${name} is empty; it would be MASTER of nothing`)
  if (draft.priority === undefined && draft.state === 'MASTER')
    report.error(
      where,
      `vrrp_instance ${name} has state MASTER and no priority; keepalived takes 255 without a word, which makes this node the owner of ` +
        'the addresses, whatever is tracked; write the priority',
    )
  const most = 255
  if (draft.addresses.length > most)
    report.error(
      at(draft, 'virtual_ipaddress'),
      `more than ${most} addresses do not fit into an advert; move the others to virtual_ipaddress_excluded`,
    )
  return report.issues.length === before
}

function stateOf(draft: InstanceDraft, version: 2 | 3, { report }: Context): 'MASTER' | 'BACKUP' {
  const wanted = draft.state ?? (draft.priority === 255 ? 'MASTER' : 'BACKUP')
  if (wanted === 'MASTER' && version === 2 && draft.authType === 'AH' && draft.priority !== 255) {
    report.warning(at(draft, 'state'), 'state MASTER does not go with AH; read as BACKUP, as keepalived does')
    return 'BACKUP'
  }
  return wanted
}

function preemption(draft: InstanceDraft, wanted: 'MASTER' | 'BACKUP', priority: number, { report }: Context) {
  let { preempt, preemptDelayMs } = draft
  const clear = (keyword: string, why: string) =>
    report.warning(at(draft, keyword), `${keyword} has no effect with ${why}; keepalived clears it as well`)
  if (!preempt && (wanted === 'MASTER' || priority === 255)) {
    clear('nopreempt', wanted === 'MASTER' ? 'state MASTER: this node preempts' : 'priority 255')
    preempt = true
  }
  if (preemptDelayMs > 0 && (wanted === 'MASTER' || !preempt)) {
    clear('preempt_delay', wanted === 'MASTER' ? 'state MASTER' : 'nopreempt')
    preemptDelayMs = 0
  }
  return { preempt, preemptDelayMs }
}

/** v2 has whole seconds, v3 hundredths up to 40.95 s. */
function advertisement(draft: InstanceDraft, version: 2 | 3, { report }: Context): number {
  const wanted = draft.advertMs ?? 1000
  const [unit, most] = version === 2 ? [1000, 255_000] : [10, 40_950]
  const rounded = Math.min(most, Math.max(unit, Math.round(wanted / unit) * unit))
  if (rounded !== wanted)
    report.warning(
      at(draft, 'advert_int'),
      `advert_int ${wanted / 1000} s is read as ${rounded / 1000} s: version ${version} has ` +
        `${version === 2 ? 'whole seconds' : 'hundredths of seconds up to 40.95'}; keepalived rounds as well`,
    )
  return rounded
}

function transmission(draft: InstanceDraft, family: 4 | 6, { report }: Context): VrrpTransmission {
  const { globals } = draft.file
  const { peers, checkSource, checksum } = draft
  if (peers.length > 0) {
    if (draft.multicastGroup !== undefined)
      report.warning(at(draft, 'mcast_dst_ip'), 'mcast_dst_ip has no effect with unicast_peer, as in keepalived')
    return { mode: 'unicast', peers, ttl: draft.ttl ?? (family === 4 ? 255 : 64), checkSource, checksum }
  }
  if (draft.ttl !== undefined)
    report.warning(at(draft, 'unicast_ttl'), 'unicast_ttl has no effect without unicast_peer, as in keepalived')
  if (draft.isUnicast) {
    const keyword = ['unicast_peer', 'unicast_src_ip', 'check_unicast_src', 'old_unicast_checksum'].find((one) =>
      draft.at.has(one),
    )
    report.warning(
      at(draft, keyword ?? ''),
      `${keyword} without a peer: adverts are sent by multicast, as in keepalived`,
    )
  }
  return { mode: 'multicast', group: draft.multicastGroup ?? globals[`group${family}`] }
}

function authenticationOf(
  draft: InstanceDraft,
  version: 2 | 3,
  advertMs: number,
  { report }: Context,
): VrrpAuthentication | undefined {
  const where = at(draft, 'authentication')
  const { hmac, authType, authPass } = draft
  if (hmac) {
    const activeKey = hmac.activeKey ?? hmac.keys[0]?.id
    if (authType) report.warning(where, 'authentication has no effect beside auth_hmac')
    if (hmac.isBroken) return undefined
    if (activeKey === undefined || !hmac.keys.some(({ id }) => id === activeKey)) {
      report.error(hmac.where, 'auth_hmac has no key that signs: active_key must be the id of a key')
      return undefined
    }
    const windowMs = hmac.windowMs ?? Math.max(3 * advertMs, 5000)
    return { type: 'HMAC', keys: hmac.keys, activeKey, antiReplay: hmac.antiReplay, windowMs, mode: hmac.mode }
  }
  if (authType === undefined) return undefined
  if (draft.file.globals.strict) {
    report.warning(where, 'strict mode has no authentication: keepalived ignores the block')
    return undefined
  }
  if (version === 3) {
    report.warning(
      where,
      'VRRP version 3 has no authentication: the block protects nothing, and keepalived ignores it as well',
    )
    return undefined
  }
  if (authPass === undefined || authPass === '') {
    report.warning(where, 'auth_type without auth_pass: adverts are sent without authentication, as in keepalived')
    return undefined
  }
  return { type: authType, key: authPass }
}

function vmacOf(draft: InstanceDraft, family: 4 | 6, names: Set<string>, { report }: Context): VrrpVmac | undefined {
  const { vmac, vrid = 0 } = draft
  if (vmac === undefined) {
    if (draft.vmacTransmitsFromBase)
      report.warning(at(draft, 'vmac_xmit_base'), 'vmac_xmit_base has no effect without use_vmac')
    return undefined
  }
  let transmitsFromBase = draft.vmacTransmitsFromBase
  if (draft.peers.length > 0 && !transmitsFromBase) {
    report.warning(
      at(draft, 'use_vmac'),
      'use_vmac with unicast_peer needs vmac_xmit_base; it is set, as keepalived does',
    )
    transmitsFromBase = true
  }
  const hex = vrid.toString(16).padStart(2, '0')
  const given = vmac.mac
    ?.replace(/:$/, '')
    .split(':')
    .map((octet) => octet.padStart(2, '0'))
  const mac =
    given === undefined ? `00:00:5e:00:0${family === 4 ? 1 : 2}:${hex}` : [...given, hex].slice(0, 6).join(':')
  const { vmacPrefix } = draft.file.globals
  let name = vmac.name ?? `${vmacPrefix}.${vrid}`.slice(-15)
  for (let number = family === 6 ? 6 : 1; names.has(name); number = number === 6 ? 1 : number + 1)
    name = `${vmacPrefix}${number}.${vrid}`.slice(-15)
  names.add(name)
  return { name, mac, transmitsFromBase }
}

function announcements({ garp, file }: InstanceDraft, device: string): VrrpInstanceOptions['announcements'] {
  const { globals } = file
  const group = file.garpGroups.find(({ interfaces }) => interfaces.includes(device))
  const global: GarpDraft = globals.garp
  return {
    delayMs: garp.delayMs,
    repeat: garp.repeat,
    refreshMs: garp.refreshMs,
    refreshRepeat: garp.refreshRepeat,
    lowerPriorityDelayMs: garp.lowerPriorityDelayMs ?? global.lowerPriorityDelayMs ?? global.delayMs,
    lowerPriorityRepeat: garp.lowerPriorityRepeat ?? global.lowerPriorityRepeat ?? global.repeat,
    arpIntervalMs: group?.arpIntervalMs ?? globals.arpIntervalMs,
    neighbourIntervalMs: group?.neighbourIntervalMs ?? globals.neighbourIntervalMs,
  }
}

/** What counts of the tracks of an instance: an owner takes no weight, a member of a group only those of the group. */
function instanceTracks(
  { tracks, interface: own, file, at: places }: InstanceDraft,
  priority: number,
  group: VrrpSyncGroupOptions | undefined,
  { report }: Context,
): VrrpTracks {
  const isOwner = priority === 255
  const isMember = group !== undefined && !group.memberWeights
  const interfaces = tracks.interfaces.filter(({ name, weight, where }) => {
    if (name !== own || weight !== 0 || places.has('dont_track_primary')) return true
    report.warning(where, `${name} is the interface of the instance itself, which is tracked anyway`)
    return false
  })
  const why = isMember ? `in vrrp_sync_group ${group?.name}` : 'with priority 255'
  const drop = ({ where, name, weight }: VrrpTrack, what: string) =>
    report.warning(where, `${quoted(name)} with weight ${weight} ${what} ${why}, as in keepalived`)
  const kept = (list: readonly VrrpTrack[], unweighted: (track: VrrpTrack) => boolean): readonly VrrpTrack[] =>
    list.flatMap((track) => {
      if (track.weight === 0 || !(isOwner || isMember)) return [track]
      const stays = unweighted(track)
      drop(track, stays ? 'counts without its weight' : 'is not tracked')
      return stays ? [{ ...track, weight: 0 }] : []
    })
  const weightOfFile = (name: string) => file.files.find((one) => one.name === name)?.weight
  return {
    interfaces: kept(interfaces, () => isMember),
    scripts: kept(tracks.scripts, () => false),
    files: kept(tracks.files, ({ name, weight }) => weight === 1 && weightOfFile(name) === 1),
    processes: tracks.processes,
  }
}

/** The kernel takes no two addresses of one network and interface with different scopes. */
function checkScopes(instances: readonly VrrpInstanceOptions[], { report }: Context): void {
  const seen = new Map<string, VrrpAddress>()
  for (const one of instances.flatMap(({ addresses, excluded }) => [...addresses, ...excluded])) {
    if (one.family === 6 || one.prefix === 32) continue
    const key = `${one.interface} ${hostBits(one.address, one.prefix, false)}/${one.prefix}`
    const other = seen.get(key)
    if (other && other.scope !== one.scope)
      report.warning(
        one.where,
        `${one.address} has scope ${one.scope} and ${other.address} (${other.where}) scope ${other.scope} in one network: the kernel ` +
          'refuses the second of them; keepalived would announce an address that it does not hold',
      )
    seen.set(key, other ?? one)
  }
}

/** One id twice on an interface is refused, as by keepalived. */
function checkIds(instances: readonly VrrpInstanceOptions[], { report }: Context): void {
  const seen = new Map<string, VrrpInstanceOptions>()
  for (const one of instances) {
    const { transmission: way, family, vrid } = one
    const paths =
      way.mode === 'multicast' ? [way.group] : way.peers.map(({ address }) => `${one.source ?? ''} ${address}`)
    for (const path of paths) {
      const key = [family, vrid, one.interface, way.mode, path].join(' ')
      const before = seen.get(key)
      if (before && before !== one)
        report.error(
          one.where,
          `${one.name} and ${before.name} (${before.where}) both use virtual_router_id ${vrid} with ${familyName(family)} on ` +
            `${one.interface}; keepalived also refuses to run`,
        )
      seen.set(key, one)
    }
    const [first] = one.addresses
    if (family === 6 && way.mode === 'multicast' && first && !isLinkLocal(first.address))
      report.note(
        first.where,
        'the first IPv6 address should be link-local (RFC 5798 5.2.9); keepalived says so too, and goes on',
      )
  }
}
