/** `Findings`: problems and notes as they are collected, at most one of each for a cell. */

import type { Prepared, Problem, ProblemKind, Refusal } from "./problems.ts";
import type { Table } from "./table.ts";

/** Problems and notes that are kept; rows beyond them are blocked all the same. */
const MOST_KEPT = 100_000;

/** What is found in a cell. */
export interface Finding {
  readonly row: number;
  /** Place in the table; null where no one column is meant. */
  readonly column: number | null;
  /** Of the feature; needed where there is no column. */
  readonly name?: string;
  readonly kind: ProblemKind;
  readonly message: string;
  readonly refusal: Refusal | null;
}

/** What is found in a table while its features are made. It grows; `prepared` gives what was found. */
export class Findings {
  private readonly problems: Problem[] = [];
  private readonly notes: Problem[] = [];
  private readonly seen = new Set<string>();
  private readonly blocked: Uint8Array;

  constructor(private readonly table: Table) {
    this.blocked = new Uint8Array(table.rows);
  }

  /** Whether a row has a problem. */
  isBlocked(row: number): boolean {
    return this.blocked[row] === 1;
  }

  /** Whether a cell has a problem. */
  isRefused(row: number, column: number | null): boolean {
    return this.isBlocked(row) && this.seen.has(`${row} ${column}`);
  }

  /** A problem: its row is blocked. Of a cell, or of a row's features without a column, only the first one is kept. */
  refuse(finding: Finding): void {
    const key = `${finding.row} ${finding.column}`;
    this.blocked[finding.row] = 1;
    if (!this.seen.has(key) && this.problems.length < MOST_KEPT) {
      this.seen.add(key);
      this.problems.push(this.problemOf(finding));
    }
  }

  /** A note, which blocks nothing. */
  note(finding: Finding): void {
    const key = `note ${finding.row} ${finding.column}`;
    if (!this.seen.has(key) && this.notes.length < MOST_KEPT) {
      this.seen.add(key);
      this.notes.push(this.problemOf(finding));
    }
  }

  /**
   * The features with what was found.
   *
   * @param features - (rows, width), row-major; NaN is written into the rows that have a problem.
   * @param names - of the features; null where they have none.
   * @param origins - of each feature, its column in the table; null where it is made of several.
   */
  prepared(features: Float64Array, names: readonly string[] | null, origins: readonly (number | null)[]): Prepared {
    const width = origins.length;
    const ready: number[] = [];
    for (let row = 0; row < this.table.rows; row += 1) {
      if (this.blocked[row]) {
        features.fill(NaN, row * width, (row + 1) * width);
      } else {
        ready.push(row);
      }
    }
    const { problems } = this;
    const notes = this.notes.filter(({ row, column }) => !this.isRefused(row, column));
    return { features, rows: this.table.rows, width, names, origins, problems, notes, ready };
  }

  private problemOf({ row, column, name, kind, message, refusal }: Finding): Problem {
    const called = column === null ? undefined : this.table.names?.[column] || `${column + 1}`;
    return { row, column, name: called ?? name ?? "", kind, message, refusal };
  }
}

/** A cell as a message shows it, cut where it is long. */
export function short(cell: string | number | null): string {
  const text = typeof cell === "string" ? `“${cell}”` : String(cell);
  const characters = [...text.slice(0, 100)];
  return characters.length <= 40 ? text : `${characters.slice(0, 39).join("")}…`;
}
