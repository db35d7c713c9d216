import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { wildFiles, writeShape } from '../fixtures/files-in-the-wild.ts'

const daemon = '/usr/libexec/heartbeat/heartbeat'
const skip =
  process.getuid?.() !== 0
    ? 'namespaces need root'
    : existsSync(daemon)
      ? false
      : `${daemon} is missing: the Debian package heartbeat`
if (skip !== false) console.log(`skipped: ${skip}`)

/**
 * One start of the daemon in namespaces of its own: it validates its files, says so and goes to the background, or ends with an
 * error. Whatever it has begun ends with the namespace of its processes.
 */
const judge = `
hostname alpha
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd
chown -R hacluster:haclient /run/heartbeat
cp -r /etc/ha.d/shellfuncs /etc/ha.d/harc /etc/ha.d/rc.d "$1/ha.d"
chown -R hacluster:haclient "$1/lib"
mount --bind "$1/ha.d" /etc/ha.d
mount --bind "$1/log" /var/log
mount --bind "$1/lib" /var/lib/heartbeat
for program in reboot shutdown halt init; do
  [ ! -e /sbin/$program ] || mount --bind /bin/true /sbin/$program
done
ip link set lo up
for device in eth0 eth1; do ip link add $device type veth peer name p$device; ip link set $device up; done
ip addr add 10.90.0.11/24 brd + dev eth0
ip addr add 10.90.1.1/24 brd + dev eth1
${daemon} 2>&1
echo "code $?"
cat /var/log/* 2>/dev/null
exit 0
`

function ask(shape: (typeof wildFiles)[number]): { readonly verdict: 'runs' | 'refuses'; readonly said: string } {
  const directory = mkdtempSync(join(tmpdir(), 'hot-standby-judge-'))
  try {
    for (const name of ['ha.d', 'log', 'lib']) mkdirSync(join(directory, name))
    writeShape(join(directory, 'ha.d'), shape)
    const flags = ['--net', '--mount', '--uts', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc']
    const args = [...flags, '--propagation', 'private', 'sh', '-c', judge, 'judge', directory]
    const { stdout, stderr, error } = spawnSync('unshare', args, {
      encoding: 'latin1',
      timeout: 20_000,
      // A log without a full path goes to where the daemon runs.
      cwd: directory,
    })
    if (error) throw error
    const said = `${stdout}${stderr}`
    assert.match(said, /^code \d+$/m, `the daemon was not started: ${said}`)
    return { verdict: /^code 0$/m.test(said) ? 'runs' : 'refuses', said }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

// What we make of the same shapes is a unit test (test/unit/files-in-the-wild.io.test.ts).
describe('a heartbeat daemon and the shapes of its files', { skip }, () => {
  for (const shape of wildFiles) {
    it(`${shape.name}: ${shape.daemon}`, () => {
      const { verdict, said } = ask(shape)
      const errors = said.split('\n').filter((line) => / ERROR: |^code/.test(line))
      assert.equal(verdict, shape.daemon, errors.join('\n'))
      if (verdict === 'runs') assert.match(said, /Configuration validated|^code 0$/m)
    })
  }
})
