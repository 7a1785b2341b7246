/** `Sketch`: the tensor sketch of each row, whose inner products are about (γ x·y + c)ᵈ. */

import { listOf, real, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import { type Complex, times, transform, zeros } from "./fourier.ts";
import type { Fields, Frame } from "./frame.ts";
import { requireMatrix } from "./maps.ts";
import { asFloats, bitLength, ofAll, Step, StepFields } from "./step.ts";

/** Components of a sketch, at most. */
const MOST = 1 << 17;

/** Source: Pham and Pagh, KDD 2013; scikit-learn's PolynomialCountSketch. */
export class Sketch extends Step {
  override readonly name = "Sketch";

  private constructor(
    data: JsonObject,
    private readonly places: readonly (readonly number[])[],
    private readonly signs: readonly (readonly number[])[],
    private readonly components: number,
    private readonly gamma: number,
    private readonly coef0: number,
  ) {
    super(data);
    requireMatrix("Sketch", places);
    const width = places[0]?.length ?? 0;
    const alike = places.length === signs.length && signs.every(({ length }) => length === width);
    const fit = alike && 1 <= components && components <= MOST;
    ensure(fit, "places and signs of a Sketch differ in shape.", "Give a sign for each place.");
    const isPlace = (each: number) => 0 <= each && each < components;
    const known = places.flat().every(isPlace) && signs.flat().every((sign) => sign === 1 || sign === -1);
    ensure(known, "a Sketch has a place or sign that is none.", "Places count from 0; signs are 1, -1.");
    ensure(
      gamma >= 0 && coef0 >= 0,
      "gamma and coef0 of a Sketch must be 0 or more.",
      "Give for instance 1.0 and 0.0.",
    );
  }

  static of(value: Json): Sketch {
    const fields = new StepFields(value);
    const places = fields.need("places", listOf(listOf(whole)));
    const signs = fields.need("signs", listOf(listOf(whole)));
    const components = fields.need("components", whole);
    const gamma = fields.need("gamma", real, asFloats);
    const coef0 = fields.need("coef0", real, asFloats);
    return new Sketch(fields.end(), places, signs, components, gamma, coef0);
  }

  override after(before: Fields): Fields {
    const width = (this.places[0]?.length ?? 0) - (this.coef0 === 0 ? 0 : 1);
    const reason = `a step Sketch is for ${width} columns, and ${before.length} come in.`;
    ensure(before.length === width, reason, "Give as many.");
    return ofAll(this.components);
  }

  override apply(frame: Frame): Frame {
    const { values } = frame;
    const columns = Array.from({ length: this.components }, () => new Float64Array(frame.rows));
    for (let row = 0; row < frame.rows; row += 1) {
      const scaled = values.map((column) => Math.sqrt(this.gamma) * (column[row] ?? NaN));
      const sketch = this.sketchOf(this.coef0 === 0 ? scaled : [...scaled, Math.sqrt(this.coef0)]);
      columns.forEach((column, at) => (column[row] = sketch[at] ?? NaN));
    }
    return frame.with(columns, this.after(frame.fields));
  }

  override work(count: number): number {
    return (this.places.length + 1) * (count + 8 * this.components * bitLength(this.components));
  }

  /** The circular convolution of the sketches of all factors, by Fourier transforms. */
  private sketchOf(x: readonly number[]): Float64Array {
    const product = this.places.reduce<Complex | null>((found, places, factor) => {
      const sketch = zeros(this.components);
      places.forEach((place, column) => {
        sketch.re[place] = (sketch.re[place] ?? NaN) + (this.signs[factor]?.[column] ?? NaN) * (x[column] ?? NaN);
      });
      const turned = transform(sketch);
      return found === null ? turned : times(found, turned);
    }, null);
    return transform(product ?? zeros(this.components), true).re;
  }
}
