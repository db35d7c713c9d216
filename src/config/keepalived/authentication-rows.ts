import { quoted } from '../problems.ts'
import type { HmacDraft, InstanceDraft } from './drafts.ts'
import { honoured, numberAt, type Table } from './rows.ts'

/** `authentication` of a `vrrp_instance`. */
export const authenticationTable: Table<InstanceDraft> = [
  honoured(
    'auth_type',
    'PASS|AH',
    (draft, { words: [, type = ''], where }, { report }) => {
      if (type === 'PASS' || type === 'AH') draft.authType = type
      else
        report.error(
          where,
          `auth_type: ${quoted(type)} is neither PASS nor AH; keepalived would send without authentication`,
        )
    },
    'PASS: eight bytes in clear. AH: protocol 51, HMAC-MD5; IPv4 only.',
  ),
  honoured(
    'auth_pass',
    'PASSWORD',
    (draft, { words: [, word = ''], where }, { report }) => {
      const bytes = Buffer.from(word)
      if (bytes.length > 8) report.warning(where, 'auth_pass: only the first eight bytes are used, as in keepalived')
      draft.authPass = bytes.subarray(0, 8).toString()
    },
    'The first eight bytes.',
  ),
]

/** The bytes of a key: `hex:…` or a text; undefined where the digits are none. */
function keyBytes(word: string): Uint8Array | undefined {
  if (!word.startsWith('hex:')) return Buffer.from(word)
  const digits = word.slice(4)
  return /^(?:[0-9a-fA-F]{2})+$/.test(digits) ? Buffer.from(digits, 'hex') : undefined
}

/** `auth_hmac` of a `vrrp_instance`. */
export const hmacTable: Table<HmacDraft> = [
  {
    ...honoured<HmacDraft>(
      'key',
      'ID hex:DIGITS|file:PATH|TEXT',
      (draft, statement, { report, host }) => {
        const id = numberAt(statement, 1, { least: 1, most: 255 }, report)
        const [, , word = ''] = statement.words
        const wasBroken = draft.isBroken
        draft.isBroken = true
        const { where } = statement
        let text = word
        if (word.startsWith('file:')) {
          try {
            text = host.read(word.slice(5)).replace(/[\r\n]+$/, '')
          } catch {
            report.breaks(where, `key: ${quoted(word.slice(5))} cannot be read`)
            return
          }
        }
        const key = keyBytes(text)
        if (key === undefined || key.length < 32 || key.length > 64)
          report.breaks(where, 'key: must have 32 to 64 bytes, as text or as hex:DIGITS')
        else if (id !== undefined && draft.keys.some((one) => one.id === id))
          report.breaks(where, `key ${id} is there already`)
        else if (id !== undefined) {
          draft.keys.push({ id, key })
          draft.isBroken = wasBroken
        }
      },
      '32 to 64 bytes under an id of 1 to 255; several for a change of keys.',
    ),
    again: 'each',
  },
  honoured(
    'active_key',
    'ID',
    (draft, statement, { report }) => {
      const id = numberAt(statement, 1, { least: 1, most: 255 }, report)
      if (id !== undefined) draft.activeKey = id
    },
    'The key that signs (default: the first).',
  ),
  honoured(
    'anti_replay',
    'time|monotonic',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (word === 'time' || word === 'monotonic') draft.antiReplay = word
      else report.error(where, `anti_replay: ${quoted(word)} is neither time nor monotonic`)
    },
    'Whether an advert may also be too old (default `time`, which needs clocks that agree).',
  ),
  honoured(
    'time_window',
    'SECONDS',
    (draft, statement, { report }) => {
      const windowMs = numberAt(statement, 1, { least: 1, most: 300 }, report)
      if (windowMs !== undefined) draft.windowMs = windowMs * 1000
    },
    'How old an advert may be (default 3 × advert_int, at least 5 s).',
  ),
  honoured(
    'mode',
    'enforce|permissive|receive-only',
    (draft, { words: [, word = ''], where }, { report }) => {
      if (word === 'enforce' || word === 'permissive' || word === 'receive-only') draft.mode = word
      else report.error(where, `mode: ${quoted(word)} is none of enforce, permissive, receive-only`)
    },
    'Whether adverts without a signature count as well (default `enforce`).',
  ),
]
