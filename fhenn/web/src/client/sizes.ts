/** How many bytes ciphertexts and keys take in messages (`fhenn/ckks/sizes.py`). */

import { packedSize } from "./bits.ts";

/**
 * Bytes of a ciphertext that are no residues: headers, id, fields, count; and a seed where one polynomial is there
 * alone.
 */
const HEAD = 2 * 16 + 32 + 41 + 8;
const SEED = 16 + 65;

/**
 * Bytes of a ciphertext.
 *
 * @param ringDegree - N.
 * @param bits - of the primes under it.
 * @param polynomials - 2, or 1 where the random half is a seed.
 */
export function bytesOfPolynomials(ringDegree: number, bits: readonly number[], polynomials: 1 | 2): number {
  const residues = bits.reduce((sum, each) => sum + packedSize(ringDegree, each), 0);
  return HEAD + (polynomials === 1 ? SEED : 0) + polynomials * residues;
}

/**
 * Bytes of a switching key, whose random half is sent as seeds.
 *
 * @param bits - of the primes that it is over: those of the ciphertexts, and the special one.
 */
export function bytesOfKey(ringDegree: number, bits: readonly number[]): number {
  return (bits.length - 1) * bytesOfPolynomials(ringDegree, bits, 1) + 8;
}

/** Bytes of a public key as this client sends it: not packed, its random half a seed. */
export function bytesOfPublicKey(ringDegree: number, bits: readonly number[]): number {
  return HEAD + SEED + 8 * ringDegree * bits.length;
}
