import { type Duration, durationMs } from '../roles/duration.ts'
import { HotStandbyError } from '../roles/error.ts'
import type { OptionTable } from '../roles/option-table.ts'
import type { ResourceTimes } from '../roles/resource-agent.ts'

/** Limits of a resource's operations, and how often it is asked how it is. */
export interface ResourceTimeOptions {
  /** Limit of a start. */
  readonly startTimeout?: Duration | undefined
  /** Limit of a stop. */
  readonly stopTimeout?: Duration | undefined
  /** Limit of one `status`. */
  readonly statusTimeout?: Duration | undefined
  /** Pause between two `status` calls; `'0s'`: never asked. */
  readonly statusInterval?: Duration | undefined
}

/** The rows of {@link ResourceTimeOptions} in a table of options; what each may be says {@link resourceTimes}. */
export const timeOptions: OptionTable<ResourceTimeOptions> = {
  startTimeout: 'any',
  stopTimeout: 'any',
  statusTimeout: 'any',
  statusInterval: 'any',
}

/** The times of a plug-in, from its options and its defaults. Throws `HS_CONFIG` naming `where` and the option. */
export function resourceTimes(
  where: string,
  options: ResourceTimeOptions,
  defaults: Required<{ [Name in keyof ResourceTimeOptions]: Duration }>,
): ResourceTimes {
  const time = (name: keyof ResourceTimeOptions): number =>
    durationMs(options[name] ?? defaults[name], `${where}.${name}`)
  return {
    startMs: time('startTimeout'),
    stopMs: time('stopTimeout'),
    statusMs: time('statusTimeout'),
    intervalMs: time('statusInterval'),
  }
}

const timeNames = {
  startTimeout: 'startMs',
  stopTimeout: 'stopMs',
  statusTimeout: 'statusMs',
  statusInterval: 'intervalMs',
} as const

/** Which of the times the options leave open. */
export function defaultTimes(options: ResourceTimeOptions): readonly (keyof ResourceTimes)[] {
  const names = Object.keys(timeNames) as (keyof typeof timeNames)[]
  return names.filter((name) => options[name] === undefined).map((name) => timeNames[name])
}

/** `HS_CONFIG` for one option of a plug-in. */
export function optionError(where: string, message: string): HotStandbyError {
  const issues = [{ where, message, severity: 'error' }] as const
  return new HotStandbyError('HS_CONFIG', `${where}: ${message}`, { issues })
}
