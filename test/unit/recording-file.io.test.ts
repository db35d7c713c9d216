import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createPatientWriter } from '../../src/platform/patient-writer.ts'
import { RotatingFile } from '../../src/platform/recording-file.ts'
import { temporaryDirectory } from '../support/agents.ts'

const line = (number: number) => `${String(number).padStart(9, '0')}\n`

describe('the file of a recording', () => {
  it('goes on as long as its process, and is rotated only where a segment begins and it is long enough', async (t) => {
    const path = join(temporaryDirectory(t), 'sub/recording')
    const problems: Error[] = []
    const file = new RotatingFile(path, { maxBytes: 200, keep: 2 }, createPatientWriter(), (error) =>
      problems.push(error),
    )
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
    const file = new RotatingFile(path, { maxBytes: 1000, keep: 4 }, createPatientWriter(), assert.ifError)
    file.write(line(1), true)
    file.write(line(2), true)
    await file.close()
    assert.equal(readFileSync(path, 'utf8'), line(1) + line(2))
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'earlier')
  })

  it('says once that the disk does not keep up', async (t) => {
    const problems: string[] = []
    const path = join(temporaryDirectory(t), 'recording')
    const file = new RotatingFile(path, { maxBytes: 1e9, keep: 4 }, createPatientWriter(), (error) =>
      problems.push(error.message),
    )
    for (let number = 0; number < 200; number++) file.write('x'.repeat(65_536), number === 0)
    await file.close()
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /recording: the disk does not keep up: a part of the recording is missing/)
  })

  it('keeps the newest recordings of a directory, and nothing else of it is touched', async (t) => {
    const directory = join(temporaryDirectory(t), 'made/recordings')
    const writer = createPatientWriter()
    for (const name of ['c', 'a', 'd', 'b']) await writer.keep(join(directory, `${name} x.recording`), name, 3)
    writeFileSync(join(directory, 'a note'), '')
    await writer.keep(join(directory, 'e.recording'), 'e', 2)
    await writer.close()
    assert.deepEqual(readdirSync(directory).sort(), ['a note', 'd x.recording', 'e.recording'])
    assert.equal(readFileSync(join(directory, 'd x.recording'), 'utf8'), 'd')
    assert.equal(statSync(join(directory, 'e.recording')).mode & 0o777, 0o600)
  })

  it('goes on after a failure, and takes nothing of what failed for a request', async (t) => {
    const directory = temporaryDirectory(t)
    const writer = createPatientWriter()
    const path = join(directory, 'log')
    const evil = `append\n${path}\n133\n3\nbad`
    await assert.rejects(writer.append(directory, evil.repeat(1000), 0o640), /neither a regular file nor a device/)
    await assert.rejects(writer.append(join(directory, 'no/log'), evil, 0o640), /no\/log/)
    await writer.append(path, "a $(line) of 'text'\\n\0\n", 0o640)
    await writer.close()
    assert.equal(readFileSync(path, 'utf8'), "a $(line) of 'text'\\n\0\n")
    assert.equal(statSync(path).mode & 0o777, 0o640)
  })
})
