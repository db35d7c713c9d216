import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { inspectHaDir } from '../../src/config/read-ha-dir.ts'
import { Cluster } from '../../src/index.ts'
import { wildFiles, writeShape } from '../fixtures/files-in-the-wild.ts'

// What the daemon makes of the same shapes is asked in the laboratory (test/lab/files-in-the-wild.lab.test.ts).
describe("shapes of Heartbeat's files as administrators write them", () => {
  for (const shape of wildFiles) {
    it(`${shape.name}: ${shape.ours}`, () => {
      const directory = mkdtempSync(join(tmpdir(), 'hot-standby-'))
      try {
        writeShape(directory, shape)
        const scripts = { resourceDirectory: join(directory, 'resource.d'), initDirectory: join(directory, 'init.d') }
        const { issues, options } = inspectHaDir(directory, scripts)
        const said = issues
          .filter(({ severity }) => severity !== 'note')
          .map(({ where, severity, message }) => `${severity} ${where}: ${message}`)
        assert.equal(options === undefined ? 'refuses' : 'runs', shape.ours, said.join('\n'))
        if (shape.says) assert.match(said.join('\n'), shape.says)
        if (shape.quiet) assert.deepEqual(said, [])
        // Whoever is refused although a daemon runs is told why.
        if (shape.daemon !== shape.ours && shape.ours === 'refuses') assert.ok(shape.says)
        if (options) assert.equal(new Cluster({ ...options, node: 'alpha' }).node, 'alpha')
        const groups = options?.groups.map(
          ({ name, preferred, resources }) => `${preferred} ${name}: ${resources.length}`,
        )
        if (shape.groups) assert.deepEqual(groups, shape.groups)
      } finally {
        rmSync(directory, { recursive: true })
      }
    })
  }
})
