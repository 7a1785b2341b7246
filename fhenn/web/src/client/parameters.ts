/** CKKS parameters: ring degree, modulus chain and scale, at 128-bit security (`fhenn/ckks/parameters.py`). */

import { sha256, utf8 } from "./bytes.ts";
import { ParameterError } from "./errors.ts";
import { reprOfFloat } from "./json.ts";
import { primesOf } from "./primes.ts";

/**
 * Bits of the whole modulus, special prime included, at 128-bit security and a ternary secret, by ring degree
 * (Homomorphic Encryption Security Standard, 2018, table 1; Microsoft SEAL enforces the same).
 */
export const MAX_MODULUS_BITS: ReadonlyMap<number, number> = new Map([
  [1024, 27],
  [2048, 54],
  [4096, 109],
  [8192, 218],
  [16384, 438],
  [32768, 881],
]);

/** SEAL's limit for one prime. */
const LARGEST_PRIME_BITS = 60;

/** More than 128-bit security leaves room for. */
const MOST_PRIMES = 64;

/** Ring degree, modulus chain and scale of a plan. */
export interface Parameters {
  /** N, a power of two from 1024 to 32768; a ciphertext has N/2 slots. */
  readonly ringDegree: number;
  /** Bits of every prime, the first prime first and the special prime last. */
  readonly chain: readonly number[];
  /** Of fresh ciphertexts. */
  readonly scale: number;
  /** The primes, in the order of `chain`. */
  readonly primes: readonly bigint[];
  /** Rescales that a fresh ciphertext has. */
  readonly levels: number;
  /** Values that one ciphertext holds. */
  readonly slots: number;
  /** 16 hexadecimal digits that differ from parameters to parameters. */
  readonly fingerprint: string;
}

/**
 * Parameters, checked.
 *
 * @throws ParameterError where ring and chain are below 128-bit security, anything is out of range, or there are not so
 * many primes of a size that are 1 modulo 2N.
 */
export async function parametersOf(ringDegree: number, chain: readonly number[], scale: number): Promise<Parameters> {
  const limit = MAX_MODULUS_BITS.get(ringDegree);
  const bits = total(chain);
  if (limit === undefined) {
    throw new ParameterError(
      `ring_degree must be one of ${[...MAX_MODULUS_BITS.keys()].join(", ")}, not ${ringDegree}.`,
    );
  }
  if (bits > limit) {
    throw new ParameterError(`a modulus of ${bits} bits at ring degree ${ringDegree} is below 128-bit security.`);
  }
  if (chain.length < 2 || chain.length > MOST_PRIMES || chain.some((each) => each < 15 || each > LARGEST_PRIME_BITS)) {
    throw new ParameterError(
      "chain must be a first prime, primes for the levels and a special prime, each of 15 to " +
        `${LARGEST_PRIME_BITS} bits.`,
    );
  }
  const primes = primesOf(ringDegree, chain);
  if (primes === null) {
    throw new ParameterError(
      `there are not enough primes for the chain ${chain.join(", ")} at ring degree ${ringDegree}.`,
    );
  }
  if (!(scale > 1 && scale < 2 ** total(chain.slice(0, -1)))) {
    throw new ParameterError("scale must be above 1 and below the modulus of fresh ciphertexts.");
  }
  const written = `(${ringDegree}, (${chain.join(", ")}), ${reprOfFloat(scale)})`;
  const fingerprint = (await sha256(utf8(written))).slice(0, 16);
  return { ringDegree, chain, scale, primes, levels: chain.length - 2, slots: ringDegree / 2, fingerprint };
}

/** The product of the primes under a ciphertext at a level. */
export function modulusAt({ primes }: Pick<Parameters, "primes">, level: number): number {
  return primes.slice(0, level + 1).reduce((product, prime) => product * Number(prime), 1);
}

function total(bits: readonly number[]): number {
  return bits.reduce((sum, each) => sum + each, 0);
}
