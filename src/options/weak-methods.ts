const recorded =
  'signs, but does not detect replays: after a restart of this node, packets recorded in the current run of the peer are accepted; sealed() refuses them'

/** What each signing method cannot keep out. */
export const cannot: Readonly<Record<string, string>> = {
  crc: 'crc does not authenticate: anybody on the network can impersonate the peer',
  md5: `md5 ${recorded}`,
  sha1: `sha1 ${recorded}`,
  sha256: `sha256 ${recorded}`,
}
