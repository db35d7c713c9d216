/**
 * Every failure the library reports on purpose carries one of these codes. Codes are stable: match `error.code`, not the
 * class and not the text. Each has a row in `docs/errors.md`.
 */
export type HotStandbyErrorCode =
  /** Options or configuration files are wrong; `issues` lists every problem. */
  | 'HS_CONFIG'
  /** A call was made in a state that does not allow it (for example `standby()` before `start()`). */
  | 'HS_STATE'
  /** A newer `reload()` or `setGroups()` came before this one had come into force. */
  | 'HS_SUPERSEDED'
  /** The peer is absent, dead or refused what was asked of it. */
  | 'HS_PEER'
  /** A planned move did not complete: the reason is in the message. */
  | 'HS_MOVE'
  /** A resource could not be started, stopped or checked. */
  | 'HS_RESOURCE'
  /** A resource could not be stopped and its isolation could not be verified either: somebody must look. */
  | 'HS_STOP_FAILED'
  /** A link could not be opened or used. */
  | 'HS_TRANSPORT'
  /** A lease store or a witness does not answer, refuses the request, or answers with something that is no record of ours. */
  | 'HS_STORE'
  /** Bytes from outside are no valid frame. */
  | 'HS_FRAME'
  /** A key or key file is missing, unreadable, too open or malformed. */
  | 'HS_KEY'
  /** An application message cannot be sent (too large, peer dead, line too slow). */
  | 'HS_MESSAGE'
  /** The state directory is locked by another process or cannot be used. */
  | 'HS_STATE_DIRECTORY'
  /** This host lacks something that is needed (a program, a privilege, a device). */
  | 'HS_HOST'
  /** What an agent runs cannot be executed at all (missing, not executable, no interpreter): nothing of it was begun. */
  | 'HS_AGENT_NOT_RUNNABLE'
  /** The control socket cannot be reached, or refused the request. */
  | 'HS_CONTROL'
  /** The operation was not finished within its limit. */
  | 'HS_TIMEOUT'
  /** A file is no recording, or of a format that this version does not read. */
  | 'HS_RECORDING'

/** One problem of a configuration: where it is, what was found, what would be right. */
export interface Issue {
  /** Option path (`liveness.deadtime`) or `file:line`. */
  readonly where: string
  /** What is wrong and what would be right, one sentence. */
  readonly message: string
  /** `error` stops the start; `warning` and `note` do not. */
  readonly severity: 'error' | 'warning' | 'note'
}

const brand: unique symbol = Symbol.for('hot-standby.error')

/** The one error class of the library. */
export class HotStandbyError extends Error {
  /** Stable code of the failure. */
  readonly code: HotStandbyErrorCode
  /** For `HS_CONFIG`: every problem found, in order. Otherwise empty. */
  readonly issues: readonly Issue[]

  constructor(
    code: HotStandbyErrorCode,
    message: string,
    options: { cause?: unknown; issues?: readonly Issue[] | undefined } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'HotStandbyError'
    this.code = code
    this.issues = options.issues ?? []
    Object.defineProperty(this, brand, { value: true })
  }
}

/** True for errors of this library, also when two copies of it are installed. */
export function isHotStandbyError(value: unknown): value is HotStandbyError {
  return typeof value === 'object' && value !== null && brand in value
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** One error that lists every problem found, so that a configuration is mended in one go. */
export function configurationError(issues: readonly Issue[]): HotStandbyError {
  const errors = issues.filter((issue) => issue.severity === 'error')
  const lines = errors.map((issue) => `${issue.where}: ${issue.message}`)
  const head = errors.length === 1 ? '' : `${errors.length} problems in the configuration:\n  `
  return new HotStandbyError('HS_CONFIG', head + lines.join('\n  '), { issues })
}
