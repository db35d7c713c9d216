// The man page of the command, made of its table.

/** What the table does not say: where things are. */
const files = [
  [
    '/etc/ha.d/ha.cf, /etc/ha.d/authkeys, /etc/ha.d/haresources',
    "Heartbeat's files: links and times, keys, resources.",
  ],
  ['/etc/ha.d/hot-standby.ini', 'All of it in one file, instead of those three.'],
  ['/var/lib/hot-standby', 'State that outlives a restart, for a member that root runs.'],
  ['/run/hot-standby', 'Control sockets, and what belongs to this boot of the host.'],
]

/** Text as roff sees it: no escapes, no requests, hyphens that can be copied. */
const plain = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')

/** A term and what it means. */
const entry = (term, text) => `.TP\n\\fB${plain(term)}\\fR\n${plain(text)}\n`

/** The man page that says what the table of the command says. */
export function manPage(table, { version, homepage }) {
  const { title, commands, options, exitCodes, optionTerm, synopsis } = table
  const words = Object.keys(commands).map((name) => [synopsis(name).join(' '), commands[name]])
  const says = ({ summary, details = [] }) => [`${summary}.`, ...details].join(' ')
  return `.TH HOT\\-STANDBY 8 "" "hot\\-standby ${plain(version)}" "System Manager's Manual"
.ad l
.nh
.SH NAME
hot\\-standby \\- ${plain(title)}
.SH SYNOPSIS
${words.map(([term]) => `.B hot\\-standby\n${plain(term)}\n`).join('.br\n')}.SH DESCRIPTION
One of two hosts serves; the other takes over when the first one dies. Each host runs one member.
.SH COMMANDS
${words.map(([term, row]) => entry(term, says(row))).join('')}.SH OPTIONS
${Object.entries(options)
  .map(([name, { text }]) => entry(optionTerm(name), text))
  .join('')}.SH EXIT STATUS
${exitCodes.map(([code, text]) => entry(String(code), text)).join('')}.SH FILES
${files.map(([term, text]) => entry(term, text)).join('')}.SH SEE ALSO
The pages of the package in
.IR docs ,
which begin with what is not guaranteed;
.UR ${homepage}
.UE
`
}
