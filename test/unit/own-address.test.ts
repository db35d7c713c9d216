import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InterfaceAddress } from '../../src/platform/interfaces.ts'
import { isHotStandbyError } from '../../src/roles/error.ts'
import { bindable, entryOf, ownAddress } from '../../src/transports/own-address.ts'

const v4 = (address: string): InterfaceAddress => ({
  device: 'eth0',
  address,
  family: 4,
  netmask: '255.255.255.0',
  cidr: `${address}/24`,
})
const v6 = (address: string): InterfaceAddress => ({
  device: 'eth0',
  address,
  family: 6,
  netmask: 'ffff:ffff:ffff:ffff::',
  cidr: `${address}/64`,
})
const first = v4('10.1.0.1')
const second = v4('10.2.0.1')
const local = v6('fe80::1')
const wide = v6('fd00::1')

describe('the address that a link sends from', () => {
  it('lies in the network of the peer, wherever it stands in the list', () => {
    assert.equal(ownAddress([first, second], 'eth0', 4, '10.2.0.9'), second)
    assert.equal(ownAddress([second, first], 'eth0', 4, '10.2.0.9'), second)
    assert.equal(ownAddress([local, wide], 'eth0', 6, 'fe80::9'), local)
  })

  it('is never one that floats, not even the only one in the network of the peer', () => {
    assert.equal(ownAddress([first, second], 'eth0', 4, '10.1.0.9', ['10.1.0.1']), second)
    assert.throws(
      () => ownAddress([first], 'eth0', 4, '10.1.0.9', ['10.1.0.1']),
      (error) =>
        isHotStandbyError(error) &&
        /no IPv4 address of its own \(it has 10\.1\.0\.1, which floats\)/.test(error.message),
    )
  })

  it('is link-local only where nothing else is there', () => {
    assert.equal(ownAddress([local, wide], 'eth0', 6), wide)
    assert.equal(ownAddress([first, local], 'eth0', 6), local)
    assert.throws(() => ownAddress([first], 'eth0', 6), /has no IPv6 address of its own \(it has 10\.1\.0\.1\)/)
  })

  it('is bound to with its device where it is link-local, and found by both spellings', () => {
    assert.deepEqual([local, wide].map(bindable), ['fe80::1%eth0', 'fd00::1'])
    assert.equal(entryOf([first, local], 'fe80::1%eth0'), local)
    assert.equal(entryOf([first, local], 'fe80::1'), local)
    assert.equal(entryOf([first, local], 'fe80::1%eth1'), undefined)
  })
})
