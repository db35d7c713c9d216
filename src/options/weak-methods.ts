import type { Resolved } from './resolve.ts'

const recorded =
  'signs, but does not detect replays: after a restart of this node, packets recorded in the current run of the peer are accepted; sealed() refuses them'

/** What each signing method cannot keep out. */
const cannot: Readonly<Record<string, string>> = {
  crc: 'crc does not authenticate: anybody on the network can impersonate the peer',
  md5: `md5 ${recorded}`,
  sha1: `sha1 ${recorded}`,
  sha256: `sha256 ${recorded}`,
}

/** What the configured method cannot do, said once at each start. */
export function warnOfWeakMethod({ authenticator: { keys, active }, logger }: Resolved): void {
  const method = keys.find(({ id }) => id === active)?.method ?? ''
  const lack = cannot[method]
  if (lack !== undefined) logger.warn({ method }, lack)
}
