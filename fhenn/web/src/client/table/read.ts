/** `readCsv`: tables in CSV, as fhenn's commands read them. */

import type { CsvFormat, Table } from "./table.ts";

/** How a file is read. */
export interface ReadOptions extends Partial<CsvFormat> {
  /** What the file is called, for errors. */
  readonly source?: string;
  /** Names of columns that are wanted; a first line of numbers is recognised as names by them. */
  readonly expected?: readonly string[];
  /** Whether to take the delimiter and the decimal comma that the file seems to have; else that is an error. */
  readonly detect?: boolean;
}

/**
 * The table in a CSV file.
 *
 * data: the file, UTF-8; or its text.
 *
 * Throws TableError (a ParameterError), with the line, the column and what the reader could be told.
 */
export function readCsv(data: Uint8Array | string, options: ReadOptions = {}): Table {
  void data, options;
  throw new Error("not written yet");
}
