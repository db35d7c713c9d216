// Compiles every TypeScript example of the pages and of the doc comments, each on its own, against the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')

const filesUnder = (folder, suffix) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name))
    .sort()

/** The lines of a file that may hold fences: all of a page; of a source file, what its doc comments say. */
function proseLines(path, text) {
  const lines = text.split('\n')
  if (path.endsWith('.md')) return lines
  let inComment = false
  return lines.map((line) => {
    const opens = /^\s*\/\*\*/.test(line)
    inComment ||= opens
    const prose = inComment && !opens ? line.replace(/^\s*\* ?/, '') : ''
    if (line.includes('*/')) inComment = false
    return prose
  })
}

/** Fences of a file: `{ path, line, code }`, `line` being that of the opening fence. `wrong` collects what cannot be compiled. */
function fencesOf(path, wrong) {
  const fences = []
  let open = null
  for (const [index, line] of proseLines(path, readFileSync(join(root, path), 'utf8')).entries()) {
    const mark = /^( *)(`{3,})(.*)$/.exec(line)
    if (open === null && mark) {
      const info = mark[3].trim()
      const isTs = /^(ts|typescript)\b/.test(info)
      if (isTs && info !== 'ts')
        wrong.push(`${path}:${index + 1}: write \`\`\`ts alone, not \`\`\`${info}: every example is compiled`)
      open = { path, line: index + 1, fence: mark[2], isTs, code: [] }
    } else if (open !== null && mark?.[2] === open.fence && mark[3].trim() === '') {
      if (open.isTs) fences.push({ ...open, code: open.code.join('\n') })
      open = null
    } else {
      open?.code.push(line)
    }
  }
  if (open !== null) wrong.push(`${path}:${open.line}: the fence is never closed`)
  return fences
}

const named = /^\/\/ ([\w.-]+\.ts)\n/

/** An example that begins with `// NAME.ts` is that file for the other examples of its folder: they import `./NAME.js`. */
function virtualName({ path, line, code }) {
  const name = named.exec(code)?.[1]
  return name === undefined ? `${path}.${line}.example.ts` : join(dirname(path), name)
}

/** The examples of a page that have names: their code by file name. */
export function namedFences(path) {
  const fences = fencesOf(path, []).map(({ code }) => [named.exec(code)?.[1], `${code}\n`])
  return new Map(fences.filter(([name]) => name !== undefined))
}

/** Compiles all examples. Returns how many there are and the problems as `file:line: message`. */
export async function compileFences() {
  // Not at the top: the check of the package reads fences before anything is installed.
  const { default: ts } = await import('typescript')
  const pages = [...readdirSync(root).filter((name) => name.endsWith('.md')), ...filesUnder('docs', '.md')]
  const paths = [...pages.filter((path) => !path.startsWith(join('docs', 'api'))), ...filesUnder('src', '.ts')]
  const problems = []
  const fences = new Map()
  for (const path of paths) {
    for (const fence of fencesOf(path, problems)) fences.set(join(root, virtualName(fence)), fence)
  }

  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.test.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'))
      },
    },
  )
  const options = { ...config.options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false }
  // The examples exist in memory only, as if they stood beside their page: imports resolve as they do for a user.
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (name) => fences.has(name) || fileExists(name)
  host.readFile = (name) => fences.get(name)?.code ?? readFile(name)
  host.getSourceFile = (name, languageOptions, ...rest) =>
    fences.has(name)
      ? ts.createSourceFile(name, fences.get(name).code, languageOptions)
      : getSourceFile(name, languageOptions, ...rest)

  const program = ts.createProgram([...fences.keys()], options, host)
  for (const [name, fence] of fences) {
    const file = program.getSourceFile(name)
    for (const { start, messageText } of [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]) {
      const line = fence.line + 1 + file.getLineAndCharacterOfPosition(start ?? 0).line
      const text = ts.flattenDiagnosticMessageText(messageText, '\n  ')
      problems.push(`${fence.path}:${line} (example at line ${fence.line}): ${text}`)
    }
  }
  return { count: fences.size, problems }
}
