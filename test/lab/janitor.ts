import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The name of this process's run. Every network namespace and control group that it makes is called `NAME-…`: the dash ends the
 * number, so that the run of process 12 is not mistaken for that of process 123.
 */
export const run = `hs-${process.pid}`

/** Every process that this one starts carries it, with the name of the run. */
const marker = 'HOT_STANDBY_RUN'

/**
 * A shell in a session of its own. It reads until its input ends, which the kernel sees to however the process at the other end
 * dies. Then it takes away what is left of the run: its processes and all others in namespaces that it made, its network
 * namespaces and control groups, loop devices and mounts of files in its directory, and the directory.
 *
 * Three rounds: what was just being made when the run was killed is there in the second one.
 */
const sweep = `trap '' INT TERM HUP
marker=$1 run=$2 directory=$3
cat > /dev/null
own=$(readlink /proc/self/ns/net /proc/self/ns/mnt /proc/self/ns/pid | tr '\\n' ' ')
namespaces() {
  find /proc/[0-9]*/ns -maxdepth 1 '(' -name net -o -name mnt -o -name pid ')' -printf '%p %l\\n' 2> /dev/null
}
victims() {
  marked=$(grep -lzsxF -e "$marker" /proc/[0-9]*/environ | cut -d/ -f3 | tr '\\n' ' ')
  namespaces | awk -v marked="$marked" -v own="$own" '
    BEGIN {
      split(marked, pids, " "); for (i in pids) is[pids[i]] = 1
      split(own, mine, " "); for (i in mine) shared[mine[i]] = 1
    }
    { split($1, part, "/"); pid[NR] = part[3]; space[NR] = $2; if (part[3] in is && !($2 in shared)) made[$2] = 1 }
    END { for (i in pids) print pids[i]; for (i = 1; i <= NR; i++) if (space[i] in made) print pid[i] }' | sort -un
}
for round in 1 2 3; do
  for pid in $(victims); do [ "$pid" = $$ ] || kill -9 "$pid"; done
  for name in $(ip netns list | cut -d' ' -f1); do
    case $name in "$run"-*) kill -9 $(ip netns pids "$name"); ip netns del "$name" ;; esac
  done
  losetup -l -n -O NAME,BACK-FILE | while read -r device file; do
    case $file in "$directory"/*) losetup -d "$device" ;; esac
  done
  cut -d' ' -f5 /proc/self/mountinfo | while read -r place; do
    case $place in "$directory"/*) umount -l "$place" ;; esac
  done
  for group in /sys/fs/cgroup/"$run"-* /sys/fs/cgroup/unified/"$run"-*; do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir '{}' ';'
  done
  rm -rf --one-file-system "$directory" /dev/shm/"$run"-*
  [ "$round" = 3 ] || sleep 0.3
done`

/**
 * Files that a test makes in `os.tmpdir()` lie in a directory of this run from now on, and every process that it starts carries
 * the run's name: so that nothing stays, whichever way the run ends.
 */
function employ(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return
  const { [marker]: _ofAnother, ...env } = process.env
  const directory = mkdtempSync(join(tmpdir(), `${run}-`))
  // Programs of other users are let in, as into the directory that it stands for.
  chmodSync(directory, 0o755)
  const janitor = spawn('/bin/sh', ['-c', sweep, 'janitor', `${marker}=${run}`, run, directory], {
    cwd: '/',
    detached: true,
    env,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  janitor.unref()
  janitor.stdin.on('error', () => {})
  // The pipe must not keep this process from ending. It is a socket, which its type does not tell.
  if ('unref' in janitor.stdin && typeof janitor.stdin.unref === 'function') janitor.stdin.unref()
  process.env[marker] = run
  process.env['TMPDIR'] = directory
}

employ()
