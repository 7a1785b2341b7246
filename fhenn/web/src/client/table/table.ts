/** `Table`: columns of a file, by name where they have names. */

import { ParameterError, TableError } from "../errors.ts";

/** A cell: a text of a file, a number, or null for a missing one. */
export type Cell = string | number | null;

/** How a CSV file is written. */
export interface CsvFormat {
  /** Between cells; null for a comma, or for what a first line `sep=…` says. */
  readonly delimiter: string | null;
  /** Before the fraction of a number. */
  readonly decimal: "." | ",";
  /** Whether the first line names the columns; null to decide by the line itself. */
  readonly header: boolean | null;
}

/** What a table is made of. */
export interface TableParts {
  /** Names of the columns; null where the file has none. */
  readonly names: readonly string[] | null;
  /** The cells of each column, (rows,). */
  readonly columns: readonly (readonly Cell[])[];
  /** The file, for errors. */
  readonly source?: string;
  /** The line on which each row starts, from 1; null for a table that is no file. */
  readonly lines?: readonly number[] | null;
  /** Before the fraction of a number that is written as text. */
  readonly decimal?: "." | ",";
  /** Places of columns that do not count as data: an index, and columns without a name. */
  readonly aside?: ReadonlySet<number>;
  /** Between the cells of the file; a comma for a table that is no file. */
  readonly delimiter?: string;
  /** Whether the file began with a byte order mark. */
  readonly mark?: boolean;
}

/** Columns of equal length. */
export class Table {
  readonly names: readonly string[] | null;
  readonly columns: readonly (readonly Cell[])[];
  readonly source: string;
  readonly lines: readonly number[] | null;
  readonly decimal: "." | ",";
  readonly aside: ReadonlySet<number>;
  readonly delimiter: string;
  readonly mark: boolean;
  /** How many rows there are. */
  readonly rows: number;

  /**
   * A table of columns.
   *
   * Throws ParameterError where two columns have the same name, or lengths differ.
   */
  constructor(parts: TableParts) {
    this.names = parts.names === null ? null : parts.names.map((name) => name.normalize("NFC"));
    this.columns = parts.columns;
    this.source = parts.source ?? "the table";
    this.lines = parts.lines ?? null;
    this.decimal = parts.decimal ?? ".";
    this.aside = parts.aside ?? new Set();
    this.delimiter = parts.delimiter ?? ",";
    this.mark = parts.mark ?? false;
    this.rows = parts.columns[0]?.length ?? 0;
    const ragged = parts.columns.findIndex((column) => column.length !== this.rows);
    if (ragged >= 0 || (this.names !== null && this.names.length !== parts.columns.length)) {
      throw new ParameterError(
        "the columns of a table differ in length, or from its names.",
        "Give each as many cells.",
      );
    }
    const seen = new Set<string>();
    this.names?.forEach((name, place) => {
      if (seen.has(name) && (name || !this.aside.has(place))) {
        const reason = `two columns of ${this.source} are called ${JSON.stringify(name)}.`;
        throw new TableError(reason, "Rename one of them.", this.lines === null ? null : 1, place);
      }
      if (name || !this.aside.has(place)) seen.add(name);
    });
  }

  /**
   * A table of rows of cells, as someone types them: cells are trimmed texts.
   *
   * names: of the columns; null for none.
   * rows: each with a cell for each column.
   *
   * Throws ParameterError as the constructor does.
   */
  static ofRows(
    names: readonly string[] | null,
    rows: readonly (readonly string[])[],
    decimal: "." | "," = ".",
  ): Table {
    const width = names?.length ?? rows[0]?.length ?? 0;
    if (rows.some((row) => row.length !== width)) {
      throw new ParameterError(`a row does not have ${width} cells.`, "Give each row a cell for each column.");
    }
    const columns = Array.from({ length: width }, (_, place) => rows.map((row) => (row[place] ?? "").trim()));
    return new Table({ names, columns, lines: rows.map((_, row) => row + 1), decimal });
  }

  /** What a column is called: its name, or its place from 1 where it has none. */
  label(place: number): string {
    const name = this.names?.[place];
    return name ? `column ${JSON.stringify(name)}` : `column ${place + 1}`;
  }

  /** A row as a reader of the file counts it: "line 3" in a file, else "row 1"; from 1. */
  where(row: number): string {
    return this.lines === null ? `row ${row + 1}` : `line ${this.lines[row] ?? row + 1}`;
  }

  /** The cells of the column of a name; undefined where there is none. */
  column(name: string): readonly Cell[] | undefined {
    const place = this.names?.indexOf(name.normalize("NFC")) ?? -1;
    return place < 0 ? undefined : this.columns[place];
  }

  /** Places of the columns that hold data: without an index, and without columns that have no name. */
  get data(): readonly number[] {
    return this.columns.map((_, place) => place).filter((place) => !this.aside.has(place));
  }
}
