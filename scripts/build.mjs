// Compiles src into dist. Also npm's `prepare`: it runs before `npm pack` and when the package is installed from git.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** The compiler's own entry, not `node_modules/.bin`: that one is a shell script on Windows. */
function compiler() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc')
  } catch {
    return null
  }
}

const tsc = compiler()
if (tsc === null) {
  // `npm install --omit=dev` in a clone runs `prepare` without the compiler; what dist holds stays as it is.
  console.log('build: typescript is not installed; dist is left as it is')
} else {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const args = [tsc, '-p', join(root, 'tsconfig.json'), '--noEmitOnError', '--emitDeclarationOnly']
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  process.exitCode = status ?? 1
  if (status === 0) await bundle()
}

/**
 * The declarations stay one file per module; the code becomes a few files. A service that imports the library would else
 * open over a hundred of them, which takes three times as long.
 */
async function bundle() {
  const { build } = await import('esbuild')
  await build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts', 'src/testing/index.ts', 'src/cli/main.ts'],
    outbase: 'src',
    outdir: 'dist',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // One character beyond Latin-1 makes the engine keep the text of a whole file at two bytes a character; an idle member
    // holds that text for life.
    charset: 'ascii',
    sourcemap: true,
    sourcesContent: false,
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'warning',
  })
  chmodSync(join(root, 'dist/cli/main.js'), 0o755)
}
