import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { temporaryDirectory } from '../support/agents.ts'
import { root } from '../support/sources.ts'

const page = readFileSync(join(root, 'docs/write-your-own-agent.md'), 'utf8')

/** An example of the guide, by the name in its first line. */
function example(name: string): string {
  const code = new RegExp(`^\`\`\`ts\\n(// ${name.replaceAll('.', '\\.')}\\n[^]*?)^\`\`\``, 'm').exec(page)?.[1]
  assert.ok(code, `docs/write-your-own-agent.md has an example ${name}`)
  return code
}

it("the guide's agent has at most 40 lines, and passes the published suite as it stands there", (t) => {
  const folder = temporaryDirectory(t)
  const agent = example('link.ts')
  assert.ok(agent.trimEnd().split('\n').length <= 41, 'at most 40 lines and its name')
  writeFileSync(join(folder, 'link.ts'), agent)
  writeFileSync(join(folder, 'link.test.ts'), example('link.test.ts'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  // The package by its name, as an install would put it there; that the packed one does is seen by `npm run check`.
  const own = join(folder, 'node_modules/hot-standby')
  mkdirSync(own, { recursive: true })
  const entry = (file: string) => `export * from ${JSON.stringify(join(root, file))}\n`
  writeFileSync(join(own, 'package.json'), '{ "type": "module", "exports": { ".": "./a.ts", "./testing": "./b.ts" } }')
  writeFileSync(join(own, 'a.ts'), entry('src/index.ts'))
  writeFileSync(join(own, 'b.ts'), entry('src/testing/index.ts'))
  const args = ['--import', import.meta.resolve('tsx'), '--test', '--test-reporter=tap', 'link.test.ts']
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8' })
  assert.equal(status, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /^# pass (1[5-9]|2\d)$/m)
})
