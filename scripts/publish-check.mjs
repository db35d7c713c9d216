// Publishes the package to a registry that is a small server on this machine: `npm publish --dry-run` never gets as far as that.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { npmCall } from './dependencies.mjs'

/** A registry knows nothing and takes everything; most of the size is what every user downloads. */
const maxPackedBytes = 700_000

/** Answers as a registry that has no package yet, and keeps what is put into it. */
async function stubRegistry() {
  const taken = []
  const server = createServer(async (request, response) => {
    const parts = []
    for await (const part of request) parts.push(part)
    const isPut = request.method === 'PUT'
    if (isPut) taken.push({ url: request.url, body: JSON.parse(Buffer.concat(parts).toString('utf8')) })
    response.writeHead(isPut ? 201 : 404, { 'content-type': 'application/json' })
    response.end(isPut ? '{"ok":true}' : '{"error":"not found"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { taken, server, address: `127.0.0.1:${server.address().port}/` }
}

/** What is wrong with the document of a version that npm sent. */
function problemsOf({ scripts = {}, repository, homepage, bugs, author, main, types, man }, packedBytes) {
  const needed = { 'repository.url': repository?.url, homepage, 'bugs.url': bugs?.url, 'author.name': author?.name }
  // npm links a man page only where it stands in a list.
  const missing = Object.entries({ ...needed, main, types, 'man[0]': Array.isArray(man) && man[0] }).filter(
    ([, value]) => !value,
  )
  return [
    ...missing.map(([name]) => `package.json has no ${name}`),
    ...['prepare', 'preinstall', 'install', 'postinstall']
      .filter((name) => scripts[name])
      .map((name) => `the packed package.json has the script ${name}, which runs on a user's machine`),
    ...(packedBytes < maxPackedBytes ? [] : [`${packedBytes} bytes are packed; the limit is ${maxPackedBytes}`]),
  ]
}

/** Builds, packs and publishes, as an owner of the package does outside CI. Writes the tarball into `folder`; returns its path. */
export async function publishToStub(folder) {
  const { taken, server, address } = await stubRegistry()
  try {
    const userConfig = join(folder, 'npmrc')
    writeFileSync(userConfig, `//${address}:_authToken=nobody\n`)
    const flags = ['--registry', `http://${address}`, '--userconfig', userConfig, '--cache', join(folder, 'cache')]
    const { command, args, options } = npmCall(['publish', ...flags])
    // In CI npm would ask the forge for a token of its own.
    delete options.env.ACTIONS_ID_TOKEN_REQUEST_URL
    const { stderr } = await promisify(execFile)(command, args, options)
    const corrected = /npm warn publish.*/.exec(stderr)
    if (corrected) throw new Error(`npm publish mends package.json: ${corrected[0]}`)

    if (taken.length !== 1) throw new Error(`npm publish put ${taken.length} documents instead of one:\n${stderr}`)
    const [{ url, body }] = taken
    const version = Object.values(body.versions)[0]
    const tarball = Buffer.from(Object.values(body._attachments)[0].data, 'base64')
    if (url !== `/${version.name}` || body.access !== 'public')
      throw new Error(`npm publish put ${url} with access ${body.access}`)
    const problems = problemsOf(version, tarball.length)
    if (problems.length > 0) throw new Error(problems.join('\n'))
    const path = join(folder, `${version.name}-${version.version}.tgz`)
    writeFileSync(path, tarball)
    return path
  } finally {
    server.close()
  }
}

/** Relative links of the pages of an installed package that lead out of it or to nothing. */
export function deadLinks(installed) {
  const files = readdirSync(installed, { recursive: true }).map((name) => join(installed, name))
  const there = new Set([installed, ...files])
  return files
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) => {
      const prose = readFileSync(path, 'utf8').replace(/^```[\s\S]*?^```/gm, '')
      return [...prose.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
        .map(([, link]) => link)
        .filter((link) => !/^[a-z]+:/.test(link) && !there.has(join(dirname(path), link)))
        .map((link) => `${path.slice(installed.length + 1)}: ${link}`)
    })
}
