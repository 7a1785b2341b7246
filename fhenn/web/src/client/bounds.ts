/** Whether values lie within the bounds of a plan (`fhenn/session/encryption.py`). */

import { BoundsExceeded } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { boxOf } from "./scaling.ts";

/**
 * Throws BoundsExceeded where values are outside the bounds that were declared to the plan, which the server could not
 * see.
 *
 * @param plan - of the bounds.
 * @param values - rows × features, row by row, finite.
 */
export function requireBounds(plan: Plan, values: Float64Array): void {
  const { features, low, high } = plan;
  const box = boxOf(low, high);
  const [floor, ceiling] = plan.scaled ? [box.floor, box.ceiling] : [low, high];
  const [rows, columns] = [new Set<number>(), new Set<number>()];
  let [most, furthest] = [0, 0];
  values.forEach((value, place) => {
    const feature = place % features;
    const excess = Math.max((floor[feature] as number) - value, value - (ceiling[feature] as number));
    if (excess > 0) {
      rows.add((place - feature) / features);
      columns.add(feature);
      [most, furthest] = excess > most ? [excess, place] : [most, furthest];
    }
  });
  if (rows.size) {
    const [feature, places] = [furthest % features, [...columns].sort((a, b) => a - b)];
    throw new BoundsExceeded(
      places,
      values[furthest] as number,
      low[feature] as number,
      high[feature] as number,
      [...rows],
      { sample: (furthest - feature) / features, feature },
      plan.featureNames === null ? [] : places.map((each) => plan.featureNames?.[each] ?? ""),
    );
  }
}
