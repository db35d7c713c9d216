/**
 * What the library logs to: four methods with pino's order of arguments. `pino()`, `pino().child()` and `console` fit.
 * A logger that throws harms nobody. Default: silent.
 */
export interface Logger {
  /** What only somebody who looks for a fault wants to see. */
  debug(fields: object, message: string): void
  /** The ordinary course of things. */
  info(fields: object, message: string): void
  /** Something is wrong, and the service goes on. */
  warn(fields: object, message: string): void
  /** Somebody must look. */
  error(fields: object, message: string): void
}

/** Logs nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
}
