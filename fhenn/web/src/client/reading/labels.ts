/** Labels with the type that they have in Python. */

import type { Build } from "../built.ts";
import { type Json, Malformed, reprOfFloat } from "../json.ts";

/** A class, with the type that it has in Python. */
export interface Label {
  readonly kind: "int" | "float" | "bool" | "text";
  /** As Python prints it. */
  readonly text: string;
  readonly value: number | bigint | boolean | string;
}

/** The label in a JSON value. */
export const label: Build<Label> = (value: Json) => {
  switch (typeof value) {
    case "bigint":
      return { kind: "int", text: String(value), value };
    case "number":
      return { kind: "float", text: reprOfFloat(value), value };
    case "boolean":
      return { kind: "bool", text: value ? "True" : "False", value };
    case "string":
      return { kind: "text", text: value, value };
    default:
      throw new Malformed("classes must be distinct numbers, strings or bools");
  }
};

/** A type of NumPy's in which labels are. */
export interface Dtype {
  /** "b" truths, "i" and "u" whole numbers, "f" floats, "U" texts, "O" anything. */
  readonly kind: "b" | "i" | "u" | "f" | "U" | "O";
  /** Bytes of a number, characters of a text. */
  readonly size: number;
}

const NAMES: ReadonlyMap<string, string> = new Map([
  ["bool", "?"],
  ["int", "i8"],
  ["uint", "u8"],
  ["float", "f8"],
  ["half", "f2"],
  ["single", "f4"],
  ["double", "f8"],
  ["object", "O"],
  ["str", "U0"],
  ...[8, 16, 32, 64].flatMap((bits) => [
    [`int${bits}`, `i${bits / 8}`] as const,
    [`uint${bits}`, `u${bits / 8}`] as const,
  ]),
  ...[16, 32, 64].map((bits) => [`float${bits}`, `f${bits / 8}`] as const),
]);

/** The type of a name of NumPy's: those of `dtype.str` and the plain ones. Throws Malformed for others. */
export function dtypeOf(name: string): Dtype {
  const code = NAMES.get(name) ?? name.replace(/^[<>=|]/, "");
  if (code === "?" || code === "b1") {
    return { kind: "b", size: 1 };
  }
  const [, kind, digits = ""] = /^([iufUO])([0-9]{0,9})$/.exec(code) ?? [];
  const size = digits === "" ? (kind === "U" || kind === "O" ? 0 : 8) : Number(digits);
  const fit =
    kind === "U" ||
    (kind === "O" && (size === 0 || size === 8)) ||
    (kind === "f" ? [2, 4, 8] : [1, 2, 4, 8]).includes(size);
  if (kind === undefined || !fit) {
    throw new Malformed("labels of another type");
  }
  return { kind: kind as Dtype["kind"], size };
}

/** Whether a label stays as it is in a type. */
export function holds(dtype: Dtype, { kind, value, text }: Label): boolean {
  switch (dtype.kind) {
    case "b":
      return kind === "bool";
    case "i":
      return typeof value === "bigint" && BigInt.asIntN(8 * dtype.size, value) === value;
    case "u":
      return typeof value === "bigint" && BigInt.asUintN(8 * dtype.size, value) === value;
    case "f":
      return (
        typeof value === "number" &&
        (dtype.size === 8 || (dtype.size === 4 ? Math.fround(value) === value : isHalf(value)))
      );
    case "U":
      // NumPy takes zeros at a text's end for none, and "U" without a length for as long as is needed
      return kind === "text" && !text.endsWith("\0") && (dtype.size === 0 || [...text].length <= dtype.size);
    case "O":
      return true;
  }
}

/** Whether a double is a number in half precision: eleven digits, down to 2⁻²⁴. */
function isHalf(value: number): boolean {
  if (value === 0) {
    return true;
  }
  const step = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -14) - 10);
  return Math.abs(value) <= 65504 && Number.isInteger(value / step);
}

/** The kind that labels of several types have in one array of NumPy's; null where they stay as they are. */
export function commonKind(dtypes: readonly Dtype[]): Label["kind"] | null {
  const kinds = new Set(dtypes.map(({ kind }) => kind));
  if (kinds.size < 2 || kinds.has("O")) {
    return null;
  }
  if (kinds.has("U")) {
    return "text";
  }
  const wide = kinds.has("i") && dtypes.some(({ kind, size }) => kind === "u" && size === 8);
  return kinds.has("f") || wide ? "float" : "int";
}

/** A label as one of another kind; null for its own. */
export function labelAs(own: Label, kind: Label["kind"] | null): Label {
  if (kind === null || kind === own.kind) {
    return own;
  }
  return label(kind === "text" ? own.text : kind === "float" ? Number(own.value) : BigInt(own.value));
}
