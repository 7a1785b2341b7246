/** Between which numbers a raw column may be: what the plan's bounds of its features mean for the column itself. */

import { FhennError } from "../client/index.ts";
import { Table, type Prepared } from "../client/table/index.ts";
import { exampleOf } from "./example.ts";
import type { Wanted } from "./state.ts";

type Box = readonly [number, number];

const POWERS = Array.from({ length: 16 }, (_, place) => 10 ** (place - 3));
/** Where it is looked first, rising. */
const GRID = [...POWERS.map((each) => -each).reverse(), 0, ...POWERS];
/** Halvings of what lies between two numbers of the grid: more digits than are shown. */
const HALVINGS = 44;

/** A place where a feature of a column crosses a bound: it is held on one side of it. */
interface Crossing {
  readonly column: number;
  readonly feature: number;
  /** Which end of the column's numbers this is. */
  readonly end: 0 | 1;
  readonly holds: (value: number) => boolean;
  /** A number that does not hold, and one that does; they come nearer to each other. */
  outside: number;
  inside: number;
}

/**
 * The columns with the bounds of those of numbers whose features rise or fall with them, as scaling makes them.
 *
 * @param wanted - raw columns, with examples
 * @param prepare - makes features of a table of them, whatever the bounds
 * @param low - the least value of every feature
 * @param high - the largest
 */
export function withRawBounds(
  wanted: readonly Wanted[],
  prepare: (table: Table) => Prepared,
  low: ArrayLike<number>,
  high: ArrayLike<number>,
): readonly Wanted[] {
  try {
    const found = boundsOf(wanted, prepare, low, high);
    return wanted.map((each, place) => ({ ...each, bounds: found[place] ?? null }));
  } catch (error) {
    if (error instanceof FhennError) return wanted; // the reader's own table shows what is wrong
    throw error;
  }
}

function boundsOf(
  wanted: readonly Wanted[],
  prepare: (table: Table) => Prepared,
  low: ArrayLike<number>,
  high: ArrayLike<number>,
): readonly (Box | null)[] {
  const names = wanted.map(({ name }) => name);
  const tried = (rows: number, cell: (row: number, column: number) => number): Prepared => {
    const columns = wanted.map((each, column) =>
      Array.from({ length: rows }, (_, row) => (isNumber(each) ? String(cell(row, column)) : exampleOf(each))),
    );
    return prepare(new Table({ names: names.includes(null) ? null : (names as string[]), columns }));
  };
  const first = tried(GRID.length, (row) => GRID[row] ?? 0);
  if (first.origins.includes(null)) return []; // a feature of several columns bounds them together
  const ends = wanted.map((each): [number, number] | null => (isNumber(each) ? [-Infinity, Infinity] : null));
  const crossings: Crossing[] = [];
  first.origins.forEach((column, feature) => {
    if (column === null || !ends[column]) return;
    const values = GRID.map((_, row) => first.features[row * first.width + feature] ?? NaN);
    const made = crossingsOf(values, column, feature, low[feature] ?? NaN, high[feature] ?? NaN);
    if (made) crossings.push(...made);
    else ends[column] = null;
  });
  halve(crossings, tried);
  for (const { column, end, inside } of crossings) {
    const box = ends[column];
    if (box) box[end] = end ? Math.min(box[1], inside) : Math.max(box[0], inside);
  }
  return ends.map((box) => (box && box[0] <= box[1] && (isFinite(box[0]) || isFinite(box[1])) ? box : null));
}

function isNumber({ kind, used }: Wanted): boolean {
  return used && kind === "number";
}

/** Null where the feature neither rises nor falls throughout, or is never within its bounds. */
function crossingsOf(
  values: readonly number[],
  column: number,
  feature: number,
  low: number,
  high: number,
): readonly Crossing[] | null {
  const steps = values.slice(1).map((value, place) => value - (values[place] ?? NaN));
  const rises = steps.every((step) => step >= 0);
  if (!rises && !steps.every((step) => step <= 0)) return null;
  const above = (value: number): boolean => value >= low;
  const below = (value: number): boolean => value <= high;
  const found: Crossing[] = [];
  for (const [end, holds] of [
    [0, rises ? above : below],
    [1, rises ? below : above],
  ] as const) {
    const at = end ? values.findLastIndex(holds) : values.findIndex(holds);
    if (at < 0) return null;
    const outside = GRID[end ? at + 1 : at - 1];
    if (outside !== undefined) found.push({ column, feature, end, holds, outside, inside: GRID[at] ?? 0 });
  }
  return found;
}

/** Bring both sides of all crossings together; those of a column are tried in rows of their own. */
function halve(
  crossings: readonly Crossing[],
  tried: (rows: number, cell: (row: number, column: number) => number) => Prepared,
): void {
  const byColumn = new Map<number, Crossing[]>();
  for (const each of crossings) byColumn.set(each.column, [...(byColumn.get(each.column) ?? []), each]);
  const rows = Math.max(0, ...[...byColumn.values()].map(({ length }) => length));
  const middleOf = ({ outside, inside }: Crossing): number => (outside + inside) / 2;
  for (let time = 0; rows > 0 && time < HALVINGS; time += 1) {
    const { features, width } = tried(rows, (row, column) => {
      const crossing = byColumn.get(column)?.[row];
      return crossing ? middleOf(crossing) : 0;
    });
    for (const each of byColumn.values()) {
      each.forEach((crossing, row) => {
        const middle = middleOf(crossing);
        if (crossing.holds(features[row * width + crossing.feature] ?? NaN)) crossing.inside = middle;
        else crossing.outside = middle;
      });
    }
  }
}
