/**
 * What tells one upload from another, and which answer is whose (`fhenn/session/receipt.py`).
 *
 * A server names the upload that it answers, by the SHA-256 that this states of itself, and the model and plan that
 * ran.
 * That is against mix-ups: whoever holds ciphertexts can make an answer that names any upload.
 */

import { Fields, text, whole } from "./built.ts";
import { AnswerMismatch, WireFormatError } from "./errors.ts";
import { isList, type Json, Malformed } from "./json.ts";
import { headerOfKind } from "./wire.ts";

const DIGEST = /^[0-9a-f]{64}$/;
const FINGERPRINT = /^[0-9a-f]{16,64}$/;
const STREAM = /^[0-9a-f]{32}$/;

/** A part of an upload as it was sent. */
export interface SentPart {
  /** The digest that the part states of itself. */
  readonly sha256: string;
  readonly samples: number;
}

/** What a client sent, so that `Client.decrypt` can tell the answer to it from others. */
export interface Receipt {
  /** Fingerprint of the plan; null for uploads from before they named it. */
  readonly plan: string | null;
  readonly parts: readonly SentPart[];
}

/** What an upload says of itself. */
export interface UploadHeader extends SentPart {
  /** Its place in an upload of several parts, from 0. */
  readonly part: number;
  /** Fingerprint of the plan that it was made for. */
  readonly plan: string | null;
}

/**
 * The receipt of an upload.
 *
 * @param upload - of `Client.encrypt`; its header is enough.
 * @throws WireFormatError where it is none.
 */
export function receiptOf(upload: Uint8Array): Receipt {
  const { plan, sha256, samples, part } = uploadHeaderOf(upload);
  if (part !== 0) {
    throw new WireFormatError("upload", "it is a part of several");
  }
  return { plan, parts: [{ sha256, samples }] };
}

/**
 * What an upload says of itself; its body is not looked at.
 *
 * @param upload - the message, or its first bytes.
 * @throws WireFormatError.
 */
export function uploadHeaderOf(upload: Uint8Array): UploadHeader {
  const header = headerOfKind("ciphertexts", upload, "the upload");
  const [shape, named] = [header.meta.get("shape") ?? null, header.meta.get("upload")];
  const samples = samplesIn(shape);
  if (!isDigest(header.sha256)) {
    throw new WireFormatError("upload", "the digest in its header is not valid");
  }
  if (named === undefined || named === null) {
    return { part: 0, samples, plan: null, sha256: header.sha256 };
  }
  try {
    const fields = new Fields(named);
    const [part, plan] = [fields.need("part", whole), fields.need("plan", text)];
    const stream = fields.take("stream", text, null);
    fields.end();
    if (part < 0 || part >= 2 ** 32 || !isFingerprint(plan) || (stream !== null && !STREAM.test(stream))) {
      throw new Malformed("out of range");
    }
    return { part, samples, plan, sha256: header.sha256 };
  } catch (error) {
    if (error instanceof Malformed) {
      throw new WireFormatError("upload", "the place or the plan in its header is not valid");
    }
    throw error;
  }
}

/**
 * The part at a place of an upload.
 *
 * @param part - the place, from 0.
 * @param upload - the SHA-256 that the part must have.
 * @throws AnswerMismatch where the upload has no such part.
 */
export function requirePart(receipt: Receipt, part: number, upload: string): SentPart {
  const sent = receipt.parts[part];
  if (sent?.sha256 !== upload) {
    throw new AnswerMismatch(
      "upload",
      sent?.sha256.slice(0, 12) ?? `${receipt.parts.length} parts`,
      `part ${part}, ${upload.slice(0, 12)}`,
      "Use the receipt of the upload that was answered.",
    );
  }
  return sent;
}

/** Whether a text is a SHA-256 in lower-case hexadecimal digits. */
export function isDigest(value: string): boolean {
  return DIGEST.test(value);
}

/** Whether a text can be the fingerprint of a plan or a model. */
export function isFingerprint(value: string): boolean {
  return FINGERPRINT.test(value);
}

function samplesIn(shape: Json): number {
  if (isList(shape) && shape.length === 2) {
    const sizes = shape.map((size) => (typeof size === "bigint" && size > 0n && size < 1n << 32n ? Number(size) : 0));
    if (Math.min(...sizes) > 0) {
      return sizes[0] ?? 0;
    }
  }
  throw new WireFormatError("upload", "its header states no shape (samples, features)");
}
