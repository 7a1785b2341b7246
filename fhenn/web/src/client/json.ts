/**
 * JSON as Python reads and writes it, in the one way that means one thing to every reader (`fhenn/strict.py`).
 *
 * Python keeps whole numbers and floats apart, and fingerprints depend on it: a whole number is a `bigint` here, a
 * float
 * a `number`. Objects are maps, so that no key of a stranger's is looked up in a prototype.
 */

/** A JSON value: whole numbers are `bigint`, floats are `number`. */
export type Json = null | boolean | bigint | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export type JsonObject = ReadonlyMap<string, Json>;

/**
 * Text that is no JSON, or a value that is not what its reader takes it for. Readers of formats make it their own
 * error.
 */
export class Malformed extends Error {}

const MOST_DEPTH = 64;
const LONGEST_NUMBER = 400;
const LEAST = -(1n << 63n);
const MOST = (1n << 64n) - 1n;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const BLANK = /[ \t\n\r]*/y;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

/**
 * The value of a JSON document.
 *
 * @param source - the document; bytes are UTF-8 without a byte order mark.
 * @param infinite - whether `Infinity` and `-Infinity` may stand for numbers, as Python writes them.
 * @throws Malformed where it is no JSON (RFC 8259), names a key twice, holds a number beyond 64 bits or beyond the
 * range
 * of a double, or nests deeper than 64.
 */
export function readJson(source: string | Uint8Array, infinite = false): Json {
  return new Reader(typeof source === "string" ? source : textOf(source), infinite).document();
}

/** The text of UTF-8 bytes. Throws Malformed where they are something else. */
export function textOf(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Malformed("it is not text in UTF-8");
  }
}

/** How JSON is written. */
export interface Writing {
  /** Whether keys are sorted by code points. */
  readonly sortKeys?: boolean;
}

/**
 * JSON text as Python's `json.dumps` writes it: ASCII, a blank after commas and colons, floats by `repr`.
 *
 * @param value - to be written.
 */
export function writeJson(value: Json, writing: Writing = {}): string {
  if (value === null) {
    return "null";
  }
  switch (typeof value) {
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return Number.isFinite(value)
        ? reprOfFloat(value)
        : Number.isNaN(value)
          ? "NaN"
          : value > 0
            ? "Infinity"
            : "-Infinity";
    case "string":
      return quoted(value);
  }
  if (isList(value)) {
    return `[${value.map((each) => writeJson(each, writing)).join(", ")}]`;
  }
  const entries = [...value];
  if (writing.sortKeys === true) {
    entries.sort(([a], [b]) => byCodePoints(a, b));
  }
  return `{${entries.map(([key, each]) => `${quoted(key)}: ${writeJson(each, writing)}`).join(", ")}}`;
}

/** An object of these fields, of which those that are undefined are left out. */
export function objectOf(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return new Map(Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined));
}

/** Whether a value is an array. */
export function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Whether a value is an object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map;
}

/** A finite float as Python's `repr` writes it: the shortest digits that read back the same. */
export function reprOfFloat(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const [mantissa = "0", power = "0"] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) {
    return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  }
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

function quoted(text: string): string {
  // JSON.stringify escapes what is below a blank as Python does, but for what it writes in short
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function byCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let place = 0; place < Math.min(left.length, right.length); place += 1) {
    const difference = (left[place]?.codePointAt(0) ?? 0) - (right[place]?.codePointAt(0) ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return left.length - right.length;
}

/** Reads one document, front to back. */
class Reader {
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly infinite: boolean,
  ) {}

  document(): Json {
    const value = this.#value(0);
    this.#blank();
    if (this.#at < this.text.length) {
      throw new Malformed(`there is more behind the value, at ${this.#at}`);
    }
    return value;
  }

  #value(depth: number): Json {
    this.#blank();
    const first = this.text[this.#at];
    if (first === "{" || first === "[") {
      if (depth === MOST_DEPTH) {
        throw new Malformed(`it nests deeper than ${MOST_DEPTH}`);
      }
      this.#at += 1;
      return first === "{" ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (first === '"') {
      return this.#string();
    }
    for (const [word, value] of CONSTANTS) {
      if (this.text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const found = new Map<string, Json>();
    if (this.#takes("}")) {
      return found;
    }
    do {
      this.#blank();
      if (this.text[this.#at] !== '"') {
        throw this.#unexpected();
      }
      const key = this.#string();
      if (found.has(key)) {
        throw new Malformed(`the key ${quoted(key.slice(0, 40))} comes twice`);
      }
      if (!this.#takes(":")) {
        throw this.#unexpected();
      }
      found.set(key, this.#value(depth));
    } while (this.#takes(","));
    if (!this.#takes("}")) {
      throw this.#unexpected();
    }
    return found;
  }

  #list(depth: number): readonly Json[] {
    const found: Json[] = [];
    if (this.#takes("]")) {
      return found;
    }
    do {
      found.push(this.#value(depth));
    } while (this.#takes(","));
    if (!this.#takes("]")) {
      throw this.#unexpected();
    }
    return found;
  }

  #string(): string {
    const pieces: string[] = [];
    this.#at += 1;
    for (;;) {
      pieces.push(this.#match(PLAIN)?.[0] ?? "");
      const next = this.text[this.#at];
      if (next === '"') {
        this.#at += 1;
        return pieces.join("");
      }
      if (next !== "\\") {
        throw this.#unexpected();
      }
      const code = this.text[this.#at + 1] ?? "";
      const hex = this.text.slice(this.#at + 2, this.#at + 6);
      const plain = ESCAPES.get(code);
      if (plain !== undefined) {
        pieces.push(plain);
        this.#at += 2;
      } else if (code === "u" && /^[0-9a-fA-F]{4}$/.test(hex)) {
        pieces.push(String.fromCharCode(Number.parseInt(hex, 16)));
        this.#at += 6;
      } else {
        throw this.#unexpected();
      }
    }
  }

  #number(): bigint | number {
    const infinite = this.#match(/-?Infinity/y)?.[0];
    if (infinite !== undefined) {
      if (!this.infinite) {
        throw new Malformed(`${infinite} is not a number`);
      }
      return infinite.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    }
    const match = this.#match(NUMBER);
    if (match === null) {
      throw this.#unexpected();
    }
    const [text, fraction, exponent] = match;
    if (text.length > LONGEST_NUMBER) {
      throw new Malformed(`${text.slice(0, 20)}… is too long for a number`);
    }
    if (fraction === undefined && exponent === undefined) {
      const whole = BigInt(text);
      if (whole < LEAST || whole > MOST) {
        throw new Malformed(`${text.slice(0, 20)}… is beyond 64 bits`);
      }
      return whole;
    }
    const real = Number(text);
    if (!Number.isFinite(real)) {
      throw new Malformed(`${text.slice(0, 20)} is beyond the range of a double`);
    }
    return real;
  }

  #takes(sign: string): boolean {
    this.#blank();
    const found = this.text[this.#at] === sign;
    this.#at += found ? 1 : 0;
    return found;
  }

  #blank(): void {
    this.#match(BLANK);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text);
    this.#at += match?.[0].length ?? 0;
    return match;
  }

  #unexpected(): Malformed {
    const end = this.#at >= this.text.length;
    return new Malformed(end ? "it ends too early" : `something unexpected stands at ${this.#at}`);
  }
}

const CONSTANTS: readonly (readonly [string, Json])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
];
