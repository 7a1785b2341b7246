/**
 * The messages of keys and ciphertexts, as TenSEAL's protobuf has them inside fhenn's frame (`fhenn/ckks/messages.py`).
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { WireFormatError } from "./errors.ts";
import { type Json, objectOf } from "./json.ts";
import type { Parameters } from "./parameters.ts";
import { encodeDouble, encodeField, encodeHead, readFields } from "./protobuf.ts";
import { formOf, writeParameters } from "./structure.ts";
import { frame } from "./wire.ts";

/** TenSEAL's flags of a context: it relinearises, rescales and switches moduli by itself. */
const AUTOMATIC = 7;

const CONTEXT = "TenSEAL context";

/** Switching keys for ciphertexts up to a level, packed. */
export interface KeysObject {
  readonly level: number;
  readonly data: Uint8Array;
}

/**
 * TenSEAL's message of parameters, public key and, for the client's own store, secret key.
 *
 * @param publicKey - as TenSEAL loads it.
 * @param secretKey - the same; null for a message that leaves the client.
 */
export function contextMessage(parameters: Parameters, publicKey: Uint8Array, secretKey: Uint8Array | null): Bytes {
  const { ringDegree, primes, scale } = parameters;
  const open = concatenate([encodeField(1, publicKey), encodeField(2, AUTOMATIC), encodeDouble(3, scale)]);
  const pieces = [encodeField(1, writeParameters(ringDegree, primes, 3)), encodeField(2, open)];
  if (secretKey === null) {
    return concatenate(pieces);
  }
  const head = encodeHead(1, secretKey.length);
  return concatenate([...pieces, encodeHead(3, head.length + secretKey.length), head, secretKey]); // copied once
}

/**
 * Public and secret key in a message of `contextMessage`.
 *
 * @param data - from the client's own store.
 * @throws WireFormatError where one is missing.
 */
export function keysIn(data: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array } {
  const parts = once(CONTEXT, data);
  const publicKey = once(CONTEXT, bytesIn(parts.get(2))).get(1);
  const secretKey = once(CONTEXT, bytesIn(parts.get(3))).get(1);
  return { publicKey: bytesIn(publicKey), secretKey: bytesIn(secretKey) };
}

/**
 * What computing takes, in a frame.
 *
 * @param fingerprint - of the keys.
 * @param context - of `contextMessage`, without a secret key.
 * @param relinearisation - keys to relinearise with.
 * @param rotations - keys to rotate with, levels ascending.
 */
export function evaluationMessage(
  fingerprint: string,
  parameters: Parameters,
  context: Uint8Array,
  relinearisation: KeysObject,
  rotations: readonly KeysObject[],
): Promise<Bytes> {
  const section = (keys: KeysObject): Json => [BigInt(keys.level), BigInt(keys.data.length)];
  const all = [relinearisation, ...rotations];
  const meta = objectOf({
    fingerprint,
    parameters: parameters.fingerprint,
    rotation_keys: BigInt(all.reduce((size, keys) => size + keys.data.length, 0)),
    rotation_levels: rotations.map(section),
    relinearisation: section(relinearisation),
  });
  return frame("evaluation-context", meta, context, ...all.map((keys) => keys.data));
}

/**
 * TenSEAL's message of ciphertexts.
 *
 * @param ciphertexts - packed.
 * @param scale - of all of them.
 */
export function ciphertextsMessage(ciphertexts: readonly Uint8Array[], scale: number): Bytes {
  const fields = ciphertexts.map((each) => encodeField(2, each));
  return concatenate([encodeField(1, new Uint8Array()), ...fields, encodeDouble(3, scale)]);
}

/**
 * The ciphertexts in a message.
 *
 * @param data - from a stranger; what is returned are views on it.
 * @param due - how many there must be.
 * @param ringDegree - N; the least that a ciphertext can be is longer.
 * @throws WireFormatError where it has more or fewer, unknown fields, or no scale, at the first that is wrong;
 * UnsupportedOperation where one is compressed.
 */
export function ciphertextsIn(data: Uint8Array, due: number, ringDegree: number): readonly Uint8Array[] {
  const what = "TenSEAL message";
  const found: Uint8Array[] = [];
  let scale = 0;
  for (const { number, value } of readFields(what, data)) {
    if (number === 2 && value instanceof Uint8Array) {
      if (found.length === due) {
        throw new WireFormatError(what, `it has more ciphertexts than ${due}`);
      }
      formOf("ciphertexts", value);
      if (value.length < ringDegree) {
        throw new WireFormatError(what, `a ciphertext of ${value.length} bytes is shorter than any`);
      }
      found.push(value);
    } else if (number === 3 && value instanceof Uint8Array && value.length === 8) {
      scale = new DataView(value.buffer, value.byteOffset, 8).getFloat64(0, true);
    } else if (!((number === 1 && value instanceof Uint8Array) || (number === 4 && typeof value === "bigint"))) {
      throw new WireFormatError(what, `unexpected field ${number}`);
    }
  }
  if (!found.length || found.length !== due || !(scale > 0 && scale < Number.POSITIVE_INFINITY)) {
    throw new WireFormatError(what, `it has ${found.length} ciphertexts of ${due}, or no positive finite scale`);
  }
  return found;
}

/** Fields by number; parsers differ about which of two counts, so that none may come twice. */
function once(what: string, data: Uint8Array): ReadonlyMap<number, bigint | Uint8Array> {
  const found = new Map<number, bigint | Uint8Array>();
  for (const { number, value } of readFields(what, data)) {
    if (found.has(number)) {
      throw new WireFormatError(what, `field ${number} comes twice`);
    }
    found.set(number, value);
  }
  return found;
}

function bytesIn(value: bigint | Uint8Array | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) {
    throw new WireFormatError(CONTEXT, "a key in it is missing");
  }
  return value;
}
