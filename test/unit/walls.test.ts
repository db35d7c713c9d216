import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import ts from 'typescript'
import { type Import, importsOf, parse, position, readSources, root, type Sources, walk } from '../support/sources.ts'

/** What one room of `src` may use. */
interface Room {
  /** Rooms and single files it may import from; `types` in front: only by `import type`. */
  readonly imports: readonly string[]
  /** System modules and packages. */
  readonly modules: readonly string[] | 'any node module'
  /** True: no clock, no timer, no randomness, no promise. */
  readonly pure?: boolean
}

const plugins = ['transports', 'authenticators', 'liveness', 'arbiters', 'resources']

const rooms: Readonly<Record<string, Room>> = {
  roles: { imports: [], modules: [] },
  wire: { imports: ['roles'], modules: [], pure: true },
  liveness: { imports: ['roles', 'core/timing.ts'], modules: [], pure: true },
  authenticators: { imports: ['roles'], modules: ['node:crypto', 'node:zlib', 'node:module', 'tweetnacl'] },
  core: { imports: ['roles', 'wire/message.ts'], modules: [], pure: true },
  platform: { imports: ['roles'], modules: 'any node module' },
  transports: { imports: ['roles', 'platform'], modules: ['node:dgram', 'node:net', 'node:tty', 'node:fs'] },
  arbiters: { imports: ['roles', 'platform'], modules: [] },
  resources: { imports: ['roles', 'platform'], modules: [] },
  leases: { imports: ['roles', 'platform'], modules: [] },
  guards: { imports: ['roles', 'platform'], modules: ['node:crypto', 'node:net'] },
  config: {
    imports: ['roles', ...plugins, 'leases', 'guards', 'platform', 'core/timing.ts', 'types options'],
    modules: ['node:fs', 'node:path', 'node:module', 'node:crypto', 'node:os', 'ini'],
  },
  options: {
    imports: ['roles', 'wire', 'core', ...plugins, 'platform'],
    modules: ['node:os'],
  },
  recorder: {
    imports: ['roles', 'wire', 'core', 'liveness', 'options', 'platform'],
    modules: ['node:zlib'],
  },
  engine: {
    imports: ['roles', 'wire', 'core', ...plugins, 'options', 'recorder', 'platform'],
    modules: ['node:os'],
  },
  cluster: {
    imports: ['roles', 'core', 'options', 'recorder', 'engine', 'platform'],
    modules: ['eventemitter3', 'node:diagnostics_channel'],
  },
  control: {
    imports: ['roles', 'platform', 'types cluster', 'types core', 'types recorder'],
    modules: ['node:crypto', 'node:net', 'node:fs', 'node:path', 'node:os'],
  },
  monitoring: {
    imports: ['roles', 'types cluster', 'recorder/describe.ts'],
    modules: ['node:http', 'node:crypto', 'node:net'],
  },
  testing: {
    imports: ['roles', 'wire', 'core', 'liveness', 'options', 'recorder', 'engine', 'authenticators', 'transports'],
    modules: [],
  },
  cli: {
    imports: ['roles', 'config', 'control', 'monitoring', 'platform', 'index.ts'],
    modules: ['node:process', 'node:util', 'node:path', 'node:url', 'node:fs', 'node:os', 'node:readline/promises'],
  },
}

/** Files that may use more than their room, and why. */
const exceptions: Readonly<Record<string, { readonly imports: readonly string[]; readonly reason: string }>> = {
  'cluster/cluster.ts': { imports: ['config'], reason: '`Cluster.fromHaDir` is a thin caller of the readers' },
}

/** The one file that implements `Host` with real time; the rest of these rooms asks the `Host`, so that a simulator can replace it. */
const realTime = 'src/engine/host.ts'

const asksHost = ['options', 'recorder', 'engine', 'cluster']

const clocks = ['Date.now', 'performance', 'hrtime', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']
const impurities = [...clocks, 'Math.random', 'Promise']

/**
 * The rooms inside the core, each above those before it. A file lies in the first that names it; nobody imports from above,
 * types included.
 */
const floors: readonly (readonly [name: string, contains: RegExp])[] = [
  ['the words of the core', /^(types|events|cluster-events|timers|timing|transition-table)\.ts$/],
  ['peer', /^peer\//],
  ['authority', /^authority\//],
  ['stalls', /^stalls\//],
  ['group', /^group\//],
  ['handover', /^handover\//],
  ['ownership', /^ownership\//],
  ['the whole core', /^[a-z-]+\.ts$/],
]

const floorOf = (path: string): number =>
  floors.findIndex(([, contains]) => contains.test(path.slice('src/core/'.length)))

function callsUp(path: string, { at, target }: Import): string | undefined {
  if (!path.startsWith('src/core/')) return undefined
  const [from, to] = [floorOf(path), target?.startsWith('src/core/') ? floorOf(target) : 0]
  if (from < 0) return `${path}: there is no such room in core`
  return to > from ? `${at}: ${floors[from]?.[0]} may not import from ${floors[to]?.[0]}` : undefined
}

const roomOf = (path: string): string => path.split('/')[1] ?? ''

/** Whether the list of a room allows `target` (`src/…`). */
function allows(list: readonly string[], target: string, typeOnly: boolean): boolean {
  return list.some((entry) => {
    const [word, place = entry] = entry.split(' ')
    if (word === 'types' && !typeOnly) return false
    return target === `src/${place}` || target.startsWith(`src/${place}/`)
  })
}

function wrongImport(path: string, { at, specifier, target, typeOnly }: Import, sources: Sources): string | undefined {
  const name = roomOf(path)
  const room = rooms[name]
  if (specifier === undefined) return `${at}: imports a computed module; write its name`
  if (target === undefined) {
    if (path === 'src/index.ts') return `${at}: the public face re-exports files of src, not ${specifier}`
    const known =
      room?.modules === 'any node module' ? specifier.startsWith('node:') : room?.modules.includes(specifier)
    return known ? undefined : `${at}: ${name} may not use ${specifier}`
  }
  if (!sources.has(target)) return `${at}: ${specifier} is not a file of src (relative imports end in .ts)`
  if (path === 'src/index.ts' || roomOf(target) === name) return undefined
  const extra = exceptions[path.slice('src/'.length)]?.imports ?? []
  if (allows([...(room?.imports ?? []), ...extra], target, typeOnly)) return undefined
  const asType = !typeOnly && allows([...(room?.imports ?? []), ...extra], target, true)
  return `${at}: ${name} may not import ${target}${asType ? ' other than by import type' : ''}`
}

/** Names a file uses that the list forbids: `Math.random` as written, a single word wherever it is not a valid name for a member. */
function uses(file: ts.SourceFile, forbidden: readonly string[]): string[] {
  const found: string[] = []
  walk(file, (node) => {
    if (ts.isPropertyAccessExpression(node)) {
      const full = `${node.expression.getText(file)}.${node.name.text}`
      if (forbidden.includes(full)) found.push(`${position(file, node)}: ${full}`)
      if (node.expression.getText(file) === 'process' && forbidden.includes(node.name.text))
        found.push(`${position(file, node)}: ${full}`)
      if (node.expression.getText(file) === 'globalThis' && forbidden.includes(node.name.text))
        found.push(`${position(file, node)}: ${full}`)
    } else if (ts.isIdentifier(node) && forbidden.includes(node.text)) {
      const parent = node.parent
      const member = (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node
      if (!member) found.push(`${position(file, node)}: ${node.text}`)
    } else if (ts.isNewExpression(node) && node.expression.getText(file) === 'Date' && !node.arguments?.length) {
      if (forbidden.includes('Date.now')) found.push(`${position(file, node)}: new Date()`)
    } else if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) {
      if (forbidden.includes('Promise')) found.push(`${position(file, node)}: ${node.getText(file).slice(0, 40)}`)
    }
  })
  return found
}

/** The first cycle among the files, types included: `a -> b -> a`. */
function cycle(imports: ReadonlyMap<string, readonly Import[]>): string | undefined {
  const done = new Set<string>()
  const follow = (path: string, way: readonly string[]): string | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path].join(' -> ')
    if (done.has(path)) return undefined
    for (const { target } of imports.get(path) ?? []) {
      const found = target === undefined ? undefined : follow(target, [...way, path])
      if (found !== undefined) return found
    }
    done.add(path)
    return undefined
  }
  for (const path of imports.keys()) {
    const found = follow(path, [])
    if (found !== undefined) return found
  }
  return undefined
}

/** Everything in `sources` that crosses a wall. */
function offences(sources: Sources): string[] {
  const found: string[] = []
  const imports = new Map<string, Import[]>()
  for (const [path, text] of sources) {
    const file = parse(path, text)
    const name = roomOf(path)
    imports.set(path, importsOf(file))
    if (path === 'src/index.ts') {
      const other = file.statements.find((statement) => !ts.isExportDeclaration(statement))
      if (other) found.push(`${position(file, other)}: the public face holds re-exports only`)
    } else if (rooms[name] === undefined) {
      found.push(`${path}: there is no room ${name}`)
    }
    for (const one of imports.get(path) ?? []) {
      const wrong = wrongImport(path, one, sources) ?? callsUp(path, one)
      if (wrong !== undefined) found.push(wrong)
    }
    const forbidden = rooms[name]?.pure ? impurities : asksHost.includes(name) && path !== realTime ? clocks : []
    found.push(...uses(file, forbidden).map((use) => `${use}: ${name} may not use it`))
  }
  const circle = cycle(imports)
  if (circle !== undefined) found.push(`import cycle: ${circle}`)
  return found
}

describe('the walls of src', () => {
  const sources = readSources(['src'], (path) => path.endsWith('.ts'))

  it('are kept by every file', () => {
    assert.ok(sources.size > 10, `only ${sources.size} files were read`)
    assert.deepEqual(offences(sources), [])
  })

  it('have no exception for a file that is gone', () => {
    const gone = Object.keys(exceptions).filter((path) => !sources.has(`src/${path}`))
    assert.deepEqual(gone, [])
  })
})

describe('the check of the walls sees', () => {
  const base = { 'src/roles/time.ts': '', 'src/core/core.ts': '', 'src/cluster/cluster.ts': '', 'src/index.ts': '' }
  const planted: readonly (readonly [what: string, path: string, text: string, message: RegExp])[] = [
    [
      'a system module in the core',
      'src/core/a.ts',
      "import { readFileSync } from 'node:fs'",
      /a\.ts:1: core may not use node:fs/,
    ],
    ['a package in a wrong room', 'src/wire/a.ts', "import ini from 'ini'", /wire may not use ini/],
    ['a system module without its prefix', 'src/platform/a.ts', "import 'fs'", /platform may not use fs/],
    [
      'an import that points up',
      'src/roles/a.ts',
      "import '../core/core.ts'",
      /roles may not import src\/core\/core\.ts/,
    ],
    ['a type that points up', 'src/roles/a.ts', "import type { A } from '../core/core.ts'", /roles may not import/],
    [
      'a value where a type is allowed',
      'src/control/a.ts',
      "import { C } from '../cluster/cluster.ts'",
      /control may not import/,
    ],
    [
      'the public face used inside',
      'src/platform/a.ts',
      "export * from '../index.ts'",
      /platform may not import src\/index\.ts/,
    ],
    ['an inline import type', 'src/roles/a.ts', "type A = import('../core/core.ts').A", /roles may not import/],
    ['a dynamic import', 'src/core/a.ts', "void import('node:net')", /core may not use node:net/],
    ['a computed import', 'src/core/a.ts', 'void import(name)', /computed module/],
    ['a built-in fetched by name', 'src/core/a.ts', "process.getBuiltinModule('node:fs')", /core may not use node:fs/],
    ['a missing extension', 'src/core/a.ts', "import '../roles/time'", /relative imports end in \.ts/],
    [
      'an import that points up inside the core',
      'src/core/peer/a.ts',
      "import type { A } from '../core.ts'",
      /peer may not import from the whole core/,
    ],
    ['an unknown room', 'src/attic/a.ts', '', /there is no room attic/],
    ['code in the public face', 'src/index.ts', 'export const a = 1', /re-exports only/],
    ['the wall clock', 'src/core/a.ts', 'Date.now()', /Date\.now: core may not use it/],
    ['the wall clock by its class', 'src/core/a.ts', 'new Date()', /new Date\(\)/],
    ['the monotonic clock', 'src/wire/a.ts', 'process.hrtime.bigint()', /process\.hrtime/],
    ['a high-resolution clock', 'src/liveness/a.ts', 'performance.now()', /performance/],
    ['a timer', 'src/core/a.ts', 'setTimeout(() => {}, 1)', /setTimeout/],
    ['a timer of the global object', 'src/core/a.ts', 'globalThis.setTimeout(() => {}, 1)', /globalThis\.setTimeout/],
    ['randomness', 'src/core/a.ts', 'Math.random()', /Math\.random/],
    ['an async function', 'src/core/a.ts', 'export async function a() {}', /async/],
    ['a promise', 'src/core/a.ts', 'Promise.resolve()', /Promise/],
    ['a timer of the cluster outside its host', 'src/cluster/a.ts', 'setImmediate(() => {})', /setImmediate/],
    [
      'a cycle',
      'src/roles/time.ts',
      "import type { A } from './time.ts'",
      /import cycle: src\/roles\/time\.ts -> src\/roles\/time\.ts/,
    ],
  ]
  for (const [what, path, text, message] of planted) {
    it(what, () => {
      assert.match(offences(new Map(Object.entries({ ...base, [path]: text }))).join('\n'), message)
    })
  }

  it('nothing wrong in what is allowed', () => {
    const fine = {
      ...base,
      'src/cluster/cluster.ts': "import '../core/core.ts'\nimport '../config/ini.ts'",
      'src/engine/host.ts': 'setTimeout(() => process.hrtime.bigint(), Date.now())',
      'src/config/ini.ts': "import { readFileSync } from 'node:fs'\nimport ini from 'ini'",
      'src/control/a.ts': "import type { Cluster } from '../cluster/cluster.ts'",
      'src/platform/a.ts': "import { execFile } from 'node:child_process'",
      'src/core/a.ts': "// Date.now() in a comment\nexport const a = { setTimeout: 'Math.random()' }",
      'src/index.ts': "export { Cluster } from './cluster/cluster.ts'",
    }
    assert.deepEqual(offences(new Map(Object.entries(fine))), [])
  })
})

describe('ARCHITECTURE.md', () => {
  const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

  it('has a row for each room, with its walls', () => {
    const rows = new Map<string, string>()
    for (const [, room = '', walls = ''] of page.matchAll(/^\| `(\w+)` \|[^|]*\|(.*)\|$/gm))
      rows.set(room, walls.trim())
    const wanted = Object.entries(rooms).map(([name, { imports, pure }]) => [
      name,
      `${imports.join(', ')} | ${pure ? 'yes' : ''}`.trim(),
    ])
    assert.deepEqual(Object.fromEntries(rows), Object.fromEntries(wanted))
    assert.deepEqual([...rows.keys()].sort(), folders.sort())
  })

  it('names no file that is not there', () => {
    const places = ['', 'src/core/', 'src/cluster/']
    const names = [...page.matchAll(/`([\w./-]+\.(?:ts|mjs|md))`|\]\(([\w./-]+)\)/g)].map(
      ([, code, link]) => code ?? link,
    )
    assert.ok(names.length > 60, `only ${names.length} names were found`)
    const missing = names.filter((name) => !places.some((place) => existsSync(join(root, place, name as string))))
    assert.deepEqual(missing, [])
  })
})
