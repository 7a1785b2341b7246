/** What is done about missing cells: `Impute` fills them, `IsMissing` tells of them. */

import { listOf, truth, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import { type Cell, short } from "../table/index.ts";
import type { Cells, Fields, Frame, Kind } from "./frame.ts";
import { asFloats, cell, Step, StepFields } from "./step.ts";

const NEW = "Fill it in, or leave the row out: no cell was missing there when the model was fitted.";

/** Missing cells filled, a value for each column; null for a column that stays as it is. */
export class Impute extends Step {
  override readonly name = "Impute";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly fill: readonly Cell[],
    private readonly missing: Cell,
  ) {
    super(data);
  }

  static of(value: Json): Impute {
    const fields = new StepFields(value);
    const fill = fields.need("fill", listOf(cell), asFloats);
    const missing = fields.take("missing", cell, null, asFloats);
    return new Impute(fields.end(), fill, missing);
  }

  override wants(): readonly (Kind | null)[] {
    return this.fill.map((value) => (value === null ? null : typeof value === "string" ? "text" : "number"));
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.fill);
    return before;
  }

  override apply(frame: Frame): Frame {
    const columns = this.fill.map((fill, place): Cells => {
      const cells = frame.columns[place] ?? [];
      const rows = fill === null ? [] : rowsMissing(frame, place, this.missing);
      if (fill === null || rows.length === 0) {
        return cells;
      }
      const what = this.missing === null ? "The cell is blank" : "The value is missing";
      const message = `${what}: the model fills in ${short(fill)}.`;
      rows.forEach((row) => frame.note(row, place, "blank", message));
      if (cells instanceof Float64Array) {
        const filled = cells.slice();
        rows.forEach((row) => (filled[row] = Number(fill)));
        return filled;
      }
      const missing = new Set(rows);
      return cells.map((each, row) => (missing.has(row) ? fill : each));
    });
    return frame.with(columns, frame.fields);
  }

  override texts(count: number): readonly (readonly string[])[] {
    return textOf(this.missing, count);
  }
}

/** Which cells are missing, as 1, of some columns. */
export class IsMissing extends Step {
  override readonly name = "IsMissing";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly places: readonly number[],
    private readonly missing: Cell,
    private readonly others: boolean,
  ) {
    super(data);
  }

  static of(value: Json): IsMissing {
    const fields = new StepFields(value);
    const places = fields.need("places", listOf(whole));
    const missing = fields.take("missing", cell, null, asFloats);
    const others = fields.take("new", truth, true);
    return new IsMissing(fields.end(), places, missing, others);
  }

  override wants(count: number): readonly (Kind | null)[] {
    return Array.from({ length: count }, () => null);
  }

  override after(before: Fields): Fields {
    const reason = `a step IsMissing takes columns that are not among the ${before.length} that come in.`;
    ensure(
      this.places.every((place) => place in before),
      reason,
      "Count columns from 0.",
    );
    return this.places.map((place) => ({ kind: "number", origin: before[place]?.origin ?? null }));
  }

  override apply(frame: Frame): Frame {
    if (!this.others) {
      const asked = new Set(this.places);
      for (const place of frame.fields.keys()) {
        for (const row of asked.has(place) ? [] : rowsMissing(frame, place, this.missing)) {
          frame.refuse(row, place, { kind: "blank", message: `The cell is blank. ${NEW}`, refusal: "MissingValues" });
        }
      }
    }
    const columns = this.places.map((place) => {
      const found = new Float64Array(frame.rows);
      rowsMissing(frame, place, this.missing).forEach((row) => (found[row] = 1));
      return found;
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override texts(count: number): readonly (readonly string[])[] {
    return textOf(this.missing, count);
  }
}

/** What stands for a missing cell, where that is a text. */
function textOf(missing: Cell, count: number): readonly (readonly string[])[] {
  return Array.from({ length: count }, () => (typeof missing === "string" ? [missing] : []));
}

/** Rows in which a column has what stands for a missing cell; null for empty ones. */
function rowsMissing(frame: Frame, place: number, missing: Cell): readonly number[] {
  const cells = frame.columns[place] ?? [];
  return missing === null ? frame.missing(place) : frame.rowsWhere((row) => cells[row] === missing);
}
