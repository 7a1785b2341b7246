/** The frame of every message (`fhenn/wire.py`): magic, format version, a JSON header with a digest, body. */

import { long, text } from "./built.ts";
import { type Bytes, concatenate, equal, sha256, utf8 } from "./bytes.ts";
import { WireFormatError, WrongKind } from "./errors.ts";
import { isObject, type JsonObject, Malformed, objectOf, readJson, writeJson } from "./json.ts";

/** The format that `frame` writes: ciphertexts and keys are packed. */
export const VERSION = 3;

const READABLE = [1, 2, 3];
const MAGIC = utf8("FHENN");
const PREFIX = MAGIC.length + 1 + 4;
const LARGEST_HEADER = 1 << 16;

const KINDS: ReadonlyMap<string, readonly [words: string, source: string]> = new Map([
  ["model", ["a model", "`fhenn train` and `fhenn import` write models."]],
  ["plan", ["a plan", "A service sends it."]],
  ["certificate", ["a certificate", "`fhenn certify` writes certificates."]],
  ["secret-key", ["a secret key", "Client.secretBytes() makes one, which stays on the client's side."]],
  ["evaluation-context", ["a set of evaluation keys", "Client.evaluationKeys() makes one."]],
  ["ciphertexts", ["an upload of ciphertexts", "Client.encrypt() makes one."]],
  ["answer", ["an answer", "A service sends it."]],
  ["refusal", ["a refusal of a part", "Pools send one in the place of an answer."]],
  ["receipt", ["a receipt", "Take the receipt of the upload."]],
]);

/** What the header of a message says. */
export interface Header {
  /** "plan", "answer", … */
  readonly kind: string;
  /** Of the format. */
  readonly version: number;
  /** Of the body, in bytes. */
  readonly size: number;
  /** Meta data. */
  readonly meta: JsonObject;
  /** Digest of version, meta data and body, in hexadecimal, as the message states it. */
  readonly sha256: string;
  /** Where the body starts, in bytes. */
  readonly start: number;
  /** The meta data as they are written. */
  readonly text: string;
}

/**
 * A message.
 *
 * @param kind - "ciphertexts", …
 * @param meta - meta data.
 * @param body - in one piece or several.
 */
export async function frame(kind: string, meta: JsonObject, ...body: readonly Uint8Array[]): Promise<Bytes> {
  const written = writeJson(meta, { sortKeys: true });
  const size = body.reduce((sum, piece) => sum + piece.length, 0);
  const digest = await digestOf(VERSION, written, ...body);
  const header = encoded(kind, size, written, digest);
  const prefix = new Uint8Array(PREFIX);
  prefix.set(MAGIC);
  const view = new DataView(prefix.buffer);
  view.setUint8(MAGIC.length, VERSION);
  view.setUint32(MAGIC.length + 1, header.length);
  return concatenate([prefix, header, ...body]);
}

/**
 * The meta data and the body of a message, whose digest is checked.
 *
 * @param kind - that it must have.
 * @param data - of `frame`, from a stranger. The body is a view on it.
 * @throws WireFormatError where length or digest do not match, WrongKind.
 */
export async function unframe(kind: string, data: Uint8Array): Promise<{ header: Header; body: Uint8Array }> {
  const header = headerOf(data, kind);
  requireKind(kind, header);
  const body = data.subarray(header.start);
  if (header.size !== body.length) {
    throw new WireFormatError(kind, `it holds ${body.length} bytes of ${header.size}`);
  }
  if ((await digestOf(header.version, header.text, body)) !== header.sha256) {
    throw new WireFormatError(kind, "its digest does not match: it was altered on the way");
  }
  return { header, body };
}

/**
 * The header of a message; its body is not checked.
 *
 * @param data - the message, or its first bytes, from a stranger.
 * @param what - it is, for the error.
 * @throws WireFormatError.
 */
export function headerOf(data: Uint8Array, what = "fhenn file"): Header {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < PREFIX || !equal(data.subarray(0, MAGIC.length), MAGIC)) {
    throw new WireFormatError(what, "it does not start as a fhenn message does");
  }
  const version = view.getUint8(MAGIC.length);
  if (!READABLE.includes(version)) {
    throw new WireFormatError(what, `it has format version ${version}, this client reads 1 to ${VERSION}`);
  }
  const size = view.getUint32(MAGIC.length + 1);
  if (size > LARGEST_HEADER) {
    throw new WireFormatError(what, `its header claims ${size} bytes`);
  }
  const start = PREFIX + size;
  const written = data.subarray(PREFIX, start);
  try {
    const fields = readJson(written);
    if (!isObject(fields)) {
      throw new Malformed("it is no object");
    }
    const [kind, length, meta, digest] = [
      text(fields.get("kind") ?? null),
      long(fields.get("length") ?? null),
      text(fields.get("meta") ?? null),
      text(fields.get("sha256") ?? null),
    ];
    const found = readJson(meta);
    // the digest covers what the header says, not how: it is taken as `frame` writes it, to the byte
    const again = encoded(kind, length, meta, digest);
    if (!isObject(found) || /\p{Surrogate}/u.test(meta + digest) || !equal(again, written)) {
      throw new Malformed("it is not as it is written");
    }
    return { kind, version, size: Number(length), meta: found, sha256: digest, start, text: meta };
  } catch (error) {
    throw error instanceof Malformed ? new WireFormatError(what, "its header is not readable") : error;
  }
}

/**
 * The header of a message of a kind; its body is not checked.
 *
 * @param kind - that it must have.
 * @param data - the message, or its first bytes, from a stranger.
 * @param source - what the message is called, for the error.
 * @param destination - the address that it would be sent to, empty for none.
 * @throws WrongKind, WireFormatError.
 */
export function headerOfKind(kind: string, data: Uint8Array, source = "it", destination = ""): Header {
  const foreign = !equal(data.subarray(0, MAGIC.length), MAGIC);
  return requireKind(kind, foreign ? null : headerOf(data, kind), source, destination);
}

function requireKind(kind: string, header: Header | null, source = "it", destination = ""): Header {
  if (header?.kind !== kind) {
    const got = inWords(header?.kind ?? null);
    throw new WrongKind(inWords(kind), source, got, destination, KINDS.get(kind)?.[1] ?? "Give one.");
  }
  return header;
}

function inWords(kind: string | null): string {
  return kind === null ? "not a fhenn file" : (KINDS.get(kind)?.[0] ?? `a '${kind.slice(0, 40)}'`);
}

function encoded(kind: string, length: number | bigint, meta: string, digest: string): Bytes {
  return utf8(writeJson(objectOf({ kind, length: BigInt(length), meta, sha256: digest })));
}

function digestOf(version: number, meta: string, ...body: readonly Uint8Array[]): Promise<string> {
  return sha256(version === 1 ? new Uint8Array() : Uint8Array.of(version), utf8(meta), ...body);
}
