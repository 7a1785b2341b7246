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
    return scores.map((score) => {
      const power = Math.exp(-Math.abs(score));
      return (score >= 0 ? 1 : power) / (1 + power);
    });
  }
  const rows = scores.length / outputs;
  if (finish === "argmax") {
    return Float64Array.from({ length: rows }, (_, row) => {
      const values = scores.subarray(row * outputs, (row + 1) * outputs);
      return values.indexOf(values.reduce((largest, value) => Math.max(largest, value), Number.NEGATIVE_INFINITY));
    });
  }
  const result = scores.slice();
  for (let row = 0; finish === "softmax" && row < rows; row += 1) {
    const values = result.subarray(row * outputs, (row + 1) * outputs);
    const largest = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    const powers = values.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    values.set(powers.map((power) => power / sum));
  }
  return result;
}
