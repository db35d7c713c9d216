// The simulation as one file: it starts quickly and runs without a loader. A mutant is a change of the sources on the way into it.
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')

/** One planted bug: in `file` the text `find`, which stands there once, is replaced. */
function planted(mutant) {
  return {
    name: 'planted bug',
    setup(bundle) {
      bundle.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (relative(root, path).replaceAll('\\', '/') !== mutant.file) return undefined
        return { contents: plant(readFileSync(path, 'utf8'), mutant), loader: 'ts' }
      })
    },
  }
}

/** The source with the bug in it. */
export function plant(source, { id, file, find, replace }) {
  const parts = source.split(find)
  if (parts.length !== 2)
    throw new Error(
      `mutant ${id}: its text stands ${parts.length - 1} times in ${file}; it must stand there once:\n${find}`,
    )
  return parts.join(replace)
}

/** Bundles an entry file into `outfile`. */
export async function bundle(entry, outfile, mutant) {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    packages: 'external',
    define: { 'import.meta.dirname': JSON.stringify(join(root, dirname(entry))) }, // tests read files beside them
    plugins: mutant ? [planted(mutant)] : [],
  })
}
