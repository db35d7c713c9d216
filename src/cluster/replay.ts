import { type Core, type CoreView, createCore } from '../core/step.ts'
import type { Effect, Input } from '../core/types.ts'
import { DeadtimeDetector } from '../liveness/deadtime.ts'
import { PhiAccrualDetector, type PhiSettings } from '../liveness/phi-accrual.ts'
import { HotStandbyError } from '../roles/error.ts'
import type { LivenessDetector } from '../roles/liveness-detector.ts'
import type { Instant } from '../roles/time.ts'
import { digestOf, digestText } from './digest.ts'
import { type RecordingHead, readRecording } from './recording.ts'
import { type Account, Teller, type TimelineEntry } from './teller.ts'

/** Where a replay departed from its recording. */
export interface ReplayDifference {
  /** Line of the recording. */
  readonly line: number
  readonly input: string
  /** What the core did now, as JSON; what it did then is known by its digest only. */
  readonly effects: readonly string[]
}

/** What a recording says. */
export interface Replay extends Account {
  /** Version of the library that recorded. */
  readonly library: string
  /** False: the recording begins later than the process, with what was known then. */
  readonly fromStart: boolean
  readonly inputs: number
  /** The first input that did not lead to the same effects; nothing after it is replayed. */
  readonly difference: ReplayDifference | undefined
  /** What the node knew when the recording began. */
  readonly before: CoreView
}

/** How a recording is replayed. */
export interface ReplayOptions {
  /** Makes the detector of a recording whose `liveness` is none of this library's. */
  readonly detector?: ((liveness: RecordingHead['liveness']) => LivenessDetector) | undefined
}

/** Detectors of this library by their type. */
const detectors: Readonly<Record<string, (liveness: RecordingHead['liveness']) => LivenessDetector>> = {
  deadtime: ({ times }) => new DeadtimeDetector(times),
  'phi-accrual': ({ times, settings }) => new PhiAccrualDetector(times, settings as PhiSettings),
}

/**
 * Runs the inputs of a recording through the same core, compares what it does with what it did, and tells what happened with
 * the reason for every decision. Needs nothing but the text: no host, no keys, no network.
 * @throws {HotStandbyError} `HS_RECORDING` when the text is no recording, with the line.
 */
export function replay(recording: string, options: ReplayOptions = {}): Replay {
  const timeline: TimelineEntry[] = []
  let run: Run | undefined
  let difference: ReplayDifference | undefined
  for (const entry of readRecording(recording)) {
    if (entry.kind === 'head') {
      if (run) run.continueWith(entry.head, entry.line)
      else run = new Run(entry.head, options, timeline)
    } else if (entry.kind === 'note') {
      const { name, monoMs, payload } = entry.event
      timeline.push({ wallMs: entry.wallMs, monoMs, kind: 'note', subject: undefined, name, text: '', payload })
    } else difference = run?.step(entry.input, entry.body, entry.digest, entry.line)
    if (difference) break
  }
  if (!run) throw new HotStandbyError('HS_RECORDING', 'the recording is empty')
  return { ...run.result(), timeline, difference }
}

/** The core of a recording, running again. */
class Run {
  readonly #head: RecordingHead
  readonly #core: Core
  readonly #teller: Teller
  readonly #before: CoreView
  #at: Instant = { monoMs: 0, bootMs: 0, wallMs: 0 }
  #fromWallMs: number | undefined
  #digest = 0
  #inputs = 0

  constructor(head: RecordingHead, options: ReplayOptions, timeline: TimelineEntry[]) {
    this.#head = head
    this.#teller = new Teller((entry) => timeline.push(entry))
    const make = detectors[head.liveness.type] ?? options.detector
    if (!make) {
      const message = `the detector '${head.liveness.type}' is none of this library's; give replay() a \`detector\` that makes it`
      throw new HotStandbyError('HS_RECORDING', message)
    }
    this.#core = createCore(head.config, make(head.liveness), (step) => this.#teller.decided(step))
    this.#before = this.#core.view()
  }

  continueWith(_head: RecordingHead, _line: number): void {
    this.#digest = 0
  }

  step(input: Input, body: string, recorded: string, line: number): ReplayDifference | undefined {
    this.#at = input.at
    this.#fromWallMs ??= input.at.wallMs
    this.#inputs++
    this.#teller.input(input)
    const effects = this.#core.step(input)
    this.#teller.effects(effects)
    this.#digest = digestOf(digestOf(this.#digest, body), effects)
    if (digestText(this.#digest) === recorded) return undefined
    return { line, input: body, effects: effects.map((effect) => shown(effect)) }
  }

  result(): Omit<Replay, 'timeline' | 'difference'> {
    const { config, library, saved } = this.#head
    return {
      node: config.self,
      peer: config.peer,
      library,
      fromStart: saved === null,
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
