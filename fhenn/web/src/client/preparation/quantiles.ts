/** `Quantiles`: which share of a column's training data a number exceeds. */

import { listOf, oneOf, real } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { interpolate } from "./interpolate.ts";
import { normalQuantile } from "./normal.ts";
import { clip } from "./scaling.ts";
import { asFloats, asNumbers, bitLength, mapped, requireAscending, Step, StepFields } from "./step.ts";

type Output = "uniform" | "normal";
type Numbers = readonly number[];

/** Within so much of the ends scikit-learn takes the ends of a normal distribution. */
const TAIL = 1e-7;
const LEAST = normalQuantile(TAIL - Number.EPSILON);
const MOST = normalQuantile(1 - (TAIL - Number.EPSILON));

/** The share of a column's training data that a number exceeds, by interpolation; or the normal quantile of that. */
export class Quantiles extends Step {
  override readonly name = "Quantiles";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly quantiles: readonly Numbers[],
    private readonly references: Numbers,
    private readonly output: Output,
  ) {
    super(data);
    for (const each of [references, ...quantiles]) {
      requireAscending("quantiles and their references", each);
      const fit = each.length === references.length && each.length > 0;
      ensure(fit, `a column has ${each.length} quantiles for ${references.length} references.`, "Give as many.");
    }
  }

  static of(value: Json): Quantiles {
    const fields = new StepFields(value);
    const quantiles = fields.need("quantiles", listOf(listOf(real)), asFloats);
    const references = fields.need("references", listOf(real), asFloats);
    const output = fields.need("output", oneOf<Output>("uniform", "normal"));
    return new Quantiles(fields.end(), quantiles, references, output);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.quantiles);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const columns = frame.values.map((values, place) => {
      const share = this.shareOf(this.quantiles[place] ?? []);
      return mapped(values, this.output === "normal" ? (x) => clip(normalQuantile(share(x)), LEAST, MOST) : share);
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return count * (4 * bitLength(this.references.length) + 40);
  }

  /** The mean of interpolating upwards and downwards, which differ where quantiles are equal. */
  private shareOf(quantiles: Numbers): (x: number) => number {
    const { references } = this;
    const negate = (numbers: Numbers) => numbers.map((each) => -each).reverse();
    const [backwards, shares] = [negate(quantiles), negate(references)];
    const [first, last] = [quantiles[0] ?? NaN, quantiles[quantiles.length - 1] ?? NaN];
    const reach = this.output === "normal" ? TAIL : 0;
    return (x) => {
      if (Number.isNaN(x)) {
        return NaN;
      }
      if (reach ? x - reach < first : x === first) {
        return 0;
      }
      if (reach ? x + reach > last : x === last) {
        return 1;
      }
      return 0.5 * (interpolate(x, quantiles, references) - interpolate(-x, backwards, shares));
    };
  }
}
