import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { icmpPing, pingGroup } from '../../src/index.ts'
import { pingProgram } from '../../src/platform/icmp.ts'
import { arbiterSuite } from '../../src/testing/index.ts'
import { temporaryDirectory, writeScript } from '../support/agents.ts'

// A `ping` of our own in the place of the system's: it answers for an address while a file of that name is there.
const directory = temporaryDirectory({ after })
const { find } = pingProgram
pingProgram.find = () => join(directory, 'ping')
after(() => {
  pingProgram.find = find
})
writeScript(
  directory,
  'ping',
  `for address; do :; done
n=0
while sleep 0.2; do
  n=$((n + 1))
  [ -e "${directory}/$address" ] && echo "64 bytes from $address: icmp_seq=$n ttl=64 time=0.5 ms"
done`,
)

const answers = (address: string, does: boolean): void => {
  const file = join(directory, address)
  if (does) writeFileSync(file, '')
  else if (existsSync(file)) rmSync(file)
}

arbiterSuite({
  test: (name, run) => test(`icmpPing: ${name}`, run),
  manifest: { silences: true },
  create() {
    answers('192.0.2.1', true)
    return {
      plugin: icmpPing('192.0.2.1', { name: 'gateway' }),
      silence: () => answers('192.0.2.1', false),
      answer: () => answers('192.0.2.1', true),
    }
  },
})

arbiterSuite({
  test: (name, run) => test(`pingGroup: ${name}`, run),
  manifest: { silences: true },
  create() {
    // One member is always silent: the other one speaks for both.
    answers('192.0.2.3', true)
    return {
      plugin: pingGroup('uplink', ['192.0.2.2', '192.0.2.3']),
      silence: () => answers('192.0.2.3', false),
      answer: () => answers('192.0.2.3', true),
    }
  },
})
