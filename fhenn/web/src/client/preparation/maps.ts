/** Maps of whole rows: `Matrix` and `Kernel`. Sums are taken in order: last digits may differ from NumPy's. */

import { listOf, oneOf, real } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { asFloats, mapped, ofAll, Step, StepFields } from "./step.ts";

type Numbers = readonly number[];

/** x Wᵀ + b of each row x. */
export class Matrix extends Step {
  override readonly name = "Matrix";

  private constructor(
    data: JsonObject,
    private readonly weights: readonly Numbers[],
    private readonly bias: Numbers,
  ) {
    super(data);
    requireMatrix("Matrix", weights);
    const fit = bias.length === 0 || bias.length === weights.length;
    ensure(fit, "a step Matrix must have a bias for each of its rows, or none.", "Give as many.");
  }

  static of(value: Json): Matrix {
    const fields = new StepFields(value);
    const weights = fields.need("weights", listOf(listOf(real)), asFloats);
    const bias = fields.take("bias", listOf(real), [], asFloats);
    return new Matrix(fields.end(), weights, bias);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.weights[0] ?? []);
    return ofAll(this.weights.length);
  }

  override apply(frame: Frame): Frame {
    const { values } = frame;
    const columns = this.weights.map((weights, place) => {
      const bias = this.bias[place];
      const found = product(values, weights, frame.rows);
      return bias === undefined ? found : mapped(found, (x) => x + bias);
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return this.weights.length * (this.weights[0]?.length ?? 0);
  }
}

type KernelKind = "linear" | "poly" | "sigmoid" | "rbf";

/** A kernel of each row and each of some rows of the training data, which it so shows. */
export class Kernel extends Step {
  override readonly name = "Kernel";

  private constructor(
    data: JsonObject,
    private readonly kind: KernelKind,
    private readonly others: readonly Numbers[],
    private readonly gamma: number,
    private readonly coef0: number,
    private readonly degree: number,
  ) {
    super(data);
    requireMatrix("Kernel", others);
  }

  static of(value: Json): Kernel {
    const fields = new StepFields(value);
    const kind = fields.need("kind", oneOf<KernelKind>("linear", "poly", "sigmoid", "rbf"));
    const others = fields.need("rows", listOf(listOf(real)), asFloats);
    const gamma = fields.take("gamma", real, 1, asFloats);
    const coef0 = fields.take("coef0", real, 0, asFloats);
    const degree = fields.take("degree", real, 1, asFloats);
    return new Kernel(fields.end(), kind, others, gamma, coef0, degree);
  }

  override after(before: Fields): Fields {
    this.requireWidth(before, this.others[0] ?? []);
    return ofAll(this.others.length);
  }

  override apply(frame: Frame): Frame {
    const { values } = frame;
    const columns = this.others.map((other) => {
      if (this.kind === "rbf") {
        // differences first: squares of large numbers would cancel
        return mapped(distances(values, other, frame.rows), (distance) => Math.exp(-this.gamma * distance));
      }
      const found = product(values, other, frame.rows);
      if (this.kind === "linear") {
        return found;
      }
      return mapped(found, (x) => {
        const inner = this.gamma * x + this.coef0;
        return this.kind === "poly" ? inner ** this.degree : Math.tanh(inner);
      });
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return this.others.length * (2 * (this.others[0]?.length ?? 0) + 20);
  }
}

/** The inner product of each row with some weights. */
function product(values: readonly Float64Array[], weights: Numbers, rows: number): Float64Array {
  const found = new Float64Array(rows);
  weights.forEach((weight, place) => {
    const column = values[place] ?? found;
    for (let row = 0; row < rows; row += 1) {
      found[row] = (found[row] ?? NaN) + weight * (column[row] ?? NaN);
    }
  });
  return found;
}

/** The squared distance of each row from another. */
function distances(values: readonly Float64Array[], other: Numbers, rows: number): Float64Array {
  const found = new Float64Array(rows);
  other.forEach((coordinate, place) => {
    const column = values[place] ?? found;
    for (let row = 0; row < rows; row += 1) {
      const difference = (column[row] ?? NaN) - coordinate;
      found[row] = (found[row] ?? NaN) + difference * difference;
    }
  });
  return found;
}

/** Throw ParameterError where rows are none, or of different lengths. */
export function requireMatrix(step: string, rows: readonly (readonly unknown[])[]): void {
  const width = rows[0]?.length ?? 0;
  const fit = width > 0 && rows.every(({ length }) => length === width);
  ensure(fit, `a step ${step} must have rows of one length.`, "Give at least one row.");
}
