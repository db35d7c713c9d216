import { resolve as resolvePath } from 'node:path'
import { DiskChild, type DiskRequest, diskHangs, diskLimitMs } from './disk-child.ts'
import { withinLimit } from './limit.ts'

/**
 * Writes logs and recordings: nothing depends on them, and this process never waits for their disk. Each call is done after those
 * before it; it rejects when it fails, and at once while the disk hangs, so that nothing piles up here. A link of another user is
 * not followed, and what is no regular file or device is not written to.
 */
export interface PatientWriter {
  /** Appends to a file, which is made with this mode. */
  append(path: string, text: string, mode: number): Promise<void>
  /** Moves `PATH` to `PATH.1`, that one to `PATH.2`, and so on; of the older ones `keep` stay. Makes the directory. */
  rotate(path: string, keep: number): Promise<void>
  /** Writes a file of mode 0600 under a name that sorts by time; of the files `*.recording` beside it the newest `keep` stay. */
  keep(path: string, text: string, keep: number): Promise<void>
  /** Writes what is left, but waits no longer than two seconds for a disk that does not answer. It can be used again. */
  close(): Promise<void>
}

interface Job {
  readonly request: DiskRequest
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Its child starts with the first call. */
export function createPatientWriter(): PatientWriter {
  let waiting: readonly Job[] = []
  let busy: Job | undefined
  let limit: NodeJS.Timeout | undefined
  let hangs = false
  let last: Promise<unknown> = Promise.resolve()
  const child = new DiskChild((failure) => {
    const job = busy
    busy = undefined
    hangs = false
    clearTimeout(limit)
    if (failure === undefined) job?.resolve()
    else job?.reject(new Error(failure))
    next()
  })

  function next(): void {
    const [job, ...others] = waiting
    if (busy || !job) return
    waiting = others
    busy = job
    limit = setTimeout(() => {
      hangs = true
      const late = [job, ...waiting]
      waiting = []
      for (const { reject } of late) reject(new Error(diskHangs))
      child.hold(false)
    }, diskLimitMs)
    child.ask(job.request)
  }

  function ask(request: DiskRequest): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      if (hangs) return reject(new Error(diskHangs))
      if (request.path.includes('\n')) return reject(new Error('a path with a line end'))
      waiting = [...waiting, { request: { ...request, path: resolvePath(request.path) }, resolve, reject }]
      next()
    })
    last = done.catch(() => {})
    return done
  }

  return {
    append: (path, text, mode) =>
      ask({ verb: 'append', path, argument: (0o666 & ~mode).toString(8), content: Buffer.from(text) }),
    rotate: (path, keep) => ask({ verb: 'rotate', path, argument: keep }),
    keep: (path, text, keep) => ask({ verb: 'keep', path, argument: keep, content: Buffer.from(text) }),
    async close() {
      await withinLimit(last, diskLimitMs).catch(() => {})
      clearTimeout(limit)
      await child.end()
    },
  }
}
