/** One directive outside of every block. */
export interface Directive {
  readonly name: string
  readonly args: readonly string[]
}

/** The directives outside of every block, in order. Understands comments, quotes, escapes and `${…}`; never throws. */
export function topLevelDirectives(text: string): readonly Directive[] {
  const found: Directive[] = []
  let words: string[] = []
  let depth = 0
  for (const token of tokens(text)) {
    if (token.type === 'word') words.push(token.text)
    else if (token.type === '{') depth++
    else {
      const [name, ...args] = words
      if (token.type === ';' && depth === 0 && name !== undefined) found.push({ name, args })
      if (token.type === '}') depth = Math.max(0, depth - 1)
    }
    if (token.type !== 'word') words = []
  }
  return found
}

type Token = { readonly type: 'word'; readonly text: string } | { readonly type: '{' | '}' | ';' }

const tokenPattern =
  /\s+|#[^\n]*|(?<mark>[{};])|"(?<double>(?:\\.|[^"\\])*)"|'(?<single>(?:\\.|[^'\\])*)'|(?<plain>(?:\$\{|\\.|[^\s{};])+)|./gs

function* tokens(text: string): Generator<Token> {
  for (const { groups = {} } of text.matchAll(tokenPattern)) {
    const { mark, double, single, plain } = groups
    const word = double ?? single ?? plain
    if (mark) yield { type: mark as '{' | '}' | ';' }
    else if (word !== undefined) yield { type: 'word', text: word.replace(/\\(.)/gs, '$1') }
  }
}

/** Where an nginx was built to look for its files. */
export interface NginxBuild {
  readonly prefix: string
  readonly config: string
  readonly pidFile: string
}

/** Reads what `nginx -V` prints; what it does not name has the defaults of nginx's own configure script. */
export function nginxBuild(output: string): NginxBuild {
  const option = (name: string): string | undefined => {
    const match = new RegExp(`--${name}=('[^']*'|\\S+)`).exec(output)
    return match?.[1]?.replace(/^'(.*)'$/, '$1')
  }
  const prefix = option('prefix') ?? '/usr/local/nginx'
  return {
    prefix,
    config: under(prefix, option('conf-path') ?? 'conf/nginx.conf'),
    pidFile: under(prefix, option('pid-path') ?? 'logs/nginx.pid'),
  }
}

/** A path as nginx completes it. */
export function under(directory: string, path: string): string {
  return path.startsWith('/') ? path : `${directory.replace(/\/$/, '')}/${path}`
}

const missingAddress = /bind\(\) to \S+ failed \(\d+: Cannot assign requested address\)/

/** Did nginx fail because an address is not on this host (now)? */
export function lacksAddress(output: string): boolean {
  return missingAddress.test(output)
}

/**
 * What is wrong with a configuration, by what `nginx -t` ended with and printed; null when nothing is. An address that is
 * not on this host is no fault of the configuration: on a standby it cannot be there. nginx reads the whole configuration
 * before it binds, and gives up at the first bind, so that complaint stands alone when the rest is well.
 */
export function configFault(exitCode: number | null, output: string): string | null {
  if (exitCode === 0) return null
  const faults = faultLines(output).filter((line) => !missingAddress.test(line))
  if (faults.length === 0 && lacksAddress(output) && /syntax is ok/.test(output)) return null
  return faults.join('; ') || 'nginx -t failed without saying why'
}

/** nginx's own complaints: its `[emerg]`, `[crit]`, `[alert]` and `[error]` lines, else the last ones it printed. */
export function faultLines(output: string): readonly string[] {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const complaints = lines.filter((line) => /\[(?:emerg|crit|alert|error)\]/.test(line))
  return [...new Set(complaints.length > 0 ? complaints : lines)].slice(-3)
}
