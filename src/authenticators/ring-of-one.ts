import type { AuthenticatorPlugin, KeySpec } from '../roles/authenticator.ts'
import { configurationError, type Issue } from '../roles/error.ts'

/** Highest id of a key: Heartbeat's MAXAUTH is 16. */
export const maxKeyId = 15

/** What is wrong with an id, if anything. */
export function idIssues(id: unknown): Issue[] {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= maxKeyId) return []
  const message = `${String(id)} is not a key ID; it is a whole number from 0 to ${maxKeyId}`
  return [{ where: 'authenticator.id', message, severity: 'error' }]
}

/** A ring that holds one key, which is the active one. The key is not shown where the object is printed. */
export function ringOfOne<Spec extends KeySpec>(spec: Spec): AuthenticatorPlugin<Spec> {
  const issues = idIssues(spec.id)
  if (issues.length > 0) throw configurationError(issues)
  Object.defineProperty(spec, 'key', { enumerable: false })
  return { kind: 'authenticator', active: spec.id, keys: [spec] }
}
