/** What systemd can be told to do with a unit. */
export type UnitVerb = 'start' | 'stop' | 'reload'

/** What systemd knows of one unit (org.freedesktop.systemd1(5)); the names of its properties stand beside. */
export interface UnitFacts {
  /** `LoadState`: `loaded`, `not-found`, `masked`, `error`, `bad-setting`, … */
  readonly load: string
  /** `LoadError`, in words; empty when there is none. */
  readonly loadError: string
  /** `ActiveState`: `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`, … */
  readonly active: string
  /** `SubState`: `running`, `exited`, `auto-restart`, … */
  readonly sub: string
  /** `UnitFileState`: `enabled`, `disabled`, `static`, `masked`, …; empty without a file. */
  readonly file: string
  /** `CanStart`: false with `RefuseManualStart=`. */
  readonly canStart: boolean
  /** `CanReload`. */
  readonly canReload: boolean
  /** `NeedDaemonReload`: the file is newer than what systemd has read. */
  readonly needsReload: boolean
  /** Why it failed, in words: `exit-code, exit status 3`. Empty unless it failed. */
  readonly result: string
}

/** Properties `systemctl show` is asked for. */
export const factNames = [
  'LoadState',
  'LoadError',
  'ActiveState',
  'SubState',
  'UnitFileState',
  'CanStart',
  'CanReload',
  'NeedDaemonReload',
  'ConditionResult',
  'Result',
  'ExecMainCode',
  'ExecMainStatus',
] as const

/** Facts of properties as D-Bus gives them, or as `systemctl show` prints them (`yes`, `no`). */
export function asFacts(properties: Readonly<Record<string, unknown>>): UnitFacts {
  const text = (name: (typeof factNames)[number]): string => {
    const value = properties[name]
    return Array.isArray(value) ? value.filter(Boolean).join(': ') : String(value ?? '')
  }
  const flag = (name: (typeof factNames)[number]): boolean => ['yes', 'true'].includes(text(name))
  const active = text('ActiveState')
  const hasFailed = active === 'failed' || text('SubState') === 'auto-restart'
  return {
    load: text('LoadState'),
    loadError: text('LoadError'),
    active,
    sub: text('SubState'),
    file: text('UnitFileState'),
    canStart: flag('CanStart'),
    canReload: flag('CanReload'),
    needsReload: flag('NeedDaemonReload'),
    result: hasFailed ? failure(text('Result'), text('ExecMainCode'), text('ExecMainStatus')) : '',
  }
}

/** What `ExecMainStatus` counts, by `ExecMainCode` (siginfo's CLD_EXITED, CLD_KILLED, CLD_DUMPED). */
const counted: Readonly<Record<string, string>> = { '1': 'exit status', '2': 'signal', '3': 'signal' }

function failure(result: string, code: string, status: string): string {
  const what = counted[code]
  if (what === undefined || (code === '1' && status === '0')) return result
  return `${result}, ${what} ${status}`
}
