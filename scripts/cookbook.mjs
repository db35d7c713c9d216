// Plays every recipe of examples/cookbook that has a main.mjs: its dependencies are installed beside a copy of it, two members run,
// the first is told to stop, and the second must serve. `node scripts/cookbook.mjs [NAME…]`
import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '..')
const recipes = join(root, 'examples/cookbook')
const cache = join(root, 'node_modules/.cache/cookbook')
const limitMs = 60_000

function installed(dependencies) {
  mkdirSync(cache, { recursive: true })
  const wanted = JSON.stringify({ private: true, type: 'module', dependencies }, null, 2)
  const file = join(cache, 'package.json')
  const same = existsSync(file) && readFileSync(file, 'utf8') === wanted && existsSync(join(cache, 'node_modules'))
  if (!same) {
    writeFileSync(file, wanted)
    const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts']
    const { status, stderr } = spawnSync('npm', args, { cwd: cache, encoding: 'utf8' })
    if (status !== 0) {
      rmSync(file)
      throw new Error(
        `not run, because npm does not give the packages: ${stderr.trim().split('\n').slice(0, 3).join(' ')}`,
      )
    }
  }
  // The library as the build makes it.
  const own = join(cache, 'node_modules/hot-standby')
  rmSync(own, { recursive: true, force: true })
  mkdirSync(own)
  cpSync(join(root, 'package.json'), join(own, 'package.json'))
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), join(own, 'dist')], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
}

/** A port of which the two above it are free most likely, too. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port > 65_000 ? port - 100 : port))
    })
  })
}

/** Whether a broker takes a client: its answer to CONNECT (MQTT 3.1.1, client `a`) is CONNACK. */
const takesClient = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => socket.write(Buffer.from('100d00044d5154540402003c000161', 'hex')))
    socket.on('data', ([type, , , code]) => resolve(socket.destroy() && type === 0x20 && code === 0))
    socket.on('close', () => resolve(false))
    socket.on('error', () => {})
  })

const page = (port) =>
  fetch(`http://127.0.0.1:${port}/`).then(
    (response) => response.text(),
    () => '',
  )

/** Which member answers a SIP OPTIONS; empty where none does. */
const sipServer = (port) =>
  new Promise((resolve) => {
    const socket = createSocket('udp4')
    const done = (name) => {
      clearTimeout(limit)
      socket.close()
      resolve(name)
    }
    const limit = setTimeout(done, 1000, '')
    socket.on('error', () => done(''))
    socket.on('message', (bytes) => {
      const text = bytes.toString()
      done(text.startsWith('SIP/2.0 200 OK') ? (/^Server: (.*)\r$/m.exec(text)?.[1] ?? '') : '')
    })
    const head = [
      'OPTIONS sip:a@127.0.0.1 SIP/2.0',
      'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1',
      'From: <sip:b@c>;tag=1',
    ]
    socket.send([...head, 'To: <sip:a@c>', 'Call-ID: 1', 'CSeq: 1 OPTIONS', '', ''].join('\r\n'), port, '127.0.0.1')
  })

/** How it is seen that a member serves, beside its own word. */
const looks = {
  express: async (port, node) => (await page(port)) === `hello from ${node}\n`,
  fastify: async (port, node) => (await page(port)) === `hello from ${node}\n`,
  websocket: async (port, node) => (await page(port)) === `hello from ${node}\n`,
  sip: async (port, node) => (await sipServer(port)) === node,
  mqtt: (port) => takesClient(port),
  scheduler: async (_port, node, text) => text.includes(`${node} runs the job`),
}

async function play(name) {
  const folder = join(cache, name)
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(recipes, name), folder, { recursive: true })
  const main = join(cache, 'node_modules/hot-standby/dist/cli/main.js')
  spawnSync(process.execPath, [main, 'keygen', 'key'], { cwd: folder })
  const port = await freePort()
  const members = Object.fromEntries(
    ['one', 'two'].map((node) => {
      const child = spawn(process.execPath, ['main.mjs', node, String(port)], { cwd: folder })
      const member = { child, text: '', ended: new Promise((resolve) => child.on('close', resolve)) }
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (chunk) => {
          member.text += chunk
        })
      return [node, member]
    }),
  )
  const serves = async (node) => {
    const untilMs = performance.now() + limitMs
    const { [node]: member } = members
    while (!member.text.includes(`${node} serves ${name}`) || !(await looks[name](port, node, member.text))) {
      if (performance.now() > untilMs)
        throw new Error(`${node} does not serve:\n${members.one.text}\n${members.two.text}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const ends = async (node, signal) => {
    members[node].child.kill(signal)
    const code = await members[node].ended
    if (code !== 0) throw new Error(`${node} ended with ${code}: ${members[node].text}`)
  }
  try {
    await serves('one')
    await ends('one', 'SIGTERM')
    await serves('two')
    await ends('two', 'SIGINT')
  } finally {
    for (const { child } of Object.values(members)) child.kill('SIGKILL')
  }
}

/** Plays the recipes; throws what did not work. */
export async function playCookbook(names) {
  const all = readdirSync(recipes).filter((name) => existsSync(join(recipes, name, 'main.mjs')))
  const without = all.filter((name) => !Object.hasOwn(looks, name))
  if (without.length > 0) throw new Error(`scripts/cookbook.mjs does not know how to look at ${without.join(', ')}`)
  const read = (name) => JSON.parse(readFileSync(join(recipes, name, 'package.json'), 'utf8')).dependencies
  const { 'hot-standby': _, ...dependencies } = Object.assign({}, ...all.map(read))
  installed(dependencies)
  const chosen = names.length > 0 ? names : all
  for (const name of chosen) {
    try {
      await play(name)
    } catch (error) {
      throw new Error(`${name}: ${error.message}`)
    }
  }
  return chosen
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log(`played: ${(await playCookbook(process.argv.slice(2))).join(', ')}`)
