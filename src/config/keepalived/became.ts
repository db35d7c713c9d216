import type { BalancerOptions } from '../../options/balancer-options.ts'
import type { VrrpInstanceOptions, VrrpOptions, VrrpTracks } from '../../options/vrrp-options.ts'

/** What a block of the file became. */
export interface BecomeLine {
  /** `file:line`. */
  readonly where: string
  /** Keyword and name. */
  readonly word: string
  /** One sentence. */
  readonly became: string
}

const seconds = (ms: number): string => `${ms / 1000} s`

/** What each block of a configuration became, in the order of instances, groups, checks and services. */
export function whatBecame(options: VrrpOptions): readonly BecomeLine[] {
  const { instances, groups, scripts, files, processes, balancers } = options
  return [
    ...instances.flatMap(ofInstance),
    ...groups.map(({ name, where, members, tracks }) => ({
      where,
      word: `vrrp_sync_group ${name}`,
      became: `${members.join(' and ')} change state together${ofTracks(tracks)}`,
    })),
    ...scripts.map(({ name, command, intervalMs, timeoutMs, rise, fall }) => ({
      where: command.where,
      word: `vrrp_script ${name}`,
      became:
        `runs ${command.argv.join(' ')}${command.user === undefined ? '' : ` as ${command.user.name}`} every ${seconds(intervalMs)}, ` +
        `limit ${seconds(timeoutMs)}, rise ${rise}, fall ${fall}`,
    })),
    ...files.map(({ name, where, path }) => ({ where, word: `track_file ${name}`, became: `the number in ${path}` })),
    ...processes.map(({ name, where, process, quorum }) => ({
      where,
      word: `vrrp_track_process ${name}`,
      became: `${quorum} of ${process} must run`,
    })),
    ...balancers.flatMap(ofBalancer),
  ]
}

function ofInstance(one: VrrpInstanceOptions): readonly BecomeLine[] {
  const { transmission: way, authentication } = one
  const path = way.mode === 'multicast' ? way.group : way.peers.map(({ address }) => address).join(' and ')
  const held = one.addresses.map(({ address, prefix, interface: device }) => `${address}/${prefix} on ${device}`)
  const more = one.excluded.length === 0 ? '' : ` and ${one.excluded.length} not advertised`
  return [
    {
      where: one.where,
      word: `vrrp_instance ${one.name}`,
      became:
        `VRRP version ${one.version}, router ${one.vrid} on ${one.interface}, priority ${one.priority}, begins as ${one.startState}, ` +
        `adverts every ${seconds(one.advertMs)} to ${path}, ${authentication?.type ?? 'no'} authentication, ` +
        `${one.preempt ? 'preempts' : 'does not preempt'}; holds ${held.join(', ')}${more}${ofTracks(one.tracks)}`,
    },
  ]
}

function ofTracks({ interfaces, scripts, files, processes }: VrrpTracks): string {
  const all = [...interfaces, ...scripts, ...files, ...processes].map(
    ({ name, weight }) => `${name}${weight === 0 ? '' : ` (weight ${weight})`}`,
  )
  return all.length === 0 ? '' : `; tracks ${all.join(', ')}`
}

function ofBalancer(one: BalancerOptions): readonly BecomeLine[] {
  const services =
    one.services.length > 3 ? `${one.services.length} addresses` : one.services.map(({ address }) => address).join(', ')
  return [
    {
      where: one.where,
      word: `virtual_server ${one.name}`,
      became:
        `balances ${one.protocol} of ${services} by ${one.scheduler} (${one.method}) over ${one.members.length} servers` +
        `${one.sorry === undefined ? '' : `, else ${one.sorry.address}`}`,
    },
    ...one.members.map(({ address, port, weight, checks, where }) => ({
      where,
      word: `real_server ${address} ${port}`,
      became: `weight ${weight}, ${checks.length === 0 ? 'never checked' : checks.map((check) => `${check.type} check every ${seconds(check.intervalMs)}`).join(', ')}`,
    })),
  ]
}
