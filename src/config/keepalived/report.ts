import type { Issue } from '../../roles/error.ts'

/** So many problems of one configuration are told; more help nobody, and would cost memory without limit. */
const problemsMax = 500

/** Collects what is to be told of a configuration, each thing once. */
export class Report {
  readonly issues: Issue[] = []
  /** The blocks are not those that the file means, so nothing may be concluded from them. */
  isMisbuilt = false
  readonly #told = new Set<string>()
  /** Lines that have an error which makes what follows from them meaningless. */
  readonly #broken = new Set<string>()

  /** Nothing more is told, so nothing more need be looked at. */
  get isFull(): boolean {
    return this.issues.length > problemsMax
  }

  error(where: string, message: string): void {
    this.#add({ where, message, severity: 'error' })
  }

  warning(where: string, message: string): void {
    this.#add({ where, message, severity: 'warning' })
  }

  note(where: string, message: string): void {
    this.#add({ where, message, severity: 'note' })
  }

  /** An error that makes every further one of its line an echo. */
  breaks(where: string, message: string): void {
    this.error(where, message)
    this.#broken.add(where)
  }

  /** Blocks that do not end where they should; only the first is told, because it shifts all that follow. */
  misbuilt(where: string, message: string): void {
    if (this.isMisbuilt) return
    this.isMisbuilt = true
    this.error(where, message)
  }

  #add(issue: Issue): void {
    const key = `${issue.where} ${issue.message}`
    if (this.#broken.has(issue.where) || this.#told.has(key)) return
    this.#told.add(key)
    if (this.issues.length < problemsMax) this.issues.push(issue)
    else if (this.issues.length === problemsMax)
      this.issues.push({
        where: issue.where,
        message: `${problemsMax} problems so far; the rest are not shown`,
        severity: 'error',
      })
  }
}
