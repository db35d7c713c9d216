// Checks the package as a user gets it: published, installed in an empty folder, compiled against, imported, required, run.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { npm } from './dependencies.mjs'
import { namedFences } from './fences.mjs'
import { fetchMatrix, tryMatrix } from './package-matrix.mjs'
import { deadLinks, publishToStub } from './publish-check.mjs'

const root = join(import.meta.dirname, '..')
const bin = (name) => join(root, 'node_modules', name)

/** What a user's project with every check switched on would have. */
const consumerConfig = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
    typeRoots: [bin('@types')],
  },
  files: ['consumer.ts'],
}

/** The guide's agent, by somebody who has the package and nothing of this repository: compiled, and tried by the published suite. */
function tryThirdPartyAgent(user, node) {
  const { noEmit: _, ...compilerOptions } = consumerConfig.compilerOptions
  const folder = join(user, 'agent')
  mkdirSync(folder)
  const files = namedFences('docs/write-your-own-agent.md')
  for (const [name, code] of files) writeFileSync(join(folder, name), code)
  const config = { compilerOptions: { ...compilerOptions, outDir: 'out' }, files: [...files.keys()] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  node([bin('typescript/bin/tsc'), '-p', folder], { cwd: folder })
  node(['--test', 'out/link.test.js'], { cwd: folder })
}

/** An application that is bundled by somebody who ships one file: it runs in a folder where nothing is installed. */
async function tryBundles(user, scratch, node) {
  const { build } = await import('esbuild')
  const entry = join(user, 'bundled.mjs')
  writeFileSync(entry, readFileSync(join(root, 'test/package/bundled.mjs')))
  for (const [format, name] of Object.entries({ esm: 'bundle.mjs', cjs: 'bundle.cjs' })) {
    const folder = join(scratch, `bundle-${format}`)
    const outfile = join(folder, name)
    await build({ entryPoints: [entry], outfile, format, bundle: true, platform: 'node', logLevel: 'error' })
    node([outfile], { cwd: folder })
  }
}

/** A mistake of the configuration that nobody catches: what is printed is the sentence, and not the packed code around it. */
function tryUncaught(user) {
  const code = "import { deadtime, Cluster } from 'hot-standby'; new Cluster({ name: 7, liveness: deadtime() })"
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: user, encoding: 'utf8' })
  const longest = Math.max(...stderr.split('\n').map(({ length }) => length))
  if (!/HotStandbyError/.test(stderr) || stderr.length > 5000 || longest > 240)
    throw new Error(
      `an uncaught error prints ${stderr.length} characters, ${longest} in a line: ${stderr.slice(0, 300)}`,
    )
}

const load = (how) => `
  const names = (module) => Object.keys(module).join(' ')
  const [all, testing] = ${how}
  if (typeof all.Cluster !== 'function') throw new Error('no Cluster among: ' + names(all))
  if (names(testing) === '') throw new Error('hot-standby/testing exports nothing')
  for (const name of Object.keys(require('hot-standby/package.json').exports)) require.resolve(name.replace('.', 'hot-standby'))
`

const head = "import { createRequire } from 'node:module'; const require = createRequire(process.cwd() + '/user.js')\n"

/** What Node is told, to load the package by `require` and by `import`. */
const loadings = [
  ['--input-type=commonjs', '-e', load("[require('hot-standby'), require('hot-standby/testing')]")],
  ['--input-type=module', '-e', head + load("[await import('hot-standby'), await import('hot-standby/testing')]")],
]

/** What a user reads of an installed package is there, and its links lead to something in it. */
function tryReading(installed) {
  const dead = deadLinks(installed)
  if (dead.length > 0) throw new Error(`links of the packed pages lead nowhere:\n${dead.join('\n')}`)
  const needed = ['CHANGELOG.md', 'SECURITY.md', 'docs/hot-standby.service', 'docs/command.md', 'dist/hot-standby.8']
  const missing = needed.filter((name) => !existsSync(join(installed, name)))
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`)
}

/** Runs the checks through `run(command, args, options)`, which throws when a program fails. */
export async function checkPackage(run) {
  const node = (args, options) => run(process.execPath, args, options)
  const scratch = mkdtempSync(join(tmpdir(), 'hot-standby-package-'))
  // Beside the rest: it is a large download where it was not made before.
  const matrix = fetchMatrix()
  matrix.catch(() => {})
  try {
    const tarball = await publishToStub(scratch)
    node([bin('publint/src/cli.js'), 'run', tarball, '--strict'])
    node([bin('@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only', '--no-emoji', '--no-color'])

    const user = join(scratch, 'user')
    mkdirSync(user)
    writeFileSync(join(user, 'package.json'), '{ "name": "user", "private": true, "type": "module" }')
    writeFileSync(join(user, 'tsconfig.json'), JSON.stringify(consumerConfig))
    writeFileSync(join(user, 'consumer.ts'), readFileSync(join(root, 'test/package/consumer.ts')))
    // The dependencies come from node_modules, so that nothing is fetched; one that package.json forgot is missing here too.
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const local = Object.keys(dependencies).map((name) => bin(name))
    const flags = ['--offline', '--ignore-scripts', '--install-links', '--no-audit', '--no-fund', '--prefix', user]
    run(npm, ['install', ...flags, tarball, ...local], { cwd: user })

    node([bin('typescript/bin/tsc'), '-p', user], { cwd: user })
    tryReading(join(user, 'node_modules/hot-standby'))
    for (const args of loadings) node(args, { cwd: user })
    run(join(user, 'node_modules/.bin/hot-standby'), ['--help'], { cwd: user })
    tryThirdPartyAgent(user, node)
    tryUncaught(user)
    await tryBundles(user, scratch, node)
    await matrix
    const calls = [...loadings, ['node_modules/hot-standby/dist/cli/main.js', '--help']]
    await tryMatrix(user, { calls, project: consumerConfig })
  } finally {
    await matrix.catch(() => {})
    rmSync(scratch, { recursive: true, force: true })
  }
}
