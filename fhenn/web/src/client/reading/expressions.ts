/** Expressions of scores: what a client computes from them, as data (`fhenn/interop/reading/expressions.py`). */

import { type Build, Fields, listOf, text, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import { isList, type Json, Malformed } from "../json.ts";

/** Of what expressions may hold: steps, and numbers a sample that go in and come out of all of them. */
export const MOST_STEPS = 1 << 16;
export const MOST_CELLS = 1 << 20;

/** One operation, with the expressions that it is computed from and its constants. */
export interface Expression {
  /** Its name in JSON. */
  readonly op: string;
  readonly inputs: readonly Expression[];
  /** Numbers a sample. */
  readonly width: number;
  /** Of scores: their places; of other operations null. */
  readonly places: readonly number[] | null;
  /** The numbers of one sample, of those of the inputs; of scores alone of the scores. */
  readonly compute: (inputs: readonly Float64Array[]) => Float64Array;
}

/** What an operation makes of its fields in JSON. Throws Malformed or ParameterError. */
export type Operation = (
  fields: OperationFields,
) => Omit<Expression, "op" | "places"> & { readonly places?: readonly number[] };

/** The fields of a step, in which the place of an earlier step stands for an expression. */
export class OperationFields {
  readonly #given: Fields;

  constructor(
    given: Fields,
    private readonly earlier: readonly Expression[],
  ) {
    this.#given = given;
  }

  /** A field of constants. */
  need<T>(name: string, build: Build<T>): T {
    return this.#given.need(name, build);
  }

  /** A field that is an expression. */
  expression(name: string): Expression {
    return this.#given.need(name, (value) => this.#at(value));
  }

  /** A field that is several expressions. */
  expressions(name: string): readonly Expression[] {
    return this.#given.need(
      name,
      listOf((value) => this.#at(value)),
    );
  }

  #at(value: Json): Expression {
    const found = this.earlier[whole(value)];
    if (found === undefined) {
      throw new Malformed("a step that is not there yet");
    }
    return found;
  }
}

/** Scores by their places: what all expressions begin with. */
export function scoresAt(places: readonly number[]): Expression {
  ensure(
    places.every((place) => place >= 0),
    "places of scores count from 0.",
    "Give none below.",
  );
  return made("scores", {
    inputs: [],
    width: places.length,
    places,
    compute: ([scores]) => Float64Array.from(places, (place) => scores?.[place] ?? NaN),
  });
}

/** The expression that an operation made, after a check of its width. */
export function made(op: string, parts: ReturnType<Operation>): Expression {
  const wayOut = `Make from 1 to ${MOST_CELLS} of them.`;
  ensure(parts.width >= 1 && parts.width <= MOST_CELLS, `${op} makes ${parts.width} numbers a sample.`, wayOut);
  return { ...parts, op, places: parts.places ?? null };
}

/** Numbers a sample that go in and come out. */
export function cellsOf(each: Expression): number {
  return each.inputs.reduce((total, { width }) => total + width, each.width);
}

/** Expressions and all that they need, each once and after what it needs. */
export function inOrder(roots: readonly Expression[]): readonly Expression[] {
  const found = new Set<Expression>();
  const left = roots.map((root) => ({ root, ready: false })).reverse();
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { root, ready } = next;
    if (found.has(root)) {
      continue;
    }
    if (ready) {
      found.add(root);
    } else {
      left.push({ root, ready: true });
      for (const each of root.inputs.filter((input) => !found.has(input)).reverse()) {
        left.push({ root: each, ready: false });
      }
    }
  }
  return [...found];
}

/**
 * The numbers of an expression.
 *
 * @param root - the expression.
 * @param scores - (rows, outputs), row-major.
 * @param outputs - scores of a row.
 * @returns (rows, width), row-major.
 */
export function evaluate(root: Expression, scores: Float64Array, outputs: number): Float64Array {
  const steps = inOrder([root]);
  const rows = outputs === 0 ? 0 : scores.length / outputs;
  const all = new Float64Array(rows * root.width);
  for (let row = 0; row < rows; row += 1) {
    const own = scores.subarray(row * outputs, (row + 1) * outputs);
    const found = new Map<Expression, Float64Array>();
    for (const step of steps) {
      const inputs = step.places === null ? step.inputs.map((each) => found.get(each) ?? own) : [own];
      found.set(step, step.compute(inputs));
    }
    all.set(found.get(root) ?? own, row * root.width);
  }
  return all;
}

/** The expressions of a stranger's list of steps, in their order. Throws Malformed or ParameterError. */
export function expressionsOf(steps: Json, operations: ReadonlyMap<string, Operation>): readonly Expression[] {
  if (!isList(steps) || steps.length > MOST_STEPS) {
    throw new Malformed("no list of steps, or one without end");
  }
  const found: Expression[] = [];
  let cells = 0;
  for (const step of steps) {
    const given = new Fields(step);
    const op = given.need("op", text);
    const operation = operations.get(op);
    if (operation === undefined) {
      throw new Malformed(`an operation ${op.slice(0, 40)} that this client does not know`);
    }
    const parts = operation(new OperationFields(given, found));
    given.end();
    const each = made(op, parts);
    found.push(each);
    cells += cellsOf(each);
    if (cells > MOST_CELLS) {
      throw new Malformed("too many numbers a sample");
    }
  }
  return found;
}
