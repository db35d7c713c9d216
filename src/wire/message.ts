/**
 * Type digit of a field (Heartbeat's cl_msg_types.c): 0 string, 1 binary, 2 nested message, 3 list of strings, 4 compressed,
 * 5 to be compressed when sent.
 */
export type FieldType = 0 | 1 | 2 | 3 | 4 | 5

/** One field of a message. */
export interface Field {
  /** Printable ASCII without blank, `=` and parentheses. */
  readonly name: string
  readonly type: FieldType
  /** A string for type 0, the raw bytes for every other type. Nested types are never taken apart. */
  readonly value: string | Uint8Array
}

/** A message: its fields in the order in which they travel. A name may repeat; readers take the first. */
export type Message = readonly Field[]

/** What a message is built of: its fields in their order. */
export type Fields = Readonly<Record<string, string | Uint8Array | undefined>>

/** Builds a message of ordered records: strings become type 0, bytes type 1, `undefined` is left out. */
export function message(...records: readonly Fields[]): Message {
  const built: Field[] = []
  for (const fields of records) {
    for (const name in fields) {
      const value = fields[name]
      if (value !== undefined) built.push({ name, type: typeof value === 'string' ? 0 : 1, value })
    }
  }
  return built
}

function first(message: Message, name: string): Field['value'] | undefined {
  for (const field of message) if (field.name === name) return field.value
  return undefined
}

/** The first field of that name if it is a string. */
export function text(message: Message, name: string): string | undefined {
  const value = first(message, name)
  return typeof value === 'string' ? value : undefined
}

/** The first field of that name if it is not a string. */
export function bytes(message: Message, name: string): Uint8Array | undefined {
  const value = first(message, name)
  return typeof value === 'string' ? undefined : value
}

function numberOf(message: Message, name: string, digits: RegExp, radix: number): number | undefined {
  const value = text(message, name)
  if (value === undefined || !digits.test(value)) return undefined
  const number = Number.parseInt(value, radix)
  return Number.isSafeInteger(number) ? number : undefined
}

/** A lower-case hexadecimal number (`seq`, `hg`, `ts`, `dt`, `ackseq`); `undefined` when absent, malformed or beyond safe integers. */
export function hexOf(message: Message, name: string): number | undefined {
  return numberOf(message, name, /^[0-9a-f]{1,16}$/, 16)
}

/** A decimal number (`protocol`, `ttl`, NS_rexmit's `firstseq`); `undefined` when absent, malformed or beyond safe integers. */
export function decimalOf(message: Message, name: string): number | undefined {
  return numberOf(message, name, /^[0-9]{1,16}$/, 10)
}
