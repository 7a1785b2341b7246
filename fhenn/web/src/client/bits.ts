/** Residues in as many bits as their prime has, one after another, lowest bits first (`fhenn/ckks/bits.py`). */

import type { Bytes } from "./bytes.ts";

/**
 * Bytes of packed numbers.
 *
 * @param count - a multiple of 8.
 * @param bits - of each, 9 to 64.
 */
export function packedSize(count: number, bits: number): number {
  return (count / 8) * bits;
}

/**
 * Numbers below 2^bits, packed.
 *
 * @param numbers - two little-endian words each, the lower one first; as many as a multiple of 32.
 * @param bits - of each, 9 to 63.
 */
export function pack(numbers: Uint32Array, bits: number): Bytes {
  const count = numbers.length / 2;
  const words = new Uint32Array(packedSize(count, bits) / 4 + 3);
  for (let place = 0, bit = 0; place < count; place += 1, bit += bits) {
    const [low, high] = [numbers[2 * place] as number, numbers[2 * place + 1] as number];
    const [at, shift] = [bit >>> 5, bit & 31];
    words[at] = (words[at] as number) | (low << shift);
    if (shift === 0) {
      words[at + 1] = high;
    } else {
      words[at + 1] = (words[at + 1] as number) | (low >>> (32 - shift)) | (high << shift);
      words[at + 2] = high >>> (32 - shift);
    }
  }
  return new Uint8Array(words.buffer, 0, packedSize(count, bits));
}

/**
 * Packed numbers, each in two little-endian words.
 *
 * @param data - of `pack`, as many bytes as it gives.
 * @param bits - of each, 9 to 63.
 */
export function unpack(data: Uint8Array, bits: number): Uint32Array<ArrayBuffer> {
  const count = (data.length * 8) / bits;
  const words = new Uint32Array(Math.ceil(data.length / 4) + 3);
  new Uint8Array(words.buffer).set(data);
  const numbers = new Uint32Array(2 * count);
  const lowMask = bits >= 32 ? 0xffffffff : (1 << bits) - 1;
  const highMask = bits <= 32 ? 0 : 2 ** (bits - 32) - 1;
  for (let place = 0, bit = 0; place < count; place += 1, bit += bits) {
    const [at, shift] = [bit >>> 5, bit & 31];
    const [first, second, third] = [words[at] as number, words[at + 1] as number, words[at + 2] as number];
    numbers[2 * place] = (shift === 0 ? first : (first >>> shift) | (second << (32 - shift))) & lowMask;
    numbers[2 * place + 1] = (shift === 0 ? second : (second >>> shift) | (third << (32 - shift))) & highMask;
  }
  return numbers;
}
