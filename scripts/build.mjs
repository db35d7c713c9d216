// Compiles src into dist. Also npm's `prepare`: it runs before `npm pack` and when the package is installed from git.
// `node scripts/build.mjs DIR` puts the code alone, without declarations, into DIR: tests run the command as it is built.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')

/** The compiler's own entry, not `node_modules/.bin`: that one is a shell script on Windows. */
function compiler() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc')
  } catch {
    return null
  }
}

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * Packages that are loaded when they are first needed become part of the output, evaluated as late: no bundler of a user follows
 * `createRequire`, and Node's loader of CommonJS takes memory. Their licences go with them.
 */
const taken = {
  name: 'taken',
  setup({ onLoad, onResolve }) {
    const names = ['ini', 'tweetnacl']
    const require = createRequire(import.meta.url)
    const lazily = /createRequire\(import\.meta\.url\)\('([^']+)'\)/g
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      if (text.search(lazily) < 0) return undefined
      const contents = text.replace(lazily, "require('$1')").replace(/^import \{ createRequire \}.*$/m, '')
      return { contents, loader: 'ts' }
    })
    onResolve({ filter: new RegExp(`^(?:${names.join('|')})$`) }, ({ path }) => ({ path: require.resolve(path) }))
    // tweetnacl wants it for random numbers alone, which are taken elsewhere.
    onResolve({ filter: /^crypto$/ }, ({ path }) => ({ path, namespace: 'none' }))
    onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: 'module.exports = {}' }))
    onLoad({ filter: new RegExp(`node_modules[\\\\/](?:${names.join('|')})[\\\\/].*\\.js$`) }, ({ path }) => {
      const [, folder, name] = /^(.*node_modules[\\/](\w+))[\\/]/.exec(path)
      const licence = readFileSync(join(folder, 'LICENSE'), 'utf8').trim()
      return { contents: `/*! ${name}\n${licence}\n*/\n${readFileSync(path, 'utf8')}`, loader: 'js' }
    })
  },
}

/**
 * The declarations stay one file per module; the code becomes a few files. A service that imports the library would else
 * open over a hundred of them, which takes three times as long.
 */
async function bundle(outdir) {
  const { build } = await import('esbuild')
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts', 'src/testing/index.ts', 'src/cli/main.ts'],
    outbase: 'src',
    outdir,
    bundle: true,
    splitting: true,
    packages: 'external',
    plugins: [taken],
    // A bundle of the user's has no package.json beside it.
    define: { HOT_STANDBY_VERSION: JSON.stringify(packageJson.version) },
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // One character beyond Latin-1 makes the engine keep the text of a whole file at two bytes a character; an idle member
    // holds that text for life.
    charset: 'ascii',
    minifyWhitespace: true,
    minifySyntax: true,
    // Node prints the line of an uncaught error before its sentence.
    lineLimit: 60,
    logLevel: 'warning',
  })
  chmodSync(join(outdir, 'cli/main.js'), 0o755)
}

function declarations() {
  const tsc = compiler()
  if (tsc === null) {
    // `npm install --omit=dev` in a clone runs `prepare` without the compiler; what dist holds stays as it is.
    console.log('build: typescript is not installed; dist is left as it is')
    return false
  }
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const args = [tsc, '-p', join(root, 'tsconfig.json'), '--noEmitOnError', '--emitDeclarationOnly']
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  process.exitCode = status ?? 1
  return status === 0
}

const [elsewhere] = process.argv.slice(2)
if (elsewhere !== undefined) await bundle(resolve(elsewhere))
else if (declarations()) await bundle(join(root, 'dist'))
