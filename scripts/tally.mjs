// Reporter for `node --test`: prints failures and skips, and writes the counts as JSON to the file named in TALLY_FILE, if it is set.
// With TALLY_LINES it prints a line for each passed test too, and what the tests measured.
// Node's own reporters print every passed test; with thousands of them a failure is hard to find.
import { writeFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { inspect } from 'node:util'

/** Node reports a file that could not run, and one that holds no test at all, as a test named like the file. */
const isFile = ({ name, file }) => file !== undefined && resolve(name) === file

const lines = Boolean(process.env.TALLY_LINES)

const where = ({ file, line }) => (file === undefined ? '' : ` (${relative('.', file)}${line > 1 ? `:${line}` : ''})`)

export default async function* tally(events) {
  const counts = { passed: 0, failed: 0, skipped: 0, notRun: [], failedTests: [] }
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') {
      // A test file says so of what cannot be tried on this machine: it is neither passed nor failed.
      for (const [, what] of data.message.matchAll(/^not run: (.*)$/gm)) counts.notRun.push(what)
      yield data.message
    } else if (type === 'test:pass' || type === 'test:fail') {
      const failed = type === 'test:fail'
      const error = data.details.error
      if (data.skip === 'test name does not match pattern') {
        // It was not chosen.
      } else if (data.skip !== undefined || data.todo !== undefined) {
        counts.skipped++
        const reason = [data.skip, data.todo].find((value) => typeof value === 'string') ?? 'no reason given'
        yield `  skipped: ${data.name}${where(data)}: ${reason}\n`
      } else if (failed && error?.failureType === 'subtestsFailed') {
        // The subtest that failed was counted and shown.
      } else if (failed) {
        counts.failed++
        counts.failedTests.push({ name: data.name, file: data.file && relative('.', data.file), whole: isFile(data) })
        const cause = error?.cause ?? error
        const text = cause instanceof Error ? (cause.stack ?? String(cause)) : inspect(cause, { depth: 6 })
        yield `  FAILED: ${data.name}${where(data)}\n${text.replace(/\n +at .*node:internal.*/g, '').replace(/^/gm, '    ')}\n`
      } else if (isFile(data)) {
        counts.failed++
        yield `  FAILED: ${relative('.', data.file)} holds no test\n`
      } else if (data.details.type !== 'suite') {
        counts.passed++
        if (lines) yield `held    ${data.name} (${(data.details.duration_ms / 1000).toFixed(1)} s)\n`
      }
    } else if (lines && type === 'test:diagnostic' && data.nesting > 0) {
      yield `          ${data.message}\n`
    }
  }
  if (process.env.TALLY_FILE) writeFileSync(process.env.TALLY_FILE, JSON.stringify(counts))
}
