/** `writeCsv`: a table as CSV that a spreadsheet opens without running what is in it (`fhenn/cli/tables/writer.py`). */

import { ParameterError } from "../errors.ts";
import { quote } from "./formulas.ts";
import { repr } from "./numerals.ts";

/** A column of results. */
export interface NamedColumn {
  readonly name: string;
  /** Numbers are doubles, bigints whole numbers; null is an empty cell. */
  readonly cells: readonly (string | number | bigint | boolean | null)[];
}

/**
 * Columns as CSV, names first: as `fhenn decrypt` writes them, lines ended by newlines.
 *
 * Texts that a spreadsheet would run as a formula get an apostrophe in front, which `readCsv` takes away again.
 *
 * @param columns - of equal length.
 * @throws ParameterError where they differ in length.
 */
export function writeCsv(columns: readonly NamedColumn[]): string {
  const rows = columns[0]?.cells.length ?? 0;
  if (columns.some(({ cells }) => cells.length !== rows)) {
    throw new ParameterError("the columns of a table differ in length.", "Give each as many cells.");
  }
  const lines = [line(columns.map(({ name }) => quote(name)))];
  for (let row = 0; row < rows; row += 1) {
    lines.push(line(columns.map(({ cells }) => plain(cells[row] ?? null))));
  }
  return lines.join("");
}

/** A cell as text: as Python prints it. */
function plain(cell: string | number | bigint | boolean | null): string {
  switch (typeof cell) {
    case "string":
      return quote(cell);
    case "number":
      return repr(cell);
    case "boolean":
      return cell ? "True" : "False";
    case "bigint":
      return String(cell);
    default:
      return "";
  }
}

function line(cells: readonly string[]): string {
  // an empty line would be no row
  const text = cells.length === 1 && cells[0] === "" ? '""' : cells.map(marked).join(",");
  return `${text}\n`;
}

/** A cell in quotation marks where it needs them. */
function marked(cell: string): string {
  return /[,"\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
