/** Files of cases that Python wrote into the folder `FHENN_VECTORS`, and those that are written back. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Buffer } from "node:buffer";

/** The folder; null where Python has no part in the run. */
export const FOLDER: string | null = process.env["FHENN_VECTORS"] ?? null;

/** The cases in a file; none where there is no folder. */
export function cases<T>(name: string): readonly T[] {
  return FOLDER === null
    ? []
    : (JSON.parse(readFileSync(join(FOLDER, "data", `${name}.json`), "utf-8")) as readonly T[]);
}

/** Write a file for Python to read. */
export function writeBack(name: string, content: string): void {
  if (FOLDER !== null) {
    mkdirSync(join(FOLDER, "from_js"), { recursive: true });
    writeFileSync(join(FOLDER, "from_js", name), content, "utf-8");
  }
}

/** The bytes of a text in base 64. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** The numbers of bytes in base 64. */
export function numbersOf(text: string): Float64Array {
  return new Float64Array(bytesOf(text).buffer);
}

/** The name of the error that something throws; null where it throws none. */
export function errorOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

/** Whether numbers are equal to the last bit; NaN to any NaN. */
export function sameBits(got: ArrayLike<number>, wanted: ArrayLike<number>): boolean {
  return got.length === wanted.length && Array.from(got).every((each, at) => Object.is(each, wanted[at]));
}

/** The largest difference, relative to the largest of 1 and the magnitudes on either side. */
export function distance(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) {
    return Infinity;
  }
  const largest = Array.from(wanted).reduce(
    (most, each) => (Number.isFinite(each) ? Math.max(most, Math.abs(each)) : most),
    1,
  );
  return Array.from(got).reduce((most, each, at) => {
    const other = wanted[at] ?? NaN;
    return Object.is(each, other) || each === other
      ? most
      : Math.max(most, Math.abs(each - other) / largest || Infinity);
  }, 0);
}
