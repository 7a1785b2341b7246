/** `readNumbers`: the columns of a table as the features of a model that has no preparation. */

import type { Prepared } from "./problems.ts";
import type { Table } from "./table.ts";

/**
 * The columns of a table as finite numbers.
 *
 * table: as it was dropped; columns that the model does not know are left out where both have names.
 * features: names of the features; null to take the columns that hold data in their order.
 * count: how many features there are.
 *
 * Throws FeatureMismatch where columns are missing, ShapeMismatch where there is another number of them without names.
 */
export function readNumbers(table: Table, features: readonly string[] | null, count: number): Prepared {
  void table, features, count;
  throw new Error("not written yet");
}
