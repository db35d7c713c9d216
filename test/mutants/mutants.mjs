/**
 * Planted bugs: each is one change of one file, by which a rule of the design is broken. The seeds that catch them stand in
 * `caught.json`; `npm run mutants` plays all of them again. `twice`: the bug shows only when the same seed is played twice.
 */
const bug = (id, says, file, find, replace, { twice = false } = {}) => ({ id, says, file, find, replace, twice })

const authority = 'src/core/authority/guarantee.ts'
const actions = 'src/core/ownership/actions.ts'
const table = 'src/core/ownership/table.ts'
const step = 'src/core/core.ts'
const links = 'src/core/peer/links.ts'
const membership = 'src/core/peer/membership.ts'
const stallRecovery = 'src/core/stalls/stall-recovery.ts'
const circumstances = 'src/core/ownership/guard-context.ts'
const messenger = 'src/core/peer/messenger.ts'
const group = 'src/core/group/group.ts'
const dialogue = 'src/core/handover/handover.ts'
const application = 'src/core/peer/application-messages.ts'
const damping = 'src/core/ownership/flap-damping.ts'
const deadtime = 'src/liveness/deadtime.ts'

export const mutants = [
  // Two active nodes.
  bug(
    'nobody-gives-way',
    'a contest has no loser',
    authority,
    'holds: (question) => !rank(question).goesOn',
    'holds: () => false',
  ),
  bug(
    'lower-epoch-wins',
    'of two active nodes the one with the lower epoch goes on',
    'src/core/authority/contest.ts',
    "goesOn: ({ epoch, peerClaim }) => epoch > (peerClaim?.epoch ?? 0),\n    because: 'The owner",
    "goesOn: ({ epoch, peerClaim }) => epoch < (peerClaim?.epoch ?? 0),\n    because: 'The owner",
  ),
  bug(
    'loser-stops-first',
    'who must not serve stops in order and does not cut off first',
    actions,
    'cutAndStop: (acting) => stop(acting, true)',
    'cutAndStop: (acting) => stop(acting, false)',
  ),
  bug(
    'winner-silent',
    'the winner of a contest does not say again that it serves',
    table,
    "do: ['contest', 'reacquire']",
    "do: ['contest']",
  ),
  bug(
    'winner-untold',
    'the winner of a contest does not tell of it',
    actions,
    'if (owned.contest !== contest)\n',
    'if (owned.contest !== contest && !goesOn)\n',
  ),
  bug(
    'return-not-announced',
    'a peer returns, and the addresses are not announced again',
    step,
    'if (returned) ownership.announceAll()',
    '',
  ),
  bug(
    'granted-before-done',
    'a group is taken as soon as it is offered, before the giver is done',
    dialogue,
    '    accept: () => {\n      this.#answer(false)\n',
    "    accept: () => {\n      this.#answer(false)\n      this.#actions.grantGroups('me')\n",
  ),
  bug(
    'nobody-begins',
    'a group that nobody has is left to the other by both',
    authority,
    'return preferredHere || peerCannot || peerFreeForMs >= beats.preferredFirst * keepaliveMs',
    'return peerCannot',
  ),
  bug(
    'announced-as-taken',
    'every repeated announcement is told as a taking',
    group,
    "this.#port.event('group:announced', {",
    "this.#port.event('group:acquired', {",
  ),
  // Epochs.
  bug(
    'epoch-not-raised',
    'an ownership keeps the epoch of the last one',
    actions,
    'question.peerClaim?.epoch ?? 0) + 1',
    'question.peerClaim?.epoch ?? 0)',
  ),
  bug(
    'old-epoch-in-agents',
    'agents are asked under the epoch before',
    actions,
    'else group.start(epoch)',
    'else group.start(epoch - 1)',
  ),
  bug(
    'epoch-not-kept',
    'a restart forgets the epochs',
    'src/core/ownership/ownership.ts',
    'epoch: port.config().state.epochCeilings[config.name] ?? 0,',
    'epoch: 0,',
  ),

  // Detection.
  bug(
    'stall-not-credited',
    'own stalls count as silence of the peer',
    membership,
    'this.#stalledMs += creditMs',
    'this.#stalledMs += 0',
  ),
  bug(
    'no-fresh-time',
    'after a stall the verdict comes at once',
    membership,
    'this.#noVerdictBeforeMs = now + beats',
    'this.#noVerdictBeforeMs = now - beats',
  ),
  bug(
    'dead-too-late',
    'a peer is dead after twice its dead time',
    deadtime,
    "if (nowMs >= this.#sinceMs + this.#deadtimeMs) return 'dead'",
    "if (nowMs >= this.#sinceMs + 2 * this.#deadtimeMs) return 'dead'",
  ),
  bug('dead-too-early', 'a peer is dead after its warntime', deadtime, "? 'late' : 'alive'", "? 'dead' : 'alive'"),
  bug('never-late', 'nobody is called late', deadtime, "? 'late' : 'alive'", "? 'alive' : 'alive'"),
  bug(
    'any-link-is-all',
    'the silence of one link is the death of the peer',
    membership,
    "const verdict = judged ? this.#detector.check(now) : 'alive'",
    "const verdict = judged ? (this.#links.anySilent(now, this.#peer.deadtimeMs) ? 'dead' : this.#detector.check(now)) : 'alive'",
  ),
  bug(
    'link-comes-back-untold',
    'a link that is heard again is not told',
    links,
    "this.#event('link:up', { link: name })",
    '',
  ),

  // StallRecovery.
  bug(
    'no-cut-on-waking',
    'who was stopped for long goes on serving while it asks',
    table,
    "do: ['cut', 'askPeer'],\n    why: 'this process was paused",
    "do: ['askPeer'],\n    why: 'this process was paused",
  ),
  bug(
    'word-before-cut',
    'a beat leaves before the groups are cut off',
    stallRecovery,
    'stallTracker.stallRecovery = true\n',
    'this.#port.beatAnew()\nawareness.stallRecovery = true\n',
  ),
  bug('no-probation', 'a long stall is no reason to ask', step, 'ownership.stalled(stallMs)\n', '\n'),

  // Isolation and ping targets.
  bug(
    'isolated-takes',
    'an isolated node takes groups over',
    authority,
    '!question.maintained && !question.isolated && !question.leaving &&',
    '!question.maintained && !question.leaving &&',
  ),
  bug(
    'isolated-takes-on',
    'an isolated node that may go on serving takes groups over as well',
    authority,
    '!question.maintained && !question.isolated && !question.leaving &&',
    "!question.maintained && !(question.isolated && question.onIsolated === 'stop') && !question.leaving &&",
  ),
  bug(
    'isolated-holds',
    'an isolated node goes on serving whatever the policy',
    authority,
    "holds: (question) => question.isolated && question.onIsolated === 'stop'",
    "holds: (question) => question.keepaliveMs < 0 && question.onIsolated === 'stop'",
  ),
  bug(
    'targets-are-all',
    'silent targets isolate a node that hears its peer',
    'src/core/authority/connectivity.ts',
    'const isolated = suspicious && (',
    'const isolated = suspicious || (',
  ),

  // Moves.
  bug(
    'leaves-before-stopped',
    'a node leaves before its groups have stopped',
    dialogue,
    "if (this.#phase === 'leaving' && !anyHeld(this.#port)) this",
    "if (this.#phase === 'leaving') this",
  ),
  bug(
    'slow-grant',
    'the taker waits before it starts what it was given',
    dialogue,
    '    grantGroups: () => {\n      const { groups, reason } = this.#move as Move\n      for',
    "    grantGroups: () => {\n      const { groups, reason } = this.#move as Move\n      this.#port.timers.set('slow', this.#port.monoMs() + 400, () => {\n        for (const group of groups) this.#port.grant(group, reason)\n      })\n      if (reason === 'unowned') for",
  ),
  bug(
    'failback-unstable',
    'a group goes home to a peer that was just heard',
    circumstances,
    'nowMs - membership.hearingSinceMs >= stableMs &&',
    '',
  ),
  bug(
    'failback-against-operator',
    'a group that an operator moved goes home',
    actions,
    "owned.returnable = owned.reason !== 'command'",
    'owned.returnable = true',
  ),
  bug(
    'failback-everything',
    'groups are given back that are at home',
    dialogue,
    'preferred === this.#peer && this.#port.returnable(name)',
    'this.#port.returnable(name)',
  ),
  bug(
    'damped-late',
    'a third taking within ten minutes does not hold a group where it is',
    damping,
    'const borne = 2',
    'const borne = 3',
  ),
  bug(
    'move-never-answered',
    'a command whose move is done is not answered',
    dialogue,
    'if (move.rest.length === 0 && move.commandId !== undefined) this.#port.reply(move.commandId)',
    '',
  ),
  bug(
    'move-end-untold',
    'the end of a move is not told',
    dialogue,
    "this.#port.event('move:done', { groups: move.groups, to: this.#peer, tookMs })",
    '',
  ),

  // Operations.
  bug(
    'no-grace',
    'what was cancelled is not waited for',
    'src/core/group/limits.ts',
    'const cancelGraceMs = 2000',
    'const cancelGraceMs = 1',
  ),
  bug(
    'start-order',
    'resources start in reverse',
    group,
    'this.#config.resources.find(({ name }) => !this.#touched.has(name))',
    'this.#config.resources.findLast(({ name }) => !this.#touched.has(name))',
  ),
  bug(
    'stop-order',
    'resources stop in the order of their start',
    group,
    'const resources = [...list].reverse()',
    'const resources = [...list]',
  ),
  bug(
    'stop-unverified',
    'a stop that failed counts as done',
    group,
    '        if (tries + 1 < stopTries) return next(index, tries + 1)\n',
    '        if (tries < stopTries) return next(index + 1, 0)\n',
  ),
  bug(
    'stuck-forgotten',
    'what would not stop is not stopped before the group counts as fit again',
    group,
    "      this.#stopAll(job, (stuck) => {\n        if (stuck !== null) return this.#outcome('unprepared', stuck)",
    "      this.#stopThese([], job, (stuck) => {\n        if (stuck !== null) return this.#outcome('unprepared', stuck)",
  ),
  bug(
    'released-before-stopped',
    'a group is called released before it has stopped',
    actions,
    '  owned.group.stop(cutFirst)\n',
    "  port.event('group:released', { group: name, epoch: owned.epoch, reason: owned.reason, tookMs: 0 })\n  owned.group.stop(cutFirst)\n",
  ),

  // Packets.
  bug(
    'old-runs-believed',
    'packets of an earlier run are believed',
    messenger,
    "if (generation < this.#peerGeneration && !this.#expectsRun) return this.#drop('old-generation', src, incoming)",
    '',
  ),
  bug(
    'old-runs-noted',
    'a packet of an earlier run is not used, but its number is noted as that of the peer',
    messenger,
    "if (generation < this.#peerGeneration && !this.#expectsRun) return this.#drop('old-generation', src, incoming)",
    "if (generation < this.#peerGeneration && !this.#expectsRun) {\n      this.#peerGeneration = generation\n      return this.#drop('old-generation', src, incoming)\n    }",
  ),
  bug(
    'sleep-is-age',
    'what waited while this host slept counts as old',
    membership,
    'this.#dating.stalled(bootMs - stallMs, bootMs)',
    'this.#dating.stalled(bootMs - creditMs, bootMs)',
  ),
  bug(
    'strangers-believed',
    'packets of a foreign node are believed',
    messenger,
    "if (src !== this.#port.peer.toLowerCase()) return this.#drop('foreign-node', src, incoming)",
    '',
  ),
  bug(
    'own-name-believed',
    'packets in our own name, as from the mirror, are believed',
    messenger,
    'if (src === this.#port.self.toLowerCase()) return this.#own(incoming)\n    if (src !== this.#port.peer',
    'if (src !== this.#port.self.toLowerCase() && src !== this.#port.peer',
  ),
  bug(
    'any-key',
    'a signature with any key is believed',
    'src/authenticators/hmac.ts',
    'return found.length === expected.length && timingSafeEqual(found, expected)',
    'return found.length === expected.length',
  ),
  bug(
    'half-signed',
    'the signature covers only the head of a packet',
    'src/authenticators/hmac.ts',
    'createHmac(method, key).update(data)',
    'createHmac(method, key).update(data.subarray(0, 60))',
  ),
  bug(
    'past-believed',
    'an outdated report replaces a newer one',
    'src/core/peer/freshness.ts',
    '    return stale\n',
    '    return stale && seq < 0\n',
  ),
  bug(
    'duplicates-believed',
    'what was seen before is sorted in again',
    messenger,
    'if (!this.#missing.delete(seq)) return false',
    'this.#missing.delete(seq)',
  ),
  bug(
    'ack-beyond-gaps',
    'what is missing is acknowledged',
    messenger,
    'for (const missing of this.#missing.keys()) contiguous = Math.min(contiguous, missing - 1)',
    '',
  ),
  bug(
    'asks-too-often',
    'what is missing is asked for without a pause',
    messenger,
    'const rexmitAgainMs = 250',
    'const rexmitAgainMs = 1',
  ),
  bug(
    'given-up-as-arrived',
    'a message that was given up is called acknowledged',
    application,
    'for (const id of ids) this.#refuse(id, why)',
    "for (const id of ids) this.#port.effect({ type: 'reply', id })",
  ),
  bug(
    'beats-twice',
    'every beat is sent twice',
    step,
    'function onBeat(): void {\n    beat()\n',
    'function onBeat(): void {\n    beat()\n    beat()\n',
  ),
  bug(
    'not-reproducible',
    'beats are spread at random',
    step,
    'beatAtMs = Math.max(beatAtMs + keepaliveMs, at.monoMs + beats.closest * keepaliveMs)',
    'beatAtMs = Math.max(beatAtMs + keepaliveMs - Math.random(), at.monoMs + beats.closest * keepaliveMs)',
    { twice: true },
  ),
]
