/** `Spline`: the basis of B-splines of each column, at its number. */

import { listOf, oneOf, real, truth, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { clip, countReached } from "./scaling.ts";
import { asFloats, requireAscending, Step, StepFields } from "./step.ts";

type Extrapolation = "error" | "constant" | "linear" | "continue" | "periodic";
type Numbers = readonly number[];

const MOST_DEGREE = 16;

/** The basis of B-splines of each column (de Boor 1978; conventions of scikit-learn's SplineTransformer). */
export class Spline extends Step {
  override readonly name = "Spline";
  override readonly missingOk = true; // it looks itself

  private constructor(
    data: JsonObject,
    private readonly knots: readonly Numbers[],
    private readonly degree: number,
    private readonly extrapolation: Extrapolation,
    private readonly bias: boolean,
    private readonly zeros: boolean,
  ) {
    super(data);
    const width = knots[0]?.length ?? 0;
    for (const each of knots) {
      requireAscending("knots", each);
      ensure(each.length === width, "columns have different numbers of knots.", "Give each as many.");
    }
    const fit = degree >= 0 && degree <= MOST_DEGREE && (knots.length === 0 || width >= 2 * degree + 2);
    const wayOut = `Give ${2 * degree + 2} knots or more, and a degree of at most ${MOST_DEGREE}.`;
    ensure(fit, `a spline of degree ${degree} does not go with its knots.`, wayOut);
  }

  static of(value: Json): Spline {
    const fields = new StepFields(value);
    const knots = fields.need("knots", listOf(listOf(real)), asFloats);
    const degree = fields.need("degree", whole);
    const kinds = ["error", "constant", "linear", "continue", "periodic"] as const;
    const extrapolation = fields.need("extrapolation", oneOf<Extrapolation>(...kinds));
    const bias = fields.take("bias", truth, true);
    const zeros = fields.take("zeros", truth, false);
    return new Spline(fields.end(), knots, degree, extrapolation, bias, zeros);
  }

  /** Splines of a column. */
  private get bases(): number {
    const plain = (this.knots[0]?.length ?? 0) - this.degree - 1;
    return this.extrapolation === "periodic" ? plain - this.degree : plain;
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.knots);
    const length = before.length === 0 ? 0 : Math.max(0, this.bases - (this.bias ? 0 : 1));
    return before.flatMap(({ origin }) => Array.from({ length }, () => ({ kind: "number", origin }) as const));
  }

  override apply(frame: Frame): Frame {
    if (!this.zeros) {
      frame.requirePresent(this.knots.keys(), "Fill it in, or leave the row out.");
    }
    const columns = this.knots.flatMap((knots, place) => {
      const values = frame.numbers(place);
      if (this.extrapolation === "error") {
        this.requireInside(frame, place);
      }
      const found = Array.from({ length: this.bases }, () => new Float64Array(frame.rows));
      values.forEach((x, row) => {
        if (!Number.isNaN(x)) {
          this.basesAt(x, knots).forEach((share, at) => {
            const column = found[at];
            if (column !== undefined) {
              column[row] = share;
            }
          });
        }
      });
      return this.bias ? found : found.slice(0, -1);
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return this.knots.length > 0 ? count * (4 * (this.degree + 1) ** 2 + 20) : 0;
  }

  private basesAt(x: number, knots: Numbers): Numbers {
    const { degree, extrapolation, bases } = this;
    const [low, high] = [knots[degree] ?? NaN, knots[knots.length - degree - 1] ?? NaN];
    if (extrapolation === "periodic") {
      const period = high - low;
      const found = splineBasis(period > 0 ? low + modulo(x - low, period) : 0, knots, degree);
      return found.slice(0, bases).map((share, at) => (at < degree ? share + (found[bases + at] ?? 0) : share));
    }
    if (extrapolation === "error" || extrapolation === "continue") {
      return splineBasis(x, knots, degree);
    }
    const inside = splineBasis(clip(x, low, high), knots, degree);
    const found = extrapolation === "linear" ? this.extended(x, low, high, knots, inside) : inside;
    // those that are not 0 at the ends; with knots that are equal there are others, which scikit-learn leaves out
    const reach = degree > 1 ? degree : degree + (extrapolation === "linear" ? 1 : 0);
    return found.map((share, at) => ((x < low && at >= reach) || (x > high && at < bases - reach) ? 0 : share));
  }

  private extended(x: number, low: number, high: number, knots: Numbers, inside: Numbers): Numbers {
    const [below, above] = [low, high].map((end) => splineBasis(end, knots, this.degree, true));
    const [under, over] = [Math.min(x - low, 0), Math.max(x - high, 0)];
    return inside.map((share, at) => share + (under * (below?.[at] ?? NaN) + over * (above?.[at] ?? NaN)));
  }

  /** Refuse numbers beyond the knots. */
  private requireInside(frame: Frame, place: number): void {
    const knots = this.knots[place] ?? [];
    const [low, high] = [knots[this.degree] ?? NaN, knots[knots.length - this.degree - 1] ?? NaN];
    const values = frame.numbers(place);
    for (const row of frame.rowsWhere((at) => (values[at] ?? NaN) < low || (values[at] ?? NaN) > high)) {
      const range = `[${low}, ${high}]`;
      const message = `${values[row]} is beyond the knots of the model's splines, ${range}. Leave the row out.`;
      frame.refuse(row, place, { kind: "out of bounds", message, refusal: "CellRefused" });
    }
  }
}

/** The rest of a division, of the divisor's sign, as Python has it. */
function modulo(x: number, divisor: number): number {
  const rest = x % divisor;
  return rest !== 0 && rest < 0 !== divisor < 0 ? rest + divisor : rest === 0 ? 0 : rest;
}

/**
 * All B-splines on some knots, or their slopes, at a number.
 *
 * Source: de Boor, A Practical Guide to Splines, 1978, chapter X: algorithm BSPLVB.
 *
 * @param x - the number; beyond the inner knots the outer pieces go on.
 * @param knots - ascending.
 * @param degree - of the pieces.
 * @param slope - whether the first derivatives are wanted.
 */
export function splineBasis(x: number, knots: Numbers, degree: number, slope = false): readonly number[] {
  const count = knots.length - degree - 1;
  const knot = (place: number) => knots[place] ?? NaN;
  // t[piece] <= x < t[piece + 1], of those pieces that have all splines
  const piece = clip(countReached(knots, x) - 1, degree, count - 1);
  let found = [1, ...Array.from({ length: degree }, () => 0)];
  for (let order = 1; order <= degree; order += 1) {
    const before = found;
    const next = Array.from({ length: degree + 1 }, () => 0);
    for (let place = 0; place < order; place += 1) {
      const [right, left] = [knot(piece + place + 1), knot(piece + place + 1 - order)];
      const width = right - left;
      const share = width === 0 ? 0 : (before[place] ?? NaN) / width;
      const [own, other] =
        slope && order === degree ? [-order * share, order * share] : [share * (right - x), share * (x - left)];
      next[place] = (next[place] ?? NaN) + own;
      next[place + 1] = (next[place + 1] ?? NaN) + other;
    }
    found = next;
  }
  const bases = Array.from({ length: count }, () => 0);
  found.forEach((share, place) => (bases[piece - degree + place] = slope && degree === 0 ? 0 : share));
  return bases;
}
