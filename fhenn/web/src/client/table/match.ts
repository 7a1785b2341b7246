/** `matchColumns`: which column of a table is which of a model's. */

import type { Table } from "./table.ts";

/** A column that a model wants. */
export interface WantedColumn {
  /** Null where columns are known by their places. */
  readonly name: string | null;
  /** Whether anything is made of it; one that is not used may be left out of a table with names. */
  readonly used: boolean;
}

/**
 * The place in a table of each column that is wanted; null for one that is not used and not there.
 *
 * With names on both sides by name, in any order, and what the model does not know is left out; else by position.
 *
 * Throws FeatureMismatch with the names that are missing, ShapeMismatch for another number of columns.
 */
export function matchColumns(table: Table, columns: readonly WantedColumn[]): readonly (number | null)[] {
  void table, columns;
  throw new Error("not written yet");
}
