import { type Completes, commandNames, commands, type OperandRow, type OptionName, options } from './table.ts'

const optionNames = Object.keys(options) as OptionName[]
const withValue = optionNames.filter((name) => options[name].value !== undefined)

const completesOf = ({ words, completes }: OperandRow): Completes | undefined => words ?? completes

/** Text within single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** How bash is told what may stand there. */
function bashWords(completes: Completes | undefined): string {
  if (completes === undefined) return 'return'
  if (completes === 'directory') return '_hot_standby_files -d'
  if (completes === 'file') return '_hot_standby_files -f'
  return `_hot_standby_words ${quoted(completes.join(' '))}`
}

function bash(): string {
  const values = withValue.map((name) => `    --${name}) ${bashWords(options[name].completes)}; return ;;`)
  const operands = commandNames.flatMap((name) =>
    (commands[name].operands ?? []).map((row, at) => {
      const place = row.many ? '*' : String(at)
      return `    ${name}:${place}) ${bashWords(name === 'help' ? commandNames : completesOf(row))} ;;`
    }),
  )
  const taken = commandNames.map((name) => {
    const words = [...commands[name].options, 'help'].map((option) => `--${option}`)
    return `    ${name}) _hot_standby_words ${quoted(words.join(' '))} ;;`
  })
  return `# Completion of hot-standby for bash.
_hot_standby_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_hot_standby_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$cur"))
}
_hot_standby() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command= at=0 i
  COMPREPLY=()
  case \${COMP_WORDS[COMP_CWORD-1]} in
${values.join('\n')}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${withValue.map((name) => `--${name}`).join('|')}) ((i++)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${COMP_WORDS[i]}; else ((at++)); fi ;;
    esac
  done
  if [[ -z $command ]]; then
    _hot_standby_words ${quoted([...commandNames, '--help', '--version'].join(' '))}
  elif [[ $cur == -* ]]; then
    case $command in
${taken.join('\n').replace(/^/gm, '  ')}
    esac
  else
    case $command:$at in
${operands.join('\n').replace(/^/gm, '  ')}
    esac
  fi
}
complete -F _hot_standby hot-standby
`
}

/** Text within the specification of `_arguments` or `_describe`. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&')

/** What zsh does where something may stand. */
function zshAction(completes: Completes | undefined): string {
  if (completes === undefined) return ' '
  if (completes === 'directory') return '_directories'
  if (completes === 'file') return '_files'
  return `(${completes.join(' ')})`
}

function zsh(): string {
  const described = commandNames.map((name) => `    ${quoted(`${name}:${zshText(commands[name].summary)}`)}`)
  const cases = commandNames.map((name) => {
    const { operands = [], options: taken } = commands[name]
    const specs = [
      ...taken.map((option) => {
        const { value, text, completes } = options[option]
        const argument = value === undefined ? '' : `:${value}:${zshAction(completes)}`
        return `--${option}[${zshText(text)}]${argument}`
      }),
      ...operands.map((row, at) => {
        const action = zshAction(name === 'help' ? commandNames : completesOf(row))
        return `${row.many ? '*' : at + 1}:${zshText(row.name)}:${action}`
      }),
    ]
    return `    ${name}) _arguments ${specs.map(quoted).join(' ')} '(-h --help)'{-h,--help}'[explains it]' ;;`
  })
  return `#compdef hot-standby
# Completion of hot-standby for zsh.
_hot-standby() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe -t commands command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _hot-standby ]]; then _hot-standby "$@"; else compdef _hot-standby hot-standby; fi
`
}

/** What fish is told to complete with. */
function fishWords(completes: Completes | undefined): string {
  if (completes === undefined) return ''
  if (completes === 'directory') return " -a '(__fish_complete_directories)'"
  if (completes === 'file') return ' -F'
  return ` -a ${quoted(completes.join(' '))}`
}

function fish(): string {
  const say = (text: string): string => ` -d ${quoted(text.replaceAll('\\', '\\\\'))}`
  const lines = commandNames.flatMap((name) => {
    const { summary, operands = [], options: taken } = commands[name]
    const seen = `__fish_seen_subcommand_from ${name}`
    return [
      `complete -c hot-standby -n __hot_standby_first -a ${name}${say(summary)}`,
      ...taken.map((option) => {
        const { value, text, completes } = options[option]
        const argument = value === undefined ? '' : ` ${completes === 'file' ? '-r' : '-x'}${fishWords(completes)}`
        return `complete -c hot-standby -n '${seen}' -l ${option}${argument}${say(text)}`
      }),
      ...operands.map((row, at) => {
        const words = fishWords(name === 'help' ? commandNames : completesOf(row))
        return words === ''
          ? ''
          : `complete -c hot-standby -n '__hot_standby_at ${name} ${at}${row.many ? ' more' : ''}'${words}`
      }),
    ]
  })
  return `# Completion of hot-standby for fish.
function __hot_standby_words
    # The words before the cursor that are no options and no values of options.
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
        else if contains -- $word ${withValue.map((name) => `--${name}`).join(' ')}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end
function __hot_standby_first
    test (count (__hot_standby_words)) -eq 0
end
function __hot_standby_at
    # COMMAND PLACE [more]: whether an operand of this command comes at this place.
    set -l words (__hot_standby_words)
    test "$words[1]" = $argv[1]; or return 1
    set -l at (math (count $words) - 1)
    test $at -eq $argv[2]; or begin; test -n "$argv[3]"; and test $at -gt $argv[2]; end
end
complete -c hot-standby -f
complete -c hot-standby -s h -l help -d 'explains it'
complete -c hot-standby -n __hot_standby_first -l version -d 'prints the version'
${lines.filter((line) => line !== '').join('\n')}
`
}

const shells: Readonly<Record<string, () => string>> = { bash, zsh, fish }

/** `hot-standby completion SHELL`: the words of the table as the shell's own program. */
export const completion = (shell: string): string => (shells[shell] as () => string)()
