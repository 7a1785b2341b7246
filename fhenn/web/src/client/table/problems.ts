/** What is wrong, or worth saying, about single cells: the page marks them. */

/** What a cell is. */
export type ProblemKind = "blank" | "unknown category" | "not a number" | "out of bounds" | "infinite";

/** The name of the error that Python raises for such a cell, where it blocks. */
export type Refusal = "MissingValues" | "CellRefused" | "UnknownCategory" | "ParameterError" | "BoundsExceeded";

/** A cell, or a whole row where no one column is to blame. */
export interface Problem {
  /** Row of the table, from 0. */
  readonly row: number;
  /** Place of the column in the table, from 0; null where a feature of several columns is meant. */
  readonly column: number | null;
  /** The column's name, or that of the feature. */
  readonly name: string;
  readonly kind: ProblemKind;
  /** What is wrong and what to do, a sentence or two; it never holds more than 40 characters of the cell. */
  readonly message: string;
  /** What Python raises for it; null for a note. */
  readonly refusal: Refusal | null;
}

/** Features that are made of a table, and what stands in the way of some of its rows. */
export interface Prepared {
  /** (rows, features), row-major; NaN in rows that have a problem. */
  readonly features: Float64Array;
  readonly rows: number;
  /** Features of a row. */
  readonly width: number;
  /** Names of the features; null where they have none. */
  readonly names: readonly string[] | null;
  /** Of each feature, the column of the table that it is made of; null where it is made of several. */
  readonly origins: readonly (number | null)[];
  /** What blocks: a row that is named here must not be sent. In the order in which the cells were found. */
  readonly problems: readonly Problem[];
  /** What the model takes as it is: blanks that it fills, categories that it ignores. They block nothing. */
  readonly notes: readonly Problem[];
  /** Rows without a problem, in order. */
  readonly ready: readonly number[];
}
