import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseIni } from '../config/ini.ts'
import { resourceOf } from '../config/resource-words.ts'
import { iniOf } from '../config/write-ini.ts'
import { programOf } from '../config/write-ts.ts'
import type { WrittenPair, WrittenPlugin } from '../config/written.ts'
import { Cluster, configurationError, type Issue, isHotStandbyError } from '../index.ts'
import { writeSecretFile } from '../platform/secret-file.ts'
import { type Arguments, UsageError } from './arguments.ts'
import { newPlace, outputNames } from './convert.ts'
import { newKey } from './keygen.ts'
import { issueLine, print, say } from './output.ts'
import { optionTerm } from './table.ts'

/** What is asked, in this order, unless its option says it. */
const questions = {
  name: 'What is the pair called? (a word: web-pair)',
  members:
    'Which two members, and at which address does each hear the other? (one=192.0.2.1 two=192.0.2.2; :PORT may follow)',
  second: 'At which addresses over a second, independent link? (as before, or none)',
  ping: 'Which address outside the pair answers a ping as long as the service network is well? (the gateway, say, or none)',
  serve:
    'What does the pair serve? (resources in the order of start: 192.0.2.10/24 nginx; with --ts a port of your own HTTP server: 8080)',
} as const

type GuardContext = keyof typeof questions

const names = Object.keys(questions) as GuardContext[]

/** The answers of the command line, and those of a person at a terminal for what is missing. */
async function answersOf(args: Arguments): Promise<Readonly<Record<GuardContext, string>>> {
  const answers: Partial<Record<GuardContext, string>> = { ...args.answers }
  const missing = names.filter((name) => answers[name] === undefined)
  if (missing.length > 0 && !process.stdin.isTTY)
    throw new UsageError(
      `there is no terminal to ask at, and not said is ${missing.map(optionTerm).join(', ')}; 'none' is an answer to --second and --ping`,
      'init',
    )
  if (missing.length > 0) {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    try {
      // Lines that were pasted together wait for their question.
      const lines = terminal[Symbol.asyncIterator]()
      for (const name of missing) {
        process.stderr.write(`${questions[name]}\n> `)
        const line = await lines.next()
        if (line.done) throw new UsageError(`the answers end before --${name}`, 'init')
        answers[name] = line.value.trim()
      }
    } finally {
      terminal.close()
    }
  }
  return answers as Readonly<Record<GuardContext, string>>
}

const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '')

/** `one=192.0.2.1 two=192.0.2.2` as the addresses of a link. */
function addressesOf(option: GuardContext, text: string): Readonly<Record<string, string>> {
  const pairs = wordsOf(text).map((word) => /^([^=]+)=(.+)$/.exec(word))
  if (pairs.length !== 2 || pairs.some((pair) => pair === null))
    throw new UsageError(`--${option}: a link has two ends, as one=192.0.2.1 two=192.0.2.2; found '${text}'`, 'init')
  return Object.fromEntries(pairs.map((pair) => [pair?.[1]?.toLowerCase() ?? '', pair?.[2] ?? '']))
}

function pairOf(
  answers: Readonly<Record<GuardContext, string>>,
  keyFile: string,
  ts: boolean,
): [WrittenPair, number | undefined] {
  const first = addressesOf('members', answers.members)
  const links = answers.second === 'none' ? [first] : [first, addressesOf('second', answers.second)]
  const nodes = Object.keys(first)
  const words = wordsOf(answers.serve)
  const port = ts && words.length === 1 && /^\d+$/.test(words[0] as string) ? Number(words[0]) : undefined
  const pair: WrittenPair = {
    notes: [],
    name: answers.name,
    nodes,
    autoFailback: false,
    active: 1,
    keys: [{ id: 1, method: 'sealed', keyFile }],
    transports: links.map((addresses, index): WrittenPlugin => {
      return { type: 'udp-unicast', name: `link${index + 1}`, options: { addresses, link: `link${index + 1}` } }
    }),
    arbiters:
      answers.ping === 'none' ? [] : [{ type: 'icmp-ping', name: answers.ping, options: { address: answers.ping } }],
    groups: [
      {
        name: answers.name,
        preferred: nodes[0] as string,
        resources:
          port === undefined
            ? words.map((word) => {
                const { plugin, call } = resourceOf(word, () => undefined)
                return { word, name: plugin.name, call }
              })
            : [],
      },
    ],
    respawn: [],
    logging: { debug: 0 },
  }
  return [pair, port]
}

/** Everything that is wrong with an ini before it is written; a port of the application is no word of it. */
function issuesOf(text: string, file: string, node: string): readonly Issue[] {
  const { options, issues } = parseIni(text, file, { find: () => undefined })
  if (!options) return issues
  try {
    return [...issues, ...new Cluster({ ...options, node }).warnings]
  } catch (error) {
    if (!isHotStandbyError(error)) throw error
    return [...issues, ...error.issues]
  }
}

/** `hot-standby init DIR`: a configuration that is checked before anything is written, and a key. Answers the exit code. */
export async function init(args: Arguments): Promise<number> {
  const out = resolve(args.operands[0] as string)
  const name = args.ts ? outputNames.ts : outputNames.ini
  newPlace(out, [name, 'key'])
  const keyFile = join(out, 'key')
  const [pair, port] = pairOf(await answersOf(args), keyFile, args.ts)
  const checked = port === undefined ? pair : { ...pair, groups: placeholder(pair) }
  const found = issuesOf(iniOf(checked), join(out, name), pair.nodes[0] as string)
  if (found.some(({ severity }) => severity === 'error')) throw configurationError(found)
  for (const issue of found) say(issueLine(issue))
  writeSecretFile(keyFile, `${newKey()}\n`)
  writeSecretFile(join(out, name), args.ts ? programOf(pair, port) : iniOf(pair))
  const how = args.ts
    ? `NODE=NAME node ${join(out, name)} (Node 22.18 or newer; npx tsx before)`
    : `hot-standby run --dir ${out}`
  print(`${join(out, name)}: written, and ${keyFile}\n`)
  print(`Copy both to the same place on the other host; then on each: ${how}\n`)
  return 0
}

/** A port is served by code, which no ini can hold: the rest of it is checked with something that needs nothing. */
function placeholder(pair: WrittenPair): WrittenPair['groups'] {
  return pair.groups.map((group) => ({
    ...group,
    resources: [{ word: 'nginx', name: 'nginx', call: ['nginx', {}] }],
  }))
}
