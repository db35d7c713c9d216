/** Health is counted from 0, well, to this. */
const worst = 8

/**
 * The local health multiplier of Lifeguard (Dadgar, Phillips, Currey 2018): a node that has reason to distrust itself waits longer
 * before it calls others dead, up to three times as long.
 */
export class Health {
  #score = 0

  /** This process stood still, was wrong about the peer, or is not heard by it. */
  worse(): void {
    this.#score = Math.min(this.#score + 1, worst)
  }

  /** The peer has heard us in time. */
  better(): void {
    this.#score = Math.max(this.#score - 1, 0)
  }

  /** By how much longer is waited: 1 to 3. */
  get factor(): number {
    return 1 + this.#score / (worst / 2)
  }
}
