/** Answers that no server of fhenn makes, for plans of Python's vectors. */

import type { Plan, Seal } from "../../src/client/index.ts";
import { concatenate } from "../../src/client/bytes.ts";
import { floatHex } from "../../src/client/floats.ts";
import { isObject, type Json, type JsonObject, objectOf, readJson, textOf, writeJson } from "../../src/client/json.ts";
import { ciphertextsMessage } from "../../src/client/messages.ts";
import { sealContextOf } from "../../src/client/sealcontext.ts";
import type { UploadHeader } from "../../src/client/receipt.ts";
import { ciphertextHead, object } from "../../src/client/structure.ts";
import { frame, unframe } from "../../src/client/wire.ts";

/** What a message of ciphertexts is to say. */
export interface Stated {
  readonly fingerprint: string;
  readonly shape: readonly [number, number];
  readonly layout: JsonObject;
  readonly level: number;
  readonly scale: number;
}

/** The JSON of the plan in a plan file. */
export async function planTextIn(file: Uint8Array): Promise<string> {
  const written = readJson(textOf((await unframe("plan", file)).body));
  return isObject(written) ? String(written.get("plan")) : "";
}

/** JSON of a plan with other values in some of its fields. */
export function changedPlan(written: string, fields: Readonly<Record<string, Json>>): string {
  const plan = readJson(written, true);
  return writeJson(new Map([...(isObject(plan) ? plan : []), ...Object.entries(fields)]));
}

/** A message of one ciphertext, which SEAL loads and which says nothing. */
export function message(seal: Seal, plan: Plan, stated: Stated): Promise<Uint8Array<ArrayBuffer>> {
  const { fingerprint, shape, layout, level, scale } = stated;
  const { primes, ringDegree } = plan.parameters;
  const context = sealContextOf(seal, ringDegree, [...primes.slice(0, level + 1), primes.at(-1) ?? 0n]);
  const size = 2 * ringDegree * (level + 1);
  const part = {
    identity: context.chain.ofCiphertexts,
    primes: level + 1,
    scale,
    residues: Array.from({ length: 2 * (level + 1) }, () => new Uint32Array()),
    seed: null,
  };
  context.delete();
  const residues = new Uint8Array(new BigUint64Array(size).fill(1n).buffer);
  const ciphertext = object([concatenate([ciphertextHead(ringDegree, part, 1), residues])], "plain", 1);
  const meta = objectOf({
    fingerprint,
    parameters: plan.parameters.fingerprint,
    shape: shape.map(BigInt),
    layout,
    level: BigInt(level),
    scale: floatHex(scale),
  });
  return frame("ciphertexts", meta, ciphertextsMessage([ciphertext], scale));
}

/** An answer to an upload. */
export function answer(plan: Plan, upload: UploadHeader, ...messages: readonly Uint8Array[]): Promise<Uint8Array> {
  const binding = objectOf({
    part: BigInt(upload.part),
    upload: upload.sha256,
    model: plan.model ?? "0".repeat(16),
    plan: plan.fingerprint,
  });
  const meta = objectOf({ sizes: messages.map((each) => BigInt(each.length)), binding });
  return frame("answer", meta, ...messages);
}
