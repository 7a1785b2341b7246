/** `Polynomial`: products of columns. */

import { listOf, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame } from "./frame.ts";
import { ofAll, Step, StepFields, sum } from "./step.ts";

const MOST_FACTORS = 64;

/** Products of columns: for each feature the places of its factors, each as often as its power; none for 1. */
export class Polynomial extends Step {
  override readonly name = "Polynomial";

  private constructor(
    data: JsonObject,
    private readonly products: readonly (readonly number[])[],
  ) {
    super(data);
  }

  static of(value: Json): Polynomial {
    const fields = new StepFields(value);
    const products = fields.need("products", listOf(listOf(whole)));
    return new Polynomial(fields.end(), products);
  }

  override after(before: Fields): Fields {
    for (const factors of this.products) {
      const fit = factors.length <= MOST_FACTORS && factors.every((place) => place in before);
      const wayOut = `Count columns from 0, and take at most ${MOST_FACTORS} factors.`;
      ensure(fit, `a product is none of ${before.length} columns.`, wayOut);
    }
    return ofAll(this.products.length);
  }

  override apply(frame: Frame): Frame {
    const { values } = frame;
    const columns = this.products.map((factors) => {
      const found = new Float64Array(frame.rows).fill(1);
      for (const place of factors) {
        values[place]?.forEach((x, row) => (found[row] = (found[row] ?? NaN) * x));
      }
      return found;
    });
    return frame.with(columns, this.after(frame.fields));
  }

  override work(): number {
    return sum(this.products.map(({ length }) => length));
  }
}
