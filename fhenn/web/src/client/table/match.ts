/** `matchColumns`: which column of a table is which of a model's. */

import { FeatureMismatch, ShapeMismatch } from "../errors.ts";
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
 * @param table - as it was dropped.
 * @param columns - that are wanted, in the model's order.
 * @param raw - whether they are those of a raw table, which a preparation makes the features of.
 * @throws FeatureMismatch with the names that are missing, ShapeMismatch for another number of columns.
 */
export function matchColumns(table: Table, columns: readonly WantedColumn[], raw = true): readonly (number | null)[] {
  if (table.names === null || columns.some(({ name }) => name === null)) {
    const { data } = table;
    if (data.length !== columns.length) {
      throw new ShapeMismatch(table.source, [table.rows, data.length], `(samples, ${columns.length})`);
    }
    return data;
  }
  const places = new Map(table.names.map((name, place) => [name, place]));
  const names = columns.map(({ name }) => (name ?? "").normalize("NFC"));
  const needed = names.filter((_, at) => columns[at]?.used);
  if (!needed.every((name) => places.has(name))) {
    throw new FeatureMismatch(
      needed.filter((name) => places.has(name)),
      needed,
      raw,
    );
  }
  return names.map((name) => places.get(name) ?? null);
}
