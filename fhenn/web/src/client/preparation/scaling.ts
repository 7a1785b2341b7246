/** Maps of numbers, column by column: `Scale`, `Clip`, `Bins` and `Function`; and of rows, `Normalize`. */

import { listOf, oneOf, real, text } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { FUNCTIONS } from "./functions.ts";
import { asFloats, asNumbers, bitLength, mapped, ofAll, requireAscending, Step, StepFields, sum } from "./step.ts";

type Numbers = readonly number[];

/** (x - subtract) / divide · multiply + add of each column, in this order, each rounded as IEEE 754 says. */
export class Scale extends Step {
  override readonly name = "Scale";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly subtract: Numbers,
    private readonly divide: Numbers,
    private readonly multiply: Numbers,
    private readonly add: Numbers,
  ) {
    super(data);
  }

  static of(value: Json): Scale {
    const fields = new StepFields(value);
    const part = (name: string) => fields.take(name, listOf(real), [], asFloats);
    const [subtract, divide, multiply, add] = [part("subtract"), part("divide"), part("multiply"), part("add")];
    return new Scale(fields.end(), subtract, divide, multiply, add);
  }

  override after(before: Fields): Fields {
    const stated = [this.subtract, this.divide, this.multiply, this.add].filter(({ length }) => length > 0);
    this.requireWidth(before, ...stated);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const columns = frame.values.map((values, place) => {
      const [minus, over, times, plus] = [this.subtract, this.divide, this.multiply, this.add].map(
        (part) => part[place],
      );
      return mapped(values, (x) => {
        const moved = minus === undefined ? x : x - minus;
        const divided = over === undefined ? moved : moved / over;
        const multiplied = times === undefined ? divided : divided * times;
        return plus === undefined ? multiplied : multiplied + plus;
      });
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return 4 * count;
  }
}

/** The nearest number between a low and a high, of each column. */
export class Clip extends Step {
  override readonly name = "Clip";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly low: Numbers,
    private readonly high: Numbers,
  ) {
    super(data);
  }

  static of(value: Json): Clip {
    const fields = new StepFields(value);
    const low = fields.need("low", listOf(real), asFloats);
    const high = fields.need("high", listOf(real), asFloats);
    return new Clip(fields.end(), low, high);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.low, this.high);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const columns = frame.values.map((values, place) => {
      const [low, high] = [this.low[place] ?? NaN, this.high[place] ?? NaN];
      return mapped(values, (x) => clip(x, low, high));
    });
    return frame.with(columns, this.after(frame.fields));
  }
}

/** The nearest number between two others; NaN stays. */
export function clip(x: number, low: number, high: number): number {
  const raised = x < low ? low : x;
  return raised > high ? high : raised;
}

/** In which bin a number is, from 0: how many of the column's edges it reaches. */
export class Bins extends Step {
  override readonly name = "Bins";

  private constructor(
    data: JsonObject,
    private readonly edges: readonly Numbers[],
  ) {
    super(data);
    edges.forEach((each) => requireAscending("edges of bins", each));
  }

  static of(value: Json): Bins {
    const fields = new StepFields(value);
    const edges = fields.need("edges", listOf(listOf(real)), asFloats);
    return new Bins(fields.end(), edges);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.edges);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const columns = frame.values.map((values, place) =>
      mapped(values, (x) => countReached(this.edges[place] ?? [], x)),
    );
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return sum(this.edges.map(({ length }) => bitLength(length)));
  }
}

/** How many of some ascending numbers are not above another; all for NaN. */
export function countReached(ascending: Numbers, x: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x < (ascending[middle] ?? NaN)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/** A function of each number: one of `FUNCTIONS`, by name. */
export class Function extends Step {
  override readonly name = "Function";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly map: (x: number) => number,
  ) {
    super(data);
  }

  static of(value: Json): Function {
    const fields = new StepFields(value);
    const name = fields.need("name", text);
    const map = FUNCTIONS.get(name);
    ensure(
      map !== undefined,
      `there is no function ${name.slice(0, 40)}.`,
      `Choose one of ${[...FUNCTIONS.keys()].join(", ")}.`,
    );
    return new Function(fields.end(), map ?? ((x) => x));
  }

  override after(before: Fields): Fields {
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    return frame.with(
      frame.values.map((values) => mapped(values, this.map)),
      this.after(frame.fields),
    );
  }

  override work(count: number): number {
    return 10 * count;
  }
}

type Norm = "l1" | "l2" | "max";

/** Each row divided by its norm; as it is where that is below 10 ε, as scikit-learn has it. */
export class Normalize extends Step {
  override readonly name = "Normalize";

  private constructor(
    data: JsonObject,
    private readonly norm: Norm,
  ) {
    super(data);
  }

  static of(value: Json): Normalize {
    const fields = new StepFields(value);
    const norm = fields.need("norm", oneOf<Norm>("l1", "l2", "max"));
    return new Normalize(fields.end(), norm);
  }

  override after(before: Fields): Fields {
    return ofAll(before.length);
  }

  override apply(frame: Frame): Frame {
    const { values } = frame;
    const norms = new Float64Array(frame.rows);
    for (const column of values) {
      norms.forEach((norm, row) => {
        const x = Math.abs(column[row] ?? NaN);
        norms[row] = this.norm === "l1" ? norm + x : this.norm === "l2" ? norm + x * x : Math.max(norm, x);
      });
    }
    const divisors = mapped(norms, (norm) => {
      const root = this.norm === "l2" ? Math.sqrt(norm) : norm;
      return root < 10 * Number.EPSILON ? 1 : root;
    });
    const columns = values.map((column) => column.map((x, row) => x / (divisors[row] ?? NaN)));
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return 2 * count;
  }
}
