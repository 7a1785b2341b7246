/** `Step`: what all steps of a preparation are (`fhenn/interop/preparation/step.py`). */

import { type Build, Fields as Given } from "../built.ts";
import { ensure } from "../ensure.ts";
import { type Json, type JsonObject, isList, Malformed, writeJson } from "../json.ts";
import type { Cell } from "../table/index.ts";
import type { Fields, Frame, Kind } from "./frame.ts";

/** One small map of rows, in doubles. It takes all columns that are there; each row is mapped by itself. */
export abstract class Step {
  /** As JSON has it. */
  abstract readonly name: string;
  /** Whether missing cells may come in. */
  readonly missingOk: boolean = false;
  /** Whether a column of numbers and texts may come in where one of both is wanted: the other is compared in vain. */
  readonly takesEither: boolean = false;

  /**
   * @param data - its fields as Python writes them, without those at their defaults: what it is known by.
   */
  constructor(readonly data: JsonObject) {}

  /** What each of so many columns must be; null for anything. */
  wants(count: number): readonly (Kind | null)[] {
    return Array.from({ length: count }, () => "number");
  }

  /** What comes out. Throws ParameterError where the step is not for these columns. */
  abstract after(before: Fields): Fields;

  /** The rows, mapped. Cells that it cannot take are told to the frame's source, and go on as NaN. */
  abstract apply(frame: Frame): Frame;

  /** About how many numbers are multiplied and added for a row of so many columns, outputs apart. */
  work(count: number): number {
    return count;
  }

  /** For each of so many columns, the texts that the step tells apart, some of which may look like missing. */
  texts(count: number): readonly (readonly string[])[] {
    return Array.from({ length: count }, () => []);
  }

  /** Throw ParameterError where a part does not have one entry for each column. */
  protected requireWidth(before: Fields, ...parts: readonly (readonly unknown[])[]): void {
    for (const part of parts) {
      ensure(
        part.length === before.length,
        `a step ${this.name} is for ${part.length} columns, and ${before.length} come in.`,
        "Give it one entry for each column.",
      );
    }
  }
}

/** The fields of a step in JSON, as they are asked for; `data` then says what Python would write. */
export class StepFields {
  readonly #given: Given;
  readonly #stated = new Map<string, Json>();

  constructor(value: Json) {
    this.#given = new Given(value);
  }

  /** A field that must be there. */
  need<T>(name: string, build: Build<T>, canonical = asWritten): T {
    return this.#given.need(name, (value) => this.#keep(name, build, canonical(value)));
  }

  /** A field that may be left out. `otherwise` is its default, as JSON. */
  take<T>(name: string, build: Build<T>, otherwise: Json, canonical = asWritten): T {
    const left = writeJson(canonical(otherwise));
    const found = this.#given.take(name, (value) => ({ built: this.#keep(name, build, canonical(value)) }), null);
    if (found !== null && writeJson(this.#stated.get(name) ?? null) === left) {
      this.#stated.delete(name);
    }
    return found === null ? build(canonical(otherwise)) : found.built;
  }

  /** All of them, after a check that none is left. */
  end(): JsonObject {
    this.#given.end();
    return this.#stated;
  }

  #keep<T>(name: string, build: Build<T>, value: Json): T {
    const built = build(value);
    this.#stated.set(name, value);
    return built;
  }
}

/** Whole numbers stay whole. */
export function asWritten(value: Json): Json {
  return value;
}

/** Whole numbers are floats, in lists of any depth: for fields that Python takes for floats. */
export function asFloats(value: Json): Json {
  if (typeof value === "bigint") {
    return Number(value);
  }
  return isList(value) ? value.map(asFloats) : value;
}

/** A cell in JSON: a number, a text, or null for a missing one. */
export const cell: Build<Cell> = (value) => {
  if (value === null || typeof value === "string" || typeof value === "number") {
    return value;
  }
  if (typeof value === "bigint") {
    return Number(value);
  }
  throw new Malformed("something is no cell");
};

/** The fields of steps that map each column by itself. */
export function asNumbers(fields: Fields): Fields {
  return fields.map(({ origin }) => ({ kind: "number", origin }));
}

/** The fields of so many features, each of which depends on all columns. */
export function ofAll(count: number): Fields {
  return Array.from({ length: count }, () => ({ kind: "number", origin: null }));
}

/** A column made of another, number by number. */
export function mapped(values: Float64Array, map: (value: number) => number): Float64Array {
  const found = new Float64Array(values.length);
  for (let row = 0; row < values.length; row += 1) {
    found[row] = map(values[row] ?? NaN);
  }
  return found;
}

/** Binary digits of a count. */
export function bitLength(count: number): number {
  return count === 0 ? 0 : Math.floor(Math.log2(count)) + 1;
}

/** The sum of numbers. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Throw ParameterError where numbers do not ascend, equal ones apart. */
export function requireAscending(what: string, values: readonly number[]): void {
  const sorted = values.every((value, place) => place === 0 || (values[place - 1] ?? NaN) <= value);
  ensure(sorted, `${what} must be finite and ascend.`, "Sort them.");
}
