/** `Power`: maps that make numbers more like a normal distribution's. */

import { listOf, oneOf, real } from "../built.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { asFloats, asNumbers, mapped, Step, StepFields } from "./step.ts";

type Method = "yeo-johnson" | "box-cox";
/** What SciPy takes for an exponent of 0. */
const ZERO = 1e-19;

/** Power maps, an exponent for each column (Yeo and Johnson 2000; Box and Cox 1964). */
export class Power extends Step {
  override readonly name = "Power";
  override readonly missingOk = true;

  private constructor(
    data: JsonObject,
    private readonly lambdas: readonly number[],
    private readonly method: Method,
  ) {
    super(data);
  }

  static of(value: Json): Power {
    const fields = new StepFields(value);
    const lambdas = fields.need("lambdas", listOf(real), asFloats);
    const method = fields.need("method", oneOf<Method>("yeo-johnson", "box-cox"));
    return new Power(fields.end(), lambdas, method);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.lambdas);
    return asNumbers(before);
  }

  override apply(frame: Frame): Frame {
    const map = this.method === "yeo-johnson" ? yeoJohnson : boxCox;
    const columns = frame.values.map((values, place) => mapped(values, (x) => map(x, this.lambdas[place] ?? NaN)));
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return 20 * count;
  }
}

/** (xᵖ - 1)/p, ln x for p = 0; NaN unless x is above 0. */
function boxCox(x: number, power: number): number {
  const log = x > 0 ? Math.log(x) : NaN;
  return Math.abs(power) < ZERO ? log : Math.expm1(power * log) / power;
}

/** ((1 + x)ᵖ - 1)/p from 0 on, -((1 - x)²⁻ᵖ - 1)/(2 - p) below; logarithms where p, or 2 - p, is 0. */
function yeoJohnson(x: number, power: number): number {
  if (x >= 0) {
    const log = Math.log1p(x);
    return Math.abs(power) < Number.EPSILON ? log : Math.expm1(power * log) / power;
  }
  const rest = 2 - power;
  const log = Math.log1p(-x);
  return -(Math.abs(rest) <= Number.EPSILON ? log : Math.expm1(rest * log) / rest);
}
