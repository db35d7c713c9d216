import type { WrittenPair, WrittenPlugin } from './written.ts'

/** A value as it is written in a program; what is undefined is left out. */
function literal(value: unknown): string {
  if (typeof value === 'string')
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(', ')}]`
  const fields = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => `${/^[A-Za-z_]\w*$/.test(name) ? name : literal(name)}: ${literal(one)}`)
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
}

const call = (name: string, args: readonly unknown[]): string => {
  const given = args.filter((arg) => arg !== undefined && JSON.stringify(arg) !== '{}')
  return `${name}(${given.map((arg) => literal(arg)).join(', ')})`
}

const factories: Readonly<Record<string, string>> = {
  'udp-unicast': 'udpUnicast',
  'udp-broadcast': 'udpBroadcast',
  'udp-multicast': 'udpMulticast',
  serial: 'serial',
}

const arbiterOf = ({ type, name, options }: WrittenPlugin): string =>
  type === 'ping-group' ? call('pingGroup', [name, options['addresses']]) : call('icmpPing', [options['address']])

const block = (name: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`  ${name}: [`, ...items.map((item) => `    ${item},`), '  ],']

/** The factories that a written pair can need. */
const importable = [
  ...Object.values(factories),
  'icmpPing',
  'pingGroup',
  'deadtime',
  'keyring',
  'crc',
  'md5',
  'sha1',
  'sha256',
  'sealed',
  'vip',
  'nginx',
  'fs',
  'drbd',
  'script',
  'server',
]

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is written into the program
const ownServer = 'const http = createServer((_request, response) => response.end(`served by ${cluster.node}\\n`))'

/**
 * A program for a pair: the same module on both hosts.
 * @param server - port of an HTTP server of the application's own that is the last resource of the first group.
 */
export function programOf(pair: WrittenPair, server?: number | undefined): string {
  const notes = [...pair.notes]
  const { logging } = pair
  if (logging.file ?? logging.debugFile ?? logging.facility)
    notes.push(
      `the log went to ${[logging.file, logging.debugFile, logging.facility && `syslog (${logging.facility})`].filter(Boolean).join(', ')}: give the cluster a logger`,
    )
  const keys = pair.keys.map(({ id, method, keyFile }) => call(method, [{ id: id === 1 ? undefined : id, keyFile }]))
  const ring = keys.length === 1 ? keys[0] : `keyring({ active: ${pair.active}, keys: [${keys.join(', ')}] })`
  const groups = pair.groups.map(({ name, preferred, key, resources }, index) => {
    const calls = resources.map((resource) => {
      const [factory, ...args] = resource.call
      const made = call(factory, args)
      return /:\d+$/.test(resource.name) && factory === 'script'
        ? `{ ...${made}, name: ${literal(resource.name)} }`
        : made
    })
    if (server !== undefined && index === 0) calls.push(`server(http, { port: ${server} })`)
    const named = key === undefined || key === name ? '' : ` key: ${literal(key)},`
    return `{ name: ${literal(name)}, preferred: ${literal(preferred)},${named} resources: [${calls.join(', ')}] }`
  })
  const { times } = pair
  const body = [
    `  name: ${literal(pair.name)},`,
    `  nodes: ${literal(pair.nodes)},`,
    '  // This host finds itself by its host name, unless it is told who it is.',
    "  ...(process.env['NODE'] === undefined ? {} : { node: process.env['NODE'] }),",
    ...block(
      'transports',
      pair.transports.map(({ type, options }) => call(factories[type] ?? type, [options])),
    ),
    `  authenticator: ${ring},`,
    ...(times
      ? [
          `  liveness: ${call('deadtime', [
            {
              keepalive: `${times.keepaliveMs}ms`,
              warntime: `${times.warntimeMs}ms`,
              deadtime: `${times.deadtimeMs}ms`,
              initdead: `${times.initdeadMs}ms`,
            },
          ])},`,
        ]
      : []),
    ...block('arbiters', pair.arbiters.map(arbiterOf)),
    ...block('groups', groups),
    ...(pair.deadpingMs === undefined ? [] : [`  deadping: '${pair.deadpingMs}ms',`]),
    `  autoFailback: ${literal(pair.autoFailback)},`,
    ...(pair.heartbeat ? [`  heartbeat: ${literal(pair.heartbeat)},`] : []),
    ...block(
      'respawn',
      pair.respawn.map((program) => literal(program)),
    ),
  ]
  const used = importable.filter((name) => body.some((line) => new RegExp(`\\b${name}\\(`).test(line)))
  const names = ['Cluster', 'handleSignals', 'serveControl', ...used].sort()
  const needs = server !== undefined
  return `${[
    ...notes.map((note) => `// ${note.replace(/[\r\n]+/g, ' ')}`),
    ...(needs ? ["import { createServer } from 'node:http'"] : []),
    `import { ${names.join(', ')} } from 'hot-standby'`,
    '',
    ...(needs ? [ownServer, ''] : []),
    'export const cluster: Cluster = new Cluster({',
    ...body,
    '})',
    'cluster.onAny((event) => console.log(event.time, event.name))',
    'handleSignals(cluster)',
    'await cluster.start()',
    'await serveControl(cluster)',
  ].join('\n')}\n`
}
