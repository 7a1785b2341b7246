/** A typed row below the rows of a table. */

import { Table } from "../client/table/index.ts";
import { placesOf } from "./model.ts";
import type { Wanted } from "./state.ts";

/**
 * A table with one row more.
 *
 * @param table - whose columns the model takes
 * @param wanted - the columns that the model wants
 * @param cells - of the row, one for each of them; numbers have a decimal point
 */
export function appended(
  table: Table,
  { wanted }: { readonly wanted: readonly Wanted[] },
  cells: readonly string[],
): Table {
  const places = placesOf(wanted, table);
  const typed = new Map(places.map((place, at) => [place, cellOf(cells[at] ?? "", wanted[at], table)]));
  const columns = table.columns.map((column, place) => [...column, typed.get(place) ?? ""]);
  const lines = table.lines && [...table.lines, (table.lines.at(-1) ?? 0) + 1];
  return new Table({ ...table, columns, lines });
}

/** A number as the others of the table are written. */
function cellOf(cell: string, wanted: Wanted | undefined, { decimal }: Table): string {
  const bare = cell.trim();
  return decimal === "," && wanted?.kind === "number" ? bare.replace(".", ",") : bare;
}
