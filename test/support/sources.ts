import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import ts from 'typescript'

/** Root of the repository. */
export const root: string = join(import.meta.dirname, '../..')

/** Files by their path relative to the root, with forward slashes. */
export type Sources = ReadonlyMap<string, string>

/** Reads every file under `folders` whose path `wanted` accepts. */
export function readSources(folders: readonly string[], wanted: (path: string) => boolean): Sources {
  const sources = new Map<string, string>()
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')
      if (entry.isFile() && wanted(path)) sources.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  return sources
}

/** Parses one TypeScript file; no types are looked up. */
export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
}

/** Calls `visit` for every node of the tree, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** `file:line` of a node. */
export function position(file: ts.SourceFile, node: ts.Node): string {
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`
}

/** One import, re-export, `import()` or `import('…').Type` of a file. */
export interface Import {
  /** `file:line`. */
  readonly at: string
  /** The module as written; `undefined` when it is computed. */
  readonly specifier: string | undefined
  /** Path of the imported file relative to the root, for relative imports. */
  readonly target: string | undefined
  /** True when nothing remains of it at run time. */
  readonly typeOnly: boolean
}

/** Everything a file imports, in order. */
export function importsOf(file: ts.SourceFile): Import[] {
  const found: Import[] = []
  const add = (node: ts.Node, module: ts.Node | undefined, typeOnly: boolean): void => {
    const specifier = module && ts.isStringLiteralLike(module) ? module.text : undefined
    const target = specifier?.startsWith('.') ? posix.join(posix.dirname(file.fileName), specifier) : undefined
    found.push({ at: position(file, node), specifier, target, typeOnly })
  }
  walk(file, (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.importClause?.isTypeOnly ?? false)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      add(node, node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true)
    } else if (ts.isCallExpression(node)) {
      const called = node.expression
      const loads =
        called.kind === ts.SyntaxKind.ImportKeyword ||
        (ts.isIdentifier(called) && called.text === 'require') ||
        (ts.isPropertyAccessExpression(called) && called.name.text === 'getBuiltinModule')
      if (loads) add(node, node.arguments[0], false)
    }
  })
  return found
}
