const recorded =
  'signs and does not tell whether a packet is played back: those of the present run of the peer are believed after a restart of this node; sealed() refuses them'

/** What each signing method cannot keep out. */
export const cannot: Readonly<Record<string, string>> = {
  crc: 'crc is no authentication: anybody on the network can speak as the peer',
  md5: `md5 ${recorded}`,
  sha1: `sha1 ${recorded}`,
  sha256: `sha256 ${recorded}`,
}
