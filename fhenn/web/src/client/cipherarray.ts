/** Encrypted tables in messages (`fhenn/ckks/array.py`). */

import { listOf, text, whole } from "./built.ts";
import type { Bytes } from "./bytes.ts";
import { ContextMismatch, WireFormatError } from "./errors.ts";
import { floatHex, floatOfHex } from "./floats.ts";
import { type Json, type JsonObject, Malformed, objectOf } from "./json.ts";
import { type Layout, layoutFromJson } from "./layout.ts";
import { ciphertextsIn, ciphertextsMessage } from "./messages.ts";
import { modulusAt, type Parameters } from "./parameters.ts";
import type { Plan } from "./plan.ts";
import { printable } from "./text.ts";
import { frame, unframe } from "./wire.ts";

const KIND = "ciphertexts";
const MOST_DIMENSIONS = 32;

/** An encrypted table as a message states it. */
export interface CipherArray {
  /** (rows, columns), or of another rank where a stranger says so. */
  readonly shape: readonly number[];
  readonly layout: Layout;
  /** Rescales left. */
  readonly level: number;
  /** Exact. */
  readonly scale: number;
  /** Views on the message, not looked into yet. */
  readonly ciphertexts: readonly Uint8Array[];
}

/**
 * The encrypted table in a message.
 *
 * @param fingerprint - of the keys that it must be under.
 * @param plan - of these.
 * @param data - from a stranger.
 * @throws ContextMismatch where it belongs to other keys, WireFormatError.
 */
export async function readArray(fingerprint: string, plan: Plan, data: Uint8Array): Promise<CipherArray> {
  const { header, body } = await unframe(KIND, data);
  requireKeys(fingerprint, header.meta);
  const { shape, layout, level, scale } = await statedIn(header.meta, plan.parameters);
  const { slots, ringDegree } = plan.parameters;
  const [rows = 0, width] = [shape[0], shape.slice(1).reduce((product, size) => product * size, 1)];
  if (!layout.holds(width, slots)) {
    throw new WireFormatError(KIND, `its layout does not hold ${width} features`);
  }
  const ciphertexts = ciphertextsIn(body, layout.ciphertexts(rows, width, slots), ringDegree);
  return { shape, layout, level, scale, ciphertexts };
}

/**
 * A fresh upload.
 *
 * @param fingerprint - of the keys.
 * @param rows - samples in it.
 * @param ciphertexts - packed.
 */
export function writeUpload(
  fingerprint: string,
  plan: Plan,
  rows: number,
  ciphertexts: readonly Uint8Array[],
): Promise<Bytes> {
  const { scale, levels } = plan.parameters;
  const meta = objectOf({
    fingerprint,
    parameters: plan.parameters.fingerprint,
    shape: [BigInt(rows), BigInt(plan.features)],
    layout: plan.layout.json,
    level: BigInt(levels),
    scale: floatHex(scale),
    upload: objectOf({ part: 0n, plan: plan.fingerprint }),
  });
  return frame(KIND, meta, ciphertextsMessage(ciphertexts, scale));
}

/** Throws ContextMismatch where meta data name other keys. */
export function requireKeys(fingerprint: string, meta: JsonObject): void {
  const got = meta.get("fingerprint");
  if (got !== fingerprint) {
    throw new ContextMismatch(fingerprint, printable(typeof got === "string" ? got : "unnamed", 16));
  }
}

async function statedIn(meta: JsonObject, parameters: Parameters): Promise<Omit<CipherArray, "ciphertexts">> {
  try {
    const need = (name: string): Json => meta.get(name) ?? null;
    const shape = listOf(whole)(need("shape"));
    const layout = await layoutFromJson(need("layout"));
    const level = whole(need("level"));
    const scale = floatOfHex(text(need("scale")));
    const sane =
      shape.length <= MOST_DIMENSIONS &&
      shape.every((size) => size > 0 && size < 2 ** 32) &&
      (layout.name === "packed" || shape.length >= 2) &&
      level >= 0 &&
      level <= parameters.levels &&
      scale < modulusAt(parameters, level); // SEAL decodes nothing else
    if (!sane) {
      throw new Malformed("out of range");
    }
    return { shape, layout, level, scale };
  } catch (error) {
    if (error instanceof Malformed) {
      throw new WireFormatError(
        KIND,
        "its header states no shape, layout, level and scale that a table under these keys has",
      );
    }
    throw error;
  }
}
