/** An IP version. */
export type IpFamily = 4 | 6

/** A command that is run without a shell, as the file means it. */
export interface VrrpCommand {
  /** Program (an absolute path) and arguments; a program without a slash was looked for in PATH. */
  readonly argv: readonly string[]
  /** Whose rights it gets; undefined: those of the process. */
  readonly user?: VrrpUser | undefined
  /** `file:line`. */
  readonly where: string
}

/** A user of this host with a group. */
export interface VrrpUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}
