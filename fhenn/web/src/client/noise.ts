/**
 * What CKKS adds to a result at least (`fhenn/ckks/noise.py`, `fhenn/planner/floor.py`): less than that no plan may
 * state.
 */

import { type Layout, Vectors, WholeSamples } from "./layout.ts";
import type { Parameters } from "./parameters.ts";
import { affineShape } from "./signature.ts";

/** Standard deviation of SEAL's error distribution. */
const SIGMA = 3.2;

const FAILURE_BITS = 40;

/** `Plan.worst` holds but for a probability of 2 to the minus that. */
const SECURITY_BITS = 128;

/**
 * Standard deviations of the two kinds of error in a value, and how errors add up: 2 as independent ones do, 1 as the
 * worst.
 */
interface Noise {
  readonly laplace: number;
  readonly normal: number;
  readonly norm: 1 | 2;
}

/** What the floor is reckoned from. */
export interface Shape {
  readonly parameters: Parameters;
  readonly layout: Layout;
  /** Of the outputs of each affine node; null for one after another. None at all for all of them so. */
  readonly targets: readonly (WholeSamples | null)[];
  /** Names and shapes of the nodes, as in `Plan.signature` without the finish. */
  readonly nodes: readonly string[];
  /** The largest |x| of each feature. */
  readonly largest: Float64Array;
  /** Whether digits of key switches are centred, as the native evaluator's are. */
  readonly centred: boolean;
}

/**
 * Lower bounds of a plan's error and worst error, where there is no answer yet.
 *
 * @param shape - of the plan.
 */
export function leastErrors(shape: Shape): { readonly error: number; readonly worst: number } {
  const { slots } = shape.parameters;
  const least = (norm: 1 | 2, bits: number) => {
    const bounds = leastNoise(shape, norm).map((noise) => boundOf(noise, slots, bits));
    return Math.min(...bounds, bounds.length ? Number.POSITIVE_INFINITY : 0);
  };
  return { error: least(2, FAILURE_BITS), worst: least(1, SECURITY_BITS) };
}

function leastNoise(shape: Shape, norm: 1 | 2): readonly Noise[] {
  const { parameters, layout, nodes } = shape;
  const n = parameters.ringDegree;
  const first = 2 ** (parameters.chain[0] ?? 0);
  const last = affineShape(nodes.at(-1) ?? "");
  const rounding = Math.sqrt(((n / 2) * (1 + (2 * n) / 3)) / 12);
  const most = largestScale(parameters, nodes, first);
  if (last === null) {
    return [{ laplace: rounding / most, normal: 0, norm: 2 }]; // an activation's last rescale rounds
  }
  const folds = foldsOf(shape, last.outputs);
  const values = nodes.length === 1 ? normOf(shape.largest, norm) : 0;
  const whole = layout instanceof WholeSamples;
  const encoding = (values * Math.sqrt(n / 24)) / (whole ? 1 : Math.sqrt(parameters.slots));
  const nominal = Math.min(parameters.scale, most);
  const ways: Noise[] = [];
  if (parameters.levels > 0) {
    const terms = folds === null ? 1 : 2 ** folds;
    const rounded: Noise = { laplace: (rounding / nominal) * terms ** (1 / norm), normal: 0, norm };
    const encoded: Noise = { laplace: 0, normal: encoding / Number(parameters.primes[parameters.levels] ?? 1n), norm };
    ways.push(sum(sum(rounded, turns(shape, folds, nominal, norm, rounding)), encoded));
  }
  if (parameters.levels === 0 || nodes.length > 1) {
    const result = Number(parameters.primes[0] ?? 1n) / 4;
    const fresh: Noise = { laplace: 0, normal: (Math.sqrt(n / 2) * SIGMA) / result, norm };
    ways.push(
      sum(sum(fresh, turns(shape, folds, result, norm, rounding)), { laplace: 0, normal: encoding / nominal, norm }),
    );
  }
  return ways;
}

/** The largest scale that a circuit can end at. */
function largestScale(parameters: Parameters, nodes: readonly string[], first: number): number {
  if (affineShape(nodes.at(-1) ?? "") === null) {
    return first;
  }
  return nodes.length === 1 && parameters.levels > 0 ? Math.min(2 * parameters.scale, first) : first / 4;
}

/** How often the last affine layer adds up by rotations; null where it needs none, or where the shapes do not tell. */
function foldsOf(shape: Shape, outputs: number): number | null {
  const before = shape.nodes
    .slice(0, -1)
    .map(affineShape)
    .filter((each) => each !== null);
  let layout = shape.layout;
  if (!(layout instanceof WholeSamples)) {
    return null;
  }
  const previous = before.at(-1);
  if (previous !== undefined) {
    const inOrder = new Vectors("replicated", powerOfTwo(previous.outputs), layout.samples);
    layout = shape.targets[before.length - 1] ?? inOrder;
  }
  const period = shape.targets[before.length]?.period ?? outputs;
  return countFolds(layout as WholeSamples, period, shape.parameters.slots);
}

/** `shape_of` of `fhenn/ckks/maps.py`; null where the map does not fit the ring. */
function countFolds(layout: WholeSamples, period: number, slots: number): number | null {
  const [ring, m] = [Math.floor(slots / layout.samples), powerOfTwo(period)];
  if (m > ring || layout.period > ring) {
    return null;
  }
  let end = layout.period;
  if (layout instanceof Vectors && layout.form === "blocks") {
    end = ring;
    if (layout.step * ring !== layout.period * m) {
      return null;
    }
  } else if (layout instanceof Vectors && layout.form === "tiles") {
    end = layout.step * layout.period;
    if (layout.step !== m) {
      return null;
    }
  }
  let folds = 0;
  for (let step = m; step < end; step *= 2) {
    folds += 1;
  }
  return folds;
}

/** What the rotations of the sum at the end add, on one prime. */
function turns(shape: Shape, folds: number | null, scale: number, norm: 1 | 2, rounding: number): Noise {
  if (folds === null) {
    return { laplace: 0, normal: 0, norm };
  }
  const { primes, ringDegree: n } = shape.parameters;
  const ratio = Number(primes[0] ?? 1n) / Number(primes.at(-1) ?? 1n);
  const keyError = ratio * Math.sqrt(n / 2) * SIGMA;
  const spike = shape.centred ? 0 : ((keyError * n) / Math.PI) * Math.sqrt(Math.PI ** 2 / 8);
  const laplace = Math.hypot(rounding, keyError * Math.sqrt(n / 12)) / scale;
  return {
    laplace: laplace * (2 ** folds - 1) ** (1 / norm),
    normal: (spike / scale) * folds ** (1 / norm),
    norm: 2,
  };
}

function sum(a: Noise, b: Noise): Noise {
  if (Math.min(a.norm, b.norm) === 1) {
    return { laplace: a.laplace + b.laplace, normal: a.normal + b.normal, norm: 1 };
  }
  return { laplace: Math.hypot(a.laplace, b.laplace), normal: Math.hypot(a.normal, b.normal), norm: 2 };
}

/** What no error of several values exceeds, except with a probability of 2 to the minus `bits`. */
function boundOf(noise: Noise, values: number, bits: number): number {
  const exponent = Math.log(2 * values) + (bits + 1) * Math.log(2);
  return (noise.laplace * exponent) / Math.sqrt(2) + noise.normal * Math.sqrt(2 * exponent);
}

function normOf(values: Float64Array, norm: 1 | 2): number {
  return values.reduce((total, value) => total + Math.abs(value) ** norm, 0) ** (1 / norm);
}

/** The least power of two that is not below a size. */
function powerOfTwo(size: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(size, 1)));
}
