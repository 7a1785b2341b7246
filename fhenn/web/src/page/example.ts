/** Rows to begin with: the columns that a model wants, with values that it accepts. */

import { writeCsv } from "../client/table/index.ts";
import type { Wanted } from "./state.ts";

/** A value that a column accepts, in few digits; blank where that is not known. */
export function exampleOf({ bounds, texts, kind, used }: Wanted): string {
  if (!used) return "";
  if (bounds) return middle(bounds[0], bounds[1]);
  return texts[0] ?? (kind === "number" ? "0" : "");
}

/** A number between two, near their middle, in as few digits as may be. */
export function middle(low: number, high: number): string {
  const exact = (low + high) / 2;
  for (let digits = 1; digits <= 17; digits += 1) {
    const found = Number(exact.toPrecision(digits));
    if (found >= low && found <= high && Math.abs(found - exact) <= (high - low) / 8) return String(found);
  }
  return String(exact);
}

/** A CSV with the columns and one row. */
export function exampleCsv(wanted: readonly Wanted[]): string {
  return writeCsv(wanted.map((each, place) => ({ name: each.name ?? `x${place + 1}`, cells: [exampleOf(each)] })));
}
