/**
 * Events of every member in this process as OpenTelemetry's metrics and spans, without a line in the code that runs the pair:
 *
 *     npm install hot-standby @opentelemetry/api
 *
 *     import { metrics, trace } from '@opentelemetry/api'
 *     observe(metrics.getMeter('hot-standby'), trace.getTracer('hot-standby'))
 *
 * It hears the diagnostics channel `hot-standby:event`. Call it once, before the member starts; the function that it returns ends it.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { NamedEvent } from 'hot-standby'

type Attributes = Record<string, string | number | boolean>

/** The part of OpenTelemetry's `Meter` that is used. */
interface Meter {
  createCounter(name: string, options: { description: string }): { add(value: number, attributes: Attributes): void }
  createHistogram(
    name: string,
    options: { description: string; unit: string },
  ): { record(value: number, attributes: Attributes): void }
}

/** The part of OpenTelemetry's `Tracer` that is used. */
interface Tracer {
  startSpan(name: string, options: { startTime: number; attributes: Attributes }): { end(time: number): void }
}

/** What the channel carries: the event, and whose it is. */
type Told = NamedEvent & { readonly cluster: string; readonly node: string }

/** Events that end something which took a while: its length is `tookMs` or `stallMs`. */
const spans: ReadonlySet<string> = new Set(['group:acquired', 'group:released', 'move:done', 'local:stall'])

/** Numbers and words of a payload are attributes; the rest is not for a metric. */
const attributesOf = ({ cluster, node, payload }: Told): Attributes => {
  const plain = Object.entries(payload).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
  return { cluster, node, ...Object.fromEntries(plain) }
}

/** Counts every event, and measures what took a while. Returns what ends that. */
export function observe(meter: Meter, tracer: Tracer): () => void {
  const events = meter.createCounter('hot_standby.events', { description: 'Events of a member, by name' })
  const durations = meter.createHistogram('hot_standby.duration', {
    description: 'How long a start, a stop, a move or a stall took',
    unit: 's',
  })
  const hear = (message: unknown): void => {
    const told = message as Told
    const { cluster, node, name, time } = told
    events.add(1, { cluster, node, event: name })
    if (!spans.has(name)) return
    const { tookMs, stallMs } = told.payload as { readonly tookMs?: number; readonly stallMs?: number }
    const lengthMs = tookMs ?? stallMs ?? 0
    durations.record(lengthMs / 1000, { cluster, node, event: name })
    const endMs = Date.parse(time)
    tracer.startSpan(`hot-standby ${name}`, { startTime: endMs - lengthMs, attributes: attributesOf(told) }).end(endMs)
  }
  subscribe('hot-standby:event', hear)
  return () => void unsubscribe('hot-standby:event', hear)
}
