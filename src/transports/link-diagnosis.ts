import type { DeviceState } from '../platform/interfaces.ts'

/** What is known of a link on which no frame of the peer was heard. */
export interface SilentLink {
  /** `udp-unicast`, `udp-broadcast`, …, `serial`, `memory`. */
  readonly type: string
  readonly device?: string | undefined
  /** How the device is, where one is known. */
  readonly deviceState?: DeviceState | undefined
  readonly port?: number | undefined
  /** Address of the peer, where the link has one. */
  readonly remote?: string | undefined
  /** Frames that arrived and did not verify. */
  readonly heardJunk: number
  /** Text of the last error reported by the link, if any. */
  readonly lastProblem?: string | undefined
  /** True when the peer was heard on another link: then it is this link that fails, not the peer. */
  readonly peerHeardElsewhere: boolean
}

/**
 * The likely cause of silence on a link, as one sentence for people. Says only what is known: evidence first (device, own
 * errors, frames that do not verify), then what remains to be looked at.
 */
export function diagnoseSilence(link: SilentLink): string {
  return (
    deviceCause(link) ??
    (link.lastProblem === undefined ? undefined : `the link reports: ${link.lastProblem}`) ??
    junkCause(link) ??
    openQuestion(link)
  )
}

const deviceCauses: Partial<Record<DeviceState, string>> = {
  missing: 'is not on this host',
  down: 'is down',
  'no-carrier': 'has no carrier: cable, switch port, or the peer at the other end of a crossover cable',
}

function deviceCause({ device, deviceState }: SilentLink): string | undefined {
  const cause = deviceState && deviceCauses[deviceState]
  return device !== undefined && cause ? `device ${device} ${cause}` : undefined
}

function junkCause({ heardJunk }: SilentLink): string | undefined {
  if (heardJunk === 0) return undefined
  return `${heardJunk} frames arrived and none verified: compare the keys of both nodes; another cluster may use the same line`
}

function openQuestion({ type, port, remote, device, peerHeardElsewhere }: SilentLink): string {
  if (!peerHeardElsewhere)
    return 'nothing arrived on any link: the peer is off or not started, or the network between the nodes is cut'
  if (type === 'serial') return 'the peer is heard elsewhere, not here: check the cable and the speed at both ends'
  if (!type.startsWith('udp-')) return 'the peer is heard elsewhere, not here'
  const from = remote === undefined ? '' : ` from ${remote}`
  const on = device === undefined ? '' : ` on ${device}`
  return `the peer is heard elsewhere, not here: a firewall that drops UDP port ${port ?? 694}${from}, a wrong device or address, or another network${on}`
}
