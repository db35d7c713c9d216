import assert from 'node:assert/strict'
import { basename } from 'node:path'
import { describe, it } from 'node:test'
import ts from 'typescript'
import { parse, readSources, type Sources, walk } from '../support/sources.ts'

/** Rooms of the plug-ins. `suite`: the compliance suite of the role, published in `hot-standby/testing`. */
const rooms: Readonly<Record<string, { readonly suite: string }>> = {
  transports: { suite: 'transportSuite' },
  authenticators: { suite: 'authenticatorSuite' },
  liveness: { suite: 'livenessDetectorSuite' },
  arbiters: { suite: 'arbiterSuite' },
  resources: { suite: 'resourceAgentSuite' },
  leases: { suite: 'leaseStoreSuite' },
}

/** Files in those rooms that are no plug-ins, and what they are. */
const helpers: Readonly<Record<string, string>> = {
  'src/authenticators/hmac.ts': 'what the keyed digests share',
  'src/authenticators/ring-of-one.ts': 'what the methods with a single key share',
  'src/liveness/health.ts': 'how far a node distrusts itself',
  'src/liveness/options.ts': 'reads and judges the options of the detectors',
  'src/resources/carried.ts': 'what is done for an address that a script holds',
  'src/resources/ipaddr.ts': "reads Heartbeat's notation of an address",
  'src/resources/nginx-config.ts': "reads nginx's configuration and its answers",
  'src/resources/nginx-master.ts': 'the master process of nginx',
  'src/resources/ocf-metadata.ts': 'reads what an OCF agent says of itself',
  'src/resources/options.ts': 'what the options of all resources share',
  'src/resources/script-witness.ts': "learns what the answers of a script's status are worth",
  'src/transports/endpoint.ts': 'what the options of the UDP transports share',
  'src/transports/line-queue.ts': 'what waits for a slow line',
  'src/transports/link-diagnosis.ts': 'why nothing is heard on a link',
  'src/transports/one-line.ts': 'says that all links would break together',
  'src/transports/own-address.ts': "chooses a device's address to bind to",
  'src/transports/peer-ears.ts': 'the sockets that hear the peer alone',
  'src/transports/udp-errors.ts': 'errors of sockets, in words',
  'src/transports/udp-link.ts': 'the sockets of the UDP transports',
}

/** Factories that return something else which makes the plug-ins. */
const indirectFactories: Readonly<Record<string, readonly string[]>> = {
  'src/transports/memory.ts': ['memoryNetwork'],
}

/** Names of the exported functions of a file whose declared result is a `…Plugin`. */
function factoriesOf(path: string, text: string): string[] {
  const isExported = (node: ts.HasModifiers): boolean =>
    node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false
  const makesPlugin = (type: ts.TypeNode | undefined): boolean => /Plugin(<\w+>)?$/.test(type?.getText() ?? '')
  const found = new Set<string>()
  for (const statement of parse(path, text).statements) {
    if (ts.isFunctionDeclaration(statement) && isExported(statement) && makesPlugin(statement.type)) {
      found.add(statement.name?.text ?? 'default')
    } else if (ts.isVariableStatement(statement) && isExported(statement)) {
      for (const { name, type, initializer } of statement.declarationList.declarations) {
        const declared = type && ts.isFunctionTypeNode(type) ? type.type : undefined
        const own = initializer && ts.isArrowFunction(initializer) ? initializer.type : undefined
        if (makesPlugin(declared) || makesPlugin(own)) found.add(name.getText())
      }
    }
  }
  return [...found, ...(indirectFactories[path] ?? [])]
}

/** Names the public face re-exports, each with the file it comes from. */
function exportsOf(index: string): Set<string> {
  const found = new Set<string>()
  for (const statement of parse('src/index.ts', index).statements) {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause || statement.isTypeOnly) continue
    if (!ts.isNamedExports(statement.exportClause) || !statement.moduleSpecifier) continue
    for (const { name } of statement.exportClause.elements) {
      found.add(`${name.text} of ${(statement.moduleSpecifier as ts.StringLiteral).text}`)
    }
  }
  return found
}

/** Suites that are told what can be tried: without it nobody sees what was left out. */
const withManifest: readonly string[] = ['resourceAgentSuite', 'arbiterSuite', 'leaseStoreSuite']

/** Whether a test calls `suite`, with a manifest where it takes one, and uses one of the `factories`. */
function runsSuite(path: string, text: string, suite: string, factories: readonly string[]): boolean {
  const file = parse(path, text)
  let calls = false
  let names = false
  walk(file, (node) => {
    if (ts.isCallExpression(node) && node.expression.getText(file) === suite)
      calls ||= !withManifest.includes(suite) || /\bmanifest: \{/.test(node.getText(file))
    if (ts.isIdentifier(node) && factories.includes(node.text) && !ts.isImportSpecifier(node.parent)) names = true
  })
  return calls && names
}

/** What is missing beside the plug-ins. */
function offences(sources: Sources): string[] {
  const found: string[] = []
  const published = exportsOf(sources.get('src/index.ts') ?? '')
  const tests = [...sources].filter(([path]) => path.startsWith('test/'))
  for (const [path, text] of sources) {
    const [top, room = '', name] = path.split('/')
    const suite = rooms[room]?.suite
    if (top !== 'src' || suite === undefined || name === undefined) continue
    const factories = factoriesOf(path, text)
    if (helpers[path] !== undefined) continue
    if (factories.length === 0) found.push(`${path}: makes no plug-in and is not in the table of helpers`)
    for (const factory of factories) {
      if (!published.has(`${factory} of ./${room}/${name}`))
        found.push(`${path}: src/index.ts does not export ${factory}`)
    }
    if (factories.length === 0) continue
    const page = `docs/${room}/${basename(path, '.ts')}.md`
    if (!sources.has(page)) found.push(`${path}: the page ${page} is missing`)
    if (!tests.some(([file, body]) => runsSuite(file, body, suite, factories))) {
      found.push(`${path}: no test calls ${suite}() with ${factories.join(' or ')}()`)
    }
  }
  return found
}

describe('every plug-in', () => {
  const sources = readSources(['src', 'docs', 'test'], (path) => /\.(ts|md)$/.test(path))

  it('has its export, its page and its test by the shared suite', () => {
    assert.deepEqual(offences(sources), [])
  })

  it('is told from helpers by a table without leftovers', () => {
    const gone = [...Object.keys(helpers), ...Object.keys(indirectFactories)].filter((path) => !sources.has(path))
    assert.deepEqual(gone, [])
  })
})

describe('the check of plug-ins sees', () => {
  const whole = {
    'src/index.ts': "export { drum, fife } from './transports/drum.ts'",
    'src/transports/drum.ts':
      'export function drum(): TransportPlugin {}\nexport const fife = (volume: number): TransportPlugin => ({ volume })',
    'docs/transports/drum.md': '# drum',
    'test/unit/drum.test.ts': "import { drum } from '../../src/index.ts'\ntransportSuite({ make: () => drum() })",
  }
  const without = (path: string, text?: string): Sources => {
    const sources = new Map(Object.entries(whole))
    if (text === undefined) sources.delete(path)
    else sources.set(path, text)
    return sources
  }

  it('nothing wrong in a complete one', () => {
    assert.deepEqual(offences(without('none')), [])
  })

  it('a missing export of one of two factories', () => {
    const found = offences(without('src/index.ts', "export { drum } from './transports/drum.ts'"))
    assert.deepEqual(found, ['src/transports/drum.ts: src/index.ts does not export fife'])
  })

  it('a missing page', () => {
    assert.match(offences(without('docs/transports/drum.md')).join(), /the page docs\/transports\/drum\.md is missing/)
  })

  it('a missing test', () => {
    assert.match(offences(without('test/unit/drum.test.ts')).join(), /no test calls transportSuite\(\)/)
  })

  it('a test that names the suite of the role but not the plug-in', () => {
    const other = "import { other } from '../../src/index.ts'\n// drum()\ntransportSuite({ make: () => other() })"
    assert.match(
      offences(without('test/unit/drum.test.ts', other)).join(),
      /no test calls transportSuite\(\) with drum/,
    )
  })

  it('a test of a resource that does not say what can be tried', () => {
    const resource = {
      'src/index.ts': "export { bell } from './resources/bell.ts'",
      'src/resources/bell.ts': 'export function bell(): ResourcePlugin {}',
      'docs/resources/bell.md': '# bell',
    }
    const tried = (options: string) =>
      offences(new Map(Object.entries({ ...resource, 'test/unit/bell.test.ts': `resourceAgentSuite({ ${options} })` })))
    assert.deepEqual(tried('manifest: { sees: true }, create: () => ({ plugin: bell() })'), [])
    assert.match(tried('create: () => ({ plugin: bell() })').join(), /no test calls resourceAgentSuite\(\) with bell/)
  })

  it('a file that makes no plug-in', () => {
    assert.match(
      offences(without('src/transports/sticks.ts', 'export const a = 1')).join(),
      /sticks\.ts: makes no plug-in/,
    )
  })
})
