/** Rows to begin with: the columns that a model wants, with values that it accepts. */

import { FhennError } from "../client/index.ts";
import { Table, writeCsv, type Prepared } from "../client/table/index.ts";
import type { Wanted } from "./state.ts";

/** A value that a column accepts, in few digits; blank where that is not known. */
export function exampleOf({ bounds, texts, kind, used, example }: Wanted): string {
  if (!used) return "";
  if (bounds && isFinite(bounds[0]) && isFinite(bounds[1])) return middle(bounds[0], bounds[1]);
  if (example !== null) return example;
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

/** Cells that are tried in columns whose bounds are not known, likely ones first. */
const TRIED = [
  "1",
  "0",
  "0.5",
  "10",
  "50",
  "100",
  "5",
  "20",
  "30",
  "150",
  "200",
  "500",
  "1000",
  "10000",
  "100000",
  "-1",
  "-10",
  "0.1",
  "0.01",
  "",
];

/**
 * Raw columns with a cell that the model accepts: what bounds mean for them shows when their features are made.
 *
 * @param wanted - the columns
 * @param prepare - makes features of a table of them, and finds what is wrong
 */
export function withExamples(wanted: readonly Wanted[], prepare: (table: Table) => Prepared): readonly Wanted[] {
  const names = wanted.map(({ name }) => name);
  const columns = wanted.map(({ texts, kind }) => TRIED.map((each) => (kind === "number" ? each : (texts[0] ?? ""))));
  const wrong = new Set<string>();
  try {
    const tried = prepare(new Table({ names: names.includes(null) ? null : (names as string[]), columns }));
    for (const { row, column } of tried.problems) wrong.add(`${row} ${column}`);
  } catch (error) {
    if (error instanceof FhennError) return wanted; // no example is known: the reader's own table shows what is wrong
    throw error;
  }
  return wanted.map((each, place) => {
    const row = TRIED.findIndex((_, tried) => !wrong.has(`${tried} ${place}`));
    return { ...each, example: row < 0 ? null : (columns[place]?.[row] ?? null) };
  });
}
