import {
  type CommandName,
  commandNames,
  commands,
  exitCodes,
  type OptionName,
  options,
  optionTerm,
  synopsis,
  title,
} from './table.ts'

/** What a terminal of a console has. */
const columns = 80

/** Words in lines that fit the terminal: the first begins with `head`, the others below its end. */
function filled(head: string, words: readonly string[]): string[] {
  const lines: string[] = []
  let line = head
  for (const word of words) {
    if (line.length + 1 + word.length > columns && line.trim() !== '') {
      lines.push(line.trimEnd())
      line = ' '.repeat(head.length)
    }
    line += line.length === head.length ? word : ` ${word}`
  }
  return [...lines, line.trimEnd()]
}

const paragraph = (head: string, text: string): string[] => filled(head, text.split(' '))

/** Terms and what they mean, in two columns. */
function list(rows: readonly (readonly [term: string, text: string])[]): string[] {
  const width = Math.max(...rows.map(([term]) => term.length)) + 4
  return rows.flatMap(([term, text]) => paragraph(`  ${term}`.padEnd(width), text))
}

const optionList = (names: readonly OptionName[]): string[] =>
  list([...names.map((name) => [optionTerm(name), options[name].text] as const), ['-h, --help', 'this text']])

const exitList = (): string[] => ['Exit codes:', ...list(exitCodes.map(([code, text]) => [String(code), text]))]

/** What `hot-standby help` prints. */
export function overview(): string {
  const lines = [
    `hot-standby: ${title}`,
    '',
    'usage: hot-standby COMMAND [OPTIONS]',
    '',
    ...list(commandNames.map((name) => [name, commands[name].summary])),
    '',
    ...optionList(Object.keys(options) as OptionName[]),
    '',
    ...exitList(),
    '',
    'Which command takes what: hot-standby help COMMAND',
  ]
  return `${lines.join('\n')}\n`
}

/** What `hot-standby help COMMAND` prints. */
export function helpOf(name: CommandName): string {
  const { summary, details = [], options: taken } = commands[name]
  const [word, ...more] = synopsis(name)
  const lines = [
    ...filled(`usage: hot-standby ${word} `, more),
    '',
    ...paragraph('', `${name}: ${summary}.`),
    ...details.flatMap((text) => ['', ...paragraph('', text)]),
    '',
    ...optionList(taken),
    '',
    ...exitList(),
  ]
  return `${lines.join('\n')}\n`
}
