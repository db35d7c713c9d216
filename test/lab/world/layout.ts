/** The tutorial's two networks and its hosts. Pure data: every other file of the laboratory reads addresses here. */

export type HostName = 'master' | 'slave' | 'gateway' | 'client'
export type Device = 'eth0' | 'eth1'
export type NetName = 'service' | 'heartbeat'

/** Each network is one bridge in the switch; a host's device is plugged into the network of that name. */
export const NET_OF: Readonly<Record<Device, NetName>> = { eth0: 'service', eth1: 'heartbeat' }

/**
 * The last number of each host's addresses. The tutorial gives the slave's eth0 the number of the floating address;
 * a pair must refuse that, so the slave's eth0 is .107 here.
 */
const NUMBERS: Readonly<Record<HostName, Partial<Record<Device, number>>>> = {
  master: { eth0: 105, eth1: 105 },
  slave: { eth0: 107, eth1: 106 },
  gateway: { eth0: 1, eth1: 1 },
  client: { eth0: 50 },
}

/** The floating address of the tutorial. */
export const FLOATING = '192.168.1.106'

export const HOST_NAMES: readonly HostName[] = ['gateway', 'client', 'master', 'slave']

/** One device of a host with its fixed addresses. */
export interface Plug {
  readonly device: Device
  /** Its port at the switch. */
  readonly port: string
  readonly mac: string
  readonly address: string
  readonly address6: string
}

/** The devices of a host. The hardware addresses are fixed, so that they survive a restart as real ones do. */
export const plugsOf = (host: HostName): readonly Plug[] =>
  Object.entries(NUMBERS[host]).map(([name, number]) => {
    const device = name as Device
    const net = device === 'eth0' ? 1 : 2
    return {
      device,
      port: `${host}-${device}`,
      mac: `02:00:00:00:0${net}:${number.toString(16).padStart(2, '0')}`,
      address: `192.168.${net}.${number}`,
      address6: `fd00:${net}::${number}`,
    }
  })

/** One device of a host; an error when the host has none of that name. */
export const plugOf = (host: HostName, device: Device): Plug => {
  const plug = plugsOf(host).find((candidate) => candidate.device === device)
  if (!plug) throw new Error(`laboratory: ${host} has no ${device}`)
  return plug
}
