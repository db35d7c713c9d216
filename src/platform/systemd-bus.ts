import { HotStandbyError, messageOf } from '../roles/error.ts'
import { type DBusAddress, DBusCallError, DBusConnection, DBusConnectionError } from './dbus.ts'
import type { DBusMessage, DBusValue } from './dbus-message.ts'
import { asFacts, type UnitFacts, type UnitVerb } from './systemd-facts.ts'

const destination = 'org.freedesktop.systemd1'
const managerPath = '/org/freedesktop/systemd1'
const managerInterface = 'org.freedesktop.systemd1.Manager'
const unitInterface = 'org.freedesktop.systemd1.Unit'
const propertiesInterface = 'org.freedesktop.DBus.Properties'

const methods: Readonly<Record<UnitVerb, string>> = { start: 'StartUnit', stop: 'StopUnit', reload: 'ReloadUnit' }

/** Interfaces with the property `Result`, by the suffix of the unit's name. */
const resultInterfaces: Readonly<Record<string, string>> = {
  service: `${destination}.Service`,
  socket: `${destination}.Socket`,
  mount: `${destination}.Mount`,
  automount: `${destination}.Automount`,
  swap: `${destination}.Swap`,
  timer: `${destination}.Timer`,
  path: `${destination}.Path`,
}

/** systemd's own socket, for root only, works without a bus; everybody else has the bus. */
function addresses(): readonly DBusAddress[] {
  const bus = { socket: '/run/dbus/system_bus_socket', isBus: true }
  return process.geteuid?.() === 0 ? [{ socket: '/run/systemd/private', isBus: false }, bus] : [bus]
}

/** Who hears what happens by itself. */
export interface UnitListener {
  /** `ActiveState` became another one. */
  onState(state: string): void
  onLost(): void
}

/**
 * One unit of systemd over D-Bus: 2.5 ms from the call to a started unit, where `systemctl` takes 15
 * (org.freedesktop.systemd1(5)).
 */
export class UnitBus {
  readonly #connection: DBusConnection
  readonly #unit: string
  /** Where it is connected to. */
  readonly socket: string
  #path = ''
  /** Jobs that are waited for. */
  readonly #jobs = new Map<string, (result: string) => void>()
  /** Jobs that ended while a call was under way: the signal may come before the answer that names the job. */
  readonly #early = new Map<string, string>()
  #calling = 0
  #lose: (error: Error) => void = () => {}
  readonly #lost: Promise<never>

  private constructor(connection: DBusConnection, socket: string, unit: string, listener: UnitListener) {
    this.#connection = connection
    this.socket = socket
    this.#unit = unit
    this.#lost = new Promise((_resolve, reject) => {
      this.#lose = reject
    })
    this.#lost.catch(() => {})
    connection.onSignal = (message) => this.#hear(message, listener)
    connection.onLost = (error) => {
      this.#lose(error)
      listener.onLost()
    }
  }

  /** Connects and follows the unit from then on. Rejects with {@link DBusConnectionError} naming each socket's reason. */
  static async open(unit: string, listener: UnitListener, signal: AbortSignal): Promise<UnitBus> {
    const reasons: string[] = []
    for (const address of addresses()) {
      try {
        const connection = await DBusConnection.open(address, signal)
        const bus = new UnitBus(connection, address.socket, unit, listener)
        await bus.#subscribe(signal).catch((error) => {
          connection.close()
          throw error
        })
        return bus
      } catch (error) {
        if (error instanceof HotStandbyError && !signal.aborted) throw error
        reasons.push(messageOf(error))
      }
    }
    throw new DBusConnectionError(reasons.join('; '))
  }

  async facts(signal: AbortSignal): Promise<UnitFacts> {
    const [properties] = await this.#properties('GetAll', 's', [unitInterface], signal)
    if (!(properties instanceof Map)) throw new DBusConnectionError('GetAll did not answer with properties')
    const facts = Object.fromEntries(properties) as Record<string, DBusValue>
    if (facts['ActiveState'] === 'failed' || facts['SubState'] === 'auto-restart') {
      Object.assign(facts, await this.#result(signal))
    }
    return asFacts(facts)
  }

  /**
   * Queues a job and waits for its end; the answer is its result: `done`, `failed`, `timeout`, … On abort the job is
   * cancelled.
   */
  async run(verb: UnitVerb, signal: AbortSignal): Promise<string> {
    if (verb === 'start') void this.#manage('ResetFailedUnit', 's', [this.#unit]).catch(() => {})
    const job = await this.#queue(methods[verb], signal)
    return job.result ?? Promise.race([this.#ended(job.path, signal), this.#lost])
  }

  /** Queues a stop and does not wait for it. */
  async abandon(signal: AbortSignal): Promise<void> {
    await this.#manage('StopUnit', 'ss', [this.#unit, 'replace'], signal)
  }

  close(): void {
    this.#connection.close()
    this.#lose(new DBusConnectionError('the connection was closed'))
  }

  async #subscribe(signal: AbortSignal): Promise<void> {
    const from = `type='signal',sender='${destination}'`
    await this.#connection.match(`${from},interface='${managerInterface}',member='JobRemoved'`, signal)
    await this.#manage('Subscribe', '', [], signal)
    // The name may be an alias; signals come from the unit itself.
    const [path] = await this.#manage('LoadUnit', 's', [this.#unit], signal)
    if (typeof path !== 'string') throw new DBusConnectionError('LoadUnit did not answer with a path')
    this.#path = path
    const changed = `${from},interface='${propertiesInterface}',member='PropertiesChanged',path='${path}'`
    await this.#connection.match(changed, signal)
  }

  #hear({ path, interface: from, member, body }: DBusMessage, listener: UnitListener): void {
    if (from === managerInterface && member === 'JobRemoved' && path === managerPath) {
      const [, job, , result] = body
      if (typeof job !== 'string' || typeof result !== 'string') return
      if (this.#calling > 0) this.#early.set(job, result)
      this.#jobs.get(job)?.(result)
    } else if (from === propertiesInterface && member === 'PropertiesChanged' && path === this.#path) {
      const [changedInterface, changed] = body
      if (changedInterface !== unitInterface || !(changed instanceof Map)) return
      const state = changed.get('ActiveState')
      if (typeof state === 'string') listener.onState(state)
    }
  }

  /** Queues a job; with its result when it is over already. */
  async #queue(method: string, signal: AbortSignal): Promise<{ path: string; result: string | undefined }> {
    this.#calling += 1
    try {
      const [path] = await this.#manage(method, 'ss', [this.#unit, 'replace'], signal)
      if (typeof path !== 'string') throw new DBusConnectionError(`${method} did not answer with a job`)
      return { path, result: this.#early.get(path) }
    } finally {
      this.#calling -= 1
      if (this.#calling === 0) this.#early.clear()
    }
  }

  #ended(job: string, signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#jobs.delete(job)
        signal.removeEventListener('abort', abort)
      }
      const abort = (): void => {
        done()
        void this.#manage('CancelJob', 'u', [Number(job.slice(job.lastIndexOf('/') + 1))]).catch(() => {})
        const why = `its job was cancelled: ${messageOf(signal.reason)}`
        reject(new HotStandbyError('HS_TIMEOUT', `${this.#unit}: ${why}`, { cause: signal.reason }))
      }
      this.#jobs.set(job, (result) => {
        done()
        resolve(result)
      })
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
    })
  }

  /** Why it failed. */
  async #result(signal: AbortSignal): Promise<Record<string, DBusValue>> {
    const suffix = this.#unit.slice(this.#unit.lastIndexOf('.') + 1)
    const from = resultInterfaces[suffix]
    if (from === undefined) return {}
    const names = suffix === 'service' ? ['Result', 'ExecMainCode', 'ExecMainStatus'] : ['Result']
    const get = async (name: string): Promise<[string, DBusValue]> => {
      const [value = ''] = await this.#properties('Get', 'ss', [from, name], signal)
      return [name, value]
    }
    return Object.fromEntries(await Promise.all(names.map(get)))
  }

  #properties(
    member: string,
    signature: string,
    body: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly DBusValue[]> {
    return this.#call({ path: this.#path, interface: propertiesInterface, member, signature, body }, signal)
  }

  #manage(
    member: string,
    signature: string,
    body: readonly DBusValue[],
    signal?: AbortSignal,
  ): Promise<readonly DBusValue[]> {
    return this.#call({ path: managerPath, interface: managerInterface, member, signature, body }, signal)
  }

  async #call(
    call: { path: string; interface: string; member: string; signature: string; body: readonly DBusValue[] },
    signal?: AbortSignal,
  ): Promise<readonly DBusValue[]> {
    try {
      return await this.#connection.call({ destination, ...call }, signal)
    } catch (error) {
      if (error instanceof DBusCallError) throw refusal(this.#unit, call.member, error)
      throw error
    }
  }
}

/** Error names with which systemd, or the bus, refuses a user. */
const denied = ['AccessDenied', 'InteractiveAuthorizationRequired', 'AuthFailed']

function refusal(unit: string, member: string, { errorName, message }: DBusCallError): HotStandbyError {
  const name = errorName.slice(errorName.lastIndexOf('.') + 1)
  if (denied.includes(name)) {
    return new HotStandbyError(
      'HS_HOST',
      `${unit}: user ${process.geteuid?.()} may not call ${member} of systemd (${message}); run as root, or let polkit allow ` +
        'org.freedesktop.systemd1.manage-units to this user',
    )
  }
  return new HotStandbyError('HS_RESOURCE', `${unit}: systemd refuses ${member}: ${message} (${name})`)
}
