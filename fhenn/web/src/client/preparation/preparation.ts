/** `Preparation`: what a client does with raw tables, in the clear, before it encrypts. */

import { Fields as Given, listOf, oneOf, optional, text, truth } from "../built.ts";
import { sha256, utf8 } from "../bytes.ts";
import { ensure } from "../ensure.ts";
import { ShapeMismatch } from "../errors.ts";
import { type Json, writeJson } from "../json.ts";
import { type Cell, Findings, matchColumns, type Prepared, type Table } from "../table/index.ts";
import { readVersioned } from "../versioned.ts";
import { dataOf, run, walk } from "./arrange.ts";
import { stepsOf } from "./catalogue.ts";
import { readCells } from "./cells.ts";
import { type Cells, type Complaint, type Fields, Frame, type Kind } from "./frame.ts";
import { requireKinds, requireModest, requireNames, requireShort, widthOf } from "./limits.ts";
import { type Step } from "./step.ts";

/** Numbers that are made at once, 8 MB. */
const BLOCK = 1 << 20;

/** A column of the raw table. */
export interface Column {
  readonly name: string | null;
  readonly kind: Kind;
  /** Whether anything is made of it; one that is not used may be left out of a table with names. */
  readonly used: boolean;
}

/** What makes the features of an encrypted model from a raw table, step by step, as data. */
export class Preparation {
  /** Of each raw column, the texts that the model tells apart: for a form to choose from, none for numbers. */
  readonly texts: readonly (readonly string[])[];
  private readonly width: number;

  private constructor(
    /** Of the raw table, in the order that they have where they have no names. */
    readonly columns: readonly Column[],
    /** Names of what comes out. */
    readonly features: readonly string[],
    private readonly steps: readonly Step[],
    private readonly extra: boolean,
  ) {
    requireNames(columns, features);
    const begin = this.begin;
    requireModest(columns, features, steps, begin);
    const ends = requireKinds(steps, begin);
    ensure(ends.length > 0, "no features come out.", "Keep at least one column.");
    const reason = `${ends.length} features come out, and ${features.length} have names.`;
    ensure(ends.length === features.length, reason, "Name each of them.");
    const numbers = ends.every(({ kind }) => kind === "number");
    ensure(numbers, "a feature is no number when all steps are done.", "Encode texts as numbers.");
    this.width = widthOf(steps, begin);
    this.texts = textsOf(steps, begin);
  }

  /**
   * The preparation of Python's `to_json`, whoever wrote it.
   *
   * @param source - the JSON text, or its bytes in UTF-8.
   * @throws WireFormatError where it is not one, has steps of another kind, or is larger than any that is sent.
   */
  static fromJson(source: string | Uint8Array): Preparation {
    return readVersioned("preparation", [1n], source, Preparation.of, requireShort);
  }

  private static of(fields: Given): Preparation {
    const columns = fields.need("columns", listOf(columnOf));
    const steps = fields.need("steps", stepsOf);
    const features = fields.need("features", listOf(text));
    const extra = fields.take("extra", truth, false);
    fields.end();
    return new Preparation(columns, features, steps, extra);
  }

  /** 32 hexadecimal digits that differ from preparation to preparation: what a plan names it by. */
  async fingerprint(): Promise<string> {
    const data = new Map<string, Json>([
      ["columns", this.columns.map((column) => new Map<string, Json>(Object.entries(column)))],
      ["steps", this.steps.map(dataOf)],
      ["features", this.features],
      ["extra", this.extra],
    ]);
    return (await sha256(utf8(writeJson(data, { sortKeys: true })))).slice(0, 32);
  }

  /** Names of the raw columns that are used; null where columns have none. */
  get names(): readonly string[] | null {
    const found = this.columns.flatMap(({ name, used }) => (used && name !== null ? [name] : []));
    return found.length > 0 ? found : null;
  }

  /**
   * The features of a raw table, and the cells that stand in their way.
   *
   * Columns are taken by name where both have names, and others are left out; else by position. In a file words for a
   * missing cell are missing, unless the model knows them as a category.
   *
   * @param table - as it was dropped, or typed.
   * @throws FeatureMismatch where columns are missing, ShapeMismatch where there is another number, or no row.
   */
  prepare(table: Table): Prepared {
    const places = matchColumns(table, this.columns);
    if (table.rows === 0) {
      const expected = `(samples, ${this.columns.length}), at least one sample`;
      throw new ShapeMismatch(table.source, [0, table.columns.length], expected);
    }
    const findings = new Findings(table);
    const width = this.features.length;
    const features = new Float64Array(table.rows * width);
    const taken = places.map((place, at) => (this.columns[at]?.used ? place : null));
    const block = Math.max(1, Math.floor(BLOCK / this.width));
    let origins: readonly (number | null)[] = [];
    for (let start = 0; start < table.rows; start += block) {
      const frame = this.frameOf(table, taken, start, Math.min(start + block, table.rows), findings);
      const made = run(this.steps, frame);
      made.values.forEach((column, place) => {
        column.forEach((value, row) => (features[(start + row) * width + place] = value));
      });
      requireFinite(made, frame, this.features);
      noteBlanks(frame);
      origins = made.fields.map(({ origin }) => (origin === null ? null : (places[origin] ?? null)));
    }
    return findings.prepared(features, this.features, origins);
  }

  private get begin(): Fields {
    return this.columns.map(({ kind }, origin) => ({ kind, origin }));
  }

  private frameOf(
    table: Table,
    places: readonly (number | null)[],
    start: number,
    stop: number,
    findings: Findings,
  ): Frame {
    const rows = stop - start;
    const columns = this.columns.map(({ kind }, at): Cells => {
      const column = places[at] ?? null;
      if (column === null) {
        return kind === "number" ? new Float64Array(rows).fill(NaN) : Array.from<Cell>({ length: rows }).fill(null);
      }
      return readCells((table.columns[column] ?? []).slice(start, stop), {
        kind,
        texts: new Set(this.texts[at]),
        decimal: table.decimal,
        isFile: table.lines !== null,
        refuse: (row, complaint) => findings.refuse({ row: start + row, column, ...complaint }),
      });
    });
    return new Frame(rows, columns, this.begin, { findings, start, places });
  }
}

function columnOf(value: Json): Column {
  const fields = new Given(value);
  const name = fields.need("name", optional(text));
  const kind = fields.take("kind", oneOf<Kind>("number", "text", "either"), "number");
  const used = fields.take("used", truth, true);
  fields.end();
  return { name, kind, used };
}

function textsOf(steps: readonly Step[], begin: Fields): readonly (readonly string[])[] {
  const found = begin.map(() => new Set<string>());
  walk(steps, begin, (step, before) => {
    step.texts(before.length).forEach((texts, place) => {
      const origin = before[place]?.origin ?? null;
      texts.forEach((each) => origin !== null && found[origin]?.add(each));
    });
  });
  return found.map((texts) => [...texts]);
}

/** Refuse features that are not finite: of blanks that nothing fills, of logarithms of numbers that have none. */
function requireFinite(made: Frame, raw: Frame, names: readonly string[]): void {
  made.values.forEach((column, place) => {
    const origin = made.fields[place]?.origin ?? null;
    column.forEach((value, row) => {
      if (!Number.isFinite(value)) {
        const complaint = strayOf(value, origin !== null && raw.isMissing(row, origin));
        made.refuse(row, place, { ...complaint, name: names[place] ?? "" });
      }
    });
  });
}

function strayOf(value: number, isBlank: boolean): Complaint {
  if (isBlank) {
    const message = "The cell is blank. Fill it in, or leave the row out: nothing in the model's preparation does.";
    return { kind: "blank", message, refusal: "MissingValues" };
  }
  const kind = Number.isNaN(value) ? "not a number" : "infinite";
  const message = `What the model makes of it is ${kind}, as a logarithm or root of a number that has none.`;
  return { kind, message: `${message} Correct the number, or leave the row out.`, refusal: "MissingValues" };
}

/** Say of blanks that led to nothing wrong that the model takes them. */
function noteBlanks(frame: Frame): void {
  frame.columns.forEach((_, place) => {
    for (const row of frame.missing(place)) {
      frame.note(row, place, "blank", "The cell is blank: the model takes that as it is.");
    }
  });
}
