import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nginx } from '../../src/resources/nginx.ts'
import { configFault, nginxBuild, topLevelDirectives, under } from '../../src/resources/nginx-config.ts'

test('directives outside of every block: comments, quotes, blocks and variables', () => {
  const text = `
    user www-data; # pid /comment.pid;
    pid "/run/my nginx.pid";
    include /etc/nginx/modules-enabled/*.conf;
    events { pid /inside.pid; }
    http { server { listen 80; set $a "}"; if ($x ~ 'a;{b') { return 200 "\${host};"; } return 301 https://\${host}/; } }
    daemon
      off;`
  assert.deepEqual(topLevelDirectives(text), [
    { name: 'user', args: ['www-data'] },
    { name: 'pid', args: ['/run/my nginx.pid'] },
    { name: 'include', args: ['/etc/nginx/modules-enabled/*.conf'] },
    { name: 'daemon', args: ['off'] },
  ])
})

test('reading a configuration never throws', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('{', '}', ';', '"', "'", '#', '\\', '$', '${', '\n', 'pid /x;'))
  fc.assert(fc.property(fc.array(piece), (pieces) => Array.isArray(topLevelDirectives(pieces.join('')))))
})

test('where an nginx was built to look', () => {
  const debian =
    'configure arguments: --with-cc-opt="-g" --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid'
  assert.deepEqual(nginxBuild(debian), {
    prefix: '/usr/share/nginx',
    config: '/etc/nginx/nginx.conf',
    pidFile: '/run/nginx.pid',
  })
  assert.deepEqual(nginxBuild('nginx version: nginx/1.27.0'), {
    prefix: '/usr/local/nginx',
    config: '/usr/local/nginx/conf/nginx.conf',
    pidFile: '/usr/local/nginx/logs/nginx.pid',
  })
  assert.equal(nginxBuild("--prefix='/opt/my nginx' --pid-path=run/pid").pidFile, '/opt/my nginx/run/pid')
  assert.equal(under('/etc/nginx/', 'a.conf'), '/etc/nginx/a.conf')
})

const bind = 'nginx: [emerg] bind() to 192.0.2.7:80 failed (99: Cannot assign requested address)'
const syntaxOk = 'nginx: the configuration file /etc/nginx/nginx.conf syntax is ok'
const failed = 'nginx: configuration file /etc/nginx/nginx.conf test failed'

test('a missing address is no fault of the configuration; everything else is', () => {
  assert.equal(configFault(0, ''), null)
  assert.equal(configFault(1, [syntaxOk, bind, failed].join('\n')), null)
  assert.equal(configFault(1, [bind, failed].join('\n')), 'nginx -t failed without saying why')
  const unknown = 'nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1'
  assert.equal(configFault(1, [unknown, failed].join('\n')), unknown)
  const privileged = 'nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)'
  assert.equal(configFault(1, [syntaxOk, privileged, failed].join('\n')), privileged)
  assert.equal(configFault(1, ''), 'nginx -t failed without saying why')
})

test('options are checked when they are given', () => {
  assert.throws(() => nginx({ mode: 'warm' as 'hot' }), /nginx\.mode: 'warm'/)
  assert.throws(() => nginx({ config: 'nginx.conf' }), /nginx\.config: 'nginx\.conf' is not an absolute path/)
  assert.throws(() => nginx({ binary: 'nginx' }), /nginx\.binary/)
  assert.throws(() => nginx({ url: 'https://x/' }), /nginx\.url: .*http:\/\//)
  assert.throws(() => nginx({ quitTimeout: 2 as unknown as '2s' }), /nginx\.quitTimeout: number 2 .*'2s' or '2ms'/)
})

test('names and times', () => {
  assert.equal(nginx().name, 'nginx')
  assert.equal(nginx({ config: '/etc/a.conf' }).name, 'nginx:/etc/a.conf')
  assert.deepEqual(nginx({ quitTimeout: '3s' }).times, {
    startMs: 10_000,
    stopMs: 8000,
    statusMs: 5000,
    intervalMs: 1000,
  })
})
