import { execFileSync } from 'node:child_process'
import { run } from './janitor.ts'

/** Why a test that needs network namespaces cannot run here; undefined when it can. */
export function lacking(...programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces'
  for (const program of ['ip', ...programs]) {
    try {
      execFileSync('/bin/sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' })
    } catch {
      return `the program '${program}' is missing`
    }
  }
  return undefined
}

let made = 0

/**
 * Two hosts, `a` and `b`, each in a namespace, joined by switches in a third one: device `ethN` of both hangs on switch N.
 * Addresses are 10.99.N.1 and 10.99.N.2 in /24, and link-local ones.
 */
export class TwoHosts implements Disposable {
  readonly #prefix = `${run}-${++made}`
  readonly #places: readonly string[]

  /** `guests`: more hosts, each on the first network alone, with addresses from 10.99.N.200 on. */
  constructor(nets: readonly number[] = [1], guests: readonly string[] = []) {
    this.#places = ['a', 'b', 'switch', ...guests]
    for (const place of this.#places) {
      this.#ip('netns', 'add', this.namespace(place))
      this.ip(place, 'link', 'set', 'lo', 'up')
    }
    for (const net of nets) {
      this.ip('switch', 'link', 'add', `br${net}`, 'type', 'bridge')
      this.ip('switch', 'link', 'set', `br${net}`, 'up')
      for (const host of ['a', 'b'] as const) this.plug(host, net)
    }
    for (const [index, guest] of guests.entries()) this.plug(guest, nets[0] as number, 200 + index)
  }

  namespace(place: string): string {
    return `${this.#prefix}-${place}`
  }

  /** Makes a host's device, its cable and its address. */
  plug(host: string, net: number, number = host === 'a' ? 1 : 2): void {
    const port = `${host}${net}`
    this.ip('switch', 'link', 'add', port, 'type', 'veth', 'peer', 'name', `eth${net}`, 'netns', this.namespace(host))
    this.ip('switch', 'link', 'set', port, 'master', `br${net}`, 'up')
    this.ip(host, 'addr', 'add', `10.99.${net}.${number}/24`, 'dev', `eth${net}`)
    this.ip(host, 'link', 'set', `eth${net}`, 'up')
  }

  /** Takes the device away altogether. */
  unplug(host: 'a' | 'b', net: number): void {
    this.ip(host, 'link', 'del', `eth${net}`)
  }

  ip(place: string, ...words: readonly string[]): void {
    this.#ip('-n', this.namespace(place), ...words)
  }

  /** Runs a program on a host and answers what it printed. */
  run(place: string, ...words: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace(place), ...words], { encoding: 'utf8' })
  }

  [Symbol.dispose](): void {
    for (const place of this.#places) {
      try {
        this.#ip('netns', 'del', this.namespace(place))
      } catch {
        // It was not made yet.
      }
    }
  }

  #ip(...words: readonly string[]): void {
    execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
}
