/** Protobuf's wire format, for bytes from strangers (`fhenn/protobuf.py`). */

import { type Bytes, concatenate } from "./bytes.ts";
import { WireFormatError } from "./errors.ts";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
const LONGEST_VARINT = 10;

/** Bytes of a number that 32 bits hold, which is read without a bigint. */
const SHORT_VARINT = 4;

/** A field of a message: a number, or bytes (a view). */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/**
 * The fields of a message, in order.
 *
 * @param what - the message, as errors call it.
 * @param data - the whole of it, from a stranger.
 * @throws WireFormatError where a field runs past the end, or its number or type is none.
 */
export function* readFields(what: string, data: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number | bigint => {
    let short = 0;
    for (let length = 0; length < SHORT_VARINT; length += 1) {
      const byte = data[at + length];
      if (byte === undefined) {
        throw new WireFormatError(what, "it ends in the middle of a field");
      }
      short |= (byte & 0x7f) << (7 * length);
      if (byte < 0x80) {
        at += length + 1;
        return short;
      }
    }
    let value = 0n;
    for (let length = 0; length < LONGEST_VARINT; length += 1) {
      const byte = data[at];
      if (byte === undefined) {
        throw new WireFormatError(what, "it ends in the middle of a field");
      }
      at += 1;
      value |= BigInt(byte & 0x7f) << BigInt(7 * length);
      if (byte < 0x80 && value < 1n << 64n) {
        return value;
      }
      if (byte < 0x80) {
        break;
      }
    }
    throw new WireFormatError(what, "a number in it is too long");
  };
  while (at < data.length) {
    const key = varint();
    const [number, type] = [Math.floor(Number(key) / 8), Number(key) % 8];
    if (number === 0 || key >= 2 ** 32) {
      throw new WireFormatError(what, `no field has the number ${number}`);
    }
    if (type === VARINT) {
      yield { number, value: BigInt(varint()) };
      continue;
    }
    if (type !== FIXED64 && type !== BYTES && type !== FIXED32) {
      throw new WireFormatError(what, `unknown wire type ${type}`);
    }
    const size = type === BYTES ? varint() : type === FIXED64 ? 8 : 4;
    if (size > data.length - at) {
      throw new WireFormatError(what, "it ends in the middle of a field");
    }
    const end = at + Number(size);
    yield { number, value: data.subarray(at, end) };
    at = end;
  }
}

/** A number, not negative, as a varint. */
export function encodeVarint(value: number | bigint): Bytes {
  const bytes: number[] = [];
  let left = BigInt(value);
  for (; left > 0x7fn; left >>= 7n) {
    bytes.push(Number(left & 0x7fn) | 0x80);
  }
  return Uint8Array.from([...bytes, Number(left)]);
}

/** A field: a number, or bytes with their length. */
export function encodeField(number: number, value: number | bigint | Uint8Array): Bytes {
  if (value instanceof Uint8Array) {
    return concatenate([encodeHead(number, value.length), value]);
  }
  return concatenate([encodeVarint((number << 3) | VARINT), encodeVarint(value)]);
}

/** What stands before so many bytes that are a field. */
export function encodeHead(number: number, size: number): Bytes {
  return concatenate([encodeVarint((number << 3) | BYTES), encodeVarint(size)]);
}

/** A field that is a float of 64 bits. */
export function encodeDouble(number: number, value: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return concatenate([encodeVarint((number << 3) | FIXED64), bytes]);
}
