import type { IpFamily, VrrpAddress, VrrpRoute } from '../../options/vrrp-options.ts'
import { isDeviceName } from '../../platform/interfaces.ts'
import { canonicalAddress, ipFamily } from '../../platform/ip.ts'
import { quoted } from '../problems.ts'
import { type Context, familyName } from './rows.ts'
import type { Statement } from './statements.ts'

/** An address entry before its interface is known. */
export type AddressDraft = Omit<VrrpAddress, 'interface'> & { readonly interface?: string | undefined }

const widest = { 4: 32, 6: 128 } as const

/** `address[/prefix]`; undefined: it is none. */
export function plainAddress(
  text: string,
): { family: IpFamily; address: string; prefix: number | undefined } | undefined {
  const [host = '', prefixText, ...rest] = text.split('/')
  const family = ipFamily(host)
  if (family === 0 || host.includes('%') || rest.length > 0) return undefined
  if (prefixText === undefined) return { family, address: canonicalAddress(host), prefix: undefined }
  const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : Number.NaN
  return prefix <= widest[family] ? { family, address: canonicalAddress(host), prefix } : undefined
}

/** An address alone, of a source or a peer. */
export function addressWord(word: string): { family: IpFamily; address: string } | undefined {
  const found = plainAddress(word)
  return found?.prefix === undefined ? found : undefined
}

/** Broadcast address (`+`) or network (`-`) of an IPv4 network. */
export function hostBits(address: string, prefix: number, ones: boolean): string {
  const value = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const mask = 2 ** (32 - prefix) - 1
  const result = ones ? (value | mask) >>> 0 : (value & ~mask) >>> 0
  return [24, 16, 8, 0].map((shift) => (result >>> shift) & 255).join('.')
}

/** Names of `/etc/iproute2/rt_scopes`; a number stays a number. */
const scopes = ['global', 'site', 'link', 'host', 'nowhere']

function scopeOf(word: string): string | undefined {
  if (scopes.includes(word)) return word
  const names: Readonly<Record<string, string>> = { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' }
  return /^\d{1,3}$/.test(word) && Number(word) <= 255 ? (names[word] ?? word) : undefined
}

/** What an address entry is while its words are read. */
interface Entry {
  readonly family: IpFamily
  readonly address: string
  readonly prefix: number
  interface?: string
  broadcast?: string
  scope: string
  label?: string
  preferred?: 'forever' | 'deprecated'
}

/** What a word of an entry says; a sentence is why the entry is refused. */
type Word = (entry: Entry, value: string, context: Context) => string | undefined

const words: Readonly<Record<string, Word>> = {
  dev: (entry, value, { host }) => {
    if (entry.interface !== undefined) return 'dev stands there twice'
    entry.interface = value
    if (!isDeviceName(value)) return `${quoted(value)} is not a valid interface name`
    return host.hasInterface(value) === false ? `interface ${quoted(value)} does not exist` : undefined
  },
  scope: (entry, value) => {
    const scope = scopeOf(value)
    if (scope === undefined) return `${quoted(value)} is not a scope; write one of ${scopes.join(', ')} or a number`
    entry.scope = scope
    return undefined
  },
  brd: (entry, value) => {
    if (entry.family === 6) return 'an IPv6 address has no broadcast address'
    if (value === '+' || value === '-') {
      if (entry.prefix > 30) return `a /${entry.prefix} has no broadcast address`
      entry.broadcast = hostBits(entry.address, entry.prefix, value === '+')
      return undefined
    }
    if (ipFamily(value) !== 4) return `${quoted(value)} is not a broadcast address; write an IPv4 address, + or -`
    entry.broadcast = value
    return undefined
  },
  label: (entry, value) => {
    if (value.length > 15) return `label ${quoted(value)} is longer than 15 letters`
    entry.label = value
    return undefined
  },
  preferred_lft: (entry, value) => {
    if (value !== 'forever' && value !== '0')
      return `preferred_lft ${quoted(value)}: only 0 and forever can be kept, a time would run out`
    entry.preferred = value === 'forever' ? 'forever' : 'deprecated'
    return undefined
  },
}

/** Words of keepalived that are refused, and why. */
const refusedWords: Readonly<Record<string, string>> = {
  peer: 'an address of a point-to-point link cannot be announced to neighbours',
  home: 'Mobile IPv6 is not supported',
  '-nodad': 'duplicate address detection is switched off for every IPv6 address here anyway; leave the word out',
  mngtmpaddr: 'temporary addresses have no place on a floating one',
  noprefixroute: 'the route of the address goes with it here',
  autojoin: 'a multicast address does not float',
  no_track: 'an address that disappears is always put back here',
  use_vmac: 'write use_vmac into the instance',
}

/** Reads a line of `virtual_ipaddress`. Undefined: it is refused, which has been told. */
export function addressEntry({ words: all, where }: Statement, context: Context): AddressDraft | undefined {
  const { report } = context
  const [text = '', ...options] = all
  const refuse = (why: string) => report.breaks(where, `${quoted(all.join(' '))}: ${why}`)
  const found = plainAddress(text)
  if (found === undefined) {
    refuse(
      `${quoted(text)} is not an address; keepalived leaves it out, and the host would not hold what the file promises`,
    )
    return undefined
  }
  const { family, address } = found
  const entry: Entry = { family, address, prefix: found.prefix ?? widest[family], scope: 'global' }
  for (let at = 0; at < options.length; at++) {
    const name = options[at] === 'broadcast' ? 'brd' : (options[at] as string)
    const read = Object.hasOwn(words, name) ? words[name] : undefined
    const why = Object.hasOwn(refusedWords, name) ? refusedWords[name] : undefined
    const value = options[at + 1]
    let problem = why === undefined ? undefined : `${name} is refused: ${why}`
    if (read === undefined) problem ??= `${quoted(name)} is not an address option`
    else if (value === undefined) problem = `${name} needs its value`
    else problem = read(entry, value, context)
    if (problem !== undefined) {
      refuse(problem)
      return undefined
    }
    at++
  }
  return draftOf(entry, where, context)
}

function draftOf(entry: Entry, where: string, { report }: Context): AddressDraft {
  const { family, address, prefix, preferred } = entry
  let { scope, label } = entry
  if (family === 6) {
    if (scope !== 'global')
      report.warning(where, `an IPv6 address has no scope of its own; as in keepalived it is left out`)
    if (label !== undefined) report.warning(where, `an IPv6 address has no label; as in keepalived it is left out`)
    scope = 'global'
    label = undefined
  }
  const deprecated = family === 6 && (preferred === undefined ? prefix === 128 : preferred === 'deprecated')
  return {
    family,
    address,
    prefix,
    interface: entry.interface,
    broadcast: entry.broadcast,
    scope,
    label,
    deprecated,
    where,
  }
}

/** A route while its words are read. */
type RouteEntry = { -readonly [Name in keyof VrrpRoute]?: VrrpRoute[Name] }

type RouteWord = (route: RouteEntry, value: string, context: Context) => string | undefined

const addressOption =
  (name: 'via' | 'source'): RouteWord =>
  (route, value) => {
    const found = addressWord(value)
    if (found === undefined) return `${quoted(value)} is not an address`
    if (route.family !== undefined && route.family !== found.family) return 'IPv4 and IPv6 are mixed'
    route.family = found.family
    route[name] = found.address
    return undefined
  }

const textOption =
  (name: 'table' | 'protocol'): RouteWord =>
  (route, value) => {
    route[name] = value
    return undefined
  }

const numberOption =
  (name: 'metric' | 'mtu'): RouteWord =>
  (route, value) => {
    if (!/^\d{1,10}$/.test(value)) return `${quoted(value)} is not a number`
    route[name] = Number(value)
    return undefined
  }

const routeWords: Readonly<Record<string, RouteWord>> = {
  via: addressOption('via'),
  gw: addressOption('via'),
  src: addressOption('source'),
  dev: (route, value, { host }) => {
    route.interface = value
    if (!isDeviceName(value)) return `${quoted(value)} is not a valid interface name`
    return host.hasInterface(value) === false ? `interface ${quoted(value)} does not exist` : undefined
  },
  table: textOption('table'),
  protocol: textOption('protocol'),
  metric: numberOption('metric'),
  priority: numberOption('metric'),
  preference: numberOption('metric'),
  mtu: numberOption('mtu'),
  scope: (route, value) => {
    route.scope = scopeOf(value)
    return route.scope === undefined ? `${quoted(value)} is not a scope` : undefined
  },
  to: (route, value) => destination(route, value),
}

function destination(route: RouteEntry, value: string): string | undefined {
  if (route.destination !== undefined) return `${quoted(value)} is not a route option that this version supports`
  if (value === 'default') {
    route.destination = 'default'
    return undefined
  }
  const found = plainAddress(value)
  if (found === undefined)
    return `${quoted(value)} is neither a destination nor a route option that this version supports`
  if (route.family !== undefined && route.family !== found.family) return 'IPv4 and IPv6 are mixed'
  route.family = found.family
  route.destination = `${found.address}/${found.prefix ?? widest[found.family]}`
  return undefined
}

const routeTypes = ['unicast', 'blackhole', 'unreachable', 'prohibit', 'throw'] as const

/** Reads a line of `virtual_routes`; what it does not know is refused word by word. */
export function routeEntry({ words: all, where }: Statement, context: Context): VrrpRoute | undefined {
  const route: RouteEntry = {}
  const refuse = (why: string) => {
    context.report.breaks(where, `${quoted(all.join(' '))}: ${why}`)
    return undefined
  }
  let type: VrrpRoute['type'] = 'unicast'
  let onlink = false
  for (let at = 0; at < all.length; at++) {
    const name = all[at] === 'oif' ? 'dev' : (all[at] as string)
    const named = routeTypes.find((one) => one === name)
    if (named !== undefined) type = named
    else if (name === 'onlink') onlink = true
    else if (name === 'inet' || name === 'inet6') route.family = name === 'inet' ? 4 : 6
    else {
      const read = Object.hasOwn(routeWords, name) ? routeWords[name] : undefined
      const value = read === undefined ? name : all[++at]
      if (value === undefined) return refuse(`${name} needs its value`)
      const problem = read === undefined ? destination(route, value) : read(route, value, context)
      if (problem !== undefined) return refuse(problem)
    }
  }
  if (route.destination === undefined) return refuse('a route needs its destination')
  if (type === 'unicast' && route.via === undefined && route.interface === undefined)
    return refuse('a route needs via ADDRESS or dev INTERFACE')
  if (all.includes('gw')) context.report.note(where, `${quoted(all.join(' '))}: gw is the old name of via`)
  if (route.interface === undefined && !all.includes('no_track'))
    context.report.note(
      where,
      `${quoted(all.join(' '))}: without dev keepalived does not notice when the route disappears; here it is put back all the same`,
    )
  const family = route.family ?? 4
  const everything = family === 4 ? '0.0.0.0/0' : '::/0'
  return {
    ...route,
    family,
    type,
    destination: route.destination === 'default' ? everything : route.destination,
    onlink,
    where,
  }
}

/** Said of an address whose family is another one than that of its instance. */
export function otherFamily(name: string, family: IpFamily, wanted: IpFamily): string {
  return `${name} is ${familyName(family)}, and the instance is ${familyName(wanted)}; keepalived leaves it out`
}
