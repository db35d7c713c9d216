import type { GroupOptions, HeartbeatOptions, RespawnOptions } from '../options/options.ts'
import type { Issue } from '../roles/error.ts'
import type { LivenessTimes } from '../roles/liveness-detector.ts'
import { directives } from './ha-cf-directives.ts'
import type { LoggingOptions, WrittenOptions } from './ha-cf-draft.ts'
import type { HaDir } from './read-ha-dir.ts'
import type { ResourceCall } from './resource-words.ts'

/** A link or a ping target, as it is written down. */
export interface WrittenPlugin {
  readonly type: string
  readonly name: string
  readonly options: WrittenOptions
}

/** A resource of a group, as it is written down. */
export interface WrittenResource {
  readonly word: string
  readonly name: string
  readonly call: ResourceCall
}

/** A key of the ring: its bytes are in a file of their own. */
export interface WrittenKey {
  readonly id: number
  readonly method: string
  readonly keyFile?: string | undefined
}

/** A pair before it is written as an ini or as a program: data and words alone. */
export interface WrittenPair {
  /** Lines of the source that have no counterpart, and what else must be known: comments. */
  readonly notes: readonly string[]
  readonly name: string
  readonly nodes: readonly string[]
  readonly autoFailback: boolean | 'legacy'
  readonly deadpingMs?: number | undefined
  /** Left out: the defaults. */
  readonly times?: LivenessTimes | undefined
  readonly active: number
  readonly keys: readonly WrittenKey[]
  readonly transports: readonly WrittenPlugin[]
  readonly arbiters: readonly WrittenPlugin[]
  readonly groups: readonly (Pick<GroupOptions, 'name' | 'preferred' | 'key'> & {
    readonly resources: readonly WrittenResource[]
  })[]
  readonly respawn: readonly RespawnOptions[]
  readonly logging: LoggingOptions
  readonly heartbeat?: HeartbeatOptions | undefined
}

/** The content of a key file. */
export interface KeyFile {
  readonly path: string
  readonly key: Uint8Array
}

/**
 * What Heartbeat's three files say, to be written down anew. Every issue that is no error becomes a note, and every line that
 * switches off what is not there; `haDir` must have options.
 * @param keyPath - names the file of a key by its id.
 */
export function pairOfHeartbeat(
  { options, haCf, words, logging, issues }: HaDir,
  text: string,
  file: string,
  keyPath: (id: number) => string,
): { readonly pair: WrittenPair; readonly keyFiles: readonly KeyFile[] } {
  if (!options || !haCf) throw new Error('the files have errors')
  const keyFiles: KeyFile[] = []
  const keys = options.authenticator.keys.map(({ id, method, key }): WrittenKey => {
    if (key === undefined) return { id, method }
    const path = keyPath(id)
    keyFiles.push({ path, key: typeof key === 'string' ? Buffer.from(key) : key })
    return { id, method, keyFile: path }
  })
  const notes = issues.map(({ where, message }: Issue) => `${where}: ${message}`)
  const pair: WrittenPair = {
    notes: [...notes, ...offLines(text, file)],
    name: haCf.name,
    nodes: haCf.nodes,
    autoFailback: haCf.autoFailback,
    deadpingMs: haCf.deadpingMs,
    times: haCf.times,
    active: options.authenticator.active,
    keys,
    transports: haCf.transports.map(({ type, link }, index) => ({
      type,
      name: link,
      options: haCf.written.transports[index] ?? {},
    })),
    arbiters: haCf.arbiters.map(({ target, type }, index) => ({
      type,
      name: target,
      options: haCf.written.arbiters[index] ?? {},
    })),
    groups: options.groups.map(({ name, preferred, key, resources }) => ({
      name,
      preferred,
      key,
      resources: resources.flatMap((resource) => {
        const word = words.find((one) => one.resource === resource.name)
        return word?.call === undefined ? [] : [{ word: word.word, name: resource.name, call: word.call }]
      }),
    })),
    respawn: options.respawn ?? [],
    logging,
    heartbeat: options.heartbeat,
  }
  return { pair, keyFiles }
}

/** Lines that may only say that something is off: it is, and nothing says so any more. */
function offLines(text: string, file: string): string[] {
  return text.split(/\r?\n/).flatMap((raw, index) => {
    const line = raw.replace(/#.*/, '').trim()
    const name = line.split(/[\s,]/)[0]
    const row = directives.find((directive) => directive.name === name)
    return row?.fate === 'refused' ? [`${file}:${index + 1}: ${line}: it is not there, and needs no line`] : []
  })
}
