import { openKeyRing } from '../src/authenticators/keyring.ts'
import { sealed } from '../src/authenticators/sealed.ts'
import { type Codec, createCodec } from '../src/wire/codec.ts'

/** The codec of one of two nodes that share a key. */
export function benchCodec(self: 'master' | 'slave'): Codec {
  const plugin = sealed({ key: '0f1e2d3c4b5a69788796a5b4c3d2e1f0'.repeat(2) })
  const noFile = (): never => {
    throw new Error('no key file')
  }
  const peer = self === 'master' ? 'slave' : 'master'
  const ring = openKeyRing(plugin, noFile, { cluster: 'bench', self, peer })
  return createCodec({ ring, framing: 'datagram', session: new Uint8Array(16).fill(self.length) })
}
