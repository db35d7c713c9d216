import { createHash } from 'node:crypto'
import { ipFamily } from '../platform/ip.ts'
import { type ScriptOutlook, systemdUnit } from '../platform/script-file.ts'
import { drbd } from '../resources/drbd.ts'
import { fs } from '../resources/fs.ts'
import { parseIpaddr } from '../resources/ipaddr.ts'
import { nginx } from '../resources/nginx.ts'
import { script } from '../resources/script.ts'
import { vip } from '../resources/vip.ts'
import type { Issue } from '../roles/error.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import { badValue, quoted, suggestion } from './problems.ts'

/** Where a resource script was found, and what its file says of it. */
export interface FoundScript {
  readonly path: string
  /** Left out: not looked at. */
  readonly outlook?: ScriptOutlook | undefined
  /** False where the file may not be executed: Heartbeat passes such a file over. */
  readonly executable: boolean
  /** Environment that the configuration gives to scripts. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** Looks a script up by name: DIR/resource.d, /etc/ha.d/resource.d, then (with `all`) /etc/init.d. */
export type FindScript = (name: string, all: boolean) => FoundScript | undefined

/** What one word of `haresources` (or of `resources[]`) became. */
export interface ResourceWord {
  /** `file:line`. */
  readonly where: string
  readonly word: string
  /** For people, as `check` prints it: `vip 192.168.1.106/24 on eth0`. */
  readonly became: string
  /** Name of the resource. */
  readonly resource: string
  /** What made it; undefined where a section of the ini did. */
  readonly call?: ResourceCall | undefined
}

/** A factory and what it is given: how a resource is written in a program. */
export type ResourceCall =
  | readonly ['vip', ...Parameters<typeof vip>]
  | readonly ['nginx', ...Parameters<typeof nginx>]
  | readonly ['fs', ...Parameters<typeof fs>]
  | readonly ['drbd', ...Parameters<typeof drbd>]
  | readonly ['script', ...Parameters<typeof script>]

const factories = { vip, nginx, fs, drbd, script }

const made = ([factory, ...args]: ResourceCall): ResourcePlugin =>
  (factories[factory] as (...args: readonly unknown[]) => ResourcePlugin)(...args)

/** A resource made of a word. */
export interface WordResult {
  readonly plugin: ResourcePlugin
  readonly call: ResourceCall
  readonly became: string
  readonly remarks: readonly Pick<Issue, 'message' | 'severity'>[]
}

/** Heartbeat's test for an address without a script's name (`isip` in its ResourceManager), and IPv6 beside it. */
function isBareAddress(word: string): boolean {
  const dots = word.match(/\.(?=\d)/g)?.length ?? 0
  return (/^\d/.test(word) && dots >= 3 && !word.includes('::')) || ipFamily(word.split('/')[0]!) === 6
}

/** Script's name and arguments of a word: `Filesystem::/dev/sda1::/data`; a bare address is `IPaddr::ADDRESS`. */
export function splitWord(word: string): { readonly name: string; readonly args: readonly string[] } {
  if (isBareAddress(word)) return { name: 'IPaddr', args: [word] }
  const [name, ...parts] = word.split('::')
  // Heartbeat's shell does not quote arguments, so an empty one vanishes.
  const args = parts.filter((part) => part !== '')
  // An IPv6 address has '::' of its own; the address agents take one argument.
  return name === 'IPaddr' || name === 'IPaddr2'
    ? { name, args: args.length > 0 ? [parts.join('::')] : [] }
    : { name: name!, args }
}

/** Names of groups travel as words of one field; none is longer. */
const maxGroupName = 64

/**
 * Name of a group whose first resource is `word`: the address alone, or the word with everything unsafe replaced by `-`. Where
 * that is too long, its end gives way to a digest of the word, the same on both nodes.
 */
export function groupNameOf(word: string): string {
  const { name, args } = splitWord(word)
  const key = name.startsWith('IPaddr') && args[0] !== undefined ? args[0].split('/')[0]! : word
  const safe = key.replaceAll(/[^A-Za-z0-9._/-]+/g, '-')
  if (safe.length <= maxGroupName) return safe
  const digest = createHash('sha256').update(word).digest('hex').slice(0, 10)
  return `${safe.slice(0, maxGroupName - digest.length - 1)}-${digest}`
}

type Builtin = (args: readonly string[]) => Pick<WordResult, 'call' | 'became'>

const address: Builtin = (args) => {
  if (args.length !== 1) throw badValue("the address is missing; write 'IPaddr::ADDRESS[/LENGTH[/DEVICE]]'")
  const read = parseIpaddr(args[0]!)
  if (typeof read === 'string') throw badValue(read)
  const length = read.prefix === undefined ? '' : `/${read.prefix}`
  const place = read.device ?? 'the device whose network holds it, else that of the default route'
  return { call: ['vip', args[0]!], became: `vip ${read.address}${length} on ${place}` }
}

const modes = ['cold', 'hot'] as const

const webServer: Builtin = (args) => {
  const given = args.filter((arg) => arg !== '')
  const mode = modes.find((word) => given.includes(word)) ?? 'cold'
  const configs = given.filter((arg) => arg !== mode)
  if (configs.length > 1)
    throw badValue(`must be 'nginx[::CONF][::hot]', got the configurations ${configs.map(quoted).join(' and ')}`)
  const [config] = configs
  const stays = mode === 'hot' ? 'stays up on both nodes' : 'started at takeover'
  return {
    call: ['nginx', { mode, config }],
    became: `nginx, ${mode} (${stays}), configuration ${config ?? 'of the package'}`,
  }
}

const fileSystem: Builtin = (args) => {
  const [device, directory, type = 'auto', mountOptions] = args
  if (device === undefined || directory === undefined || args.length > 4)
    throw badValue("write 'Filesystem::DEVICE::DIRECTORY[::TYPE[::OPTIONS]]', as 'Filesystem::/dev/drbd0::/data::ext4'")
  // Heartbeat's script takes -LLABEL and -UUUID, as mount does.
  const what = device.replace(/^-L/, 'LABEL=').replace(/^-U/, 'UUID=')
  return {
    call: ['fs', what, directory, type, mountOptions === undefined ? {} : { mountOptions }],
    became: `fs ${what} on ${directory}, ${type === 'auto' ? 'of the type that mount finds' : type}`,
  }
}

const mirroredDisk: Builtin = (args) => {
  // Without an argument Heartbeat's script takes every resource of the host.
  const [resource = 'all', ...more] = args
  if (more.length > 0) throw badValue("write 'drbddisk::RESOURCE', as 'drbddisk::r0'")
  const which = resource === 'all' ? 'every resource of DRBD on the host' : `drbd ${resource}`
  return { call: ['drbd', resource], became: `${which}, primary on the owner` }
}

const builtins: Readonly<Record<string, Builtin>> = {
  IPaddr: address,
  IPaddr2: address,
  nginx: webServer,
  Filesystem: fileSystem,
  drbddisk: mirroredDisk,
}

/** How a script is judged, for people. */
const judgement = {
  named: 'judged by the words of its status, then by its exit code',
  absent: 'without a status: judged by the exit codes of start and stop',
  unclear: 'judged by the words of its status if it has one, then by exit codes',
} as const

function scriptRemarks(path: string, outlook: ScriptOutlook | undefined): WordResult['remarks'] {
  if (outlook?.problem !== undefined) {
    const message = `${path} cannot be executed, so its group will not start on this host: ${outlook.problem}`
    return [{ message, severity: 'warning' }]
  }
  if (outlook?.empty) {
    return [{ message: `${path} is empty: its start and its stop succeed and do nothing`, severity: 'warning' }]
  }
  if (outlook?.status !== 'absent') return []
  const message = `${path} has no action status, so nobody notices when what it started ends; let 'status' print 'running' or 'stopped'`
  return [{ message, severity: 'warning' }]
}

/** Heartbeat's scripts of an address would say the same, but only at a takeover. */
function addressRemarks(name: string, [argument = '']: readonly string[], path: string): WordResult['remarks'] {
  if (name !== 'IPaddr' && name !== 'IPaddr2') return []
  const read = parseIpaddr(argument)
  return typeof read === 'string' ? [{ message: `${path} will not start it: ${read}`, severity: 'warning' }] : []
}

/**
 * Makes the resource of a word as `haresources` has it. A built-in name gives way to a script of the same name in
 * DIR/resource.d or /etc/ha.d/resource.d.
 * @throws {HotStandbyError} `HS_CONFIG` saying what was found and what would be right.
 */
export function resourceOf(word: string, find: FindScript): WordResult {
  const { name, args } = splitWord(word)
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.+@-]*$/.test(name)) {
    throw badValue(
      `${quoted(word)} is not a resource: an address, or a script's name and its arguments as NAME::ARGUMENT`,
    )
  }
  const builtin = Object.hasOwn(builtins, name) ? builtins[name] : undefined
  const found = find(name, builtin === undefined)
  if (found?.executable) {
    const call: ResourceCall = ['script', found.path, { args, env: found.env }]
    const { outlook } = found
    const became = `script ${[found.path, ...args].join(' ')} (${outlook?.problem === undefined ? judgement[outlook?.status ?? 'named'] : 'cannot be executed'})`
    const remarks = [...scriptRemarks(found.path, outlook), ...addressRemarks(name, args, found.path)]
    return { plugin: made(call), call, became, remarks }
  }
  const skipped = found && `${found.path} is not executable; run chmod 755 ${found.path} if it is meant`
  if (builtin) {
    const { call, became } = builtin(args)
    return { plugin: made(call), call, became, remarks: skipped ? [{ message: skipped, severity: 'warning' }] : [] }
  }
  if (skipped) throw badValue(skipped)
  const unit = systemdUnit(name)
  const hint = suggestion(name, Object.keys(builtins))
  throw badValue(
    `there is no resource ${quoted(name)}: neither built in nor a script in resource.d, /etc/ha.d/resource.d or /etc/init.d` +
      (unit === undefined
        ? ''
        : `; systemd has a unit ${unit}: write an executable script resource.d/${name} with the two lines ` +
          `'#!/bin/sh' and 'exec systemctl "$1" ${unit}'`) +
      (hint.startsWith('did') ? `; ${hint}` : ''),
  )
}
