/**
 * What a client reads of an answer's witnesses and outputs: which samples must not be used, and why
 * (`fhenn/session/violations.py`).
 */

import type { ViolationReport } from "./errors.ts";
import type { Plan } from "./plan.ts";

/** Double precision, FFT included, leaves an error of 2⁻⁴⁴ of the largest slot in every slot. */
const DIGITS = 44;

/** Which samples of an answer are suspected so far. */
export class Suspicion {
  readonly #alarms = new Map<string, Uint8Array>();
  readonly #spoilt: Uint8Array;

  /**
   * @param total - how many samples there are.
   * @param group - how many share a ciphertext, in order.
   */
  constructor(
    private readonly total: number,
    private readonly group: number,
  ) {
    this.#spoilt = new Uint8Array(total);
  }

  /**
   * Note what one source shows.
   *
   * @param source - as the report names it.
   * @param accused - of a sample's place: whether it is accused.
   * @param over - the same: whether it may have spoilt all samples of its ciphertext.
   */
  add(source: string, accused: (sample: number) => boolean, over: (sample: number) => boolean): void {
    const alarms = new Uint8Array(this.total);
    for (let sample = 0; sample < this.total; sample += 1) {
      const spoils = over(sample);
      alarms[sample] = spoils || accused(sample) ? 1 : 0;
      if (spoils) {
        const start = sample - (sample % this.group);
        this.#spoilt.fill(1, start, start + this.group);
      }
    }
    this.#alarms.set(source, alarms);
  }

  /** The samples that must not be used; null where there is none. */
  report(): ViolationReport | null {
    const sources = [...this.#alarms];
    const accused = (sample: number) => sources.some(([, alarms]) => alarms[sample] === 1);
    const flagged = placesWhere(this.total, (sample) => this.#spoilt[sample] === 1 || accused(sample));
    if (!flagged.length) {
      return null;
    }
    const found = sources
      .map(([source, alarms]) => [source, placesWhere(this.total, (sample) => alarms[sample] === 1)] as const)
      .filter(([, places]) => places.length > 0);
    const condemned = flagged.filter((sample) => !accused(sample));
    return { samples: flagged, total: this.total, found: new Map(found), condemned };
  }
}

/**
 * The largest magnitude of a decrypted number beside which the others in its ciphertext are right.
 *
 * @param fits - what the modulus holds.
 * @param error - that the others may have.
 */
export function largestBeside(fits: number, error: number): number {
  return Math.min(fits, error * 2 ** DIGITS);
}

/**
 * Note what the outputs of an answer show.
 *
 * @param suspicion - what its witnesses show.
 * @param plan - that it is for.
 * @param scores - decrypted, (samples, outputs), in units of the outputs.
 * @param fits - the largest magnitude that their modulus holds.
 */
export function addOutputs(
  suspicion: Suspicion,
  plan: Plan,
  scores: Float64Array,
  outputs: number,
  fits: number,
): void {
  const most = largestBeside(fits, plan.error);
  const rowOf = (sample: number) => scores.subarray(sample * outputs, (sample + 1) * outputs);
  const over = (sample: number) => !rowOf(sample).every((score) => Math.abs(score) <= most);
  suspicion.add("outputs that may not fit their modulus", over, over);
  if (plan.outputs !== null) {
    const [low, high] = plan.outputs;
    const outside = (sample: number) =>
      !rowOf(sample).every((score, place) => {
        const unit = plan.units[place] ?? 1;
        const [value, error] = [score * unit, plan.error * unit];
        return value >= low - error && value <= high + error;
      });
    suspicion.add("outputs that no input in the domain gives", outside, () => false);
  }
}

function placesWhere(total: number, holds: (sample: number) => boolean): number[] {
  return Array.from({ length: total }, (_, sample) => sample).filter(holds);
}
