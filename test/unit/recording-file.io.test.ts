import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { RotatingFile } from '../../src/platform/recording-file.ts'
import { temporaryDirectory } from '../support/agents.ts'

const line = (number: number) => `${String(number).padStart(9, '0')}\n`

describe('the file of a recording', () => {
  it('goes on as long as its process, and is rotated only where a segment begins and it is long enough', async (t) => {
    const path = join(temporaryDirectory(t), 'sub/recording')
    const problems: Error[] = []
    const file = new RotatingFile(path, 200, 2, (error) => problems.push(error))
    for (let number = 0; number < 100; number++) {
      file.write(line(number), number % 7 === 0)
      if (number % 3 === 0) file.flush()
    }
    await file.close()
    const texts = [`${path}.2`, `${path}.1`, path].map((name) => readFileSync(name, 'utf8'))
    const numbers = texts.join('').split('\n').slice(0, -1).map(Number)
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index),
    )
    for (const text of texts) assert.equal(Number.parseInt(text, 10) % 7, 0)
    for (const text of texts.slice(0, 2)) assert.ok(text.length >= 200 && text.length < 270, String(text.length))
    assert.ok(!existsSync(`${path}.3`))
    assert.deepEqual(problems, [])
  })

  it('moves the file of an earlier process away first, also when nothing is full', async (t) => {
    const path = join(temporaryDirectory(t), 'recording')
    writeFileSync(path, 'earlier')
    const file = new RotatingFile(path, 1000, 4, assert.ifError)
    file.write(line(1), true)
    file.write(line(2), true)
    await file.close()
    assert.equal(readFileSync(path, 'utf8'), line(1) + line(2))
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'earlier')
  })

  it('says once that the disk does not keep up', async (t) => {
    const problems: string[] = []
    const path = join(temporaryDirectory(t), 'recording')
    const file = new RotatingFile(path, 1e9, 4, (error) => problems.push(error.message))
    for (let number = 0; number < 200; number++) file.write('x'.repeat(65_536), number === 0)
    await file.close()
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /recording: the disk does not keep up: a part of the recording is missing/)
  })
})
