import { type Core, type CoreSnapshot, createCore } from '../core/core.ts'
import type { Effect } from '../core/types.ts'
import { DeadtimeDetector, type DeadtimeSettings } from '../liveness/deadtime.ts'
import { PhiAccrualDetector, type PhiSettings } from '../liveness/phi-accrual.ts'
import { digestOf, digestText } from '../options/digest.ts'
import { HotStandbyError } from '../roles/error.ts'
import type { LivenessDetector } from '../roles/liveness-detector.ts'
import type { Instant } from '../roles/time.ts'
import {
  type Continued,
  type Place,
  type RecordedLine,
  type RecordingHead,
  readRecording,
  recordingError,
} from './recording.ts'
import { type Account, type TimelineEntry, TimelineWriter } from './timeline.ts'

/** Where a replay departed from its recording. */
export interface ReplayDifference extends Place {
  readonly input: string
  /** What the core did now, as JSON; what it did then is known by its digest only. */
  readonly effects: readonly string[]
}

/** What a recording says. */
export interface Replay extends Account {
  /** Version of the library that recorded. */
  readonly library: string
  /**
   * False: the recording begins in the middle, when memory or the files were full. It can be read, and `timeline` is what the
   * member told then; but no core can begin there, so nothing was run again and nothing is verified.
   */
  readonly fromStart: boolean
  readonly inputs: number
  /** The first input that did not lead to the same effects; nothing after it is replayed. */
  readonly difference: ReplayDifference | undefined
  /** What the node knew when the recording began. */
  readonly before: CoreSnapshot
}

/** How a recording is replayed. */
export interface ReplayOptions {
  /** Makes the detector of a recording whose `liveness` is none of this library's. */
  readonly detector?: ((liveness: RecordingHead['liveness']) => LivenessDetector) | undefined
}

/** Detectors of this library by their type. */
const detectors: Readonly<Record<string, (liveness: RecordingHead['liveness']) => LivenessDetector>> = {
  deadtime: ({ times, settings }) => new DeadtimeDetector(times, settings as DeadtimeSettings | undefined),
  'phi-accrual': ({ times, settings }) => new PhiAccrualDetector(times, settings as PhiSettings),
}

/**
 * Runs the inputs of a recording through the same core, compares what it does with what it did, and tells what happened with
 * the reason for every decision. Needs nothing but the text, or the texts of its files, the oldest first: no host, no keys, no
 * network. A recording that begins in the middle is read only: see {@link Replay.fromStart}.
 * @throws {HotStandbyError} `HS_RECORDING` when the text is no recording or a part of it is missing, with the line.
 */
export function replay(recording: string | readonly string[], options: ReplayOptions = {}): Replay {
  const parts = [recording].flat()
  const timeline: TimelineEntry[] = []
  const timelineWriter = new TimelineWriter((entry) => timeline.push(entry))
  let reading: Reading | undefined
  let segment = 0
  let difference: ReplayDifference | undefined
  for (const entry of readRecording(parts)) {
    if (entry.kind === 'note') timelineWriter.note(entry.event, entry.wallMs)
    else if (entry.kind !== 'head') difference = reading?.take(entry)
    else if (!reading) {
      reading = entry.head.continues
        ? new Tail(entry.head, timelineWriter)
        : new Run(entry.head, options, timelineWriter)
      segment = entry.head.continues?.segment ?? 0
    } else {
      const trouble = gap(entry.head, ++segment)
      if (trouble) throw recordingError(entry, trouble, parts.length)
      difference = reading.goOn(entry)
    }
    if (difference) break
  }
  if (!reading) throw new HotStandbyError('HS_RECORDING', 'the recording is empty')
  return { ...reading.result(), timeline, difference }
}

/** What is wrong with a head that is not the first. */
function gap({ continues }: RecordingHead, expected: number): string | undefined {
  if (!continues) return 'another process begins here: replay what it recorded by itself'
  if (continues.segment === expected) return undefined
  return `segment ${continues.segment} follows segment ${expected - 1}: a file is missing, or they are not in order, the oldest first`
}

type Line<Kind extends RecordedLine['kind']> = Extract<RecordedLine, { kind: Kind }> & Place

/** A recording that is gone through. */
interface Reading {
  take(line: Line<'input' | 'told' | 'view'>): ReplayDifference | undefined
  /** The next segment. */
  goOn(head: Line<'head'>): ReplayDifference | undefined
  result(): Omit<Replay, 'timeline' | 'difference'>
}

/** A recording without its beginning: told as it was told. */
class Tail implements Reading {
  readonly #head: RecordingHead
  readonly #timelineWriter: TimelineWriter
  readonly #before: CoreSnapshot
  #after: CoreSnapshot
  #at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #fromWallMs: number | undefined
  #inputs = 0

  constructor(head: RecordingHead, timelineWriter: TimelineWriter) {
    this.#head = head
    this.#timelineWriter = timelineWriter
    this.#before = (head.continues as Continued).view
    this.#after = this.#before
  }

  take(line: Line<'input' | 'told' | 'view'>): undefined {
    if (line.kind === 'told') this.#timelineWriter.told(line.told)
    else if (line.kind === 'view') this.#after = line.view
    else {
      this.#at = line.input.at
      this.#fromWallMs ??= this.#at.wallMs
      this.#inputs++
      this.#timelineWriter.input(line.input)
    }
  }

  goOn({ head }: Line<'head'>): undefined {
    this.#after = head.continues?.view ?? this.#after
  }

  result(): Omit<Replay, 'timeline' | 'difference'> {
    const { config, library } = this.#head
    return {
      node: config.self,
      peer: config.peer,
      library,
      fromStart: false,
      inputs: this.#inputs,
      fromWallMs: this.#fromWallMs ?? 0,
      toWallMs: this.#at.wallMs,
      lastMonoMs: this.#at.monoMs,
      before: this.#before,
      after: this.#after,
    }
  }
}

/** The core of a recording, running again. */
class Run implements Reading {
  readonly #head: RecordingHead
  readonly #core: Core
  readonly #timelineWriter: TimelineWriter
  readonly #before: CoreSnapshot
  #at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #fromWallMs: number | undefined
  #digest = 0
  #inputs = 0

  constructor(head: RecordingHead, options: ReplayOptions, timelineWriter: TimelineWriter) {
    this.#head = head
    this.#timelineWriter = timelineWriter
    const make = detectors[head.liveness.type] ?? options.detector
    if (!make) {
      const message = `the detector '${head.liveness.type}' is none of this library's; give replay() a \`detector\` that makes it`
      throw new HotStandbyError('HS_RECORDING', message)
    }
    this.#core = createCore(head.config, make(head.liveness), (step) => this.#timelineWriter.decided(step))
    this.#before = this.#core.view()
  }

  goOn({ head, part, line }: Line<'head'>): ReplayDifference | undefined {
    if (head.continues?.digest === digestText(this.#digest)) return undefined
    return { part, line, input: `segment ${head.continues?.segment}`, effects: [] }
  }

  take(entry: Line<'input' | 'told' | 'view'>): ReplayDifference | undefined {
    if (entry.kind !== 'input') return undefined // this core tells by itself
    const { input, body, digest: recorded, part, line } = entry
    this.#at = input.at
    this.#fromWallMs ??= input.at.wallMs
    this.#inputs++
    this.#timelineWriter.input(input)
    const effects = this.#core.step(input)
    this.#timelineWriter.effects(effects)
    this.#digest = digestOf(digestOf(this.#digest, body), effects)
    if (digestText(this.#digest) === recorded) return undefined
    return { part, line, input: body, effects: effects.map((effect) => shown(effect)) }
  }

  result(): Omit<Replay, 'timeline' | 'difference'> {
    const { config, library } = this.#head
    return {
      node: config.self,
      peer: config.peer,
      library,
      fromStart: true,
      inputs: this.#inputs,
      fromWallMs: this.#fromWallMs ?? 0,
      toWallMs: this.#at.wallMs,
      lastMonoMs: this.#at.monoMs,
      before: this.#before,
      after: this.#core.view(),
    }
  }
}

function shown(effect: Effect): string {
  const text = JSON.stringify(effect, (_key, value: unknown) =>
    value instanceof Uint8Array ? `${value.length} bytes` : value,
  )
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
