import type { VrrpCommand, VrrpUser } from '../../options/vrrp-options.ts'
import { quoted } from '../problems.ts'
import type { Context } from './rows.ts'
import type { Statement } from './statements.ts'
import { commandWords } from './text.ts'

/** Who runs scripts that name no user, and whether they are looked at before; as the file has said so far. */
export interface ScriptRules {
  user: VrrpUser | undefined
  userIsKnown: boolean
  /** `enable_script_security`. */
  secure: boolean
}

/** Operators that only a shell would obey. */
const shellWord = /^(&&|\|\|?|[0-9]?>>?.*|<|;|`.*)$|[;`]$|\$\(/

/** A command before it is known whether root may run it: that depends on a line that may follow. */
export interface CommandDraft {
  readonly argv: readonly string[]
  readonly user: VrrpUser | undefined
  readonly where: string
  readonly keyword: string
  /** What happens when it cannot run: a check without which the node looks healthy for ever, or a hook that is left out. */
  readonly kind: 'check' | 'hook'
}

/** The user by default: `script_user`, else `keepalived_script` where it exists, else the one that keepalived runs as. */
function defaultUser(
  rules: ScriptRules,
  what: string,
  { where }: Statement,
  kind: CommandDraft['kind'],
  context: Context,
) {
  if (!rules.userIsKnown) {
    rules.userIsKnown = true
    rules.user = context.host.user('keepalived_script')
    if (rules.user === undefined && rules.secure) {
      complain(
        kind,
        where,
        `${what}: enable_script_security without script_user wants the user keepalived_script, which does not exist`,
        context,
      )
      rules.userIsKnown = false
      return null
    }
  }
  return rules.user
}

function complain(kind: CommandDraft['kind'], where: string, message: string, { report }: Context): void {
  if (kind === 'check') report.error(where, `${message}; keepalived drops the check and runs unguarded`)
  else report.warning(where, `${message}; as in keepalived it is not run`)
}

/**
 * The command of a statement: its first value is cut into words once more, by keepalived's rules and without a shell; further
 * values of a hook are a user and a group. Undefined: there is none that can run, which has been told.
 */
export function commandOf(
  statement: Statement,
  kind: CommandDraft['kind'],
  rules: ScriptRules,
  context: Context,
): CommandDraft | undefined {
  const { where } = statement
  const keyword = statement.words[0] as string
  const outer = commandWords(statement.text)
  const argv = commandWords(outer?.[1] ?? '')
  if (outer === undefined || argv === undefined || argv.length === 0) {
    complain(
      kind,
      where,
      `${keyword}: ${quoted(statement.text)} is not a command: a quote or an escaped letter is missing`,
      context,
    )
    return undefined
  }
  const [, , name, group] = outer
  const shell = argv.find((word) => shellWord.test(word))
  if (shell !== undefined)
    context.report.warning(
      where,
      `${keyword}: no shell is used, as in keepalived; ${quoted(shell)} is passed as an argument`,
    )
  if (/^<[ \t]*\//.test(argv[0] as string)) {
    complain(
      'check',
      where,
      `${keyword}: '<' before a path asks whether it can be opened, which this version does not do`,
      context,
    )
    return undefined
  }
  if (kind === 'check') {
    if (name !== undefined)
      context.report.warning(
        where,
        `${keyword}: write the command with its arguments in quotes; ${quoted(name)} is not passed`,
      )
    return { argv, user: undefined, where, keyword, kind }
  }
  if (name === undefined) {
    const user = defaultUser(rules, keyword, statement, kind, context)
    return user === null ? undefined : { argv, user, where, keyword, kind }
  }
  const user = context.host.user(name, group)
  if (user !== undefined) return { argv, user, where, keyword, kind }
  const words = [name, group].filter((word) => word !== undefined).join(' ')
  complain(
    kind,
    where,
    `${keyword}: outside the quotes ${quoted(words)} names a user and a group, which do not exist; to pass them as arguments, put the ` +
      'whole command in quotes',
    context,
  )
  return undefined
}

/** The same for a check, whose user stands in a line of its own. Undefined user: the default. */
export function withUser(
  draft: CommandDraft,
  named: VrrpUser | undefined,
  statement: Statement,
  rules: ScriptRules,
  context: Context,
): CommandDraft | undefined {
  if (named !== undefined) return { ...draft, user: named }
  const user = defaultUser(rules, draft.keyword, { ...statement, where: draft.where }, draft.kind, context)
  return user === null ? undefined : { ...draft, user }
}

/** A `user NAME [GROUP]` line. */
export function userOfLine({ words, where }: Statement, context: Context): VrrpUser | undefined {
  const [, name = '', group] = words
  const user = context.host.user(name, group)
  if (user === undefined) {
    const what = context.host.user(name) === undefined ? `user ${quoted(name)}` : `group ${quoted(group ?? '')}`
    context.report.error(where, `${what} does not exist; keepalived drops the check and runs unguarded`)
  }
  return user
}

/** Finds the program and looks at who could change it. Undefined: it cannot run, or must not, which has been told. */
export function settleCommand(draft: CommandDraft, secure: boolean, context: Context): VrrpCommand | undefined {
  const { argv, user, where, keyword, kind } = draft
  const [file = '', ...args] = argv
  const found = context.host.program(file, user)
  const asRoot = user === undefined || user.uid === 0 || user.gid === 0
  if (found.problem !== undefined) {
    complain(kind, where, `${keyword}: ${quoted(file)} ${found.problem}`, context)
    return undefined
  }
  if (found.distrust !== undefined && secure) {
    complain(kind, where, `${keyword}: root must not run ${quoted(file)}: ${found.distrust}`, context)
    return undefined
  }
  if (asRoot && !secure) {
    const why = found.distrust === undefined ? '' : ` (${found.distrust})`
    context.report.warning(
      where,
      `${keyword}: ${quoted(file)} runs as root, and nothing checks who could change it${why}; write enable_script_security and ` +
        'script_user into global_defs',
    )
  }
  return { argv: [found.path, ...args], user, where }
}
