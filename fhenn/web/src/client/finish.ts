/** What a client makes of decrypted scores (`fhenn/nn/finish.py`). */

import type { Finish } from "./plan.ts";

/**
 * The scores as they are, their exact σ, their softmax, or the index of the largest.
 *
 * @param finish - null for nothing.
 * @param scores - (rows, outputs), row by row.
 * @param outputs - of a row.
 * @returns (rows, outputs), or (rows,) for "argmax".
 */
export function finished(finish: Finish | null, scores: Float64Array, outputs: number): Float64Array {
  if (finish === "sigmoid") {
    return scores.map(sigmoid);
  }
  const rows = scores.length / outputs;
  const row = (place: number) => scores.subarray(place * outputs, (place + 1) * outputs);
  if (finish === "argmax") {
    return Float64Array.from({ length: rows }, (_, place) => argmax(row(place)));
  }
  const result = scores.slice();
  for (let place = 0; finish === "softmax" && place < rows; place += 1) {
    result.set(softmax(row(place)), place * outputs);
  }
  return result;
}

/** The logistic function 1/(1 + exp(-x)), for any float. */
export function sigmoid(x: number): number {
  const power = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : power) / (1 + power);
}

/** exp of every number over the sum of all, for any floats. */
export function softmax(x: Float64Array): Float64Array {
  const largest = x.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const powers = x.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

/** The place of the largest number, the first where there are several; of the first NaN where there is one. */
export function argmax(x: Float64Array): number {
  const stray = x.findIndex(Number.isNaN);
  return stray < 0 ? x.indexOf(x.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)) : stray;
}
