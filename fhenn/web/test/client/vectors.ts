/** Vectors that Python wrote: `tests/web/vectors_client.py`, into the folder that FHENN_VECTORS names. */

import { readFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";

/** The folder; undefined where none is named. */
export const folder = process.env["FHENN_VECTORS"];

/** `describe`, skipped in words where there are no vectors of a name. */
export function describeVectors(what: string, name: string, tests: () => void): void {
  const there = folder !== undefined && existsSync(join(folder, name));
  if (!there) {
    const why =
      folder === undefined ? "FHENN_VECTORS names no folder: python tests/web/vectors_client.py FOLDER" : `no ${name}`;
    describe.skip(`${what} (${why})`, tests);
    return;
  }
  describe(what, tests);
}

/** The bytes of a vector. */
export function bytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder ?? "", name)));
}

/** The JSON of a vector; of nothing where there are none. */
export function json<T>(name: string): T {
  const path = join(folder ?? "", name);
  return (folder !== undefined && existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {}) as T;
}

/** Whether there is a vector of a name. */
export function has(name: string): boolean {
  return folder !== undefined && existsSync(join(folder, name));
}

/** The float64 numbers of a vector. */
export function floats(name: string): Float64Array {
  return new Float64Array(bytes(name).slice().buffer);
}

/** Write a vector for Python. */
export function write(name: string, data: Uint8Array | Float64Array): void {
  const path = join(folder ?? "", "from_js");
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, name), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
