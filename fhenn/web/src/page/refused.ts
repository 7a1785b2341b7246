/** Why a file is refused, in the page's words where it has some. */

import { FeatureMismatch, ShapeMismatch } from "../client/index.ts";
import type { Table } from "../client/table/index.ts";
import type { Wanted } from "./state.ts";
import { PageError } from "./trouble.ts";

/** How workbooks of Excel begin: as ZIP archives, or, old ones, as compound files. */
const WORKBOOKS = [
  [0x50, 0x4b, 0x03, 0x04],
  [0xd0, 0xcf, 0x11, 0xe0],
];

/** Names that a message says before it says "…". */
const MOST_NAMES = 8;

/**
 * Refuse a workbook of Excel, which is no text.
 *
 * @throws PageError
 */
export function refuseWorkbook(data: Uint8Array, file: string): void {
  if (WORKBOOKS.some((start) => start.every((byte, place) => data[place] === byte))) {
    throw new PageError("errorWorkbook", { file });
  }
}

/**
 * What to throw where a table has not the columns that a model wants: an error that says what the reader can see.
 *
 * @param error - that was thrown
 * @param table - the table
 * @param wanted - the columns that the model wants
 * @returns a PageError; the error itself where the page knows no better
 */
export function refusalOf(error: unknown, table: Table, wanted: readonly Wanted[]): unknown {
  if (error instanceof FeatureMismatch) {
    const alike = error.missing.flatMap((name) => table.names?.filter((each) => folded(each) === folded(name)) ?? []);
    if (alike.length) return new PageError("errorCapitals", { columns: listed(error.missing), found: listed(alike) });
  }
  if (error instanceof ShapeMismatch && error.got.length === 2 && table.rows) {
    return new PageError("errorColumnNumber", { n: table.data.length, wanted: wanted.length });
  }
  return error;
}

/** A name as those that differ in capitals only have it in common. */
function folded(name: string): string {
  return name.normalize("NFKC").trim().toLowerCase();
}

function listed(names: readonly string[]): string {
  return names.slice(0, MOST_NAMES).join(", ") + (names.length > MOST_NAMES ? ", …" : "");
}
