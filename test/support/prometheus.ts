import { spawnSync } from 'node:child_process'

/** Why Prometheus's own tools cannot be asked here; false: they can. */
export const noPromtool: string | false =
  spawnSync('promtool', ['--version']).error === undefined
    ? false
    : 'promtool is not installed (Debian: prometheus; node scripts/packages.mjs monitoring)'

/** Runs promtool; answers all that it printed, and how it ended. */
export function promtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

/** Series of a text in Prometheus's format: name with labels, as written, to value. */
export function seriesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

/** Names of metrics that a text uses, without what a histogram adds. */
export function metricNames(text: string): Set<string> {
  const found = text.match(/\bhot_standby_[a-z_]+/g) ?? []
  return new Set(found.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
}
