/** Shape and colours. `light-dark()` is too new for browsers that people have on a bastion host, so colours are said twice. */
const style = `
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #fff; --ink: #1c1d20; --soft: #5a5f69; --line: #d5d7dc;
  --good: #17693a; --goodbg: #e2f3e7; --bad: #a3151c; --badbg: #fbe5e4; --caution: #7a4f00; --cautionbg: #fbefd2; --link: #1d56a6 }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --card: #1d2026; --ink: #eceef2; --soft: #a5acb8;
  --line: #373c46; --good: #7fd89b; --goodbg: #15331f; --bad: #ff9d99; --badbg: #431a1b; --caution: #f3c969; --cautionbg: #3b2e0f;
  --link: #8fbcff } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.45 system-ui, sans-serif }
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 0 1rem }
header { padding-top: 1.25rem }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem }
p { margin: .4rem 0 }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .5rem }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
#summary { padding: .6rem .8rem; border-radius: .4rem; border-left: .4rem solid; margin-top: .8rem }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 } .caution { color: var(--caution) }
#summary.good { background: var(--goodbg) } #summary.bad { background: var(--badbg) } #summary.caution { background: var(--cautionbg) }
#nodes { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; margin-top: 1rem }
.node { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem }
.node h2 { margin: 0 0 .2rem }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .4rem .75rem; border-top: 1px solid var(--line); vertical-align: top }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .85rem; white-space: nowrap }
tbody th { font-weight: 600 }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .35rem; padding: .25rem .7rem }
button { cursor: pointer; white-space: nowrap }
td:not(:last-child) { white-space: nowrap }
dialog { background: var(--card); color: var(--ink); border: 1px solid var(--line); border-radius: .5rem; max-width: 30rem }
ol { list-style: none; margin: 0; padding: .4rem .75rem; max-height: 24rem; overflow-y: auto; font-size: .92rem }
li { padding: .15rem 0; overflow-wrap: anywhere }
time, footer { color: var(--soft) }
time { font-variant-numeric: tabular-nums; margin-right: .6rem }
footer { padding-top: 1.5rem; padding-bottom: 2rem; font-size: .9rem }
a { color: var(--link) }
[hidden] { display: none }
@media (max-width: 40rem) { #nodes { grid-template-columns: 1fr } }
`

/** What keeps the page up to date. Text from outside is only ever the text of a node; what did not change is not touched. */
const script = `
'use strict'
const $ = (id) => document.getElementById(id)
const canMove = document.documentElement.dataset.moves === 'yes'
const put = (element, text, tone) => {
  if (element.textContent !== text) element.textContent = text
  const name = tone || ''
  if (element.className !== name) element.className = name
}
const length = (ms) => ms < 1000 ? Math.round(ms) + ' ms' : ms < 120000 ? (ms / 1000).toFixed(1) + ' s'
  : ms < 7200000 ? Math.round(ms / 60000) + ' min' : Math.round(ms / 3600000) + ' h'
const moment = (iso) => iso.slice(0, 10) + ' ' + iso.slice(11, 19) + ' UTC'
const tones = { active: 'good', failed: 'bad', stuck: 'bad', starting: 'caution', stopping: 'caution', probation: 'caution' }
const peerTones = { alive: 'good', late: 'caution', dead: 'bad', left: 'caution', unheard: 'caution' }

/** Rows of cells [text, tone]; the first one names the row. Cells stay the same elements, so that nobody loses the place. */
const fill = (id, rows, last) => {
  const body = $(id).tBodies[0]
  while (body.rows.length > rows.length) body.deleteRow(-1)
  rows.forEach((cells, at) => {
    const row = body.rows[at] || body.insertRow()
    cells.forEach(([text, tone], column) => {
      let cell = row.cells[column]
      if (!cell) {
        cell = document.createElement(column === 0 ? 'th' : 'td')
        if (column === 0) cell.scope = 'row'
        row.append(cell)
      }
      put(cell, text, tone)
    })
    if (last) last(row, at, cells.length)
  })
}

const claimOf = (snapshot, group) => {
  const claim = snapshot.peer.groups[group]
  if (!claim) return ['unknown']
  const state = claim.state || claim.claim
  return snapshot.peer.lastWordAgeMs === null ? [state, tones[state]] : ['was ' + state]
}

const verdicts = { good: 'All is well', caution: 'Attention', bad: 'Trouble' }

const show = ({ snapshot, verdict: { level, sentences } }) => {
  const { cluster, node, life, phase, peer, guarantee, groups, links, targets, failures } = snapshot
  document.title = cluster + ' on ' + node
  put($('title'), cluster)
  put($('summary'), verdicts[level] + ': ' + sentences.join('; ') + '.', level)
  const served = (name) => groups.filter((group) => group.servedBy === name).map((group) => group.name).join(', ') || 'nothing'
  put($('here'), node + ' (this member)')
  put($('hereState'), life + ' (' + phase + '), guarantee class ' + guarantee, life === 'running' ? 'good' : 'caution')
  put($('hereServes'), 'serves ' + served(node))
  put($('there'), peer.name)
  put($('thereState'), peer.liveness + (peer.heardEver ? ', heard ' + length(peer.silentMs) + ' ago' : ''), peerTones[peer.liveness])
  put($('thereServes'), peer.lastWordAgeMs === null ? 'serves ' + served(peer.name) : 'what it said is its last word, ' + length(peer.lastWordAgeMs) + ' old')
  fill('groups', groups.map((group) => [
    [group.name],
    group.servedBy === null ? ['nobody', 'bad'] : [group.servedBy],
    [group.state + (group.maintenance ? ', maintenance' : ''), group.maintenance ? 'caution' : tones[group.state]],
    claimOf(snapshot, group.name),
    [String(group.epoch)], [group.preferred], [group.reason],
  ]), canMove ? moveButton(groups, node, peer.name) : null)
  const failed = (group, resource) => {
    const found = failures.find((one) => one.group === group && one.resource === resource)
    return found ? [moment(found.time) + ': ' + found.reason + (found.nextTry ? ', next try ' + moment(found.nextTry) : ''), 'caution'] : ['none']
  }
  fill('resources', groups.flatMap((group) => [
    ...(failed(group.name)[1] ? [[['all'], [group.name], failed(group.name)]] : []),
    ...group.resources.map((name) => [[name], [group.name], failed(group.name, name)]),
  ]))
  fill('links', links.map((link) => [
    [link.link],
    link.up === null ? ['silent', 'caution'] : link.up ? ['up', 'good'] : ['down', 'bad'],
    [(link.lossRatio * 100).toFixed(1) + ' %', link.lossRatio > 0.05 ? 'caution' : ''],
    [link.rttMs === null ? 'unknown' : link.rttMs.toFixed(1) + ' ms'],
    [String(link.traffic.receivedFrames)],
    [Object.entries(link.dropped).map(([reason, count]) => count + ' ' + reason).join(', ') || 'none'],
    [link.path],
  ]))
  $('targetsPart').hidden = targets.length === 0
  fill('targets', targets.map(({ target, reachable }) => [[target], reachable === null ? ['unknown'] : reachable ? ['answers', 'good'] : ['silent', 'bad']]))
}

const moveButton = (groups, node, peer) => (row, at, column) => {
  const group = groups[at]
  const away = group.state === 'active'
  let cell = row.cells[column]
  if (!cell) {
    cell = row.insertCell()
    cell.append(Object.assign(document.createElement('button'), { type: 'button' }))
  }
  const button = cell.firstChild
  put(button, 'Move ' + group.name + ' to ' + (away ? peer : node))
  button.onclick = () => ask(away ? 'standby' : 'takeover', group.name, button.textContent)
}

const ask = (action, group, words) => {
  put($('question'), words + '?')
  $('move').onsubmit = async (event) => {
    event.preventDefault()
    put($('answer'), 'Moving …')
    try {
      const response = await fetch('move', {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer ' + $('token').value },
        body: JSON.stringify({ action, groups: [group] }),
      })
      const { error } = await response.json()
      if (error) put($('answer'), error, 'bad')
      else { put($('answer'), ''); $('dialog').close() }
    } catch (error) { put($('answer'), String(error), 'bad') }
  }
  put($('answer'), '')
  $('dialog').showModal()
}
$('cancel').onclick = () => $('dialog').close()

const levels = { error: 'bad', warn: 'caution' }
const tell = ({ time, level, name, text }) => {
  const item = document.createElement('li')
  const when = Object.assign(document.createElement('time'), { dateTime: time, textContent: time.slice(11, 19) })
  item.append(when, Object.assign(document.createElement('span'), { textContent: (levels[level] ? level + ': ' : '') + text, title: name, className: levels[level] || '' }))
  $('told').prepend(item)
  while ($('told').children.length > 200) $('told').lastChild.remove()
  $('quiet').hidden = true
}

const source = new EventSource('events')
source.addEventListener('state', ({ data }) => show(JSON.parse(data)))
source.addEventListener('told', ({ data }) => tell(JSON.parse(data)))
source.onopen = () => { $('told').replaceChildren(); put($('connection'), 'live') }
source.onerror = () => {
  put($('connection'), 'not connected: what stands here is old; trying again', 'bad')
  put($('summary'), 'This member does not answer: what stands here is old.', 'bad')
}
`

const tableOf = (id: string, title: string, heads: readonly string[]): string =>
  `<section aria-labelledby="${id}Title"${id === 'targets' ? ' id="targetsPart" hidden' : ''}>
<h2 id="${id}Title">${title}</h2>
<div class="scroll" role="region" aria-labelledby="${id}Title" tabindex="0"><table id="${id}" aria-labelledby="${id}Title">
<thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead><tbody></tbody>
</table></div>
</section>`

/** The page, and the parts of it that its own policy of content names by their hashes. */
export function statusPage(moves: boolean): { readonly html: string; readonly style: string; readonly script: string } {
  const groupHeads = ['Group', 'Served by', 'Here', 'At the peer', 'Epoch', 'Prefers', 'Because']
  const html = `<!doctype html>
<html lang="en" data-moves="${moves ? 'yes' : 'no'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hot-standby</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#groupsTitle">Skip to the groups</a>
<header>
<h1 id="title">hot-standby</h1>
<p id="summary" class="caution" role="status">Asking the member …</p>
</header>
<main>
<div id="nodes">
<section class="node" aria-labelledby="here"><h2 id="here">This member</h2><p id="hereState"></p><p id="hereServes"></p></section>
<section class="node" aria-labelledby="there"><h2 id="there">Its peer</h2><p id="thereState"></p><p id="thereServes"></p></section>
</div>
${tableOf('groups', 'Groups', moves ? [...groupHeads, 'Move'] : groupHeads)}
${tableOf('resources', 'Resources', ['Resource', 'Of', 'Last failure'])}
${tableOf('links', 'Links', ['Link', 'State', 'Loss', 'Round trip', 'Received', 'Not believed', 'Path'])}
${tableOf('targets', 'Ping targets', ['Target', 'State'])}
<section aria-labelledby="toldTitle">
<h2 id="toldTitle">Events, the newest first</h2>
<div class="scroll"><p id="quiet">&nbsp; Nothing has happened since this page was opened.</p><ol id="told" tabindex="0" aria-labelledby="toldTitle"></ol></div>
</section>
<dialog id="dialog" aria-labelledby="question"><form id="move">
<h2 id="question"></h2>
<p><label for="token">Token of the status server</label><br><input id="token" type="password" autocomplete="off" required></p>
<p><button>Move</button> <button id="cancel" type="button">Cancel</button></p>
<p id="answer" role="alert"></p>
</form></dialog>
</main>
<footer>
<p>Times are UTC. Connection: <span id="connection">opening</span>. <a href="metrics">Metrics</a>, <a href="snapshot">snapshot</a>.</p>
</footer>
<script>${script}</script>
</body>
</html>
`
  return { html, style, script }
}
