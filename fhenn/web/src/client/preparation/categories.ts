/** Categories as numbers: `OneHot`, a bit each, and `Lookup`, a number each. */

import { type Build, listOf, optional, real, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import { type Cell, short, strip } from "../table/index.ts";
import type { Fields, Frame, Kind } from "./frame.ts";
import { asFloats, asNumbers, bitLength, cell, Step, StepFields, sum } from "./step.ts";

/** Categories that a message names. */
const NAMED = 5;

/** A bit for each category of each column, 1 where a cell is of it; cells are compared exactly. */
export class OneHot extends Step {
  override readonly name = "OneHot";
  override readonly missingOk = true;
  override readonly takesEither = true;

  private constructor(
    data: JsonObject,
    private readonly categories: readonly (readonly Cell[])[],
    private readonly slots: readonly (readonly number[])[],
    private readonly sizes: readonly number[],
    private readonly unknown: readonly (number | null)[],
  ) {
    super(data);
    requireAlike("OneHot", categories, slots);
    ensure(
      categories.length === sizes.length && categories.length === unknown.length,
      "sizes and unknown must have an entry for each column.",
      "Give as many of each.",
    );
    slots.forEach((each, place) => {
      const size = sizes[place] ?? 0;
      const bits = new Set([...each, unknown[place] ?? -1]);
      bits.delete(-1);
      // every bit is one that something sets, so that sizes are no larger than what is written
      const fit = bits.size === size && [...bits].every((bit) => 0 <= bit && bit < size);
      ensure(fit, `slots are not those of ${size} bits.`, "Set each bit by a category, -1 for none.");
    });
  }

  static of(value: Json): OneHot {
    const fields = new StepFields(value);
    const categories = fields.need("categories", listOf(listOf(cell)), asFloats);
    const slots = fields.need("slots", listOf(listOf(whole)));
    const sizes = fields.need("sizes", listOf(whole));
    const unknown = fields.need("unknown", listOf(optional(whole)));
    return new OneHot(fields.end(), categories, slots, sizes, unknown);
  }

  override wants(): readonly (Kind | null)[] {
    return this.categories.map(kindOf);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.categories);
    return before.flatMap(({ origin }, place) =>
      Array.from({ length: this.sizes[place] ?? 0 }, () => ({ kind: "number", origin }) as const),
    );
  }

  override apply(frame: Frame): Frame {
    const columns = this.categories.flatMap((categories, place) => {
      const unknown = this.unknown[place] ?? null;
      const codes = encode(frame, place, categories, unknown === null);
      const bits = Array.from({ length: this.sizes[place] ?? 0 }, () => new Float64Array(frame.rows));
      codes.forEach((code, row) => {
        const bit = bits[code < 0 ? (unknown ?? -1) : (this.slots[place]?.[code] ?? -1)];
        if (bit !== undefined) {
          bit[row] = 1;
        }
      });
      return bits;
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return sum(this.categories.map(({ length }) => bitLength(length)));
  }

  override texts(): readonly (readonly string[])[] {
    return this.categories.map(textsIn);
  }
}

type Unknown = number | "error" | null;

/** A number for each category of each column, as codes or means of a target are. */
export class Lookup extends Step {
  override readonly name = "Lookup";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly categories: readonly (readonly Cell[])[],
    private readonly codes: readonly (readonly (number | null)[])[],
    private readonly unknown: readonly Unknown[],
  ) {
    super(data);
    requireAlike("Lookup", categories, codes);
    const reason = "unknown must have an entry for each column.";
    ensure(categories.length === unknown.length, reason, "Give as many.");
  }

  static of(value: Json): Lookup {
    const fields = new StepFields(value);
    const categories = fields.need("categories", listOf(listOf(cell)), asFloats);
    const codes = fields.need("codes", listOf(listOf(optional(real))), asFloats);
    const unknown = fields.need("unknown", listOf(numberOrError), asFloats);
    return new Lookup(fields.end(), categories, codes, unknown);
  }

  override wants(): readonly (Kind | null)[] {
    return this.categories.map(kindOf);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.categories);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const columns = this.categories.map((categories, place) => {
      const unknown = this.unknown[place] ?? null;
      const otherwise = typeof unknown === "number" ? unknown : NaN;
      const codes = encode(frame, place, categories, unknown === "error");
      return Float64Array.from(codes, (code) => (code < 0 ? otherwise : (this.codes[place]?.[code] ?? NaN)));
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return sum(this.categories.map(({ length }) => bitLength(length)));
  }

  override texts(): readonly (readonly string[])[] {
    return this.categories.map(textsIn);
  }
}

const numberOrError: Build<Unknown> = (value) => (value === "error" ? value : optional(real)(value));

/** What the cells of a column with these categories are; null where all of them are missing. */
export function kindOf(categories: readonly Cell[]): Kind | null {
  const texts = categories.some((each) => typeof each === "string");
  const numbers = categories.some((each) => typeof each === "number");
  return texts && numbers ? "either" : texts ? "text" : numbers ? "number" : null;
}

function textsIn(cells: readonly Cell[]): readonly string[] {
  return cells.filter((each) => typeof each === "string");
}

/** Which category each cell of a column is of, (rows,), -1 for none; these are refused, or noted. */
function encode(frame: Frame, place: number, categories: readonly Cell[], refuse: boolean): Int32Array {
  const table = new Map(categories.map((category, code) => [category, code]));
  const cells = frame.columns[place] ?? [];
  const codes = new Int32Array(frame.rows);
  for (let row = 0; row < frame.rows; row += 1) {
    const missing = frame.isMissing(row, place);
    const each = cells[row] ?? null;
    const code = table.get(missing ? null : each) ?? -1;
    codes[row] = code;
    if (code < 0 && refuse) {
      frame.refuse(row, place, missing ? blank() : unknown(each, categories));
    } else if (code < 0 && !missing) {
      frame.note(row, place, "unknown category", `The model does not know ${short(each)}, and goes on without it.`);
    }
  }
  return codes;
}

function blank() {
  const way = "Fill it in, or leave the row out: no cell was missing there when the model was fitted.";
  return { kind: "blank", message: `The cell is blank. ${way}`, refusal: "MissingValues" } as const;
}

function unknown(found: Cell, categories: readonly Cell[]) {
  const alike = categories.find(
    (each) => typeof each === "string" && typeof found === "string" && isNearly(each, found),
  );
  const known = categories.slice(0, NAMED).map((each) => (each === null ? "nothing" : short(each)));
  const more = categories.length > NAMED ? ` and ${categories.length - NAMED} more` : "";
  const way =
    alike === undefined
      ? `Known are ${known.join(", ")}${more}: write one of them, or leave the row out.`
      : `Write it as ${short(alike)}, to the letter.`;
  const message = `The model was fitted on no such category as ${short(found)}. ${way}`;
  return { kind: "unknown category", message, refusal: "UnknownCategory" } as const;
}

/** Whether a text is a category but for blanks around it, case, or the form of its accents. */
function isNearly(category: string, found: string): boolean {
  const plain = (text: string) => strip(text.normalize("NFC")).toLowerCase();
  return plain(category) === plain(found);
}

/** Throw ParameterError where a column has a category twice, or other parts than categories. */
function requireAlike(
  step: string,
  categories: readonly (readonly Cell[])[],
  parts: readonly (readonly unknown[])[],
): void {
  const fit = categories.length === parts.length && categories.every((each, at) => each.length === parts[at]?.length);
  ensure(fit, `a step ${step} must have an entry for each category.`, "Give as many as categories.");
  for (const each of categories) {
    ensure(new Set(each).size === each.length, `a step ${step} has a category twice.`, "Leave out one of them.");
  }
}
