/** `Thermometer`: which thresholds a number does not pass, as bits: what trees decide by. */

import { listOf, real, truth } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Cell } from "../table/index.ts";
import type { Fields, Frame, Kind } from "./frame.ts";
import { asFloats, cell, Step, StepFields, sum } from "./step.ts";

type Sets = readonly (readonly Cell[])[];

/** What is asked of a column. */
interface Part {
  readonly thresholds: readonly number[];
  readonly sets: Sets;
  readonly missing: boolean;
}

/**
 * Bits of each column, 1 where they hold, one column after another.
 *
 * First x <= t (or x < t) for each of the column's thresholds, then "x is in the set" for each of its sets, then "x is
 * missing" where that is asked for. All but the last are 0 of a missing cell.
 */
export class Thermometer extends Step {
  override readonly name = "Thermometer";
  override readonly missingOk = true; // it says of each column whether they may be

  private constructor(
    data: JsonObject,
    private readonly parts: readonly Part[],
    private readonly strict: boolean,
    private readonly single: boolean,
  ) {
    super(data);
    for (const { thresholds, sets } of parts) {
      const ascend = thresholds.every((each, at) => at === 0 || (thresholds[at - 1] ?? NaN) < each);
      ensure(ascend, "thresholds must be finite and ascend.", "Sort them, each once.");
      const cells = sets.flat();
      const alike = cells.every((each) => typeof each === "number");
      const texts = cells.every((each) => typeof each === "string") && thresholds.length === 0;
      const wayOut = "Give sets of numbers; or of texts, for a column without thresholds.";
      ensure(alike || texts, "the sets of a column hold other cells than its thresholds allow.", wayOut);
    }
  }

  static of(value: Json): Thermometer {
    const fields = new StepFields(value);
    const thresholds = fields.need("thresholds", listOf(listOf(real)), asFloats);
    const strict = fields.take("strict", truth, false);
    const single = fields.take("single", truth, false);
    const missing = fields.take("missing", listOf(truth), []);
    const sets = fields.take("sets", listOf(listOf(listOf(cell))), [], asFloats);
    for (const part of [missing, sets]) {
      const fit = part.length === 0 || part.length === thresholds.length;
      const reason = `thresholds are for ${thresholds.length} columns, and missing or sets for ${part.length}.`;
      ensure(fit, reason, "Give one entry for each column.");
    }
    const parts = thresholds.map((each, at) => ({
      thresholds: each,
      sets: sets[at] ?? [],
      missing: missing[at] ?? false,
    }));
    return new Thermometer(fields.end(), parts, strict, single);
  }

  override wants(): readonly (Kind | null)[] {
    return this.parts.map((part) => (isCompared(part) ? "number" : part.sets.some(holdsText) ? "text" : null));
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.parts);
    return this.parts.flatMap(({ thresholds, sets, missing }, place) => {
      const length = thresholds.length + sets.length + (missing ? 1 : 0);
      return Array.from({ length }, () => ({ kind: "number", origin: before[place]?.origin ?? null }) as const);
    });
  }

  override apply(frame: Frame): Frame {
    const columns = this.parts.flatMap((part, place) => {
      if (part.missing) {
        const message = "The cell is blank: the model takes that as it is.";
        frame.missing(place).forEach((row) => frame.note(row, place, "blank", message));
      } else {
        frame.requirePresent([place], "Fill it in, or leave the row out: the model was not made for missing ones.");
      }
      const asked = isCompared(part) ? this.numberBits(frame, place, part) : textBits(frame, place, part);
      return part.missing ? [...asked, bits(frame, (row) => frame.isMissing(row, place))] : asked;
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return count + sum(this.parts.flatMap(({ sets }) => sets.map(({ length }) => length)));
  }

  override texts(): readonly (readonly string[])[] {
    return this.parts.map(({ sets }) => sets.flat().filter((each) => typeof each === "string"));
  }

  private numberBits(frame: Frame, place: number, { thresholds, sets }: Part): readonly Float64Array[] {
    const exact = frame.numbers(place);
    const values = this.single ? exact.map(Math.fround) : exact;
    const below = thresholds.map((threshold) =>
      this.strict
        ? bits(frame, (row) => (values[row] ?? NaN) < threshold)
        : bits(frame, (row) => (values[row] ?? NaN) <= threshold),
    );
    const among = sets.map((each) => {
      const set = new Set(each);
      return bits(frame, (row) => set.has(values[row] ?? null));
    });
    return [...below, ...among];
  }
}

function textBits(frame: Frame, place: number, { sets }: Part): readonly Float64Array[] {
  const cells = frame.columns[place] ?? [];
  return sets.map((each) => {
    const set = new Set(each);
    return bits(frame, (row) => set.has(cells[row] ?? null));
  });
}

function bits(frame: Frame, holds: (row: number) => boolean): Float64Array {
  return Float64Array.from({ length: frame.rows }, (_, row) => (holds(row) ? 1 : 0));
}

/** Whether numbers are compared with thresholds or sets. */
function isCompared({ thresholds, sets }: Part): boolean {
  return thresholds.length > 0 || sets.flat().some((each) => typeof each === "number");
}

function holdsText(set: readonly Cell[]): boolean {
  return set.some((each) => typeof each === "string");
}
