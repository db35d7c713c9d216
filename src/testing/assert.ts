/** Fails the test with `message` unless `condition` holds. For compliance suites, which run under any test runner. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** Fails the test unless two pieces of plain data (arrays, records, byte arrays, primitives) are equal. */
export function equal(actual: unknown, expected: unknown, message: string): void {
  if (!same(actual, expected)) throw new Error(`${message}: found ${shown(actual)}, expected ${shown(expected)}`)
}

/** Fails the test unless the promise rejects with this `code`, or with a message that matches. */
export async function rejects(promise: Promise<unknown>, expected: string | RegExp, message: string): Promise<void> {
  let error: unknown
  try {
    await promise
  } catch (thrown) {
    error = thrown
    const { code, message: text } = Object(thrown) as { code?: unknown; message?: unknown }
    if (typeof expected === 'string' ? code === expected : expected.test(String(text))) return
  }
  throw new Error(`${message}: expected a rejection with ${String(expected)}`, { cause: error })
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b) || ArrayBuffer.isView(a) !== ArrayBuffer.isView(b)) return false
  const names = Object.keys(a)
  const inB = b as Record<string, unknown>
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && same((a as Record<string, unknown>)[name], inB[name]))
  )
}

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'object' ? (JSON.stringify(value) ?? 'undefined') : String(value)
}
