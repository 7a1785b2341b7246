/** `Frame`: rows of a table on their way through the steps of a preparation. */

import type { Cell, Findings, ProblemKind, Refusal } from "../table/index.ts";

/** What the cells of a column are: numbers, texts, or some of each. */
export type Kind = "number" | "text" | "either";

/** What is known of a column before there are rows. */
export interface Field {
  /** Of its cells, missing ones apart. */
  readonly kind: Kind;
  /** Place of the raw column that it stands for, row by row; null where it is made of several. */
  readonly origin: number | null;
}

/** What is known of columns before there are rows. */
export type Fields = readonly Field[];

/** The cells of a column: numbers, NaN where one is missing; or texts and numbers, null where one is missing. */
export type Cells = Float64Array | readonly Cell[];

/** Where rows come from, and who is told of their cells. */
export interface Source {
  readonly findings: Findings;
  /** Row of the table that the first row of the frame is. */
  readonly start: number;
  /** Of each raw column, its place in the table; null where it is not there. */
  readonly places: readonly (number | null)[];
}

/** What is wrong with a cell. */
export interface Complaint {
  readonly kind: ProblemKind;
  readonly message: string;
  readonly refusal: Refusal;
  /** Of the feature that is made of it, where no one column is to blame. */
  readonly name?: string;
}

/** Rows and columns. Columns of numbers are arrays of doubles; others hold any cells. */
export class Frame {
  constructor(
    readonly rows: number,
    readonly columns: readonly Cells[],
    readonly fields: Fields,
    readonly source: Source,
  ) {}

  /** The same rows with other columns. */
  with(columns: readonly Cells[], fields: Fields): Frame {
    return new Frame(this.rows, columns, fields, this.source);
  }

  /** A column of numbers; NaN throughout where its cells are something else. */
  numbers(place: number): Float64Array {
    const cells = this.columns[place];
    return cells instanceof Float64Array ? cells : new Float64Array(this.rows).fill(NaN);
  }

  /** All columns as numbers. */
  get values(): readonly Float64Array[] {
    return this.columns.map((_, place) => this.numbers(place));
  }

  /** Whether a cell is missing. */
  isMissing(row: number, place: number): boolean {
    const cell = this.columns[place]?.[row];
    return cell === undefined || cell === null || Number.isNaN(cell);
  }

  /** Rows in which a column has a missing cell. */
  missing(place: number): readonly number[] {
    return this.rowsWhere((row) => this.isMissing(row, place));
  }

  /** Rows for which something holds. */
  rowsWhere(holds: (row: number) => boolean): readonly number[] {
    const found: number[] = [];
    for (let row = 0; row < this.rows; row += 1) {
      if (holds(row)) {
        found.push(row);
      }
    }
    return found;
  }

  /** Say that a cell cannot be taken; of a feature of several columns only where nothing else is wrong in its row. */
  refuse(row: number, place: number, complaint: Complaint): void {
    const { findings, start } = this.source;
    const column = this.columnOf(place);
    if (column !== null || !findings.isBlocked(start + row)) {
      findings.refuse({ row: start + row, column, ...complaint });
    }
  }

  /** Say what the model does with a cell that it takes. */
  note(row: number, place: number, kind: ProblemKind, message: string): void {
    const column = this.columnOf(place);
    if (column !== null) {
      this.source.findings.note({ row: this.source.start + row, column, kind, message, refusal: null });
    }
  }

  /** Refuse the missing cells of some columns. */
  requirePresent(places: Iterable<number>, wayOut: string): void {
    for (const place of places) {
      for (const row of this.missing(place)) {
        this.refuse(row, place, { kind: "blank", message: `The cell is blank. ${wayOut}`, refusal: "MissingValues" });
      }
    }
  }

  private columnOf(place: number): number | null {
    const origin = this.fields[place]?.origin ?? null;
    return origin === null ? null : (this.source.places[origin] ?? null);
  }
}
