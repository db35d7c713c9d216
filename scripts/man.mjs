// The man page of the command, made of what it prints as its help.

/** What the help does not say: where things are. */
const files = [
  [
    '/etc/ha.d/ha.cf, /etc/ha.d/authkeys, /etc/ha.d/haresources',
    "Heartbeat's files: links and times, keys, resources.",
  ],
  ['/etc/ha.d/hot-standby.ini', 'All of it in one file, instead of those three.'],
  ['/var/lib/hot-standby', 'State that outlives a restart, for a member that root runs.'],
  ['/run/hot-standby', 'Control sockets, and what belongs to this boot of the host.'],
]

const exitCodes = 'Exit codes: '

/** Text as roff sees it: no escapes, no requests, hyphens that can be copied. */
const plain = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')

/** A term and what it means. */
const entry = (term, text) => `.TP\n\\fB${plain(term)}\\fR\n${plain(text)}\n`

/**
 * The help as its parts: what the command is, its commands and its options as pairs of a term and a text, and the exit codes.
 * Throws at a line that has none of their forms.
 */
function partsOf(help) {
  const [title, ...lines] = help.trimEnd().split('\n')
  const parts = { title: title.replace(/^hot-standby: /, ''), commands: [], options: [], exit: '' }
  let open = null
  for (const [index, line] of lines.entries()) {
    const command = /^ {2}hot-standby (\S.*)$/.exec(line)
    const option = /^ {2}(--\S+(?: [A-Z]+)?) +(\S.*)$/.exec(line)
    const more = /^ {6,}(\S.*)$/.exec(line)
    const term = command ? [command[1], ''] : option && [option[1], option[2]]
    if (term) {
      const list = command ? parts.commands : parts.options
      list.push(term)
      open = term
    } else if (more && open) open[1] = `${open[1]} ${more[1]}`.trimStart()
    else if (line.startsWith(exitCodes))
      parts.exit = [line.slice(exitCodes.length), ...lines.slice(index + 1)].join(' ')
    else if (line !== '' && parts.exit === '') throw new Error(`man page: no form of the help fits its line: ${line}`)
  }
  if (parts.commands.length === 0 || parts.options.length === 0 || parts.exit === '')
    throw new Error('man page: the help has no commands, no options or no exit codes')
  return parts
}

/** The man page that says what a help text says. */
export function manPage(help, { version, homepage }) {
  const { title, commands, options, exit } = partsOf(help)
  return `.TH HOT\\-STANDBY 8 "" "hot\\-standby ${plain(version)}" "System Manager's Manual"
.ad l
.nh
.SH NAME
hot\\-standby \\- ${plain(title)}
.SH SYNOPSIS
${commands.map(([term]) => `.B hot\\-standby\n${plain(term)}\n`).join('.br\n')}.SH DESCRIPTION
One of two hosts serves; the other takes over when the first one dies. Each host runs one member.
.SH COMMANDS
${commands.map(([term, text]) => entry(term, text)).join('')}.SH OPTIONS
${options.map(([term, text]) => entry(term, text)).join('')}.SH EXIT STATUS
${plain(exit)}
.SH FILES
${files.map(([term, text]) => entry(term, text)).join('')}.SH SEE ALSO
The pages of the package in
.IR docs ,
which begin with what is not guaranteed;
.UR ${homepage}
.UE
`
}
