/** Numbers that are written as text, and what stands for a missing one (`fhenn/numerals.py`, `fhenn/missing.py`). */

import { reprOfFloat } from "../json.ts";

const NUMBER = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const DECIMAL_COMMA = /^[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?$/;
const MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\\.?";
const DATE = new RegExp(
  "^(?:(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2})" +
    `(?:[T ].*)?|${MONTH} [0-9]{1,2},? [0-9]{4}|[0-9]{1,2}\\.?[ -]${MONTH},?[ -][0-9]{2,4})$`,
  "i",
);

/** What Python's `str.strip` takes for blank. */
export const BLANK = "\\t\\n\\v\\f\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const IS_BLANK = new RegExp(`[${BLANK}]`);

/** Words for a missing value: those of pandas, some of them in other cases, Excel's errors, UCI's and SAS's. */
export const MISSING: ReadonlySet<string> = new Set([
  "",
  ...["NA", "na", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A"],
  ...["NaN", "nan", "NAN", "Nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "NaT"],
  ...["NULL", "Null", "null", "None"],
  ...["#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"],
  ...["?", "."],
]);

const TRUTHS: ReadonlyMap<string, number> = new Map([
  ...["True", "TRUE", "true"].map((word) => [word, 1] as const),
  ...["False", "FALSE", "false"].map((word) => [word, 0] as const),
]);

/** A text without the blanks around it, as Python strips it. */
export function strip(text: string): string {
  return trim(text, (character) => IS_BLANK.test(character));
}

/** A text without some characters at either end. A pattern for that would take time that grows as a square. */
export function trim(text: string, isBlank: (character: string) => boolean): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start] ?? "")) {
    start += 1;
  }
  while (end > start && isBlank(text[end - 1] ?? "")) {
    end -= 1;
  }
  return text.slice(start, end);
}

/** Whether a cell stands for a missing one: a word of `MISSING`, null, NaN. */
export function isMissing(cell: string | number | null): boolean {
  return cell === null || (typeof cell === "string" ? MISSING.has(strip(cell)) : Number.isNaN(cell));
}

/**
 * The number that a cell holds, null where it is not a number.
 *
 * @param cell - text without blanks around it. ASCII digits count; underscores, and digits of other scripts, do not.
 * @param decimal - what stands before the fraction.
 */
export function asNumber(cell: string, decimal: "." | "," = "."): number | null {
  const text = decimal === "," ? (cell.includes(".") ? "?" : cell.replaceAll(",", ".")) : cell;
  if (NUMBER.test(text)) {
    return Number(text);
  }
  return INFINITE.test(text) ? (text.startsWith("-") ? -Infinity : Infinity) : null;
}

/** The number that stands for a truth, as "True" or "false"; null where a cell is none. */
export function asTruth(cell: string): number | null {
  return TRUTHS.get(cell) ?? null;
}

/** Whether a cell is a number with a comma before its fraction. */
export function hasDecimalComma(cell: string): boolean {
  return DECIMAL_COMMA.test(cell);
}

/** Whether a cell is text that is written as a date, with or without a time. */
export function looksLikeDate(cell: string): boolean {
  return DATE.test(cell);
}

/**
 * A double as Python prints it: the shortest digits that give it back, always with a point or an exponent.
 *
 * @example repr(1) // "1.0"
 */
export function repr(value: number): string {
  if (Number.isFinite(value)) {
    return reprOfFloat(value);
  }
  return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf";
}
