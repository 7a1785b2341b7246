/** `checkBounds`: values beyond what was declared to the plan. */

import { ShapeMismatch } from "../errors.ts";
import { boxOf } from "../scaling.ts";
import { apart } from "../text.ts";
import type { Prepared, Problem } from "./problems.ts";

/**
 * The same features, with a problem for each value that is outside the bounds of the plan.
 *
 * @param prepared - features, of a preparation or of numbers.
 * @param lows - the least value of every feature, (features,).
 * @param highs - the largest value of every feature, (features,).
 * @param scaled - whether the plan scales: then values may be outside by a rounding to single precision.
 * @throws ShapeMismatch where the bounds are for another number of features.
 */
export function checkBounds(prepared: Prepared, lows: Float64Array, highs: Float64Array, scaled = false): Prepared {
  const { width, features } = prepared;
  if (lows.length !== width || highs.length !== width) {
    throw new ShapeMismatch("bounds", [lows.length], `(${width},)`);
  }
  const box = boxOf(lows, highs);
  const [floor, ceiling] = scaled ? [box.floor, box.ceiling] : [lows, highs];
  const strays: Problem[] = [];
  const blocked = new Set<number>();
  for (const row of prepared.ready) {
    for (let place = 0; place < width; place += 1) {
      const value = features[row * width + place] ?? NaN;
      if (!(value >= (floor[place] ?? NaN) && value <= (ceiling[place] ?? NaN))) {
        strays.push(stray(prepared, row, place, value, lows[place] ?? NaN, highs[place] ?? NaN));
        blocked.add(row);
      }
    }
  }
  if (strays.length === 0) {
    return prepared;
  }
  const cleared = features.slice();
  blocked.forEach((row) => cleared.fill(NaN, row * width, (row + 1) * width));
  return {
    ...prepared,
    features: cleared,
    problems: [...prepared.problems, ...strays],
    ready: prepared.ready.filter((row) => !blocked.has(row)),
  };
}

function stray(prepared: Prepared, row: number, place: number, value: number, low: number, high: number): Problem {
  const [shown = "", from = "", to = ""] = apart([value, low, high]);
  const name = prepared.names?.[place] ?? `${place + 1}`;
  const only = low === high ? ", the only value there in the samples that the plan was made from" : "";
  return {
    row,
    column: prepared.origins[place] ?? null,
    name,
    kind: "out of bounds",
    message: `The feature ${name} is ${shown}, outside [${from}, ${to}]${only}. Correct it, or leave the row out.`,
    refusal: "BoundsExceeded",
  };
}
