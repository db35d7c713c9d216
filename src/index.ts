export { type IcmpPingOptions, icmpPing } from './arbiters/icmp-ping.ts'
export { type PingGroupOptions, pingGroup } from './arbiters/ping-group.ts'
export { type CrcOptions, crc } from './authenticators/crc.ts'
export type { HmacOptions } from './authenticators/hmac.ts'
export { type KeyringOptions, keyring } from './authenticators/keyring.ts'
export { md5 } from './authenticators/md5.ts'
export { type SealedOptions, sealed } from './authenticators/sealed.ts'
export { sha1 } from './authenticators/sha1.ts'
export { sha256 } from './authenticators/sha256.ts'
export { type CallOptions, Cluster, maxPayloadBytes } from './cluster/cluster.ts'
export { describe } from './cluster/describe.ts'
export type { ClusterEvents, MessageEvent, NamedEvent } from './cluster/events.ts'
export { type Explanation, explain, timelineLines } from './cluster/explain.ts'
export type {
  ClusterOptions,
  FlightRecorderOptions,
  GroupOptions,
  HeartbeatOptions,
  RespawnOptions,
} from './cluster/options.ts'
export { type Replay, type ReplayDifference, type ReplayEntry, type ReplayOptions, replay } from './cluster/replay.ts'
export type { Snapshot } from './cluster/snapshot.ts'
export { type ReadHaDirOptions, readHaDir } from './config/read-ha-dir.ts'
export { type ControlClient, connectControl } from './control/client.ts'
export { defaultControlPath } from './control/path.ts'
export { type ControlOptions, type ControlServer, serveControl } from './control/server.ts'
export type { GuaranteeClass } from './core/authority.ts'
export type { EventName, EventPayloads, GroupState, MessageDropReason, NodePhase, Reason } from './core/events.ts'
export type { LinkView, PeerView } from './core/membership.ts'
export type { GroupClaim } from './core/report.ts'
export type { Scope } from './core/types.ts'
export { type DeadtimeOptions, deadtime, presets } from './liveness/deadtime.ts'
export type { AnnounceMode } from './platform/announce.ts'
export { type AppFunction, type AppOptions, app } from './resources/app.ts'
export { type CheckFunction, type CheckOptions, check } from './resources/check.ts'
export { type DrbdOptions, drbd } from './resources/drbd.ts'
export { type FsOptions, fs } from './resources/fs.ts'
export { type HookAction, type HookContext, type HookOptions, hook } from './resources/hook.ts'
export { type NginxOptions, nginx } from './resources/nginx.ts'
export { type OcfOptions, ocf } from './resources/ocf.ts'
export { type RouteOptions, route } from './resources/route.ts'
export { type ScriptOptions, script } from './resources/script.ts'
export { type SystemdOptions, systemd } from './resources/systemd.ts'
export { type VipOptions, vip } from './resources/vip.ts'
export * from './roles/arbiter.ts'
export * from './roles/authenticator.ts'
export type { Duration } from './roles/duration.ts'
export {
  configurationError,
  HotStandbyError,
  type HotStandbyErrorCode,
  type Issue,
  isHotStandbyError,
} from './roles/error.ts'
export * from './roles/liveness-detector.ts'
export type { Logger } from './roles/logger.ts'
export * from './roles/resource-agent.ts'
export * from './roles/transport.ts'
export { type MemoryNetwork, type MemoryNetworkOptions, memoryNetwork } from './transports/memory.ts'
export { type SerialOptions, serial } from './transports/serial.ts'
export { type UdpBroadcastOptions, udpBroadcast } from './transports/udp-broadcast.ts'
export { type UdpMulticastOptions, udpMulticast } from './transports/udp-multicast.ts'
export { type UdpUnicastOptions, udpUnicast } from './transports/udp-unicast.ts'
