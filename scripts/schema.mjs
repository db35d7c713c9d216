// Writes docs/snapshot.schema.json, the JSON Schema of a snapshot, from its type and the comments there. `--check`: only says
// whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..')
const file = 'docs/snapshot.schema.json'

const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
const program = ts.createProgram([join(root, 'src/cluster/snapshot.ts')], { ...options, noEmit: true })
const checker = program.getTypeChecker()

/** What JSON has for each kind of type that is one word. */
const words = [
  [ts.TypeFlags.String, { type: 'string' }],
  [ts.TypeFlags.Number, { type: 'number' }],
  [ts.TypeFlags.Boolean, { type: 'boolean' }],
  [ts.TypeFlags.Null, { type: 'null' }],
  [ts.TypeFlags.Unknown, {}],
]

const has = (type, flag) => (type.flags & flag) !== 0
const isLiteral = (type) => has(type, ts.TypeFlags.StringLiteral | ts.TypeFlags.NumberLiteral)

const isMapped = ({ objectFlags = 0 }) => (objectFlags & ts.ObjectFlags.Mapped) !== 0

/** A union: its words as one list, the rest as alternatives. What is undefined is absent in JSON. */
function unionSchema(types) {
  const there = types.filter((type) => !has(type, ts.TypeFlags.Undefined))
  const bools = there.filter((type) => has(type, ts.TypeFlags.BooleanLiteral))
  const literals = there
    .filter(isLiteral)
    .map(({ value }) => value)
    .sort()
  const rest = there.filter((type) => !isLiteral(type) && !bools.includes(type)).map(schemaOf)
  const found = [
    ...(literals.length > 0 ? [{ enum: literals }] : []),
    ...(bools.length > 0 ? [{ type: 'boolean' }] : []),
    ...rest,
  ]
  if (found.length === 1) return found[0]
  if (found.every((schema) => Object.keys(schema).join() === 'type')) return { type: found.map(({ type }) => type) }
  return { anyOf: found }
}

// The order of words in a union is the compiler's own affair, and another one after any change of the sources: they are sorted.
function objectSchema(type) {
  const found = checker.getPropertiesOfType(type)
  const properties = isMapped(type) ? found.toSorted((one, other) => (one.name < other.name ? -1 : 1)) : found
  const index = checker.getIndexInfoOfType(type, ts.IndexKind.String)
  const optional = ({ flags }) => (flags & ts.SymbolFlags.Optional) !== 0
  const entries = properties.map((symbol) => {
    const own = checker.getTypeOfSymbol(symbol)
    const canLack = optional(symbol) || (own.isUnion() && own.types.some((each) => has(each, ts.TypeFlags.Undefined)))
    const comment = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll('\n', ' ')
    const schema = { ...(comment === '' ? {} : { description: comment }), ...schemaOf(own) }
    return { name: symbol.name, canLack, schema }
  })
  const required = entries.filter(({ canLack }) => !canLack).map(({ name }) => name)
  return {
    type: 'object',
    ...(entries.length > 0 && { properties: Object.fromEntries(entries.map(({ name, schema }) => [name, schema])) }),
    ...(required.length > 0 && { required }),
    ...(index && { additionalProperties: schemaOf(index.type) }),
  }
}

function schemaOf(type) {
  if (isLiteral(type)) return { const: type.value }
  const word = words.find(([flag]) => has(type, flag))
  if (word) return word[1]
  if (type.isUnion()) return unionSchema(type.types)
  if (checker.isArrayType(type)) return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0]) }
  if (has(type, ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return objectSchema(type)
  throw new Error(`schema: no form for the type ${checker.typeToString(type)}`)
}

const source = program.getSourceFile(join(root, 'src/cluster/snapshot.ts'))
const symbol = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).find(({ name }) => name === 'Snapshot')
const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Snapshot of a member of a hot-standby pair',
  description: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
  ...schemaOf(checker.getDeclaredTypeOfSymbol(symbol)),
}
const text = `${JSON.stringify(schema, null, 2)}\n`
if (!process.argv.includes('--check')) writeFileSync(join(root, file), text)
else if (readFileSync(join(root, file), 'utf8') !== text) {
  console.error(`${file} is out of date: run node scripts/schema.mjs`)
  process.exitCode = 1
}
