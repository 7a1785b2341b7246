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

/** How a table is written. */
export interface WriteOptions {
  /** Between cells; a comma where it is left out. */
  readonly delimiter?: string;
  /** Before the fraction of a number; a point where it is left out. Texts stay as they are. */
  readonly decimal?: "." | ",";
  /** Whether to begin with a byte order mark, by which Excel knows UTF-8. */
  readonly mark?: boolean;
}

/**
 * Columns as CSV, names first: as `fhenn decrypt` writes them, lines ended by newlines.
 *
 * Texts that a spreadsheet would run as a formula get an apostrophe in front, which `readCsv` takes away again.
 *
 * @param columns - of equal length.
 * @param options - how it is written.
 * @throws ParameterError where they differ in length.
 */
export function writeCsv(columns: readonly NamedColumn[], options: WriteOptions = {}): string {
  const { delimiter = ",", decimal = ".", mark = false } = options;
  const rows = columns[0]?.cells.length ?? 0;
  if (columns.some(({ cells }) => cells.length !== rows)) {
    throw new ParameterError("the columns of a table differ in length.", "Give each as many cells.");
  }
  const lines = [line(columns.map(({ name }) => quote(name)), delimiter)];
  for (let row = 0; row < rows; row += 1) {
    lines.push(line(columns.map(({ cells }) => plain(cells[row] ?? null, decimal)), delimiter));
  }
  return (mark ? "\ufeff" : "") + lines.join("");
}

/** A cell as text: as Python prints it, but for the decimal comma. */
function plain(cell: string | number | bigint | boolean | null, decimal: "." | ","): string {
  switch (typeof cell) {
    case "string":
      return decimal === "," && COMMA_NUMBER.test(cell) ? cell : quote(cell);
    case "number":
      return repr(cell).replace(".", decimal);
    case "boolean":
      return cell ? "True" : "False";
    case "bigint":
      return String(cell);
    default:
      return "";
  }
}

/** What a spreadsheet takes for a number, and does not run, where it has decimal commas. */
const COMMA_NUMBER = /^[+-]?[0-9]+(?:,[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

function line(cells: readonly string[], delimiter: string): string {
  // an empty line would be no row
  const isBare = cells.length === 1 && cells[0] === "";
  return `${isBare ? '""' : cells.map((cell) => marked(cell, delimiter)).join(delimiter)}\n`;
}

/** A cell in quotation marks where it needs them. */
function marked(cell: string, delimiter: string): string {
  return cell.includes(delimiter) || /["\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
