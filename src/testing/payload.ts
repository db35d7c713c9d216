/** A payload that says from which run of a sender it is, and which one. */
export function payloadOf(run: number, number: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, run)
  view.setUint32(4, number)
  return bytes
}

/** What such a payload says. */
export function readPayload(payload: Uint8Array): { readonly run: number; readonly number: number } {
  const view = new DataView(payload.buffer, payload.byteOffset)
  return { run: view.getUint32(0), number: view.getUint32(4) }
}
