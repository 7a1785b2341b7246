/**
 * Whether an answer belongs to what was sent: by its binding first, then by what its ciphertexts are
 * (`fhenn/session/matching.py`).
 */

import type { Answer, Binding } from "./answer.ts";
import { type CipherArray, readArray, requireKeys } from "./cipherarray.ts";
import { AnswerMismatch, WireFormatError } from "./errors.ts";
import { sameLayout } from "./layout.ts";
import type { Plan } from "./plan.ts";
import { type Receipt, requirePart, type UploadHeader } from "./receipt.ts";
import { headerOf } from "./wire.ts";

const AGAIN = "Ask the server again.";

/**
 * Require that an answer says it is one to an upload of this client, under this plan.
 *
 * @param binding - of the answer.
 * @param plan - that the upload was made with.
 * @param receipt - of the upload; undefined for any upload in `sent`.
 * @param sent - headers of the uploads of this client, by their SHA-256.
 * @returns the number of samples that the answer must hold.
 * @throws AnswerMismatch.
 */
export function requireBinding(
  binding: Binding | null,
  plan: Plan,
  receipt: Receipt | undefined,
  sent: ReadonlyMap<string, UploadHeader>,
): number {
  if (binding === null) {
    throw new AnswerMismatch(
      "upload",
      "a digest",
      "not named",
      "A server of format version 1 made it, so it can be the answer to other samples. Ask a newer server.",
    );
  }
  if (binding.plan !== plan.fingerprint) {
    throw new AnswerMismatch("plan", plan.fingerprint, binding.plan, "Use the plan that the upload was made with.");
  }
  if (plan.model !== null && plan.model !== binding.model) {
    throw new AnswerMismatch("model", plan.model, binding.model, "Ask the server for the model that the plan is for.");
  }
  if (receipt !== undefined) {
    if (receipt.plan !== null && receipt.plan !== plan.fingerprint) {
      throw new AnswerMismatch("receipt's plan", plan.fingerprint, receipt.plan, "Use this upload's receipt.");
    }
    return requirePart(receipt, binding.part, binding.upload).samples;
  }
  const known = sent.get(binding.upload);
  if (known === undefined) {
    throw new AnswerMismatch(
      "upload",
      "one that this client made",
      binding.upload.slice(0, 12),
      "Pass the receipt of its upload, or encrypt again.",
    );
  }
  if (known.part !== binding.part) {
    throw new AnswerMismatch("part", String(known.part), String(binding.part), AGAIN);
  }
  return known.samples;
}

/** Throws ContextMismatch where an answer names the keys of another client; its ciphertexts are not looked at. */
export function requireOwnKeys(fingerprint: string, answer: Answer): void {
  requireKeys(fingerprint, headerOf(answer.result).meta);
}

/**
 * Read a result, and require that it has the shape, level and layout that the plan states.
 *
 * @param fingerprint - of the keys.
 * @param plan - that the upload was made with.
 * @param message - the result of an answer.
 * @param samples - how many it must hold.
 * @returns ciphertexts of shape (samples, outputs).
 * @throws AnswerMismatch, WireFormatError, ContextMismatch.
 */
export async function requireResult(
  fingerprint: string,
  plan: Plan,
  message: Uint8Array,
  samples: number,
): Promise<CipherArray> {
  const array = await readArray(fingerprint, plan, message);
  const [rows, outputs] = array.shape;
  if (array.shape.length !== 2) {
    throw new WireFormatError(
      "answer",
      `it holds an array of shape (${array.shape.join(", ")}), not (samples, outputs)`,
    );
  }
  const same = (
    what: string,
    expected: number | string,
    got: number | string | undefined,
    holds = expected === got,
  ) => {
    if (!holds) {
      throw new AnswerMismatch(what, String(expected), String(got), AGAIN);
    }
  };
  same("number of samples", samples, rows);
  if (plan.result !== null) {
    same("number of outputs", plan.result.outputs, outputs);
    same("level", plan.result.level, array.level);
    same("layout", plan.result.layout.name, array.layout.name, sameLayout(plan.result.layout, array.layout));
  }
  requireTable(array);
  if (array.level === plan.parameters.levels && array.scale === plan.parameters.scale) {
    throw new AnswerMismatch("content", "a result", "an upload", "Decrypt what the server answered to it.");
  }
  return array;
}

/** Throws WireFormatError where an array has a layout that no plan has, and that no rows are read from. */
export function requireTable({ layout }: CipherArray): void {
  if (layout.name === "packed") {
    throw new WireFormatError("answer", "its values are packed without regard to rows");
  }
}
