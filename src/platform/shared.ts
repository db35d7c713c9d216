/** Something with children or sockets that is opened once and closed once. */
export interface Openable {
  open(): Promise<void>
  close(): Promise<void>
}

/** A share of it. */
export interface Share<T> {
  readonly value: T
  /** Gives the share back; the last one closes the thing. Idempotent. */
  release(): Promise<void>
}

/**
 * Lets every user in this process have the same thing: the first one opens it, the last one closes it. A failed opening
 * is nobody's: the next user tries again.
 */
export function shared<A extends readonly unknown[], T extends Openable>(
  create: (...args: A) => T,
): (...args: A) => Promise<Share<T>> {
  let current: { readonly value: T; readonly opened: Promise<void>; users: number } | undefined
  return async (...args) => {
    if (!current) {
      const value = create(...args)
      current = { value, opened: value.open(), users: 0 }
    }
    const entry = current
    entry.users += 1
    let released = false
    const release = async (): Promise<void> => {
      if (released) return
      released = true
      entry.users -= 1
      if (entry.users > 0) return
      if (current === entry) current = undefined
      await entry.value.close()
    }
    try {
      await entry.opened
    } catch (error) {
      await release()
      throw error
    }
    return { value: entry.value, release }
  }
}
