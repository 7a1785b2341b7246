/** JSON values as the types that a reader takes them for (`built` of `fhenn/strict.py`). All throw Malformed. */

import { isList, isObject, type Json, type JsonObject, Malformed } from "./json.ts";

/** Makes something of a JSON value, or throws Malformed. */
export type Build<T> = (value: Json) => T;

/** A whole number that a `number` holds. A truth is none, and neither is 1.0. */
export const whole: Build<number> = (value) => {
  if (typeof value !== "bigint" || value > MOST || value < -MOST) {
    throw new Malformed("something is not a whole number, or too large");
  }
  return Number(value);
};

const MOST = BigInt(Number.MAX_SAFE_INTEGER);

/** A whole number of 64 bits. */
export const long: Build<bigint> = (value) => {
  if (typeof value !== "bigint") {
    throw new Malformed("something is not a whole number");
  }
  return value;
};

/** A float; a whole number is one too. */
export const real: Build<number> = (value) => {
  if (typeof value !== "number" && typeof value !== "bigint") {
    throw new Malformed("something is not a number");
  }
  return Number(value);
};

/** A text. */
export const text: Build<string> = (value) => {
  if (typeof value !== "string") {
    throw new Malformed("something is not a text");
  }
  return value;
};

/** A truth. */
export const truth: Build<boolean> = (value) => {
  if (typeof value !== "boolean") {
    throw new Malformed("something is not true or false");
  }
  return value;
};

/** One of some texts. */
export function oneOf<T extends string>(...texts: readonly T[]): Build<T> {
  return (value) => {
    const found = texts.find((each) => each === value);
    if (found === undefined) {
      throw new Malformed(`something is not one of ${texts.join(", ")}`);
    }
    return found;
  };
}

/** Something, or null. */
export function optional<T>(build: Build<T>): Build<T | null> {
  return (value) => (value === null ? null : build(value));
}

/** A list of things that are alike. */
export function listOf<T>(build: Build<T>): Build<readonly T[]> {
  return (value) => {
    if (!isList(value)) {
      throw new Malformed("something is not a list");
    }
    return value.map(build);
  };
}

/** Two numbers. */
export const pair: Build<readonly [number, number]> = (value) => {
  const [first, second, ...others] = listOf(real)(value);
  if (first === undefined || second === undefined || others.length > 0) {
    throw new Malformed("something is not a list of two numbers");
  }
  return [first, second];
};

/** The fields of an object, each asked for once; what nobody asked for is a refusal. */
export class Fields {
  readonly #left: Map<string, Json>;

  /** @param value - that must be an object. */
  constructor(value: Json) {
    this.#left = new Map(objectIn(value));
  }

  /** A field that must be there. */
  need<T>(name: string, build: Build<T>): T {
    const value = this.#take(name);
    if (value === undefined) {
      throw new Malformed(`the field '${name}' is missing`);
    }
    return this.#build(name, build, value);
  }

  /** A field that may be left out. */
  take<T>(name: string, build: Build<T>, otherwise: T): T {
    const value = this.#take(name);
    return value === undefined ? otherwise : this.#build(name, build, value);
  }

  /** Require that nothing is left. */
  end(): void {
    for (const name of this.#left.keys()) {
      throw new Malformed(`the field '${name.slice(0, 40)}' is unknown`);
    }
  }

  #take(name: string): Json | undefined {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  #build<T>(name: string, build: Build<T>, value: Json): T {
    try {
      return build(value);
    } catch (error) {
      throw error instanceof Malformed ? new Malformed(`${name}: ${error.message}`) : error;
    }
  }
}

/** A value as an object. */
export function objectIn(value: Json): JsonObject {
  if (!isObject(value)) {
    throw new Malformed("something is not an object");
  }
  return value;
}
