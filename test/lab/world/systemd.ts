import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../janitor.ts'
import { waitFor } from '../wait-for.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Units that have no business in a namespace: some would write settings of the real host, the others are services of it. */
const masked = [
  ...['getty.target', 'systemd-sysctl.service', 'systemd-timesyncd.service', 'systemd-networkd.service'],
  ...['systemd-resolved.service', 'systemd-udevd.service', 'systemd-udev-trigger.service', 'systemd-logind.service'],
  ...['systemd-tmpfiles-setup.service', 'systemd-tmpfiles-setup-dev.service', 'systemd-journal-flush.service'],
  ...['systemd-firstboot.service', 'systemd-modules-load.service', 'systemd-remount-fs.service'],
  ...['proc-sys-fs-binfmt_misc.automount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'dev-hugepages.mount'],
  ...['dev-mqueue.mount', 'sys-fs-fuse-connections.mount', 'apt-daily.timer', 'apt-daily-upgrade.timer'],
  ...['nginx.service', 'postgresql.service', 'ssh.service', 'cron.service', 'systemd-random-seed.service'],
]

/** Runs in new namespaces: this system's own root below a layer that vanishes, and systemd in it. $1 $2: place, repository. */
const boot = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"
R="$1/root"
mkdir -p "$R/proc" "$R/sys" "$R/dev" "$R/run" "$R/tmp" "$R/old"
mount -t proc proc "$R/proc"
mount -t sysfs sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
for node in null zero full random urandom tty; do touch "$R/dev/$node"; mount --bind "/dev/$node" "$R/dev/$node"; done
mkdir "$R/dev/pts" "$R/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$R/dev/pts"
ln -s pts/ptmx "$R/dev/ptmx"
mount -t tmpfs tmpfs "$R/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
mkdir -p "$R$2"
mount --bind "$2" "$R$2"
rm -rf "$R"/etc/systemd/system/*.wants
for unit in ${masked.join(' ')}; do ln -sf /dev/null "$R/etc/systemd/system/$unit"; done
mkdir -p "$R/run/resource-agents"
ip link set lo up
cd "$R"
pivot_root . old
umount -l /old
exec env -i PATH=${path} container=lab /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=no
`

let booted = 0

function controlGroups(): string {
  const unified = '/sys/fs/cgroup/unified'
  return existsSync(unified) ? unified : '/sys/fs/cgroup'
}

/** A host with a real systemd as its first process, in namespaces; its files are this system's, its changes vanish with it. */
export class SystemdHost {
  readonly #child: ChildProcess
  readonly #place: string
  readonly #group: string
  readonly #pid: number
  /** From the start to `running`. */
  readonly bootMs: number

  private constructor(child: ChildProcess, place: string, group: string, pid: number, bootMs: number) {
    this.#child = child
    this.#place = place
    this.#group = group
    this.#pid = pid
    this.bootMs = bootMs
  }

  static async boot(): Promise<SystemdHost> {
    const begun = performance.now()
    const place = mkdtempSync(join(tmpdir(), 'hot-standby-systemd-'))
    const group = join(controlGroups(), `${run}-${++booted}`)
    mkdirSync(group, { recursive: true })
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--cgroup', '--fork', '--kill-child']
    // With the death signal, nothing stays when this process is killed.
    const words = ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...namespaces, 'sh', '-c', boot, 'sh']
    const enter = 'echo $$ > "$0/cgroup.procs"; exec "$@"'
    const child = spawn('sh', ['-c', enter, group, ...words, place, repository.replace(/\/$/, '')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let console = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => {
        console = `${console}${text}`.slice(-4000)
      })
    }
    let pid = 0
    try {
      await waitFor(
        () => {
          if (child.exitCode !== null || child.signalCode !== null) return false
          pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim())
          return pid > 0 && existsSync(`/proc/${pid}/root/run/systemd/private`)
        },
        { what: 'systemd listens', withinMs: 30_000, seen: () => console },
      )
      const host = new SystemdHost(child, place, group, pid, 0)
      await waitFor(() => host.run('systemctl', 'is-system-running') === 'running', {
        what: 'systemd has booted',
        withinMs: 30_000,
        everyMs: 100,
        seen: () =>
          `${host.run('systemctl', 'is-system-running')} ${host.run('systemctl', '--failed', '--no-legend')}\n${console}`,
      })
      return new SystemdHost(child, place, group, pid, performance.now() - begun)
    } catch (error) {
      await new SystemdHost(child, place, group, pid, 0).end()
      throw error
    }
  }

  /** Of its first process, as this machine sees it. */
  get pid(): number {
    return this.#pid
  }

  /** The words that go into the host, before those of a command. */
  get enter(): readonly string[] {
    const namespaces = ['-m', '-p', '-n', '-u', '-i', '-C']
    return ['nsenter', '-t', String(this.#pid), ...namespaces, 'env', '-i', `PATH=${path}`, 'LC_ALL=C']
  }

  /** Runs a command there; what it printed, whatever its exit code. */
  run(...words: readonly string[]): string {
    const [file = '', ...args] = [...this.enter, ...words]
    try {
      return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch (error) {
      return String((error as { stdout?: string }).stdout ?? '').trim()
    }
  }

  /** Writes unit files and lets systemd read them. */
  write(units: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(units)) {
      writeFileSync(`/proc/${this.#pid}/root/etc/systemd/system/${name}`, text)
    }
    this.run('systemctl', 'daemon-reload')
  }

  /** Main process of a service, as this host numbers it. */
  mainPid(unit: string): number {
    return Number(this.run('systemctl', 'show', '--value', '-p', 'MainPID', unit))
  }

  /** SIGKILL to every process of a unit; returns when systemd has seen the end of it, 5 s later at most. */
  kill(unit: string): void {
    const seen = 'n=0; while systemctl -q is-active "$0" && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.05; done'
    this.run('sh', '-c', `systemctl kill -s KILL "$0"; ${seen}`, unit)
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child
    if (exitCode === null && signalCode === null) {
      const exit = once(this.#child, 'exit')
      process.kill(this.#pid || (this.#child.pid as number), 'SIGKILL')
      await exit
    }
    rmSync(this.#place, { recursive: true, force: true })
    await waitFor(
      () => {
        removeGroup(this.#group)
        return true
      },
      { what: `${this.#group} is removed` },
    )
  }
}

/** Removes a control group with those below it. */
function removeGroup(group: string): void {
  if (!existsSync(group)) return
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name))
  }
  rmdirSync(group)
}
