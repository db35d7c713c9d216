import type { CoreSnapshot } from '../core/core.ts'
import { lineBudget, payloadRefusal } from '../options/line-budget.ts'
import type { Resolved } from '../options/resolve.ts'
import type { KeyRing } from '../roles/key-ring.ts'
import type { Transport, TransportPlugin } from '../roles/transport.ts'
import type { ClassicCutter } from '../wire/classic-cutter.ts'
import { type Codec, createCodec } from '../wire/codec.ts'
import type { LoopLink } from './loop.ts'

/** A link of a running member. */
export interface OpenLink {
  readonly plugin: TransportPlugin
  readonly transport: Transport
  /** Of a stream: outlives a change of keys, so that a frame that is half here is not lost. */
  readonly cutter: ClassicCutter | undefined
  lastProblem: string | undefined
}

/** The links as the loop uses them, with these keys and options. Links of one framing share a codec. */
export function loopLinks(
  links: ReadonlyMap<string, OpenLink>,
  { ring, session }: { readonly ring: KeyRing; readonly session: Uint8Array },
  { nodes, groups, authenticator, liveness: { times } }: Resolved,
): LoopLink[] {
  const codecs = new Map<string, Codec>()
  return [...links].map(([link, { transport, cutter }]) => {
    const { framing, bitsPerSecond } = transport.capabilities
    const codec = codecs.get(framing) ?? createCodec({ ring, framing, session })
    codecs.set(framing, codec)
    const budget =
      bitsPerSecond === undefined ? undefined : lineBudget({ nodes, groups, authenticator, times }, bitsPerSecond)
    return { link, transport, codec, cutter, budget }
  })
}

/** Why a message of the application must not go out now: every link that is up is a line too slow for it. */
export function lineRefusal(
  links: readonly OpenLink[],
  view: Pick<CoreSnapshot, 'links'>,
  { nodes, groups, authenticator, liveness: { times } }: Resolved,
  payloadBytes: number,
): string | undefined {
  const live = new Set(view.links.flatMap(({ link, up }) => (up ? [link] : [])))
  const speeds = links
    .filter(({ plugin }) => live.has(plugin.link))
    .map(({ transport }) => transport.capabilities.bitsPerSecond ?? Number.POSITIVE_INFINITY)
  const fastest = Math.max(0, ...speeds)
  if (fastest === 0 || fastest === Number.POSITIVE_INFINITY) return undefined
  return payloadRefusal(lineBudget({ nodes, groups, authenticator, times }, fastest), payloadBytes)
}
