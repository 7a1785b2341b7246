/** Whether the first line of a CSV file names its columns (`fhenn/cli/tables/header.py`). */

import { asNumber, hasDecimalComma, isMissing } from "./numerals.ts";

const CENSORED = /^[<>≤≥~±]=?[ \t\n\r\f\v]*[+-]?[0-9.,]+$/;
/** Rows that make a box, and how many of its widths beyond it no sample is expected. */
const FEWEST = 3;
const WIDTHS = 10;

type Decimal = "." | ",";
type CellKind = "number" | "missing" | "unfit" | "text";

/** What a cell of a first line looks like; "unfit" for a value that is not written as a number: `<0.5`, `7,61`. */
export function kindOf(cell: string, decimal: Decimal = "."): CellKind {
  if (isMissing(cell)) {
    return "missing";
  }
  if (asNumber(cell, decimal) !== null) {
    return "number";
  }
  return CENSORED.test(cell) || hasDecimalComma(cell) ? "unfit" : "text";
}

/**
 * Whether the first line names the columns; null where that is not clear.
 *
 * @param first - the cells of the first line.
 * @param rest - the cells of lines below it.
 * @param expected - names of columns that are wanted: the features of a model, a label.
 * @param decimal - what stands before the fraction of a number.
 */
export function isHeader(
  first: readonly string[],
  rest: readonly (readonly string[])[],
  expected: readonly string[],
  decimal: Decimal,
): boolean | null {
  const names = first.map((cell) => cell.normalize("NFC"));
  const kinds = first.map((cell) => kindOf(cell, decimal));
  if (
    holds(
      names,
      kinds,
      expected.map((name) => name.normalize("NFC")),
    )
  ) {
    return true;
  }
  if (kinds.includes("text")) {
    return kinds.includes("number") || kinds.includes("unfit") ? null : true;
  }
  return mayBeNames(first, rest, decimal) ? null : false;
}

/** Whether the names that are wanted are there: one that is text, or all those that are numbers, in their order. */
function holds(names: readonly string[], kinds: readonly CellKind[], wanted: readonly string[]): boolean {
  const there = new Set(names);
  if (wanted.some((name) => there.has(name) && kindOf(name) === "text")) {
    return true;
  }
  if (wanted.length === 0 || there.size < names.length) {
    return false;
  }
  const needed = new Set(wanted);
  const present = names.filter((name) => needed.has(name));
  const others = kinds.filter((_, place) => !needed.has(names[place] ?? ""));
  const ordered = present.length === wanted.length && present.every((name, place) => name === wanted[place]);
  return (
    new Set(present).size === needed.size &&
    (others.length === 0 || (ordered && (others.includes("text") || present.length > 2)))
  );
}

/**
 * Whether a row of numbers is like names: by its own numbers, or by how they differ from those below.
 *
 * By its own: 0, 1, 2, … from any start, rising years, three or more numbers that rise by equal steps, or a whole one
 * beside the empty name of an index. By the rows: whole numbers over columns of which most cells are fractions, or each
 * beyond its column's box by more than 10 times the box's width, of 3 rows or more. A column alone has to be beyond its
 * box, and over fractions, a year, or that far.
 */
function mayBeNames(first: readonly string[], rest: readonly (readonly string[])[], decimal: Decimal): boolean {
  const places = first.map((_, place) => place).filter((place) => first[place]);
  const parsed = places.map((place) => asNumber(first[place] ?? "", decimal));
  const values = parsed.filter((value): value is number => value !== null && Number.isFinite(value));
  if (values.length === 0 || values.length < parsed.length) {
    return false;
  }
  const whole = first.every((cell) => !cell || /^[0-9]+$/.test(cell));
  const columns = places.map((place) => numbersIn(rest, place, decimal));
  const far = columns.every((column) => column.length >= FEWEST) && areBeyond(values, columns, WIDTHS);
  const overFractions = whole && places.every((place) => areFractions(rest, place, decimal));
  const years = whole && values.every((value) => Number.isInteger(value) && value >= 1900 && value <= 2100);
  if (values.length === 1) {
    if (whole && !first[0]) {
      return rest.length > 0 && rest.every((row) => row.length === 0 || Boolean(row[0]));
    }
    return far || ((overFractions || years) && areBeyond(values, columns, 0));
  }
  const steps = values.slice(1).map((value, place) => value - (values[place] ?? 0));
  const rising = steps.every((step) => step > 0);
  const step = steps[0] ?? 0;
  const even =
    rising && steps.every((each) => Math.abs(each - step) <= 1e-6 * Math.max(Math.abs(each), Math.abs(step)));
  return (even && (values.length > 2 || (whole && step === 1))) || (rising && years) || overFractions || far;
}

function numbersIn(rest: readonly (readonly string[])[], place: number, decimal: Decimal): number[] {
  return rest.flatMap((row) => {
    const value = place < row.length ? asNumber(row[place] ?? "", decimal) : null;
    return value !== null && Number.isFinite(value) ? [value] : [];
  });
}

/** Whether each value is outside of its column's box by more than so many widths; constant columns tell nothing. */
function areBeyond(values: readonly number[], columns: readonly (readonly number[])[], widths: number): boolean {
  const boxes = values.flatMap((value, place) => {
    const column = columns[place] ?? [];
    const low = column.reduce((least, each) => Math.min(least, each), Infinity);
    const high = column.reduce((most, each) => Math.max(most, each), -Infinity);
    return high > low ? [{ value, low, high }] : [];
  });
  return (
    boxes.length > 0 &&
    boxes.every(({ value, low, high }) => Math.max(low - value, value - high) > widths * (high - low))
  );
}

/** Whether a column holds numbers, most of them with a fraction. */
function areFractions(rest: readonly (readonly string[])[], place: number, decimal: Decimal): boolean {
  const cells = rest.flatMap((row) => (place < row.length && row[place] ? [row[place]] : []));
  const fractions = cells.filter((cell) => !/^[0-9]+$/.test(cell)).length;
  return cells.every((cell) => asNumber(cell, decimal) !== null) && 2 * fractions > cells.length;
}
