import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { withinLimit } from './limit.ts'
import { childOptions } from './process.ts'

/** What the child can do with a file; its word in the script. */
export type DiskVerb = 'plain' | 'durable' | 'remove' | 'append' | 'rotate' | 'keep'

/** One request. */
export interface DiskRequest {
  readonly verb: DiskVerb
  readonly path: string
  /** `append`: the umask of a new file, in octal; `rotate` and `keep`: how many older files stay. */
  readonly argument?: number | string | undefined
  readonly content?: Uint8Array | undefined
  /** The content travels as one line of text, so that further requests may be asked before this one is answered. For small ones. */
  readonly inline?: boolean | undefined
}

/** How long the disk may take for one request before it counts as hanging, and how long a close waits for it, in milliseconds. */
export const diskLimitMs = 2000

/** What is said of a disk that hangs. */
export const diskHangs: string = `the disk has not answered for ${diskLimitMs} ms`

/**
 * Each request is four lines and the content, which is read to its end whatever becomes of it. `head` of BusyBox reads on beyond
 * the size, so that nothing may follow before the answer; a content of the size `line` is a line, each byte but plain ones as
 * `\0ooo`, and others may follow. `place`: where a path really lies. A link of another user on the way could lead to any file of
 * this host, and a file that somebody else has put into a directory of everybody's would show him what is written to it.
 */
const script = `trap '' PIPE TERM INT HUP
foreign() {
  [ ! -L "$1" ] && [ -O "$1" ] && return 1
  uid=$(ls -ldn -- "$1" | { read -r mode links uid others; echo "$uid"; }) && [ "$uid" != 0 ]
}
everybodys() {
  case $(ls -ldn -- "$1") in ????????w*) ;; *) return 1 ;; esac
}
place() {
  rest=$1 at= steps=0
  while [ -n "$rest" ]; do
    name=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    [ -n "$name" ] || continue
    next=$at/$name
    if [ -L "$next" ]; then
      foreign "$next" && echo "$next is a link of user $uid; links of others are not followed" && return 1
      steps=$((steps + 1))
      [ $steps -le 40 ] || { echo "$next leads in a circle of links"; return 1; }
      to=$(readlink -- "$next")
      case $to in /*) at= ;; esac
      rest=$to/$rest
    else
      [ -f "$next" ] && foreign "$next" && everybodys "\${at:-/}" &&
        echo "$next belongs to user $uid, in a directory of everybody's; nothing is written to it" && return 1
      at=$next
    fi
  done
}
replace() {
  mkdir -p -m 700 -- "\${path%/*}" && rm -f -- "$path.new" && (umask 077; set -C; cat >"$path.new")
}
plain() { replace && mv -f -- "$path.new" "$path"; }
durable() { replace && sync -- "$path.new" && mv -f -- "$path.new" "$path" && sync -- "\${path%/*}"; }
remove() { rm -f -- "$path"; }
append() {
  place "$path" || return
  [ ! -e "$at" ] || [ -f "$at" ] || [ -c "$at" ] || { echo 'it is neither a regular file nor a device'; return 1; }
  umask "$argument"
  cat >>"$at"
}
rotate() {
  place "$path" && mkdir -p -m 700 -- "\${at%/*}" && rm -f -- "$at.$argument" || return
  index=$argument
  while [ "$index" -gt 0 ]; do
    older=$at.$index
    index=$((index - 1))
    from=$at
    [ "$index" -eq 0 ] || from=$at.$index
    [ ! -f "$from" ] || mv -f -- "$from" "$older" || return
  done
  [ "$argument" -gt 0 ] || rm -f -- "$at"
}
keep() {
  place "\${path%/*}" && mkdir -p -m 700 -- "$at" || return
  file=$at/\${path##*/}
  rm -f -- "$file" && (umask 077; set -C; cat >"$file") || return
  set -- "$at"/*.recording
  while [ $# -gt "$argument" ]; do rm -f -- "$1"; shift; done
}
while IFS= read -r verb && IFS= read -r path && IFS= read -r argument && IFS= read -r size; do
  content=
  [ "$size" != line ] || IFS= read -r content || break
  said=$(if [ "$size" = line ]; then printf '%b' "$content"; else head -c "$size"; fi | { "$verb" 2>&1; status=$?; cat >/dev/null; exit $status; }) && echo ok && continue
  printf 'failed %s\\n' "$said" | tr '\\n' ' '
  echo
done`

function escaped(content: Uint8Array): string {
  const octal = (byte: number) => `\\0${byte.toString(8).padStart(3, '0')}`
  const plain = (byte: number) => byte < 128 && /[\w{}:,".[\] /-]/.test(String.fromCharCode(byte))
  return Array.from(content, (byte) => (plain(byte) ? String.fromCharCode(byte) : octal(byte))).join('')
}

/**
 * A write that hangs can neither be cancelled nor killed. In a thread of this process it would keep a thread of the pool for ever
 * and, after a kill -9, every descriptor open, so that no guardian learns of the death. So a child writes, one request at a time.
 */
export class DiskChild {
  readonly #answered: (failure: string | undefined) => void
  readonly #keeps: number | undefined
  #child: ChildProcess | undefined
  /** Requests without an answer. */
  #asked = 0

  /** `answered` hears what became of each request, in their order; `keeps`: a descriptor that the child holds open until it ends. */
  constructor(answered: (failure: string | undefined) => void, keeps?: number) {
    this.#answered = answered
    this.#keeps = keeps
  }

  /** Starts it before it is needed: while this process is small that costs less. */
  start(): void {
    this.#started()
    this.hold(false)
  }

  /**
   * Hands a request over; the one before must have been answered, unless both are `inline`. Returns the bytes that it took. It keeps
   * this process alive until it is answered, or until `hold(false)`.
   */
  ask({ verb, path, argument = 0, content = new Uint8Array(), inline = false }: DiskRequest): number {
    this.#asked++
    const { stdin } = this.#started()
    this.hold(true)
    const head = `${[verb, path, argument, inline ? 'line' : content.length].join('\n')}\n`
    const body = inline ? `${escaped(content)}\n` : content
    stdin?.write(head)
    stdin?.write(body)
    return head.length + body.length
  }

  /** Whether it keeps this process alive. */
  hold(ref: boolean): void {
    for (const part of [this.#child, this.#child?.stdin, this.#child?.stdout])
      (part as Pick<Socket, 'ref' | 'unref'> | null | undefined)?.[ref ? 'ref' : 'unref']()
  }

  /** Ends it; what hangs is not waited for. */
  async end(): Promise<void> {
    const last = this.#child
    this.#child = undefined
    last?.stdin?.end()
    if (this.#asked > 0) last?.kill('SIGKILL')
    this.#asked = 0
    // What it keeps is given back when it has ended.
    if (last && this.#keeps !== undefined) await withinLimit(once(last, 'exit'), diskLimitMs).catch(() => {})
    for (const part of [last, last?.stdin, last?.stdout]) (part as Pick<Socket, 'unref'> | null | undefined)?.unref()
  }

  #done(failure: string | undefined): void {
    if (this.#asked === 0) return
    this.#asked--
    if (this.#asked === 0) this.hold(false)
    this.#answered(failure)
  }

  #started(): ChildProcess {
    if (this.#child) return this.#child
    const stdio = ['pipe', 'pipe', 'ignore', ...(this.#keeps === undefined ? [] : [this.#keeps])] as const
    const child = spawn('/bin/sh', ['-c', script], { ...childOptions(), stdio: [...stdio] })
    this.#child = child
    const ended = (detail: unknown): void => {
      if (this.#child !== child) return
      this.#child = undefined
      const reason = `the helper that writes ended (${detail instanceof Error ? detail.message : detail})`
      // What was asked of it; an answer may ask the next child already.
      for (let left = this.#asked; left > 0; left--) this.#done(reason)
    }
    child.on('error', ended)
    child.on('exit', (code, signal) => ended(signal ?? `status ${code}`))
    child.stdin?.on('error', () => {})
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
      const lines = said.split('\n')
      said = lines.pop() ?? ''
      for (const line of lines) {
        if (this.#child !== child) return
        this.#done(line === 'ok' ? undefined : line.replace(/^failed /, '').trim() || 'it failed without a word')
      }
    })
    return child
  }
}
