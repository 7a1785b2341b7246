/** The operations that expressions of scores are made of: a closed list (`fhenn/interop/reading/operations.py`). */

import { listOf, oneOf, real, truth, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import { argmax, softmax } from "../finish.ts";
import { interpolate } from "../preparation/interpolate.ts";
import { type Expression, type Operation, scoresAt } from "./expressions.ts";
import { FUNCTIONS, inversePower, type PowerMethod } from "./functions.ts";
import { classesOf, couple, pairScores, votes } from "./pairs.ts";

const MOST_COUPLED = 256;
const NONE: Float64Array = new Float64Array();

/** Columns of an expression, in any order and as often as named. */
export function columns(of: Expression, places: readonly number[]): ReturnType<Operation> {
  requirePlaces(places, of.width);
  return {
    inputs: [of],
    width: places.length,
    compute: ([x]) => Float64Array.from(places, (place) => x?.[place] ?? NaN),
  };
}

/** Each column times a factor of its own, and a shift. */
export function scale(of: Expression, factors: readonly number[], shifts: readonly number[]): ReturnType<Operation> {
  requireNumbers("scale", factors, of.width);
  requireNumbers("scale", shifts, of.width);
  return each(of, (x, place) => x * (factors[place] ?? NaN) + (shifts[place] ?? NaN));
}

/** Expressions beside one another. */
export function concatenate(parts: readonly Expression[]): ReturnType<Operation> {
  return {
    inputs: parts,
    width: parts.reduce((total, { width }) => total + width, 0),
    compute: (inputs) => Float64Array.from(inputs.flatMap((input) => [...input])),
  };
}

/** A function of every number. */
export function apply(of: Expression, name: string): ReturnType<Operation> {
  const map = FUNCTIONS.get(name);
  ensure(
    map !== undefined,
    `${name.slice(0, 40)} is no function of expressions.`,
    `Choose one of ${[...FUNCTIONS.keys()].join(", ")}.`,
  );
  return each(of, map ?? ((x) => x));
}

/** Linear interpolation between points, and the nearest one beyond them: an isotonic regression. */
export function interpolated(of: Expression, x: readonly number[], y: readonly number[]): ReturnType<Operation> {
  ensure(of.width === 1, "interpolate takes one column.", "Take one with `Columns`.");
  requireNumbers("interpolate", y, x.length);
  const rise = x.length > 0 && x.every((value, at) => at === 0 || value - (x[at - 1] ?? NaN) > 0);
  ensure(rise, "the points of interpolate do not rise.", "Sort them, and name each once.");
  return each(of, (value) => interpolate(value, x, y));
}

/** Rows divided by their sum; alike in all columns where that is 0. */
export function normalise(of: Expression): ReturnType<Operation> {
  return {
    inputs: [of],
    width: of.width,
    compute: ([x = NONE]) => {
      const total = x.reduce((sum, value) => sum + value, 0);
      return x.map((value) => (total === 0 ? 1 / of.width : value / total));
    },
  };
}

/** exp of every number over the sum of its row. */
export function softmaxOf(of: Expression): ReturnType<Operation> {
  return { inputs: [of], width: of.width, compute: ([x = NONE]) => softmax(x) };
}

const numbers = listOf(real);
const places = listOf(whole);

/** All of them, by their names. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  [
    "scores",
    (fields) => {
      const { inputs, width, compute, places: taken } = scoresAt(fields.need("places", places));
      return { inputs, width, compute, ...(taken && { places: taken }) };
    },
  ],
  ["columns", (fields) => columns(fields.expression("of"), fields.need("places", places))],
  [
    "scatter",
    (fields) => scatter(fields.expression("of"), fields.need("places", places), fields.need("columns", whole)),
  ],
  ["concatenate", (fields) => concatenate(fields.expressions("parts"))],
  [
    "scale",
    (fields) => scale(fields.expression("of"), fields.need("factors", numbers), fields.need("shifts", numbers)),
  ],
  [
    "affine",
    (fields) => affine(fields.expression("of"), fields.need("weights", listOf(numbers)), fields.need("bias", numbers)),
  ],
  ["apply", (fields) => apply(fields.expression("of"), fields.need("function", oneOf(...FUNCTIONS.keys())))],
  [
    "interpolate",
    (fields) => interpolated(fields.expression("of"), fields.need("x", numbers), fields.need("y", numbers)),
  ],
  [
    "inverse-power",
    (fields) => {
      const method = fields.need("method", oneOf<PowerMethod>("box-cox", "yeo-johnson"));
      return inverse(fields.expression("of"), method, fields.need("exponents", numbers));
    },
  ],
  ["softmax", (fields) => softmaxOf(fields.expression("of"))],
  ["normalise", (fields) => normalise(fields.expression("of"))],
  ["average", (fields) => average(fields.expressions("parts"), fields.need("weights", numbers))],
  [
    "exceeds",
    (fields) => exceeds(fields.expression("of"), fields.need("threshold", real), fields.need("inclusive", truth)),
  ],
  ["decide", (fields) => oneOfRow(fields.expression("of"), (x, largest) => x === largest)],
  [
    "first-within",
    (fields) => {
      const tolerance = fields.need("tolerance", real);
      ensure(
        tolerance >= 0,
        "first-within takes a finite tolerance of 0 or more.",
        "Give one a little above the noise.",
      );
      return oneOfRow(fields.expression("of"), (x, largest) => x >= largest - tolerance);
    },
  ],
  [
    "votes",
    (fields) => {
      const wins = fields.expression("wins");
      const classes = classesOf(wins.width);
      return { inputs: [wins], width: classes, compute: ([x = NONE]) => votes(x, classes) };
    },
  ],
  [
    "pair-scores",
    (fields) => {
      const [wins, margins] = [fields.expression("wins"), fields.expression("margins")];
      ensure(wins.width === margins.width, "pair-scores has pairs without a margin.", "Give one for each pair.");
      const classes = classesOf(wins.width);
      const compute: Expression["compute"] = ([x = NONE, y = NONE]) => pairScores(x, y, classes);
      return { inputs: [wins, margins], width: classes, compute };
    },
  ],
  [
    "couple",
    (fields) => {
      const of = fields.expression("of");
      const classes = classesOf(of.width);
      ensure(classes <= MOST_COUPLED, `couple has ${classes} classes.`, `Give ${MOST_COUPLED} at most.`);
      return { inputs: [of], width: classes, compute: ([x = NONE]) => couple(x, classes) };
    },
  ],
]);

/** An operation on every number by itself. */
function each(of: Expression, map: (x: number, place: number) => number): ReturnType<Operation> {
  return {
    inputs: [of],
    width: of.width,
    compute: ([x = NONE]) => x.map((value, place) => map(value, place)),
  };
}

/** Columns of an expression among columns of zeros: the classes that one of several classifiers has seen. */
function scatter(of: Expression, targets: readonly number[], count: number): ReturnType<Operation> {
  requirePlaces(targets, count);
  const own = new Set(targets).size === targets.length && targets.length === of.width;
  ensure(own, "scatter has no place of its own for each column.", "Give distinct places, one for each.");
  return {
    inputs: [of],
    width: count,
    compute: ([x]) => {
      const found = new Float64Array(count);
      targets.forEach((place, at) => (found[place] = x?.[at] ?? NaN));
      return found;
    },
  };
}

/** x Wᵀ + b: a last linear model, of what others made. */
function affine(
  of: Expression,
  weights: readonly (readonly number[])[],
  bias: readonly number[],
): ReturnType<Operation> {
  weights.forEach((row) => requireNumbers("affine", row, of.width));
  requireNumbers("affine", bias, weights.length);
  return {
    inputs: [of],
    width: weights.length,
    compute: ([x]) =>
      Float64Array.from(
        weights,
        (row, at) => row.reduce((sum, weight, place) => sum + weight * (x?.[place] ?? NaN), 0) + (bias[at] ?? NaN),
      ),
  };
}

function inverse(of: Expression, method: PowerMethod, exponents: readonly number[]): ReturnType<Operation> {
  requireNumbers("inverse-power", exponents, of.width);
  return each(of, (x, place) => inversePower(method, x, exponents[place] ?? NaN));
}

/** The weighted mean of expressions, column by column. */
function average(parts: readonly Expression[], weights: readonly number[]): ReturnType<Operation> {
  requireNumbers("average", weights, parts.length);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const [first] = parts;
  const fit = first !== undefined && parts.every(({ width }) => width === first.width) && total !== 0;
  ensure(fit, "average takes parts of one width, and weights whose sum is not 0.", "Give weights above 0.");
  const width = first?.width ?? 0;
  return {
    inputs: parts,
    width,
    compute: (inputs) => {
      const sums = new Float64Array(width);
      inputs.forEach((x, at) =>
        x.forEach((value, place) => (sums[place] = (sums[place] ?? NaN) + value * (weights[at] ?? NaN))),
      );
      return sums.map((sum) => sum / total);
    },
  };
}

/** 1 where a number is above a threshold, or at it where that counts too, else 0. */
function exceeds(of: Expression, threshold: number, inclusive: boolean): ReturnType<Operation> {
  return each(of, (x) => (x > threshold || (inclusive && x === threshold) ? 1 : 0));
}

/** 1 for the first number of a row for which something holds, given the largest; else for the first NaN. */
function oneOfRow(of: Expression, holds: (x: number, largest: number) => boolean): ReturnType<Operation> {
  return {
    inputs: [of],
    width: of.width,
    compute: ([x = NONE]) => {
      const found = new Float64Array(of.width);
      const largest = x[argmax(x)] ?? NaN;
      found[
        Math.max(
          0,
          x.findIndex((value) => holds(value, largest) || (Number.isNaN(value) && Number.isNaN(largest))),
        )
      ] = 1;
      return found;
    },
  };
}

function requirePlaces(taken: readonly number[], count: number): void {
  const fit = taken.every((place) => 0 <= place && place < count);
  ensure(fit, `there is no such place in ${count} columns.`, "Count from 0.");
}

function requireNumbers(op: string, given: readonly number[], count: number): void {
  ensure(given.length === count, `${op} takes ${count} finite numbers.`, "Give one for each column.");
}
