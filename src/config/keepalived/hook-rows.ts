import { commandOf } from './commands.ts'
import type { FileDraft, HookName, HooksDraft } from './drafts.ts'
import { type Context, honoured, type Row } from './rows.ts'
import type { Statement } from './statements.ts'

/** Whatever can have hooks: an instance or a group. */
interface Hooked {
  readonly hooks: HooksDraft
  readonly file: FileDraft
}

const form = 'COMMAND [USER [GROUP]]'

function hook<Draft extends Hooked>(keyword: string, name: HookName, reason: string): Row<Draft> {
  const apply = ({ hooks, file }: Draft, statement: Statement, context: Context) => {
    const command = commandOf(statement, 'hook', file.rules, context)
    if (command) hooks.commands.set(name, command)
  }
  return { ...honoured<Draft>(keyword, form, apply, reason), words: [1, Number.POSITIVE_INFINITY], again: 'first' }
}

/** The hooks of both. */
export function hookRows<Draft extends Hooked>(): Row<Draft>[] {
  return [
    hook(
      'notify_master',
      'master',
      'Run on entering MASTER, without further arguments; hooks run one after the other.',
    ),
    hook('notify_backup', 'backup', 'The same for BACKUP.'),
    hook('notify_fault', 'fault', 'The same for FAULT.'),
    hook('notify_stop', 'stop', 'The same at the end.'),
    hook(
      'notify',
      'any',
      'After any of them, with four more arguments: INSTANCE or GROUP, the name, the state, the priority.',
    ),
  ]
}

/** The hooks of instances only. */
export function instanceHookRows<Draft extends Hooked>(): Row<Draft>[] {
  return [
    {
      ...honoured<Draft>(
        'notify_deleted',
        '[COMMAND] [USER] [GROUP]',
        ({ hooks, file }, statement, context) => {
          hooks.tellsDeleted = true
          if (statement.words.length < 2) return
          const command = commandOf(statement, 'hook', file.rules, context)
          if (command) hooks.commands.set('deleted', command)
        },
        'A removed instance is reported as DELETED instead of FAULT.',
      ),
      again: 'first',
    },
    hook('notify_master_rx_lower_pri', 'masterRxLowerPri', 'When a master hears a lower priority.'),
  ]
}
