/** `readCsv`: tables in CSV, as fhenn's commands read them (`fhenn/cli/tables/delimited.py`). */

import { type Asks, TableError } from "../errors.ts";
import { isHeader } from "./header.ts";
import { hasDecimalComma } from "./numerals.ts";
import { clean, type Line, split, Unreadable } from "./split.ts";
import { type CsvFormat, Table } from "./table.ts";
import { decode } from "./utf8.ts";

/** Bytes of a file, and cells of its table, at most: what a page holds in memory. */
export const LARGEST_FILE = 64 << 20;
export const MOST_CELLS = 1 << 23;

const SEPARATOR_LINE = /^"?sep=([^\r\n])"?[,;\t]*(?:\r\n|\r|\n)/i;
const OTHER_DELIMITERS: readonly (readonly [string, string])[] = [
  [";", "';'"],
  ["\t", "tab"],
  ["|", "'|'"],
  [" ", "space"],
];
const SAMPLE = 20;
/** Characters that are looked at for the delimiter. */
const START = 1 << 18;
const ROWS_LOOKED_AT = 100;
/** Names of columns without a name; the second form is that of pandas. */
const UNNAMED = /^(?:|Unnamed: [0-9]+)$/;
const NO_ROWS = "Give at least one sample.";

/** How a file is read. */
export interface ReadOptions extends Partial<CsvFormat> {
  /** What the file is called, for errors. */
  readonly source?: string;
  /** Names of columns that are wanted; a first line of numbers is recognised as names by them. */
  readonly expected?: readonly string[];
  /** Whether to take the delimiter and the decimal comma that the file seems to have; else these are an error. */
  readonly detect?: boolean;
}

/**
 * The table in a CSV file.
 *
 * @param data - the file, in UTF-8; or its text.
 * @param options - how it is read.
 * @throws TableError (a ParameterError): with the line, the column, and what the reader could be told.
 */
export function readCsv(data: Uint8Array | string, options: ReadOptions = {}): Table {
  const source = options.source ?? "the table";
  if (data.length > LARGEST_FILE) {
    const size = `${source} has ${Math.ceil(data.length / (1 << 20))} MB, where ${LARGEST_FILE >> 20} are the most.`;
    throw new TableError(size, "Split it into several files, or use fhenn's command.");
  }
  const whole = typeof data === "string" ? data : decode(data, source);
  const mark = whole.startsWith("\ufeff");
  const text = mark ? whole.slice(1) : whole;
  const separator = SEPARATOR_LINE.exec(text);
  const asked = options.delimiter == null && separator === null ? otherFormat(text) : null;
  const guessed = options.detect && asked !== null ? asked : null;
  if (asked !== null && guessed === null) {
    throw separatedOtherwise(source, asked);
  }
  const delimiter = options.delimiter ?? separator?.[1] ?? guessed?.delimiter ?? ",";
  const start = separator?.[0].length ?? 0;
  const decimal =
    options.decimal ?? guessed?.decimal ?? (options.detect ? decimalOf(text.slice(start), delimiter) : ".");
  const rows = trim(rowsOf(text.slice(start), delimiter, start > 0 ? 1 : 0, source));
  const [first, ...rest] = rows;
  if (first === undefined) {
    throw new TableError(`${source} has no rows.`, NO_ROWS);
  }
  const header = options.header ?? looksLikeHeader(first, rest, options.expected ?? [], decimal, source);
  if (header && rest.length === 0) {
    throw new TableError(`${source} has no rows.`, NO_ROWS);
  }
  return tableOf(source, header ? first.cells : null, header ? rest : rows, rows, { delimiter, decimal, mark });
}

/** Rows with clean cells; those beyond what is allowed are not read. */
function rowsOf(text: string, delimiter: string, before: number, source: string): Line[] {
  const rows: Line[] = [];
  let cells = 0;
  try {
    for (const row of split(text, { delimiter, strict: true, before })) {
      cells += row.cells.length;
      if (cells > MOST_CELLS) {
        const reason = `${source} has more than ${MOST_CELLS.toLocaleString("en")} cells.`;
        throw new TableError(reason, "Split it into several files, or use fhenn's command.", row.line);
      }
      rows.push({ line: row.line, cells: row.cells.map(clean) });
    }
  } catch (error) {
    if (error instanceof Unreadable) {
      throw new TableError(
        `${source} is not readable as CSV: ${error.reason}, in the row that starts on line ${error.line}.`,
        "Look for a quotation mark that is not closed.",
        error.line,
      );
    }
    throw error;
  }
  return rows;
}

/** The rows without empty ones at either end, and without blank lines, unless the table has one column. */
function trim(rows: readonly Line[]): Line[] {
  const isFull = ({ cells }: Line) => cells.some(Boolean);
  const inner = rows.slice(rows.findIndex(isFull), rows.findLastIndex(isFull) + 1);
  const single = inner.every(({ cells }) => cells.length <= 1);
  return inner.flatMap((row) => (row.cells.length > 0 ? [row] : single ? [{ line: row.line, cells: [""] }] : []));
}

function looksLikeHeader(
  first: Line,
  rest: readonly Line[],
  expected: readonly string[],
  decimal: "." | ",",
  source: string,
): boolean {
  const below = rest.slice(0, ROWS_LOOKED_AT).map(({ cells }) => cells);
  const found = isHeader(first.cells, below, expected, decimal);
  if (found === null) {
    const shown = first.cells.slice(0, 5).join(", ") + (first.cells.length > 5 ? ", …" : "");
    throw new TableError(
      `${source}: it is not clear whether line ${first.line} (${shown}) names the columns or is a sample.`,
      "Say whether the first line names the columns.",
      first.line,
      null,
      "header",
    );
  }
  return found;
}

function tableOf(
  source: string,
  header: readonly string[] | null,
  samples: readonly Line[],
  all: readonly Line[],
  format: { readonly delimiter: string; readonly decimal: "." | ","; readonly mark: boolean },
): Table {
  const needed = all.reduce((most, { cells }) => Math.max(most, used(cells)), 0);
  const width = header === null ? needed : header.length;
  for (const row of samples) {
    const wide = used(row.cells) > width;
    if (wide || row.cells.length < Math.min(needed, width)) {
      throw uneven(source, row, wide ? width : Math.min(needed, width), format.delimiter);
    }
  }
  if (width * samples.length > MOST_CELLS) {
    const reason = `${source} has more than ${MOST_CELLS.toLocaleString("en")} cells.`;
    throw new TableError(reason, "Split it into several files, or use fhenn's command.");
  }
  const places = Array.from({ length: width }, (_, place) => place);
  const columns = places.map((place) => samples.map(({ cells }) => cells[place] ?? ""));
  const aside = (place: number) => header !== null && UNNAMED.test(header[place] ?? "");
  // what has neither a name nor content is no column
  const kept = places.filter((place) => !aside(place) || columns[place]?.some(Boolean));
  if (kept.length === 0) {
    throw new TableError(`${source} has no columns with data.`, "Give at least one feature.");
  }
  return new Table({
    names: header === null ? null : kept.map((place) => header[place] ?? ""),
    columns: kept.map((place) => columns[place] ?? []),
    source,
    lines: samples.map(({ line }) => line),
    ...format,
    aside: new Set(kept.flatMap((place, at) => (aside(place) ? [at] : []))),
  });
}

/** The error for a row with too many or too few cells. */
function uneven(source: string, row: Line, needed: number, delimiter: string): TableError {
  const count = row.cells.length;
  const halves = delimiter === "," && count === 2 * needed && areHalves(row.cells);
  const way = needed === 1 ? "read it" : "save the file with ';' between its cells and read it";
  return new TableError(
    `line ${row.line} of ${source} has ${count} cell${count === 1 ? "" : "s"}, where ${needed} ` +
      `${needed === 1 ? "is" : "are"} needed.`,
    halves
      ? `If its commas are decimal commas, ${way} with the delimiter ';' and decimal commas. Else correct the line.`
      : "Correct the line: a cell is missing, or there is one too many, or a delimiter stands outside of quotes.",
    row.line,
    count > needed ? needed : count,
    halves && needed === 1 ? { delimiter: ";", decimal: "," } : null,
  );
}

/** Whether each two cells together are a number with a decimal comma. */
function areHalves(cells: readonly string[]): boolean {
  return cells.every((cell, place) => place % 2 === 1 || hasDecimalComma(`${cell},${cells[place + 1] ?? ""}`));
}

/** Cells up to the last one that is not empty. */
function used(cells: readonly string[]): number {
  return cells.findLastIndex(Boolean) + 1;
}

/** Another delimiter than the comma that splits the first rows into equal numbers of cells; null where none does. */
function otherFormat(whole: string): Exclude<Asks, "header"> | null {
  const text = whole.length > START ? whole.slice(0, whole.lastIndexOf("\n", START - 1) + 1) : whole;
  const byComma = sample(text, ",");
  const [first] = byComma;
  if (first === undefined) {
    return null;
  }
  const uneven = new Set(byComma.map(({ length }) => length)).size > 1 || byComma.some(({ length }) => length === 1);
  for (const [delimiter] of OTHER_DELIMITERS) {
    const rows = sample(text, delimiter);
    const widths = new Set(rows.map(({ length }) => length));
    // of a cell, as "1;2" in 0,1;2,3
    const within = delimiter !== " " && first.some((cell) => cell.includes(delimiter));
    if (widths.size === 1 && !widths.has(1) && (uneven || within)) {
      const commas = rows.some((cells) => cells.some((cell) => hasDecimalComma(cell.trim())));
      return { delimiter, decimal: commas ? "," : "." };
    }
  }
  return null;
}

/** The comma where the first rows have numbers with one, and none with a point. */
function decimalOf(whole: string, delimiter: string): "." | "," {
  const cells = sample(whole.slice(0, START), delimiter)
    .flat()
    .map((cell) => cell.trim());
  return cells.some(hasDecimalComma) && !cells.some((cell) => /^[+-]?[0-9]*\.[0-9]/.test(cell)) ? "," : ".";
}

/** The cells of the first rows, by a delimiter; none where the text cannot be read. */
function sample(text: string, delimiter: string): (readonly string[])[] {
  try {
    const rows = [...split(text, { delimiter, strict: false, most: SAMPLE })];
    return rows.map(({ cells }) => cells).filter(({ length }) => length > 0);
  } catch (error) {
    if (error instanceof Unreadable) {
      return [];
    }
    throw error;
  }
}

function separatedOtherwise(source: string, asked: Exclude<Asks, "header">): TableError {
  const shown = OTHER_DELIMITERS.find(([delimiter]) => delimiter === asked.delimiter)?.[1] ?? asked.delimiter;
  const commas = asked.decimal === ",";
  return new TableError(
    `the cells of ${source} are separated by ${shown}${commas ? ", and its numbers have decimal commas" : ""}.`,
    `Read it with the delimiter ${shown}${commas ? " and decimal commas" : ""}.`,
    null,
    null,
    asked,
  );
}
