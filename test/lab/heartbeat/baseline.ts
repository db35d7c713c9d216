/** The other node was silent for its dead time, after its crash or after its good-bye; or it never came. */
const DEAD = 'WARN: node NODE: is dead'

/** What it held is taken over though nothing proves that it is off. */
const UNFENCED = ['WARN: No STONITH device configured.', 'WARN: Shared disks are not protected.']

/** A daemon's own messages leave out of order when one is its reaction to another (docs/daemon.md). */
const LOST = 'WARN: N lost packet(s) for [NODE] [N:N]'

/** A signal came while it read its serial line. */
const READ_INTERRUPTED = 'ERROR: glib: EOF in ttygets [/var/lib/ttyLABN]: Success [N]'

/** At a start with `auto_failback legacy`. */
const LEGACY = [
  "WARN: Deprecated 'legacy' auto_failback option selected.",
  "WARN: Please convert to 'auto_failback on'.",
  'WARN: See documentation for conversion details.',
]

/** A beat came after warntime. */
const LATE = 'WARN: Late heartbeat: Node NODE: interval N ms'

/** Two that were both active hear each other again. */
const MERGE = [
  DEAD,
  ...UNFENCED,
  LOST,
  'CRIT: Cluster node NODE returning after partition.',
  'WARN: Deadtime value may be too small.',
  'CRIT: Late heartbeat: Node NODE: interval N ms (> deadtime)',
  'WARN: Shutdown delayed until current resource activity finishes.',
]

/** Over every medium; the last with `msgfmt netstring`, where a daemon does not hear that its takeover has ended. */
const MEDIA = [DEAD, ...UNFENCED, LOST, READ_INTERRUPTED, 'WARN: T_STARTING received during takeover.']

/**
 * What two real daemons complain about in the laboratory, by themselves, scenario by scenario, as `complaintsOf` writes
 * it. Made by playing the `…-daemons` scenarios, in which heartbeat 3.0.6 of Debian 12 runs on both hosts; they fail
 * when a daemon prints something that is not here.
 */
export const BASELINE: Readonly<Record<string, readonly string[]>> = {
  'start-master-first': [DEAD, ...UNFENCED, LOST],
  'start-slave-first': [DEAD, ...UNFENCED, LOST],
  'stop-master': [DEAD, LOST],
  'stop-slave': [DEAD, LOST],
  'crash-master': [DEAD, ...UNFENCED, LOST],
  'crash-slave': [DEAD, ...UNFENCED, LOST],
  standby: [LOST],
  takeover: [LOST],
  lossy: [LOST],
  migration: [DEAD, LOST],
  serial: [DEAD, ...UNFENCED, LOST, READ_INTERRUPTED],
  'groups-by-hand': [LOST],
  'groups-crash': [DEAD, ...UNFENCED, LOST],
  'groups-stop': [DEAD, LOST],
  legacy: [...LEGACY, DEAD, ...UNFENCED, LOST],
  'legacy-by-hand': [...LEGACY, LOST],
  'legacy-groups': [...LEGACY, DEAD, ...UNFENCED, LOST],
  reload: [LOST],
  scripts: [DEAD, ...UNFENCED, LOST, 'ERROR: Could not send gratuitous arps'],
  'media-netstring': MEDIA,
  'media-serial': MEDIA,
  'start-both': [LOST],
  late: [LATE],
  ipfail: [
    'WARN: Late heartbeat: Node N.N.N.N: interval N ms',
    'WARN: node N.N.N.N: is dead',
    'CRIT: Late heartbeat: Node N.N.N.N: interval N ms (> deadtime)',
    LOST,
  ],
  merge: MERGE,
  keys: [
    ...MERGE,
    'ERROR: authtoken does not match, authtoken=HASH, authstr=HASH',
    'ERROR: netstring authentication failed, s=###',
    'ERROR: MSG: Dumping message with N fields',
    'ERROR: MSG[N] : FIELD',
  ],
  'serial-beside': [LOST, READ_INTERRUPTED],
}

/** A daemon says so whenever this machine lets it wait, whatever its peer does. */
export const WHEN_BUSY: readonly string[] = [
  'WARN: Gmain_timeout_dispatch: Dispatch function for WORK was delayed N ms (> N ms) before being called (GSource: N)',
]

/** At every start of a daemon in the laboratory. */
export const AT_START: readonly string[] = [
  'WARN: Core dumps could be lost if multiple dumps occur.',
  'WARN: Consider setting non-default value in /proc/sys/kernel/core_pattern (or equivalent) for maximum supportability',
  'WARN: Consider setting /proc/sys/kernel/core_uses_pid (or equivalent) to N for maximum supportability',
  'WARN: Initial dead time [N ms] may be too small!',
  'WARN: Logging daemon is disabled --enabling logging daemon is recommended',
  'WARN: No Previous generation - starting at N',
  'ERROR: Cannot lock ourselves into memory: System limits on locked-in memory are too small.',
]
