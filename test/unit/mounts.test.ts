import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindSource, namedHolders, parseMounts } from '../../src/platform/mounts.ts'
import { type FsOptions, fs } from '../../src/resources/fs.ts'
import { type SystemdOptions, systemd } from '../../src/resources/systemd.ts'

test('reads mountinfo, also blanks in names and optional fields', () => {
  const text = `22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
65 22 7:0 / /mnt/two\\040words rw,nodev shared:5 master:2 - ext4 /dev/loop0 ro
66 22 0:45 /sub /data rw - btrfs /dev/sdb rw,subvol=/sub
no line of it`
  assert.deepEqual(parseMounts(text), [
    {
      directory: '/',
      device: '259:2',
      root: '/',
      type: 'ext4',
      source: '/dev/nvme0n1p2',
      options: ['rw', 'relatime', 'rw', 'errors=remount-ro'],
    },
    {
      directory: '/mnt/two words',
      device: '7:0',
      root: '/',
      type: 'ext4',
      source: '/dev/loop0',
      options: ['rw', 'nodev', 'ro'],
    },
    {
      directory: '/data',
      device: '0:45',
      root: '/sub',
      type: 'btrfs',
      source: '/dev/sdb',
      options: ['rw', 'rw', 'subvol=/sub'],
    },
  ])
})

test('knows a bind mount by its file system and root', () => {
  const mounts = parseMounts(`22 1 259:2 / / rw - ext4 /dev/vda rw
65 22 7:0 /vol /srv/data rw - ext4 /dev/loop0 rw
66 22 7:1 / /srv/database rw - ext4 /dev/loop1 rw
67 22 7:2 / /srv/data rw - ext4 /dev/loop2 rw`)
  assert.deepEqual(bindSource('/home', mounts), { device: '259:2', root: '/home' })
  assert.deepEqual(bindSource('/', mounts), { device: '259:2', root: '/' })
  assert.deepEqual(bindSource('/srv/data/www', mounts), { device: '7:2', root: '/www' })
  assert.deepEqual(bindSource('/srv/data/www', mounts.slice(0, 3)), { device: '7:0', root: '/vol/www' })
  assert.deepEqual(bindSource('/srv/database', mounts), { device: '7:1', root: '/' })
  assert.deepEqual(bindSource('/srv/data2', mounts), { device: '259:2', root: '/srv/data2' })
})

test('names the first of many holders', () => {
  const holders = Array.from({ length: 10 }, (_, index) => ({ pid: 100 + index, command: 'sh', by: 'root /data' }))
  assert.match(namedHolders(holders), /^sh \(100\): root \/data; .*sh \(107\): root \/data; and 2 more$/)
})

test('fs: bad arguments and options are refused at construction', () => {
  const cases: readonly (readonly [
    device: string,
    directory: string,
    type: string,
    options: FsOptions,
    message: RegExp,
  ])[] = [
    ['-o', '/data', 'ext4', {}, /fs\.device: '-o' is not a device/],
    ['/dev/a b', '/data', 'ext4', {}, /fs\.device/],
    ['/dev/a', 'data', 'ext4', {}, /fs\.directory: 'data'/],
    ['/dev/a', '/', 'ext4', {}, /fs\.directory/],
    ['/dev/a', '//', 'ext4', {}, /fs\.directory/],
    ['/dev/a', '/data/../etc', 'ext4', {}, /fs\.directory/],
    ['/dev/a', '/data', '-t', {}, /fs\.type/],
    ['/dev/a', '/data', 'ext4', { mountOptions: 'a b' }, /fs\.mountOptions/],
    ['/dev/a', '/data', 'ext4', { mountOptions: '-o' }, /fs\.mountOptions/],
    ['/dev/a', '/data', 'xfs', { check: 'preen' }, /fs\.check: xfs has no check/],
    ['/dev/a', '/data', 'ext4', { check: 'yes' as 'off' }, /fs\.check: 'yes'/],
    ['/dev/a', '/data', 'ext4', { killAfter: '5' as '5s' }, /fs\.killAfter/],
  ]
  for (const [device, directory, type, options, message] of cases) {
    assert.throws(() => fs(device, directory, type, options), { code: 'HS_CONFIG', message })
  }
  const plugin = fs('nas:/export', '/data/.hidden', 'nfs4')
  assert.deepEqual([plugin.name, plugin.exclusive], ['fs:/data/.hidden', 'data'])
  assert.equal(fs('/dev/a', '/srv//data/', 'auto').name, 'fs:/srv/data')
})

test('systemd: names are completed, and bad ones refused', () => {
  const names = { nginx: 'nginx.service', 'a.target': 'a.target', 'x@1-main': 'x@1-main.service', 'a.b': 'a.b.service' }
  for (const [given, name] of Object.entries(names)) assert.equal(systemd(given).name, `systemd:${name}`)
  const cases: readonly (readonly [name: string, options: SystemdOptions, message: RegExp])[] = [
    ['', {}, /'' has other characters/],
    ['a b', {}, /'a b' has other characters/],
    ['../a', {}, /has other characters/],
    ['a;reboot', {}, /has other characters/],
    ['x@', {}, /is a template; name an instance/],
    ['x@.service', {}, /is a template/],
    ['a'.repeat(250), {}, /more than 255 characters/],
    [7 as unknown as string, {}, /'7' is not a valid name for a unit/],
    ['a', { mode: 'warm' as 'hot' }, /systemd\.mode/],
    ['a', { startTimeout: 5 as unknown as '5s' }, /systemd\.startTimeout/],
  ]
  for (const [name, options, message] of cases) {
    assert.throws(() => systemd(name, options), { code: 'HS_CONFIG', message })
  }
})
