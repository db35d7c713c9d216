import type { WrittenOptions, WrittenValue } from './ha-cf-draft.ts'
import type { WrittenPair, WrittenResource } from './written.ts'

/** A value as the reader of ini files takes it whole. */
const shown = (value: string | number | boolean): string => {
  const text = String(value)
  return /[;#"'=\\[\]]|^\s|\s$|^$/.test(text) ? JSON.stringify(text) : text
}

function lines(key: string, value: WrittenValue | undefined): string[] {
  if (value === undefined) return []
  if (typeof value !== 'object') return [`${key} = ${shown(value)}`]
  if (Array.isArray(value)) return (value as readonly string[]).map((one) => `${key}[] = ${shown(one)}`)
  return Object.entries(value).map(([member, one]) => `${key}.${member} = ${shown(one)}`)
}

const entries = (options: WrittenOptions): string[] =>
  Object.entries(options).flatMap(([key, value]) => lines(key, value))

const section = (title: string, options: WrittenOptions): string[] => {
  const found = entries(options)
  return found.length === 0 ? [] : ['', `[${title}]`, ...found]
}

const comment = (text: string): string => `; ${text.replace(/[\r\n]+/g, ' ')}`

/** `hot-standby.ini` for a pair. */
export function iniOf(pair: WrittenPair): string {
  const notes = [...pair.notes]
  const scripts: { readonly name: string; readonly options: WrittenOptions }[] = []
  /** A built-in agent is written as its word, a script as a section: its path does not depend on where the ini stands. */
  const wordOf = ({ word, name, call }: WrittenResource): string[] => {
    if (call[0] !== 'script') return [word]
    const [, path, { args = [], env = {} } = {}] = call
    if (name !== `script:${[path.split('/').at(-1), ...args].join('::')}` && /:\d+$/.test(name)) {
      notes.push(`${word}: it stands in several groups, which an ini cannot say; it is left out here`)
      return []
    }
    const base = path.split('/').at(-1) ?? 'script'
    const free = (number: number): string => (number === 1 ? base : `${base}-${number}`)
    let number = 1
    while (scripts.some((one) => one.name === free(number))) number++
    scripts.push({ name: free(number), options: { type: 'script', path, args, env } })
    return [free(number)]
  }
  const groups = pair.groups.map(({ name, preferred, resources }) => ({
    name,
    options: { preferred, resources: resources.flatMap(wordOf) },
  }))
  if (pair.heartbeat)
    notes.push(
      'a daemon as the peer: its files (hb_generation, hb_uuid), auto_failback legacy and the keys of its groups have no counterpart; keep ha.cf',
    )
  const { times, active, keys, logging } = pair
  const single = keys.length === 1 ? keys[0] : undefined
  const text = [
    ...notes.map(comment),
    ...entries({
      name: pair.name,
      nodes: pair.nodes,
      autoFailback: pair.autoFailback !== false,
      deadping: pair.deadpingMs === undefined ? undefined : `${pair.deadpingMs}ms`,
    }),
    ...(times
      ? section('liveness', {
          keepalive: `${times.keepaliveMs}ms`,
          warntime: `${times.warntimeMs}ms`,
          deadtime: `${times.deadtimeMs}ms`,
          initdead: `${times.initdeadMs}ms`,
        })
      : []),
    ...(single
      ? section('authenticator', { method: single.method, keyFile: single.keyFile, id: single.id })
      : [
          ...section('authenticator', { active }),
          ...keys.flatMap(({ id, method, keyFile }) => section(`authenticator.${id}`, { method, keyFile })),
        ]),
    ...pair.transports.flatMap(({ type, name, options: { link: _link, ...options } }) =>
      section(`transport.${name}`, { type, ...options }),
    ),
    ...pair.arbiters.flatMap(({ type, name, options }) => section(`arbiter.${name}`, { type, ...options })),
    ...scripts.flatMap(({ name, options }) => section(`resource.${name}`, options)),
    ...groups.flatMap(({ name, options }) => section(`group.${name}`, options)),
    ...pair.respawn.flatMap(({ user, command, args, env }, index) =>
      section(`respawn.${index + 1}`, { user, command, args, env }),
    ),
    ...section('logging', {
      file: logging.file,
      debugFile: logging.debugFile,
      facility: logging.facility,
      debug: logging.debug === 0 ? undefined : logging.debug,
    }),
  ]
  return `${text.join('\n')}\n`
}
