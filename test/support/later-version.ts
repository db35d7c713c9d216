import type { Core } from '../../src/core/core.ts'
import type { Field, Message } from '../../src/wire/message.ts'

/** Of this group a later version says what this one cannot know. */
const oddGroup = 'odd'

/** What a later version says: more of everything, and of one group what nobody can know yet. */
function later(message: Message): Message {
  const more: Record<string, (value: string) => string> = {
    hs: () => '9',
    hsf: (value) => `${value} quorum`,
    hsgrp: (value) =>
      `more:lends/half:7 ${value
        .split(' ')
        .map((entry) =>
          entry.startsWith(`${oddGroup}:`)
            ? `${oddGroup}:lends/half:3`
            : `${entry.replace(/:(\d+)$/, '/shiny:$1')}:x=1`,
        )
        .join(' ')}`,
  }
  const change = ({ name, type, value }: Field): Field => ({
    name,
    type,
    value: typeof value === 'string' ? (more[name]?.(value) ?? value) : value,
  })
  return [...message.map(change), { name: 'hsnew', type: 0, value: 'of a later version' }]
}

/** A core to which its peer speaks as a later version will: `hs=9`, more groups, more words, and an unknown class for `odd`. */
export function hearsLaterVersion(core: Core): Core {
  return {
    ...core,
    step: (input) => core.step(input.type === 'message' ? { ...input, message: later(input.message) } : input),
  }
}
