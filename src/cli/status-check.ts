import type { Snapshot } from '../index.ts'
import { type Verdict, verdictOf } from '../monitoring/verdict.ts'
import { printable, printableFields } from '../roles/printable.ts'

/** What a monitoring plugin ends with: OK, WARNING, CRITICAL, UNKNOWN. */
export type CheckCode = 0 | 1 | 2 | 3

const words = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const
const codes: Readonly<Record<Verdict['level'], CheckCode>> = { good: 0, caution: 1, bad: 2 }

/** A bar begins the figures. */
const withoutBars = (text: string): string => text.replaceAll('|', '/')

/** A snapshot as the one line of a monitoring plugin, with its exit code. */
export function statusCheck(found: Snapshot): { readonly code: CheckCode; readonly line: string } {
  const snapshot = printableFields(found)
  const { cluster, node, groups, links, peer } = snapshot
  const { level, sentences } = verdictOf(snapshot)
  const code = codes[level]
  const figures = [
    `groups_here=${groups.filter(({ servedBy }) => servedBy === node).length}`,
    `links_up=${links.filter(({ up }) => up === true).length};;;0;${links.length}`,
    ...(peer.heardEver ? [`peer_silence=${peer.silentMs / 1000}s;;${peer.deadtimeMs / 1000}`] : []),
  ]
  const text = withoutBars(sentences.join('; '))
  return { code, line: `HOT-STANDBY ${words[code]} - ${cluster}: ${text} | ${figures.join(' ')}` }
}

/** The same where no snapshot can be had: nobody runs, or nothing is known. */
export function checkFailure(error: unknown): { readonly code: CheckCode; readonly line: string } {
  const { cause, message } = error as Error
  const absent = ['ENOENT', 'ECONNREFUSED'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '')
  const code = absent ? 2 : 3
  return { code, line: printable(`HOT-STANDBY ${words[code]} - ${withoutBars(message)}`) }
}
