/** Which rows are shown, in which order: sorting, filtering, paging. Pure. */

import type { ResultColumn } from "../client/reading/index.ts";
import type { Cell, Problem } from "../client/table/index.ts";
import type { Results, Rows } from "./state.ts";

/** By what rows are sorted: their place, a column of results, or a column of the table. */
export type SortKey = { readonly by: "row" } | { readonly by: "result" | "column"; readonly place: number };

/** What is wanted to be seen. */
export interface Wish {
  readonly sort: SortKey;
  readonly descending: boolean;
  /** Part of a cell or prediction, in any case. */
  readonly filter: string;
  readonly only: "all" | "marked" | "alarms";
}

export const EVERYTHING: Wish = { sort: { by: "row" }, descending: false, filter: "", only: "all" };

type Value = string | number | bigint | boolean | null;

/** Rows of a table, with what is predicted and what is wrong, ready to be asked for. */
export class RowsView {
  readonly #result = new Map<number, number>();
  readonly problems: ReadonlyMap<number, readonly Problem[]>;
  readonly notes: ReadonlyMap<number, readonly Problem[]>;

  constructor(
    readonly rows: Rows,
    readonly results: Results | null,
  ) {
    results?.rows.forEach((row, place) => this.#result.set(row, place));
    this.problems = byRow(rows.prepared.problems);
    this.notes = byRow(rows.prepared.notes);
  }

  /** The cell of a column of results; null where the row has none. */
  result(column: ResultColumn, row: number): Value {
    const place = this.#result.get(row);
    return place === undefined ? null : (column.cells[place] ?? null);
  }

  /** Rows as they are wanted. */
  select(wish: Wish): readonly number[] {
    const filter = wish.filter.trim().toLocaleLowerCase();
    const found: number[] = [];
    for (let row = 0; row < this.rows.table.rows; row += 1) {
      if (wish.only === "marked" && !this.problems.has(row) && !this.notes.has(row)) continue;
      if (wish.only === "alarms" && !this.results?.alarms.has(row)) continue;
      if (!filter || this.#holds(row, filter)) found.push(row);
    }
    if (wish.sort.by === "row") return wish.descending ? found.reverse() : found;
    const keys = new Map(found.map((row) => [row, this.#key(wish.sort, row)]));
    const sign = wish.descending ? -1 : 1;
    return found.sort((a, b) => compare(keys.get(a) ?? null, keys.get(b) ?? null, sign) || a - b);
  }

  #holds(row: number, filter: string): boolean {
    const holds = (cell: Value): boolean =>
      String(cell ?? "")
        .toLocaleLowerCase()
        .includes(filter);
    if (this.results?.columns.some((column) => column.kind === "prediction" && holds(this.result(column, row))))
      return true;
    return this.rows.table.columns.some((cells) => holds(cells[row] ?? null));
  }

  #key(sort: SortKey, row: number): Value {
    if (sort.by === "result") {
      const column = this.results?.columns[sort.place];
      return column ? this.result(column, row) : null;
    }
    const cell = sort.by === "column" ? (this.rows.table.columns[sort.place]?.[row] ?? null) : row;
    return asNumber(cell);
  }
}

/** Texts that are numbers, as numbers. */
function asNumber(cell: Cell): Value {
  if (typeof cell !== "string" || cell.trim() === "") return cell === "" ? null : cell;
  const value = Number(cell.replace(",", "."));
  return Number.isNaN(value) ? cell : value;
}

/** Numbers before texts, and rows without a value last, in either direction. */
function compare(a: Value, b: Value, sign: number): number {
  const [emptyA, emptyB] = [isEmpty(a), isEmpty(b)];
  if (emptyA || emptyB) return Number(emptyA) - Number(emptyB);
  const [textA, textB] = [typeof a === "string", typeof b === "string"];
  if (textA !== textB) return sign * (Number(textA) - Number(textB));
  if (textA) return sign * String(a).localeCompare(String(b));
  return a === b ? 0 : sign * ((a ?? 0) < (b ?? 0) ? -1 : 1);
}

function isEmpty(value: Value): boolean {
  return value === null || value === "" || (typeof value === "number" && Number.isNaN(value));
}

function byRow(problems: readonly Problem[]): ReadonlyMap<number, readonly Problem[]> {
  const found = new Map<number, Problem[]>();
  for (const each of problems) {
    const known = found.get(each.row);
    if (known) known.push(each);
    else found.set(each.row, [each]);
  }
  return found;
}
