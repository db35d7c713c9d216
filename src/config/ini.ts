import { crc } from '../authenticators/crc.ts'
import { mixIssues } from '../authenticators/keyring.ts'
import { md5 } from '../authenticators/md5.ts'
import { sealed } from '../authenticators/sealed.ts'
import { sha1 } from '../authenticators/sha1.ts'
import { sha256 } from '../authenticators/sha256.ts'
import type { ClusterOptions, GroupOptions, RespawnOptions } from '../options/options.ts'
import type { AuthenticatorPlugin } from '../roles/authenticator.ts'
import { durationMs } from '../roles/duration.ts'
import type { Issue } from '../roles/error.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import { checkFatalAction } from './fatal-action.ts'
import type { LoggingOptions } from './ha-cf-draft.ts'
import { facility, fullPath, integer } from './ha-cf-values.ts'
import { type IniEntry, type IniSection, readIniLines } from './ini-lines.ts'
import {
  arbiterTypes,
  authenticatorKeys,
  groupKeys,
  guardTypes,
  type Keys,
  leaseTypes,
  livenessTypes,
  loggingKeys,
  recorderKeys,
  resourceTypes,
  respawnKeys,
  ringKeys,
  ringMemberKeys,
  type TypeSchema,
  topKeys,
  transportTypes,
  type ValueKind,
} from './ini-schema.ts'
import { areTooMany, attempt, badValue, hasErrors, inOrder, quoted, suggestion } from './problems.ts'
import { type FindScript, type ResourceWord, resourceOf } from './resource-words.ts'

/** What a `hot-standby.ini` says, with every problem found in it. */
export interface Ini {
  /** Undefined where an issue is an error. */
  readonly options: ClusterOptions | undefined
  /** What `hot-standby run` does at a fatal failure. */
  readonly onFatal: string | undefined
  /** Where the first link stands, as `file:line`. */
  readonly whereLink: string
  /** Where each transport stands, as `file:line`. */
  readonly whereTransports: readonly string[]
  readonly logging: LoggingOptions
  readonly words: readonly ResourceWord[]
  readonly issues: readonly Issue[]
}

/** Circumstances of an ini file that its text does not tell. */
export interface IniSurroundings {
  readonly find: FindScript
  /** The file's mode where group or others may read it: then no key may stand in it. */
  readonly openMode?: string | undefined
}

/**
 * Reads a `hot-standby.ini`: the options of `ClusterOptions` by the same names. Never throws for what the text says.
 * @param text content of the file.
 * @param file name shown in the issues.
 */
export function parseIni(text: string, file: string, surroundings: IniSurroundings): Ini {
  const reader = new IniReader(text, file, surroundings)
  return reader.read()
}

type Values = Readonly<Record<string, unknown>>

const kinds = [
  'liveness',
  'lease',
  'guard',
  'authenticator',
  'transport',
  'arbiter',
  'resource',
  'group',
  'respawn',
  'recorder',
  'logging',
]
const named = ['transport', 'arbiter', 'resource', 'group', 'respawn']
const unnamed = ['liveness', 'lease', 'guard', 'recorder', 'logging']
const methods = { crc, md5, sha1, sha256, sealed } as const

/** Turns one value into what the schema says; throws `HS_CONFIG`. */
function readValue(kind: ValueKind, key: string, { values, isList }: IniEntry): unknown {
  if (kind === 'list') {
    return isList ? values : values[0]!.split(/[\s,]+/).filter((word) => word !== '')
  }
  const value = values[0]!
  if (isList) throw badValue(`takes one value; write '${key} = …' without []`)
  if (kind === 'integer') return integer(0, Number.MAX_SAFE_INTEGER)([value])
  if (kind === 'duration') {
    durationMs(value, key)
    return value
  }
  if (kind === 'boolean') {
    if (value !== 'true' && value !== 'false') throw badValue(`${quoted(value)} is neither true nor false`)
    return value === 'true'
  }
  if (typeof kind !== 'string' && !kind.includes(value)) {
    throw badValue(`must be one of ${kind.join(', ')}, got ${quoted(value)}`)
  }
  return value
}

class IniReader {
  readonly #file: string
  readonly #surroundings: IniSurroundings
  readonly #issues: Issue[] = []
  readonly #words: ResourceWord[] = []
  readonly #sections: readonly IniSection[]

  constructor(text: string, file: string, surroundings: IniSurroundings) {
    this.#file = file
    this.#surroundings = surroundings
    this.#sections = readIniLines(text, file, this.#issues)
  }

  read(): Ini {
    this.#checkHeaders()
    const { onFatal, ...top } = this.#values(this.#sections[0]!, topKeys)
    const fatal = onFatal === undefined ? undefined : this.#fatal(String(onFatal))
    const nodes = this.#nodes((top['nodes'] ?? []) as readonly string[])
    const transports = this.#plugins('transport', transportTypes)
    const arbiters = this.#plugins('arbiter', arbiterTypes)
    const resources = this.#plugins('resource', resourceTypes)
    for (const { section, plugin } of transports) {
      for (const { path, message } of plugin.validate?.(nodes) ?? []) this.#complain(section, path, message)
    }
    const groups = this.#groups(nodes, new Map(resources.map(({ section, plugin }) => [section.name!, plugin])))
    const liveness = this.#liveness()
    const lease = this.#single('lease', leaseTypes)
    const guard = this.#single('guard', guardTypes)
    const authenticator = this.#authenticator()
    const respawn = this.#of('respawn').map((section) => this.#respawn(section))
    const recorder = this.#of('recorder')[0]
    const recorded = recorder ? { recorder: this.#values(recorder, recorderKeys) } : {}
    const logging = this.#logging()
    if (transports.length === 0 && this.#of('transport').length === 0) {
      this.#complain(undefined, '', 'no link to the peer is named; write a section [transport.NAME]')
    }
    const options = hasErrors(this.#issues)
      ? undefined
      : // Every required key is there and every value has its kind: the schema has seen to it.
        ({
          ...top,
          nodes,
          transports: transports.map(({ plugin }) => plugin),
          authenticator,
          liveness,
          arbiters: arbiters.map(({ plugin }) => plugin),
          groups,
          respawn,
          ...recorded,
          ...(lease && { lease }),
          ...(guard && { guard }),
        } as unknown as ClusterOptions)
    const whereLink = this.#where(transports[0]?.section)
    const whereTransports = transports.map(({ section }) => this.#where(section))
    return {
      options,
      onFatal: fatal,
      whereLink,
      whereTransports,
      logging,
      words: this.#words,
      issues: inOrder(this.#issues),
    }
  }

  #fatal(action: string): string | undefined {
    const problems: Issue[] = []
    const checked = attempt(problems, this.#where(this.#sections[0], 'onFatal'), () => checkFatalAction(action))
    this.#issues.push(...problems.map((issue) => ({ ...issue, message: `onFatal: ${issue.message}` })))
    return checked
  }

  #of(kind: string): readonly IniSection[] {
    return this.#sections.filter((section) => section.kind === kind && section.line > 0)
  }

  /** Where a key of a section stands, by its option path (`addresses.master`), or the section itself. */
  #where(section: IniSection | undefined, path = ''): string {
    const entry = section?.entries.get(path) ?? section?.entries.get(path.replace(/^[^.]*\./, ''))
    const line = entry?.line ?? section?.line
    return line ? `${this.#file}:${line}` : this.#file
  }

  #complain(section: IniSection | undefined, path: string, message: string): void {
    const head = path === '' || message.startsWith(path) ? '' : `${path}: `
    this.#issues.push({ where: this.#where(section, path), message: head + message, severity: 'error' })
  }

  #checkHeaders(): void {
    for (const section of this.#sections.slice(1)) {
      const { kind, name } = section
      if (!kinds.includes(kind)) {
        this.#complain(section, '', `unknown section ${quoted(kind)}; ${suggestion(kind, kinds)}`)
      } else if (named.includes(kind) && !name) {
        this.#complain(section, '', `section [${kind}] needs a name: [${kind}.NAME]`)
      } else if (kind === 'authenticator' && name !== undefined && !/^(\d|1[0-5])$/.test(name)) {
        this.#complain(
          section,
          '',
          `section [${kind}.${name}]: ${quoted(name)} is not a key ID; write a number from 0 to 15`,
        )
      } else if (unnamed.includes(kind) && name !== undefined) {
        this.#complain(section, '', `section [${kind}.${name}] takes no name: [${kind}]`)
      }
    }
  }

  /** The values of a section by its schema; unknown, missing and malformed keys become issues. */
  #values(section: IniSection, keys: Keys, besides: readonly string[] = []): Values {
    const found: Record<string, unknown> = {}
    for (const [key, entry] of section.entries) {
      if (areTooMany(this.#issues, this.#where(section, key))) break
      const [head, member] = key.includes('.')
        ? [key.slice(0, key.indexOf('.')), key.slice(key.indexOf('.') + 1)]
        : [key]
      if (besides.includes(key)) continue
      const schema = Object.hasOwn(keys, head) ? keys[head] : undefined
      if (!schema || (schema.kind === 'map') !== (member !== undefined)) {
        const hint =
          schema?.kind === 'map'
            ? `write '${head}.${head === 'addresses' ? 'NODE' : 'NAME'} = …'`
            : suggestion(key, Object.keys(keys))
        this.#complain(section, key, `unknown key ${quoted(key)}; ${hint}`)
        continue
      }
      const problems: Issue[] = []
      const value = attempt(problems, this.#where(section, key), () => readValue(schema.kind, key, entry))
      this.#issues.push(...problems.map((issue) => ({ ...issue, message: `${key}: ${issue.message}` })))
      if (value === undefined) continue
      found[head] = member === undefined ? value : { ...(found[head] as object | undefined), [member]: value }
    }
    for (const [key, { required }] of Object.entries(keys)) {
      if (required && !section.entries.has(key)) this.#complain(section, '', `${key} is missing; write '${key} = …'`)
    }
    return found
  }

  /** What the section's `type` may hold. */
  #schema<Plugin>(
    section: IniSection,
    types: Readonly<Record<string, TypeSchema<Plugin>>>,
    otherwise?: string,
  ): TypeSchema<Plugin> | undefined {
    const type = section.entries.get('type')?.values[0] ?? otherwise
    if (type !== undefined && Object.hasOwn(types, type)) return types[type]
    const found = type === undefined ? 'type is missing' : `type ${quoted(type)} is unknown`
    this.#complain(section, 'type', `${found}; valid are ${Object.keys(types).join(', ')}`)
    return undefined
  }

  #plugins<Plugin>(
    kind: string,
    types: Readonly<Record<string, TypeSchema<Plugin>>>,
  ): { readonly section: IniSection; readonly plugin: Plugin }[] {
    return this.#of(kind).flatMap((section) => {
      const plugin = this.#plugin(section, types)
      return plugin === undefined ? [] : [{ section, plugin }]
    })
  }

  #plugin<Plugin>(
    section: IniSection,
    types: Readonly<Record<string, TypeSchema<Plugin>>>,
    name = section.name,
  ): Plugin | undefined {
    const schema = this.#schema(section, types)
    if (!schema) return undefined
    const before = this.#issues.length
    const values = this.#values(section, schema.keys, ['type'])
    if (this.#issues.length > before || name === undefined) return undefined
    return attempt(
      this.#issues,
      (path) => this.#where(section, path),
      () => schema.make(name, values),
    )
  }

  /** A section of which there is one, without a name. */
  #single<Plugin>(kind: string, types: Readonly<Record<string, TypeSchema<Plugin>>>): Plugin | undefined {
    const section = this.#of(kind)[0]
    return section && this.#plugin(section, types, '')
  }

  #nodes(found: readonly string[]): readonly string[] {
    const top = this.#sections[0]!
    const nodes = found.map((node) => node.toLowerCase())
    if (top.entries.has('nodes') && (nodes.length !== 2 || nodes[0] === nodes[1])) {
      this.#complain(
        top,
        'nodes',
        `nodes: a pair has exactly two different nodes, found ${nodes.map(quoted).join(' ')}`,
      )
    }
    const node = top.entries.get('node')?.values[0]
    if (node !== undefined && nodes.length === 2 && !nodes.includes(node.toLowerCase())) {
      this.#complain(top, 'node', `node: ${quoted(node)} is neither ${nodes.join(' nor ')}`)
    }
    return nodes
  }

  #groups(nodes: readonly string[], sections: ReadonlyMap<string, ResourcePlugin>): readonly GroupOptions[] {
    const found = this.#of('group')
    if (found.length === 0) this.#complain(undefined, '', 'no group is declared; write a section [group.NAME]')
    const used = new Map<string, string>()
    return found.map((section) => {
      const name = section.name ?? ''
      if (name !== '' && !/^[A-Za-z0-9._/-]+$/.test(name)) {
        this.#complain(
          section,
          '',
          `${quoted(name)} is not a valid name for a group: letters, digits, '.', '_', '-' and '/'`,
        )
      }
      const values = this.#values(section, groupKeys)
      const preferred = String(values['preferred'] ?? '').toLowerCase()
      if (preferred !== '' && nodes.length === 2 && !nodes.includes(preferred)) {
        this.#complain(section, 'preferred', `preferred: ${quoted(preferred)} is neither ${nodes.join(' nor ')}`)
      }
      const words = (values['resources'] ?? []) as readonly string[]
      const resources = words.flatMap((word, index) => this.#resource(section, word, index, sections))
      for (const resource of resources) {
        const other = used.get(resource.name)
        if (other !== undefined) {
          this.#complain(
            section,
            'resources',
            `${resource.name} is in group ${quoted(other)} already; it belongs to one group, once`,
          )
        }
        used.set(resource.name, name)
      }
      return { ...values, name, preferred, resources }
    })
  }

  #resource(
    section: IniSection,
    word: string,
    index: number,
    sections: ReadonlyMap<string, ResourcePlugin>,
  ): ResourcePlugin[] {
    const { isList, line, lines } = section.entries.get('resources')!
    const where = `${this.#file}:${isList ? lines[index] : line}`
    const plugin = sections.get(word)
    if (plugin) {
      this.#words.push({
        where,
        word,
        became: `${plugin.name}, as section [resource.${word}] says`,
        resource: plugin.name,
      })
      return [plugin]
    }
    if (this.#of('resource').some(({ name }) => name === word)) return []
    const made = attempt(this.#issues, where, () => resourceOf(word, this.#surroundings.find))
    if (!made) return []
    this.#words.push({ where, word, became: made.became, resource: made.plugin.name, call: made.call })
    this.#issues.push(...made.remarks.map((remark) => ({ ...remark, where })))
    return [made.plugin]
  }

  #liveness(): LivenessPlugin | undefined {
    const section = this.#of('liveness')[0]
    if (!section) return undefined
    const schema = this.#schema(section, livenessTypes, 'deadtime')
    if (!schema) return undefined
    const plugin = schema.make('', this.#values(section, schema.keys, ['type']))
    for (const { path, message, severity } of plugin.issues) {
      this.#issues.push({ where: this.#where(section, path), message: `${path}: ${message}`, severity })
    }
    return plugin
  }

  #authenticator(): AuthenticatorPlugin | undefined {
    const all = this.#of('authenticator')
    const main = all.find(({ name }) => name === undefined)
    const members = all.filter(({ name }) => name !== undefined)
    if (!main) {
      this.#complain(
        members[0],
        '',
        `section [authenticator] is missing; write one with ${members[0] ? 'active' : 'method and keyFile'}`,
      )
      return undefined
    }
    if (members.length === 0) return this.#key(main, authenticatorKeys)
    const active = this.#values(main, ringKeys)['active']
    if (active !== undefined && !members.some(({ name }) => name === String(active))) {
      this.#complain(main, 'active', `active: there is no section [authenticator.${String(active)}]`)
    }
    const keys = members.flatMap((member) => this.#key(member, ringMemberKeys, Number(member.name))?.keys ?? [])
    for (const { message } of mixIssues(keys)) this.#complain(main, '', message)
    return { kind: 'authenticator', active: Number(active), keys }
  }

  #key(section: IniSection, keys: Keys, id?: number): AuthenticatorPlugin | undefined {
    const { method, ...values } = this.#values(section, keys)
    const make = typeof method === 'string' ? methods[method as keyof typeof methods] : undefined
    if (!make) return undefined
    for (const name of ['key', 'keyFile']) {
      if (method === 'crc' && name in values) this.#complain(section, name, `${name}: crc uses no key; leave it out`)
    }
    const { openMode } = this.#surroundings
    if ('key' in values && openMode !== undefined) {
      const right = `run chmod 600 ${this.#file}, or name a keyFile instead`
      this.#complain(section, 'key', `key stands in a file of mode ${openMode}, which others may read; ${right}`)
    }
    return attempt(
      this.#issues,
      (path) => this.#where(section, path),
      () => make(id === undefined ? values : { ...values, id }),
    )
  }

  #respawn(section: IniSection): RespawnOptions {
    const { user, command, args, env } = this.#values(section, respawnKeys)
    if (command !== undefined) {
      attempt(this.#issues, this.#where(section, 'command'), () => fullPath([String(command)]))
    }
    return {
      user: user as string | undefined,
      command: String(command),
      args: (args ?? []) as readonly string[],
      ...(env === undefined ? {} : { env: env as Readonly<Record<string, string>> }),
    }
  }

  #logging(): LoggingOptions {
    const section = this.#of('logging')[0]
    if (!section) return { debug: 0 }
    const values = this.#values(section, loggingKeys)
    const checked = <T>(key: string, parse: (words: readonly string[]) => T): T | undefined =>
      values[key] === undefined
        ? undefined
        : attempt(this.#issues, this.#where(section, key), () => parse([String(values[key])]))
    const named = checked('facility', facility)
    return {
      file: checked('file', fullPath),
      debugFile: checked('debugFile', fullPath),
      facility: named === 'none' ? undefined : named,
      debug: checked('debug', integer(0, 255)) ?? 0,
    }
  }
}
