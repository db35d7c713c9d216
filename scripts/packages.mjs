// Installs the Debian packages a test tier needs: `node scripts/packages.mjs [lab]`.
// Only what is missing, named before it is installed, without letting any service start by itself.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * How to see that a package is there already: its program, the argument that makes it name its version, and what that
 * must say. The words tell iputils from busybox and from the other `arping`, whose options differ.
 * @type {Record<string, readonly [program: string, argument: string, says: RegExp]>}
 */
const PROBES = {
  'nginx-light': ['nginx', '-v', /nginx/],
  iproute2: ['ip', '-V', /iproute2/],
  'iputils-ping': ['ping', '-V', /iputils/],
  'iputils-arping': ['arping', '-V', /iputils/],
  nftables: ['nft', '--version', /nftables/],
  iptables: ['iptables', '--version', /iptables/],
  procps: ['ps', '--version', /procps/],
  'util-linux': ['nsenter', '--version', /util-linux/],
  e2fsprogs: ['mke2fs', '-V', /mke2fs/],
  systemd: ['systemctl', '--version', /systemd/],
  dbus: ['dbus-daemon', '--version', /D-Bus/],
  kmod: ['modprobe', '-V', /kmod version/],
  socat: ['socat', '-V', /socat version/],
  'resource-agents': ['ocf-tester', '-h', /ocf-tester/],
  'drbd-utils': ['drbdadm', '--version', /DRBDADM_VERSION/],
  curl: ['curl', '--version', /curl/],
  tcpdump: ['tcpdump', '--version', /tcpdump/],
  'etcd-server': ['etcd', '--version', /etcd Version/],
  prometheus: ['promtool', '--version', /promtool/],
  chromium: ['chromium', '--version', /Chromium/],
  keepalived: ['keepalived', '-v', /Keepalived v/],
  heartbeat: ['/usr/libexec/heartbeat/heartbeat', '-V', /^3\./m],
}

/** To run a pair with nginx on two hosts of the laboratory: the demo and the scenarios. */
const PAIR = [
  'nginx-light',
  'iproute2',
  'iputils-ping',
  'iputils-arping',
  'nftables',
  'iptables',
  'procps',
  'util-linux',
]
/** To make pairs of pseudo-terminals: serial lines. */
const SERIAL = ['socat']
/** To judge what a keepalived.conf means. */
const KEEPALIVED = ['keepalived']
/** To boot a real systemd as a host of the laboratory. */
const SYSTEMD = ['systemd', 'dbus', 'util-linux']

/** What each use needs. */
export const LISTS = {
  pair: PAIR,
  unit: [...PAIR, 'etcd-server', ...SERIAL, ...KEEPALIVED],
  lab: [
    ...new Set([
      ...PAIR,
      ...SYSTEMD,
      ...SERIAL,
      ...KEEPALIVED,
      'e2fsprogs',
      'kmod',
      'resource-agents',
      'heartbeat',
      'curl',
      'drbd-utils',
    ]),
  ],
  /** To run a real heartbeat daemon against a node of ours, with the scripts of its packages. */
  heartbeat: ['heartbeat', 'resource-agents', 'e2fsprogs', 'kmod', ...SERIAL],
  /** To check metrics, rules of alerts and a scrape with a real Prometheus, and to look at the status page. */
  monitoring: ['prometheus', 'chromium'],
  /** To record what is said on a line. */
  capture: ['tcpdump'],
}

/** Debian asks this program whether a service may be started; 101 means no. */
const POLICY = '/usr/sbin/policy-rc.d'

const SYSTEM_PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`

/** @param {string} name */
const isInstalled = (name) => {
  const probe = PROBES[name]
  if (!probe) throw new Error(`packages: no probe for '${name}'; known: ${Object.keys(PROBES).join(', ')}`)
  const [program, argument, says] = probe
  const { stdout, stderr } = spawnSync(program, [argument], { encoding: 'utf8', env: { PATH: SYSTEM_PATH } })
  return says.test(`${stdout}${stderr}`)
}

/** @param {readonly string[]} args */
const apt = (args) =>
  spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    encoding: 'utf8',
    env: { ...process.env, PATH: SYSTEM_PATH, DEBIAN_FRONTEND: 'noninteractive' },
  })

/**
 * Runs `work` while no service may start by itself, and puts back what was there before, also after Ctrl-C.
 * @param {() => void} work
 */
const withoutServices = (work) => {
  const before = existsSync(POLICY) ? { text: readFileSync(POLICY), mode: statSync(POLICY).mode } : undefined
  const postpone = () => {}
  process.on('SIGINT', postpone).on('SIGTERM', postpone)
  try {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    work()
  } finally {
    if (before) writeFileSync(POLICY, before.text, { mode: before.mode })
    else rmSync(POLICY, { force: true })
    process.off('SIGINT', postpone).off('SIGTERM', postpone)
  }
}

/**
 * Makes sure that these Debian packages are there. Throws with the packages' names and apt's own words when it cannot.
 * @param {readonly string[]} list
 */
export const ensurePackages = (list) => {
  const missing = list.filter((name) => !isInstalled(name))
  if (missing.length === 0) return
  const names = missing.join(' ')
  if (process.getuid?.() !== 0) throw new Error(`packages: missing here: ${names}; install them, or run as root`)
  if (spawnSync('apt-get', ['--version']).error) {
    throw new Error(`packages: missing here: ${names} (names of Debian packages; this system has no apt-get)`)
  }
  console.error(`packages: installing from Debian: ${names}`)
  withoutServices(() => {
    if (apt(['update']).status !== 0) apt(['update'])
    const { status, stdout, stderr } = apt(['install', '-y', '--no-install-recommends', ...missing])
    if (status !== 0) throw new Error(`packages: apt-get install ${names} failed (${status}):\n${stdout}${stderr}`)
  })
  const still = missing.filter((name) => !isInstalled(name))
  if (still.length > 0) throw new Error(`packages: installed, but their programs do not answer: ${still.join(' ')}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const list = LISTS[process.argv[2] ?? 'lab']
  if (!list) {
    console.error(`usage: node scripts/packages.mjs [${Object.keys(LISTS).join('|')}]`)
    process.exit(2)
  }
  ensurePackages(list)
}
