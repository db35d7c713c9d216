import { messageOf } from '../roles/error.ts'
import type { PatientWriter } from './patient-writer.ts'

/** Text that waits for the disk; more means that the disk does not keep up, and what comes then is left out. */
const waitingMaxChars = 4_194_304
/** So much text is written at once. */
const blockChars = 65_536

/** A file that a recording is written to while it is made, and its older ones: `FILE`, `FILE.1`, `FILE.2` … */
export class RotatingFile {
  readonly #path: string
  readonly #maxBytes: number
  readonly #keep: number
  readonly #onProblem: (error: Error) => void
  readonly #writer: PatientWriter
  #bytes = 0
  #isBegun = false
  #leavesOut = false
  #waiting = ''
  #writing: Promise<void> = Promise.resolve()
  #queued = 0
  #failed = false

  constructor(
    path: string,
    { maxBytes, keep }: { readonly maxBytes: number; readonly keep: number },
    writer: PatientWriter,
    onProblem: (error: Error) => void,
  ) {
    this.#path = path
    this.#maxBytes = maxBytes
    this.#keep = keep
    this.#writer = writer
    this.#onProblem = onProblem
  }

  /** The file is as long as it may be: the next part that may begin a file begins another. */
  get full(): boolean {
    return this.#bytes >= this.#maxBytes
  }

  /** Takes a part of the recording. `begins`: a file may begin with it. */
  write(text: string, begins: boolean): void {
    if (begins && (!this.#isBegun || this.full)) {
      this.#isBegun = true
      this.flush()
      this.#bytes = 0
      this.#then(() => this.#writer.rotate(this.#path, this.#keep))
    }
    this.#bytes += text.length
    const leavesOut = this.#queued + this.#waiting.length > waitingMaxChars
    if (leavesOut && !this.#leavesOut)
      this.#onProblem(new Error(`${this.#path}: the disk does not keep up: a part of the recording is missing in it`))
    this.#leavesOut = leavesOut
    if (leavesOut) return
    this.#waiting += text
    if (this.#waiting.length >= blockChars) this.flush()
  }

  /** Sends what waits to the disk. */
  flush(): void {
    const text = this.#waiting
    this.#waiting = ''
    if (text === '') return
    this.#queued += text.length
    this.#then(async () => {
      this.#queued -= text.length
      await this.#writer.append(this.#path, text, 0o600)
    })
  }

  /** Everything is written. */
  close(): Promise<void> {
    this.flush()
    return this.#writing
  }

  #then(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).then(
      () => {
        this.#failed = false
      },
      (error: unknown) => {
        if (!this.#failed) this.#onProblem(new Error(`${this.#path}: ${messageOf(error)}`))
        this.#failed = true
      },
    )
  }
}
