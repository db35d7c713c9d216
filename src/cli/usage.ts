/** What `hot-standby --help` prints. */
export const usage = `hot-standby: a high-availability pair of two hosts

  hot-standby run [--dir DIR] [--node NAME] [--state DIR] [--control SOCKET] [--on-fatal ACTION] [--status-port PORT] [--json]
      runs this host's member in the foreground; SIGTERM hands over and ends it, SIGHUP reads the files again
  hot-standby check [--dir DIR] [--node NAME]
      reads the files and says what is wrong with them and what each resource word became
  hot-standby status [--json | --check]
      what the running member knows; --check: in one line, with the exit codes of a monitoring plugin
  hot-standby watch
      the same on the whole terminal, drawn again as it changes, with the newest events; q ends it
  hot-standby metrics
      what the running member knows as Prometheus's metrics, for the textfile collector of the node exporter, say
  hot-standby standby [all|local|foreign|GROUP...]
      gives groups to the peer; ends when the peer has confirmed that it serves them
  hot-standby takeover [all|local|foreign|GROUP...]
      takes groups from the peer; ends when they are served here
  hot-standby maintenance on|off [all|local|foreign|GROUP...]
      watches groups and touches nothing: no start, no stop, no move, on both nodes; off: looks at them and mends
  hot-standby events [--json]
      prints every event of the running member until it ends
  hot-standby record [FILE]
      writes what the flight recorder of the running member still holds to FILE, or to the standard output
  hot-standby replay FILE... [--all] [--json]
      runs a recording again (of several files the oldest first), verifies that the same comes out, and prints what happened with
      the reason of every decision
  hot-standby timeline FILE... --svg|--html [--all]
      draws the last change of role in recordings of one or both nodes, on the standard output
  hot-standby why [GROUP] [--json]
      explains the last change of role of the running member, however long it is ago
  hot-standby history [GROUP] [--json]
      who served what since when, why, and who asked for it, over restarts of the member too
  hot-standby cleanup [--dir DIR] [--node NAME] [--state DIR]
      removes what a killed member has left on this host (for ExecStopPost= of the systemd unit)
  hot-standby keygen [FILE]
      makes a key for the method 'sealed' and writes it to FILE, which must not exist yet, or to standard output

  --dir DIR         directory with ha.cf, authkeys and haresources, or with hot-standby.ini (default /etc/ha.d)
  --node NAME       which member this host is (default: its host name)
  --state DIR       where the member keeps its state (default: from the cluster's and the node's name)
  --control SOCKET  the control socket (default: from the cluster's and the node's name)
  --on-fatal ACTION run: what to do when a resource can neither be stopped nor cut off: exit (default), none, reboot (the host,
                    at once), or the full path of a program; goes before onFatal of the ini
  --status-port PORT run: serves a page with the state of the pair, metrics and health checks on 127.0.0.1, read-only
  --all             replay: every event and every decision, also those that only say how; timeline: all the time recorded
  --check           status: ends with 0 well, 1 warning (no standby, a link is down), 2 critical (nobody serves), 3 unknown
  --json            machine-readable, one JSON object per line (run: the events, on stdout)

Exit codes: 0 well, 1 failed (the reason is on stderr), 2 the command line is wrong, or a recording
begins in the middle and could only be read.
`
