/** What the cells of a raw table are to a model: numbers, texts, or refused (`fhenn/interop/preparation/table.py`). */

import {
  asNumber,
  asTruth,
  type Cell,
  hasDecimalComma,
  isMissing,
  looksLikeDate,
  short,
  strip,
} from "../table/index.ts";
import type { Cells, Complaint, Kind } from "./frame.ts";

const DATES =
  "Give what the model was fitted on in the place of dates: the number of days since some day, or year, month and " +
  "weekday as columns of their own.";
const MIXED = "decimal points and decimal commas are mixed";

/** How a raw column is read. */
export interface Reading {
  readonly kind: Kind;
  /** The texts that the model tells apart: those of a file that are no missing cells. */
  readonly texts: ReadonlySet<string>;
  readonly decimal: "." | ",";
  /** Whether the cells are those of a text file, where words stand for missing ones. */
  readonly isFile: boolean;
  /** Called with each cell that cannot be taken, which goes on as a missing one. */
  readonly refuse: (row: number, complaint: Complaint) => void;
}

/** The cells of a raw column as the model knows them. */
export function readCells(cells: readonly Cell[], reading: Reading): Cells {
  if (reading.kind === "number") {
    return Float64Array.from(cells, (cell, row) => number(cell, row, reading));
  }
  const spelt = new Map([...reading.texts].sort().map((text) => [strip(text), text]));
  return cells.map((cell, row) => other(cell, row, reading, spelt));
}

function number(cell: Cell, row: number, { decimal, refuse }: Reading): number {
  if (cell === null || isMissing(cell)) {
    return NaN;
  }
  const text = typeof cell === "string" ? strip(cell) : null;
  const value = typeof cell === "number" ? cell : (asTruth(text ?? "") ?? asNumber(text ?? "", decimal));
  if (value === null) {
    refuse(row, wrong(text ?? "", decimal));
    return NaN;
  }
  if (!Number.isFinite(value)) {
    const message = "The number is infinite. Write a finite one, or leave the cell empty where the model fills it.";
    refuse(row, { kind: "infinite", message, refusal: "CellRefused" });
    return NaN;
  }
  return value;
}

function wrong(text: string, decimal: "." | ","): Complaint {
  const comma = decimal === "." && hasDecimalComma(text);
  const point = decimal === "," && asNumber(text) !== null;
  const [why, way] = looksLikeDate(text)
    ? ["it is a date", DATES]
    : comma
      ? ["it has a decimal comma", "Write all numbers with a decimal point, or say that they have decimal commas."]
      : point
        ? [MIXED, "Write all numbers with a decimal comma."]
        : ["the model was fitted on numbers there", "Write one, or leave the cell empty where the model fills it."];
  return { kind: "not a number", message: `${short(text)} is not a number: ${why}. ${way}`, refusal: "CellRefused" };
}

function other(cell: Cell, row: number, reading: Reading, spelt: ReadonlyMap<string, string>): Cell {
  const { kind, texts, decimal, isFile, refuse } = reading;
  if (typeof cell === "number") {
    if (kind === "either" || Number.isNaN(cell)) {
      return Number.isNaN(cell) ? null : cell;
    }
    const message = `${cell} is not a text. Write it as the text that the model was fitted on.`;
    refuse(row, { kind: "unknown category", message, refusal: "CellRefused" });
    return null;
  }
  if (cell === null || !isFile || texts.has(cell)) {
    return cell;
  }
  const known = spelt.get(cell);
  if (known !== undefined || isMissing(cell)) {
    return known ?? null;
  }
  return kind === "either" ? (asNumber(cell, decimal) ?? cell) : cell;
}
