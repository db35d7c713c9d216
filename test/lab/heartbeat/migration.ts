import assert from 'node:assert/strict'
import { type Play, scenario } from '../scenario.ts'
import type { NodeName } from '../stage.ts'
import { nowMs } from '../world/timeline.ts'
import { PAIRING_LIMITS, Pairing } from './pairing.ts'
import { type Kind, NODES } from './settings.ts'

const { noGap, planned } = PAIRING_LIMITS

/** A pair whose hosts change their software one after the other, under a client that opens a new connection every 5 ms. */
class Migration {
  readonly #pairing: Pairing
  readonly #runs: Record<NodeName, Kind> = { master: 'daemon', slave: 'daemon' }
  #serving: NodeName = 'master'
  #moves = 0

  constructor(pairing: Pairing) {
    this.#pairing = pairing
  }

  get moves(): number {
    return this.#moves
  }

  /** The standby's software is replaced: nobody notices, unless the group then goes home by itself. */
  async replace(node: NodeName, by: Kind, goesHome: boolean): Promise<void> {
    assert.notEqual(node, this.#serving, 'only the standby is replaced')
    const { stage } = this.#pairing
    const stop = this.#runs[node] === 'daemon' ? () => this.#pairing.daemon(node).stop() : () => stage.stop(node)
    const start = by === 'daemon' ? () => this.#pairing.start(node) : () => stage.join(node)
    const other = node === 'master' ? 'slave' : 'master'
    await this.#act(`${node}: ${this.#runs[node]} stops`, stop, [this.#serving], [other])
    this.#runs[node] = by
    const servedBy = goesHome ? ([this.#serving, node] as const) : ([this.#serving] as const)
    await this.#act(`${node}: ${by === 'daemon' ? 'heartbeat' : 'hot-standby'} starts`, start, servedBy, NODES)
  }

  /** The node that serves hands over, by its own software's command. */
  async handOver(): Promise<void> {
    const from = this.#serving
    const to = from === 'master' ? 'slave' : 'master'
    const kind = this.#runs[from]
    const command = async () => {
      if (kind === 'daemon') return this.#pairing.daemon(from).standby()
      const { code, stderr } = await this.#pairing.stage.command(from, 'standby')
      assert.equal(code, 0, stderr)
    }
    await this.#act(
      `${kind === 'daemon' ? 'hb_standby' : 'hot-standby standby'} on the ${from}`,
      command,
      [from, to],
      NODES,
    )
  }

  async #act(what: string, work: () => Promise<unknown>, servedBy: readonly NodeName[], alive: readonly NodeName[]) {
    const moves = servedBy.length > 1
    const daemons = alive.filter((node) => this.#runs[node] === 'daemon')
    await this.#pairing.act(what, work, servedBy, moves ? planned : noGap, daemons)
    this.#serving = servedBy.at(-1) as NodeName
    if (moves) this.#moves++
  }
}

const playOf =
  (autoFailback: boolean): Play =>
  async (world) => {
    const pairing = await Pairing.set(world, 'migration', {
      kinds: { master: 'daemon', slave: 'daemon' },
      autoFailback,
    })
    const { stage } = pairing
    for (const node of NODES) {
      // nginx runs on both hosts all the time: only the address moves.
      await stage.rewrite(node, 'haresources', () => `master IPaddr::${world.floating}/24/eth0\n`)
      await world.host(node).start(['nginx', '-g', 'daemon off;'])
    }
    await pairing.act('two daemons start', () => pairing.start(...NODES), ['master'], 20_000)
    const migration = new Migration(pairing)
    const remarks: string[] = []
    const walk = async (way: string, to: Kind): Promise<void> => {
      const [sinceMs, moves, startMs] = [stage.client.mark(), migration.moves, nowMs()]
      await migration.replace('slave', to, false)
      await migration.handOver()
      await migration.replace('master', to, autoFailback)
      if (!autoFailback) await migration.handOver()
      const { ok, failed, outages } = await stage.client.report(sinceMs)
      const downMs = outages.reduce((sum, { outageMs }) => sum + outageMs, 0)
      const seconds = ((nowMs() - startMs) / 1000).toFixed(0)
      remarks.push(
        `${way}: ${failed} of ${ok + failed} requests failed in ${seconds} s, in ${migration.moves - moves} moves; without an answer for ${downMs.toFixed(0)} ms in all`,
      )
    }
    await walk('from heartbeat to hot-standby', 'ours')
    await walk('and back', 'daemon')
    const outcome = await pairing.end('master')
    return { ...outcome, remarks: [...remarks, ...outcome.remarks] }
  }

for (const autoFailback of [false, true])
  scenario(
    `migration-${autoFailback ? 'on' : 'off'}`,
    {
      row: 'a live pair of daemons becomes a pair of ours, host by host, and back: only the moves by hand are noticed',
      setting: `sha1, ucast, nginx on both, failback ${autoFailback ? 'on' : 'off'}`,
      limitMs: 400_000,
    },
    playOf(autoFailback),
  )
