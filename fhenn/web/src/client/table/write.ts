/** `writeCsv`: a table as CSV that a spreadsheet opens without running anything in it. */

/** A column of results. */
export interface NamedColumn {
  readonly name: string;
  /** Texts are quoted where a spreadsheet would run them; numbers are written as Python writes them. */
  readonly cells: readonly (string | number | bigint | boolean | null)[];
}

/**
 * Columns as CSV, names first: as `fhenn decrypt` writes them, lines ended by newlines.
 *
 * Throws ParameterError where the columns differ in length.
 */
export function writeCsv(columns: readonly NamedColumn[]): string {
  void columns;
  throw new Error("not written yet");
}
