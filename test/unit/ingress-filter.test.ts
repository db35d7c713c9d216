import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { type DropNotice, IngressFilter } from '../../src/engine/ingress-filter.ts'

const none = (): null => null
const frame = new TextEncoder().encode('###\nst=active\n%%%\n6:1 seal,')
const filterOf = () => {
  const told: DropNotice[] = []
  return { told, filter: new IngressFilter((notice) => told.push(notice)) }
}
const forge = (filter: IngressFilter, from: string, count: number, nowMs = 0) => {
  for (let sent = 0; sent < count; sent++) filter.refused('eth1', 'bad-signature', from, none, nowMs)
}

it('an address that forges is held off whatever port it uses, until it has been quiet, and no other address with it', () => {
  const { filter } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  for (let port = 1; port <= 1000; port++) forge(filter, `10.0.0.9:${port}`, 1)
  assert.equal(filter.admits('eth1', '10.0.0.9:50000', 0), false)
  assert.equal(filter.admits('eth1', '10.0.0.8:50000', 0), true)
  assert.equal(filter.admits('eth0', '10.0.0.9:50000', 0), true)
  assert.equal(filter.admits('eth1', '10.0.0.9:50000', 100), true)
})

it('frames that verify and tell nothing new are paid for like forged ones, and make their source no peer', () => {
  const { filter } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  for (let sent = 0; sent < 1000; sent++) filter.stale('eth1', '10.0.0.9:49999', 0)
  assert.equal(filter.admits('eth1', '10.0.0.9:49999', 0), false)
})

it('junk that costs no signature uses nothing up', () => {
  const { filter } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  for (let sent = 0; sent < 1000; sent++) filter.refused('eth1', 'malformed', '10.0.0.9:1', none, 0)
  assert.equal(filter.admits('eth1', '10.0.0.9:1', 0), true)
})

it("while the peer's address is not known, floods share a reserve in place of being refused", () => {
  const { filter } = filterOf()
  forge(filter, '10.0.0.9:1', 1000)
  let admitted = 0
  for (let sent = 0; sent < 10_000; sent++) if (filter.admits('eth1', '10.0.0.9:1', 0)) admitted++
  assert.equal(admitted, 2000)
})

it("a peer that is silent for long may be elsewhere: its address is not the peer's any more", () => {
  const { filter } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  forge(filter, '10.0.0.3:694', 1000, 11_000)
  assert.equal(filter.admits('eth1', '10.0.0.3:694', 11_000), true)
})

it('the very frame that was news is known again by all its bytes, on its link only', () => {
  const { filter } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  const other = frame.slice()
  other[4] = 0x78
  assert.equal(filter.isRepeated('eth1', frame.slice()), true)
  assert.equal(filter.isRepeated('eth1', other), false)
  assert.equal(filter.isRepeated('eth0', frame), false)
})

it('a frame is known again by all of it, not by its end, and whatever becomes of its memory', () => {
  const { filter } = filterOf()
  const body = (text: string) => new TextEncoder().encode(`###\n${text}%%%\n34:1 a seal of more than 24 bytes,`)
  const packet = body('st=active\n')
  filter.news('eth1', '10.0.0.2:694', packet, 0)
  packet.fill(0x2e, 0, 12)
  assert.equal(filter.isRepeated('eth1', body('st=active\n')), true)
  assert.equal(filter.isRepeated('eth1', body('st=other!\n')), false)
})

it('what is kept of the peer is bounded: its frames, and its addresses, of which the newest count', () => {
  const { filter } = filterOf()
  const numbered = (number: number) => new TextEncoder().encode(`###\n%%%\n${String(number).padStart(24, '0')},`)
  for (let number = 0; number < 300; number++) filter.news('eth1', '10.0.0.2:694', numbered(number), 0)
  assert.equal(filter.isRepeated('eth1', numbered(0)), false)
  assert.equal(filter.isRepeated('eth1', numbered(299)), true)
  for (let host = 2; host <= 9; host++) filter.news('eth1', `10.0.0.${host}:694`, numbered(300 + host), 0)
  for (let host = 2; host <= 9; host++) forge(filter, `10.0.0.${host}:694`, 1000)
  const admitted = [2, 5, 6, 9].filter((host) => filter.admits('eth1', `10.0.0.${host}:694`, 0))
  assert.deepEqual(admitted, [6, 9])
})

it("whatever others send, and whoever pretends to be the peer: the peer's address is never refused", () => {
  const attack = fc.record({
    // The peer's own address as often as any other.
    host: fc.oneof(fc.constant(2), fc.integer({ min: 1, max: 250 })),
    port: fc.integer({ min: 1, max: 65_535 }),
    kind: fc.constantFrom('bad-signature', 'malformed', 'stale', 'unknown-key'),
    count: fc.integer({ min: 1, max: 500 }),
    afterMs: fc.integer({ min: 0, max: 50 }),
  })
  fc.assert(
    fc.property(fc.array(attack, { maxLength: 60 }), (attacks) => {
      const { filter } = filterOf()
      let nowMs = 0
      filter.news('eth1', '10.0.0.2:694', frame, nowMs)
      for (const { host, port, kind, count, afterMs } of attacks) {
        nowMs += afterMs
        const from = `10.0.0.${host}:${port}`
        for (let sent = 0; sent < count; sent++) {
          if (kind === 'stale') filter.stale('eth1', from, nowMs)
          else filter.refused('eth1', kind, from, none, nowMs)
        }
        assert.equal(filter.admits('eth1', '10.0.0.2:40000', nowMs), true)
      }
    }),
  )
})

it('invented addresses share one allowance, and little is kept of them', () => {
  const { filter, told } = filterOf()
  filter.news('eth1', '10.0.0.2:694', frame, 0)
  for (let sent = 0; sent < 20_000; sent++) forge(filter, `10.${sent >> 8}.${sent & 255}.1:1`, 1)
  assert.equal(filter.admits('eth1', '172.16.0.1:1', 0), false)
  assert.equal(filter.admits('eth1', '172.16.0.1:1', 1000), true)
  assert.deepEqual(filter.counts('eth1'), { 'bad-signature': 20_000 })
  assert.equal(told.length, 1)
})

it('is told once a second for each link and reason, with how many came since', () => {
  const { filter, told } = filterOf()
  for (let ms = 0; ms < 2500; ms += 10) filter.dropped('eth1', 'flood', 'junk:1', none, ms)
  filter.dropped('eth1', 'foreign-address', 'junk:1', () => 'why', 2500)
  assert.deepEqual(
    told.map(({ reason, count, detail }) => [reason, count, detail]),
    [
      ['flood', 1, null],
      ['flood', 100, null],
      ['flood', 100, null],
      ['foreign-address', 1, 'why'],
    ],
  )
  assert.equal(filter.junk('eth1'), 250)
})
