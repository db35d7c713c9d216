import { icmpPing } from '../arbiters/icmp-ping.ts'
import { pingGroup } from '../arbiters/ping-group.ts'
import { nftGuard } from '../guards/nft-guard.ts'
import { etcd } from '../leases/etcd.ts'
import { deadtime } from '../liveness/deadtime.ts'
import { phiAccrual } from '../liveness/phi-accrual.ts'
import type { LeaseOptions } from '../options/options.ts'
import { check } from '../resources/check.ts'
import { drbd } from '../resources/drbd.ts'
import { fs } from '../resources/fs.ts'
import { hook } from '../resources/hook.ts'
import { nginx } from '../resources/nginx.ts'
import { ocf } from '../resources/ocf.ts'
import { route } from '../resources/route.ts'
import { script } from '../resources/script.ts'
import { systemd } from '../resources/systemd.ts'
import { vip } from '../resources/vip.ts'
import type { ArbiterPlugin } from '../roles/arbiter.ts'
import type { GuardPlugin } from '../roles/guard.ts'
import type { LeaseStorePlugin } from '../roles/lease-store.ts'
import type { LivenessPlugin } from '../roles/liveness-detector.ts'
import type { ResourcePlugin } from '../roles/resource-agent.ts'
import type { TransportPlugin } from '../roles/transport.ts'
import { serial } from '../transports/serial.ts'
import { udpBroadcast } from '../transports/udp-broadcast.ts'
import { udpMulticast } from '../transports/udp-multicast.ts'
import { udpUnicast } from '../transports/udp-unicast.ts'

/** How a value is written: a kind, or the words it may be. `map`: one key per member, as `addresses.master = …`. */
export type ValueKind = 'text' | 'duration' | 'integer' | 'boolean' | 'list' | 'map' | readonly string[]

/** One key of a section. */
export interface KeySchema {
  readonly kind: ValueKind
  readonly required?: true
  /** One sentence for `docs/ini.md`. */
  readonly doc: string
}

/** The keys of a section; names are those of the options that they become. */
export type Keys = Readonly<Record<string, KeySchema>>

/** One value of `type` in a section of plug-ins: its keys, and how the plug-in is made of them. */
export interface TypeSchema<Plugin> {
  readonly keys: Keys
  /** `name` is the section's: `[transport.NAME]`. The options are checked by `keys` before. */
  make(name: string, options: Readonly<Record<string, unknown>>): Plugin
}

/**
 * The factories check what they are given themselves; the schema has made sure of names and kinds, which is what their option
 * types say.
 */
// biome-ignore lint/suspicious/noExplicitAny: the one place where checked text becomes options of any plug-in
type Checked = any

const port: Keys = { port: { kind: 'integer', doc: 'UDP port; default 694.' } }

/** `[transport.NAME]`, by `type`; NAME is the name of the link. */
export const transportTypes: Readonly<Record<string, TypeSchema<TransportPlugin>>> = {
  'udp-unicast': {
    keys: {
      addresses: { kind: 'map', doc: 'Address of each node on this link: `addresses.NODE = ADDRESS[:PORT]`.' },
      peer: { kind: 'text', doc: "Instead of `addresses`: the other node's address, as in `ucast`." },
      device: { kind: 'text', doc: 'Network device of the link.' },
      localAddress: { kind: 'text', doc: 'With `peer`: own address.' },
      ...port,
      peerPort: { kind: 'integer', doc: 'With `peer`: port of the other end; default `port`.' },
      localPort: { kind: 'integer', doc: 'With `peer`: port of this end; default `port`.' },
    },
    make: (link, options: Checked) => udpUnicast({ ...options, link }),
  },
  'udp-broadcast': {
    keys: {
      device: { kind: 'text', doc: 'Network device of the link.' },
      localAddress: { kind: 'text', doc: "Own IPv4 address; default the device's first one." },
      broadcast: { kind: 'text', doc: "Broadcast address; default that of the own address's network." },
      ...port,
    },
    make: (link, options: Checked) => udpBroadcast({ ...options, link }),
  },
  'udp-multicast': {
    keys: {
      group: { kind: 'text', required: true, doc: 'Group address, IPv4 or IPv6.' },
      device: { kind: 'text', doc: 'Network device of the link.' },
      localAddress: { kind: 'text', doc: 'Own address to send from.' },
      ...port,
      ttl: { kind: 'integer', doc: 'Hops a datagram may make, 1–255; default 1.' },
      loop: { kind: 'boolean', doc: 'Whether other sockets of this host hear it too; default false.' },
    },
    make: (link, options: Checked) => udpMulticast({ ...options, link }),
  },
  serial: {
    keys: {
      device: { kind: 'text', required: true, doc: 'Device of the line, a full path.' },
      baud: { kind: 'integer', doc: 'Speed in bits per second; default 19200.' },
    },
    make: (link, options: Checked) => serial({ ...options, link }),
  },
}

const deadping: Keys = {
  deadping: {
    kind: 'duration',
    doc: 'Silence after which the target counts as unreachable; default the top-level `deadping`.',
  },
}

/** `[arbiter.NAME]`, by `type`; NAME is the name of the target. */
export const arbiterTypes: Readonly<Record<string, TypeSchema<ArbiterPlugin>>> = {
  'icmp-ping': {
    keys: {
      address: { kind: 'text', required: true, doc: 'Address to ping.' },
      device: { kind: 'text', doc: 'Device to ping through; default as the routes say.' },
      ...deadping,
    },
    make: (name, { address, ...options }: Checked) => icmpPing(address, { ...options, name }),
  },
  'ping-group': {
    keys: {
      addresses: { kind: 'list', required: true, doc: 'Addresses of which one must answer.' },
      ...deadping,
    },
    make: (name, { addresses, ...options }: Checked) => pingGroup(name, addresses, options),
  },
}

const times: Keys = {
  startTimeout: { kind: 'duration', doc: 'Limit of a start.' },
  stopTimeout: { kind: 'duration', doc: 'Limit of a stop.' },
  statusTimeout: { kind: 'duration', doc: 'Limit of one status.' },
  statusInterval: { kind: 'duration', doc: 'Pause between two checks; `0s`: none.' },
}

/** `[resource.NAME]`, by `type`; NAME stands in the `resources` of a group in place of a word of haresources. */
export const resourceTypes: Readonly<Record<string, TypeSchema<ResourcePlugin>>> = {
  vip: {
    keys: {
      address: {
        kind: 'list',
        required: true,
        doc: 'One address or several, with prefix length, or as `IPaddr` has it.',
      },
      device: { kind: 'text', doc: 'Network device; default the one whose network holds the address.' },
      label: { kind: 'text', doc: 'Label of the IPv4 addresses, as `eth0:web`.' },
      announce: { kind: ['auto', 'arping', 'kernel'], doc: 'How the network is told; default `auto`.' },
      macvlan: {
        kind: 'boolean',
        doc: 'Gives the addresses their own device and hardware address; default false.',
      },
      duplicateProbe: {
        kind: 'boolean',
        doc: 'On the standby, checks whether two hosts have an address; default true.',
      },
      ...times,
    },
    make: (_name, { address, ...options }: Checked) => vip(address, options),
  },
  nginx: {
    keys: {
      mode: { kind: ['hot', 'cold'], doc: '`hot` (default): stays up on both nodes; `cold`: started at takeover.' },
      config: { kind: 'text', doc: 'Full path of the configuration.' },
      binary: { kind: 'text', doc: 'Full path of the program; default the first in the usual places.' },
      args: { kind: 'list', doc: 'Further arguments of nginx.' },
      url: { kind: 'text', doc: 'Page (`http:`) that must answer with 200–399.' },
      host: { kind: 'text', doc: '`Host` header for `url`.' },
      expect: { kind: 'text', doc: 'Text that the page of `url` must contain.' },
      reload: {
        kind: 'boolean',
        doc: 'Whether an nginx that is already running is reloaded at takeover; default false.',
      },
      unit: {
        kind: 'text',
        doc: 'The systemd unit that runs it, or `none`; default `nginx.service` where there is one.',
      },
      quitTimeout: { kind: 'duration', doc: 'How long requests in progress may take at a stop; default 2s.' },
      ...times,
    },
    make: (_name, options: Checked) => nginx(options),
  },
  route: {
    keys: {
      destination: { kind: 'text', required: true, doc: '`default`, or a network as `10.1.0.0/16`.' },
      via: { kind: 'text', doc: 'Gateway.' },
      device: { kind: 'text', doc: 'Network device; needed without `via`, and with a link-local gateway.' },
      metric: { kind: 'integer', doc: "Preference, smaller first; default the kernel's." },
      table: { kind: 'integer', doc: 'Number of the routing table; default the main one.' },
      source: { kind: 'text', doc: "Address that this host's own packets take as source." },
      ...times,
    },
    make: (_name, { destination, ...options }: Checked) => route(destination, options),
  },
  check: {
    keys: {
      http: { kind: 'text', doc: 'Page that must answer with 200–399. Give one of `http`, `tcp` and `command`.' },
      host: { kind: 'text', doc: '`Host` header for `http`.' },
      tcp: { kind: 'text', doc: 'Port that must accept a connection: `127.0.0.1:5432`.' },
      command: { kind: 'list', doc: 'Program (full path) and arguments; exit code 0 means healthy.' },
      interval: { kind: 'duration', doc: 'Pause between two checks; default 2s.' },
      timeout: { kind: 'duration', doc: 'Limit of a check; default 1s.' },
      rise: { kind: 'integer', doc: 'Successful checks in a row that make it healthy again; default 2.' },
      fall: { kind: 'integer', doc: 'Failed checks in a row that make it unhealthy; default 3.' },
      standby: { kind: 'boolean', doc: 'Whether the standby checks too; default true.' },
      startTimeout: { kind: 'duration', doc: 'How long a start waits for the service; default 10s.' },
    },
    make: (name, options: Checked) => check(name, options),
  },
  hook: {
    keys: {
      start: { kind: 'list', doc: 'Program (full path) and arguments, run at its place in the start.' },
      stop: { kind: 'list', doc: 'The same for the stop.' },
      required: { kind: 'boolean', doc: 'Whether the start of the group fails when `start` fails; default true.' },
      startTimeout: { kind: 'duration', doc: 'Limit of `start`; default 10s.' },
      stopTimeout: { kind: 'duration', doc: 'Limit of `stop`; default 10s.' },
    },
    make: (name, options: Checked) => hook(name, options),
  },
  script: {
    keys: {
      path: { kind: 'text', required: true, doc: 'Full path of the script.' },
      args: { kind: 'list', doc: 'Arguments before `start`, `stop` or `status`.' },
      dialect: {
        kind: ['heartbeat', 'lsb'],
        doc: 'How `status` is read: by what it prints, or by its exit code.',
      },
      env: { kind: 'map', doc: 'Added to its environment: `env.NAME = VALUE`.' },
      ...times,
    },
    make: (_name, { path, ...options }: Checked) => script(path, options),
  },
  systemd: {
    keys: {
      unit: { kind: 'text', required: true, doc: 'Name of the unit; `.service` may be left out.' },
      mode: { kind: ['cold', 'hot'], doc: '`cold` (default): started at takeover; `hot`: runs on both nodes.' },
      reload: {
        kind: 'boolean',
        doc: 'Whether a unit that is already running is reloaded at takeover; default false.',
      },
      allowStatic: { kind: 'boolean', doc: 'Allows a unit without an `[Install]` section; default false.' },
      ...times,
    },
    make: (_name, { unit, ...options }: Checked) => systemd(unit, options),
  },
  ocf: {
    keys: {
      agent: { kind: 'text', required: true, doc: 'The agent: `ocf:PROVIDER:NAME`.' },
      parameters: { kind: 'map', doc: "The agent's parameters: `parameters.NAME = VALUE`." },
      instance: { kind: 'text', doc: 'Distinguishes several of one agent; default the name of the agent.' },
      checkLevel: { kind: 'integer', doc: 'How thoroughly `monitor` checks (`OCF_CHECK_LEVEL`); default 0.' },
      root: { kind: 'text', doc: 'Directory with `resource.d` and `lib`; default `/usr/lib/ocf`.' },
      ...times,
    },
    make: (_name, { agent, ...options }: Checked) => ocf(agent, options),
  },
  drbd: {
    keys: {
      resource: { kind: 'text', required: true, doc: 'Name of the resource of DRBD.' },
      binary: { kind: 'text', doc: 'Full path of `drbdadm`; default the first in the usual places.' },
      ...times,
    },
    make: (_name, { resource, ...options }: Checked) => drbd(resource, options),
  },
  fs: {
    keys: {
      device: { kind: 'text', required: true, doc: 'Device, `UUID=…`, `LABEL=…` or an export as `nas:/export`.' },
      directory: { kind: 'text', required: true, doc: 'Full path of the directory on which it is mounted.' },
      fsType: { kind: 'text', required: true, doc: 'Kind of file system, as `ext4`.' },
      mountOptions: { kind: 'text', doc: 'Options as `mount -o` takes them.' },
      check: { kind: ['preen', 'off'], doc: 'Whether fsck repairs beforehand; default by the kind of file system.' },
      killAfter: {
        kind: 'duration',
        doc: 'Ends processes that keep it busy at a stop after this time; default never.',
      },
      ...times,
    },
    make: (_name, { device, directory, fsType, ...options }: Checked) => fs(device, directory, fsType, options),
  },
}

/** What the pair and each of its groups may say about failures. */
const failureKeys: Keys = {
  restarts: { kind: 'integer', doc: 'How often a failed resource is restarted in place within the window; default 1.' },
  restartWindow: {
    kind: 'duration',
    doc: 'A resource that fails more often within it moves with its group; default 60s.',
  },
  holdDown: {
    kind: 'duration',
    doc: 'How long a node that lost a group because of a failure does not take it back; default 60s.',
  },
}

/** The lines before the first section. */
export const topKeys: Keys = {
  name: {
    kind: 'text',
    required: true,
    doc: "Names the pair: part of the state directory's and the control socket's path.",
  },
  nodes: { kind: 'list', required: true, doc: 'The two members.' },
  node: { kind: 'text', doc: 'Which of them this host is; default the host name.' },
  autoFailback: { kind: 'boolean', doc: 'Whether groups return to their preferred node by themselves; default false.' },
  onIsolated: {
    kind: ['stop', 'continue'],
    doc: 'What an owner does when it hears neither its peer nor any ping target.',
  },
  deadping: {
    kind: 'duration',
    doc: 'Silence after which a ping target counts as unreachable; default the longest time that cannot overlap a takeover.',
  },
  requireGuarantee: {
    kind: ['G1', 'G2', 'G3'],
    doc: 'The guarantee class below which the member does not start; default any.',
  },
  onFatal: {
    kind: 'text',
    doc: 'What `hot-standby run` does when a resource can neither be stopped nor cut off: `exit`, `none`, `reboot` (the host, at once), or the full path of a program; default `exit`.',
  },
  ...failureKeys,
  stateDirectory: { kind: 'text', doc: 'Where this node keeps its generation, epochs and what it added to the host.' },
}

const livenessTimes: Keys = {
  keepalive: { kind: 'duration', doc: 'Interval of the beats; default 200ms.' },
  warntime: { kind: 'duration', doc: 'Silence after which the peer is late; default deadtime / 2.' },
  deadtime: { kind: 'duration', doc: 'Silence after which the peer is dead; more than 2 × keepalive; default 1s.' },
  initdead: {
    kind: 'duration',
    doc: 'Silence allowed to a peer that has not been heard since the start; at least deadtime; default 10 × deadtime, at most deadtime + 30s.',
  },
}

/** `[liveness]`, by `type`; without one it is the first. */
export const livenessTypes: Readonly<Record<string, TypeSchema<LivenessPlugin>>> = {
  deadtime: {
    keys: {
      ...livenessTimes,
      healthMultiplier: {
        kind: 'boolean',
        doc: 'Whether to wait longer, up to 3 × deadtime, while this node has reason to distrust itself; default false.',
      },
    },
    make: (_name, options: Checked) => deadtime(options),
  },
  'phi-accrual': {
    keys: {
      ...livenessTimes,
      threshold: { kind: 'integer', doc: 'Φ at which the peer is dead; more than warnThreshold; default 8.' },
      warnThreshold: { kind: 'integer', doc: 'Φ at which the peer is late; at least 1; default 3.' },
      acceptablePause: {
        kind: 'duration',
        doc: 'Pause beyond the usual interval that raises no suspicion; default deadtime / 2.',
      },
      minDeviation: {
        kind: 'duration',
        doc: 'Lower bound of the deviation of the intervals; default keepalive / 4.',
      },
      window: { kind: 'integer', doc: 'About how many intervals are remembered; at least 10; default 200.' },
      patience: {
        kind: 'integer',
        doc: 'The peer is dead after this many of its announced dead times, whatever Φ says; 1–10; default 3.',
      },
    },
    make: (_name, options: Checked) => phiAccrual(options),
  },
}

const leaseTimes: Keys = {
  ttl: { kind: 'duration', doc: 'How long a lease lasts after its last renewal; default 3s.' },
  renew: { kind: 'duration', doc: 'How often it is renewed; default so that three renewals fit.' },
}

/** `[lease]`, by `type`: the store, and the times of the leases. The same on both hosts. */
export const leaseTypes: Readonly<Record<string, TypeSchema<LeaseOptions>>> = {
  etcd: {
    keys: {
      endpoints: { kind: 'list', required: true, doc: 'Addresses of the members: `https://10.0.0.5:2379`.' },
      prefix: { kind: 'text', doc: 'What the keys begin with; default `hot-standby/`.' },
      ...leaseTimes,
    },
    make: (_name, options: Checked) => leaseOf(etcd, options),
  },
}

/** Splits the times of the leases from the options of their store. */
function leaseOf(store: (options: Checked) => LeaseStorePlugin, { ttl, renew, ...options }: Checked): LeaseOptions {
  return { store: store(options), ttl, renew }
}

/** `[guard]`, by `type`: the kernel guard. */
export const guardTypes: Readonly<Record<string, TypeSchema<GuardPlugin>>> = {
  nft: { keys: {}, make: () => nftGuard() },
}

const key: Keys = {
  method: {
    kind: ['crc', 'md5', 'sha1', 'sha256', 'sealed'],
    required: true,
    doc: 'How packets are signed, or sealed.',
  },
  key: { kind: 'text', doc: 'The key itself; the file must then be readable by its owner alone.' },
  keyFile: { kind: 'text', doc: 'Instead of `key`: file that holds it, readable by its owner alone.' },
}

/** `[authenticator]` with one key. */
export const authenticatorKeys: Keys = {
  ...key,
  id: { kind: 'integer', doc: 'Index of the key, 0–15, as in authkeys; default 1.' },
}

/** `[authenticator]` beside `[authenticator.ID]` sections. */
export const ringKeys: Keys = {
  active: { kind: 'integer', required: true, doc: 'ID of the key that signs; every key verifies.' },
}

/** `[authenticator.ID]`: one key of several. */
export const ringMemberKeys: Keys = key

/** `[group.NAME]`. */
export const groupKeys: Keys = {
  preferred: { kind: 'text', required: true, doc: 'The node that serves it when both can.' },
  resources: {
    kind: 'list',
    required: true,
    doc: 'In the order of start: words as in haresources, or NAMEs of `[resource.NAME]`.',
  },
  handover: {
    kind: ['break-before-make', 'make-before-break'],
    doc: 'How a planned move works; `make-before-break` for groups of addresses only; default `break-before-make`.',
  },
  ...failureKeys,
}

/** `[respawn.NAME]`. */
export const respawnKeys: Keys = {
  user: { kind: 'text', doc: "User to run as; default the process's own." },
  command: { kind: 'text', required: true, doc: 'Full path.' },
  args: { kind: 'list', doc: 'Arguments.' },
  env: { kind: 'map', doc: 'Added to its environment: `env.NAME = VALUE`.' },
}

/** `[recorder]`. */
export const recorderKeys: Keys = {
  memoryBytes: {
    kind: 'integer',
    doc: 'Bytes of memory for the latest inputs, compressed; at least 65536, or 0: nothing is recorded, not in the file either; default 1048576.',
  },
  keepChanges: {
    kind: 'integer',
    doc: 'Recordings of changes of role that are kept in the state directory; default 4.',
  },
  file: { kind: 'text', doc: 'Full path of a file to which everything is written as it happens.' },
  maxBytes: {
    kind: 'integer',
    doc: 'Length at which a new file begins that continues the last one; default 67108864.',
  },
  keep: { kind: 'integer', doc: 'Older files that are kept; default 4.' },
}

/** `[logging]`, used by the command. */
export const loggingKeys: Keys = {
  file: { kind: 'text', doc: 'Messages are appended to this file.' },
  debugFile: { kind: 'text', doc: 'Messages and debug output are appended to this file.' },
  facility: { kind: 'text', doc: 'Messages go to syslog under this facility.' },
  debug: { kind: 'integer', doc: 'Debug level, 0–255; default 0.' },
}

/** Every section with its keys, as `docs/ini.md` shows them; a test compares the two. */
export const iniSections: readonly { readonly title: string; readonly keys: Keys }[] = [
  { title: 'Before the first section', keys: topKeys },
  ...Object.entries(livenessTypes).map(([type, { keys }]) => ({
    title: `\`[liveness]\`, \`type = ${type}\`${type === 'deadtime' ? ' or none' : ''}`,
    keys,
  })),
  ...titled('lease', leaseTypes, ''),
  ...titled('guard', guardTypes, ''),
  { title: '`[authenticator]` with one key', keys: authenticatorKeys },
  { title: '`[authenticator]` with several keys', keys: ringKeys },
  { title: '`[authenticator.ID]`', keys: ringMemberKeys },
  ...titled('transport', transportTypes),
  ...titled('arbiter', arbiterTypes),
  { title: '`[group.NAME]`', keys: groupKeys },
  ...titled('resource', resourceTypes),
  { title: '`[respawn.NAME]`', keys: respawnKeys },
  { title: '`[recorder]`', keys: recorderKeys },
  { title: '`[logging]`', keys: loggingKeys },
]

function titled(
  kind: string,
  types: Readonly<Record<string, TypeSchema<unknown>>>,
  name = '.NAME',
): { readonly title: string; readonly keys: Keys }[] {
  return Object.entries(types).map(([type, { keys }]) => ({ title: `\`[${kind}${name}]\`, \`type = ${type}\``, keys }))
}
