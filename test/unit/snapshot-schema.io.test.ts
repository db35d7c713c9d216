import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pairOf, startPair, until } from '../support/pair.ts'
import { root } from '../support/sources.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema
}

const schema = JSON.parse(readFileSync(join(root, 'docs/snapshot.schema.json'), 'utf8')) as Schema

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value)

/** Where a value departs from its schema: the words of JSON Schema that ours uses. Properties that it does not name are told, too. */
function departures(value: unknown, wanted: Schema, at = '$'): string[] {
  if (wanted.anyOf)
    return wanted.anyOf.some((each) => departures(value, each, at).length === 0) ? [] : [`${at}: none fits`]
  const types = [wanted.type ?? []].flat()
  if (types.length > 0 && !types.includes(typeOf(value))) return [`${at}: ${typeOf(value)}, not ${types.join(' or ')}`]
  if ('const' in wanted && value !== wanted.const) return [`${at}: ${String(value)}`]
  if (wanted.enum && !wanted.enum.includes(value)) return [`${at}: ${String(value)}`]
  if (Array.isArray(value))
    return value.flatMap((each, index) => departures(each, wanted.items ?? {}, `${at}[${index}]`))
  if (typeOf(value) !== 'object' || wanted.type !== 'object') return []
  const found = value as Readonly<Record<string, unknown>>
  const missing = (wanted.required ?? []).filter((name) => !(name in found)).map((name) => `${at}.${name}: missing`)
  const inner = Object.entries(found).flatMap(([name, each]) => {
    const its = wanted.properties?.[name] ?? wanted.additionalProperties
    return its ? departures(each, its, `${at}.${name}`) : [`${at}.${name}: not in the schema`]
  })
  return [...missing, ...inner]
}

describe('the JSON Schema of a snapshot', () => {
  it('is up to date', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/schema.mjs'), '--check'], {
      encoding: 'utf8',
    })
    assert.equal(stderr.trim(), '')
    assert.equal(status, 0)
  })

  it('fits a member before its start, in a pair, after a failure and at its end', async (t) => {
    const { one, two } = pairOf(t, { agent: { start: () => {} } })
    const look = (what: string) => {
      for (const member of [one, two])
        assert.deepEqual(departures(JSON.parse(JSON.stringify(member.snapshot())), schema), [], what)
    }
    look('new')
    await startPair(one, two)
    await until('the start is over', () => [one, two].every((member) => member.snapshot().phase === 'settled'))
    look('running')
    await one.standby()
    look('moved')
    await one.stop()
    look('stopped')
  })

  it('is departed from by what is wrong', async (t) => {
    const found = JSON.parse(JSON.stringify(pairOf(t).one.snapshot()))
    assert.deepEqual(departures({ ...found, life: 'dozing' }, schema), ['$.life: dozing'])
    assert.deepEqual(departures({ ...found, links: 5 }, schema), ['$.links: number, not array'])
    const { time: _, ...without } = found
    assert.deepEqual(departures(without, schema), ['$.time: missing'])
    assert.deepEqual(departures({ ...found, extra: 1 }, schema), ['$.extra: not in the schema'])
  })
})
