/**
 * What a server sends back: the result, witnesses beside it, and what it is the answer to (`fhenn/session/answer.py`).
 */

import { Fields, listOf, text, whole } from "./built.ts";
import { AnswerMismatch, WireFormatError } from "./errors.ts";
import { type Json, Malformed } from "./json.ts";
import { isDigest, isFingerprint } from "./receipt.ts";
import { headerOf, unframe } from "./wire.ts";

const KIND = "answer";

/** What an answer says that it answers. */
export interface Binding {
  /** Place of the answered part in its upload, from 0. */
  readonly part: number;
  /** The SHA-256 that this part states of itself. */
  readonly upload: string;
  /** Fingerprint of the model that ran. */
  readonly model: string;
  /** Fingerprint of the plan that it ran by. */
  readonly plan: string;
}

/** Messages of ciphertexts, and what they are the answer to. */
export interface Answer {
  readonly result: Uint8Array;
  /** For each activation that the plan has a witness for, in their order. */
  readonly witnesses: readonly Uint8Array[];
  /** What it answers; null in answers of format version 1. */
  readonly binding: Binding | null;
}

/**
 * The answer in a message; what it holds are views on it.
 *
 * @param data - from a stranger.
 * @throws WireFormatError where it is damaged, AnswerMismatch where it is an upload.
 */
export async function readAnswer(data: Uint8Array): Promise<Answer> {
  const first = headerOf(data, KIND);
  if (first.kind === "ciphertexts") {
    if (first.meta.has("upload")) {
      throw new AnswerMismatch("kind", "an answer", "an upload", "Decrypt what the server answered to it.");
    }
    return { result: data, witnesses: [], binding: null };
  }
  const { header, body } = await unframe(KIND, data);
  const sizes = sizesIn(header.meta.get("sizes") ?? null);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total !== body.length) {
    throw new WireFormatError(KIND, `its parts have ${total} bytes by its header, and ${body.length} in fact`);
  }
  let at = 0;
  const [result = body, ...witnesses] = sizes.map((size) => body.subarray(at, (at += size)));
  const binding = header.meta.get("binding");
  return { result, witnesses, binding: binding === undefined ? null : bindingOf(binding) };
}

function sizesIn(value: Json): readonly number[] {
  try {
    const sizes = listOf(whole)(value);
    if (sizes.length && sizes.every((size) => size > 0)) {
      return sizes;
    }
  } catch (error) {
    if (!(error instanceof Malformed)) {
      throw error;
    }
  }
  throw new WireFormatError(KIND, "its header does not list the sizes of its parts");
}

function bindingOf(value: Json): Binding {
  try {
    const fields = new Fields(value);
    const binding = {
      part: fields.need("part", whole),
      upload: fields.need("upload", text),
      model: fields.need("model", text),
      plan: fields.need("plan", text),
    };
    fields.end();
    const { part, upload, model, plan } = binding;
    if (part < 0 || part >= 2 ** 32 || !isDigest(upload) || !isFingerprint(model) || !isFingerprint(plan)) {
      throw new Malformed("a place, digest or fingerprint in it is not valid");
    }
    return binding;
  } catch (error) {
    if (error instanceof Malformed) {
      throw new WireFormatError(KIND, `the binding in its header is not readable (${error.message})`);
    }
    throw error;
  }
}
