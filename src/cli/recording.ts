import { readFileSync } from 'node:fs'
import {
  type Explanation,
  type HistoryEntry,
  HotStandbyError,
  type Replay,
  replay,
  timelineLines,
  timelinePicture,
} from '../index.ts'
import { writePlain } from '../platform/durable-file.ts'
import { messageOf } from '../roles/error.ts'
import { printable, printableJson, printableLines } from '../roles/printable.ts'
import { type Arguments, UsageError } from './arguments.ts'
import { print, say } from './output.ts'

/** `hot-standby record [FILE]`. Answers the exit code. */
export async function record(args: Arguments, ask: () => Promise<string>): Promise<number> {
  const [file] = args.operands
  const recording = await ask()
  if (file === undefined) await toOutput(recording)
  else {
    try {
      await writePlain(file, recording, 0o600)
    } catch (error) {
      throw new HotStandbyError('HS_RECORDING', `${file}: ${messageOf(error)}`, { cause: error })
    }
    say(`${file}: ${recording.split('\n').length - 1} lines; to look at it: hot-standby replay ${file}`)
  }
  return 0
}

/** More than `print` lets wait: a recording is wanted whole. */
function toOutput(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()))
}

/**
 * `hot-standby replay FILE...`, the oldest first: exit code 1 when the core does now something else than it did then, 2 when that
 * cannot be known, because the recording begins in the middle.
 */
export async function replayFile(args: Arguments): Promise<number> {
  const files = args.operands
  const result = replay(files.map(readText))
  if (args.json) await toOutput(`${printableJson(result)}\n`)
  else
    await toOutput(
      printableLines(`${[printable(head(result)), '', ...timelineLines(result.timeline, args.all), ''].join('\n')}\n`),
    )
  const { difference, inputs } = result
  if (!result.fromStart) {
    say(
      'hot-standby: this recording begins in the middle: it can be read, not run again, so nothing is verified. The files of',
    )
    say(
      '`recorder.file` hold the start of the process as long as `recorder.keep` leaves them: give them all, the oldest first.',
    )
    return 2
  }
  if (!difference) {
    if (!args.json) print(`${inputs} inputs were run again: the same effects came out.\n`)
    return 0
  }
  const place = `${files[difference.part]}:${difference.line}`
  say(`${place}: the same input does not lead to the same effects any more: the file was altered, or`)
  say(`another version recorded it (${result.library}). Input: ${difference.input.slice(0, 200)}`)
  for (const effect of difference.effects) say(`  now: ${effect}`)
  return 1
}

/** `hot-standby timeline FILE... --svg|--html`: a picture to the standard output. */
export async function timeline(args: Arguments): Promise<number> {
  const { operands: files, svg, html, all } = args
  if (svg === html) throw new UsageError('timeline needs --svg or --html, which says what to write', 'timeline')
  await toOutput(timelinePicture(files.map(readText), { format: html ? 'html' : 'svg', everything: all }))
  return 0
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new HotStandbyError('HS_RECORDING', `${file}: ${messageOf(error)}`, { cause: error })
  }
}

function head({ node, peer, library, fromStart, inputs, fromWallMs, toWallMs }: Replay): string {
  const time = (wallMs: number) => new Date(wallMs).toISOString()
  const begins = fromStart ? 'the start of the process' : 'the middle'
  return `${node} (peer ${peer}), ${time(fromWallMs)} to ${time(toWallMs)}: ${inputs} inputs, from ${begins}; recorded by version ${library}`
}

/** `hot-standby why [GROUP]`. */
export async function why(args: Arguments, ask: (group: string | undefined) => Promise<Explanation>): Promise<number> {
  const explanation = await ask(args.operands[0])
  const { sentences, timeline } = explanation
  if (args.json) print(`${printableJson(explanation)}\n`)
  else
    print(
      `${[...sentences, ...(timeline.length > 0 ? ['', ...timeline] : [])].map((line) => printable(line)).join('\n')}\n`,
    )
  return 0
}

/** `hot-standby history [GROUP]`. */
export async function history(args: Arguments, ask: () => Promise<readonly HistoryEntry[]>): Promise<number> {
  const [group] = args.operands
  const entries = await ask()
  const wanted = entries.filter(({ groups }) => group === undefined || groups.length === 0 || groups.includes(group))
  if (args.json) for (const entry of wanted) print(`${printableJson(entry)}\n`)
  else for (const { time, text } of wanted) print(`${printable(`${time}  ${text}`)}\n`)
  return 0
}
