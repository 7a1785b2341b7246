/**
 * SEAL's objects packed, as fhenn's messages carry ciphertexts and keys, and as SEAL takes them
 * (`fhenn/ckks/packing.py`).
 */

import { pack } from "./bits.ts";
import { type Bytes, concatenate } from "./bytes.ts";
import {
  type Chain,
  ciphertextHead,
  type Form,
  type Minor,
  object,
  objectHeader,
  type Part,
  word,
} from "./structure.ts";

/** The version of SEAL that whoever computes has. */
const SERVERS: Minor = 3;

/** node-seal's. */
const OURS: Minor = 1;

/**
 * A ciphertext or public key as TenSEAL loads it, uncompressed.
 *
 * @param chain - of its parameters.
 * @param part - the ciphertext.
 */
export function plainForServer(chain: Chain, part: Part): Bytes {
  return object(bodyOf(chain, part, "plain", SERVERS), "plain", SERVERS);
}

/**
 * A ciphertext, packed.
 *
 * @param chain - of its parameters.
 * @param part - the ciphertext.
 */
export function packedCiphertext(chain: Chain, part: Part): Bytes {
  return object(bodyOf(chain, part, "packed", SERVERS), "packed", SERVERS);
}

/**
 * A ciphertext or public key as node-seal loads it.
 *
 * @param chain - of its parameters.
 * @param part - the ciphertext.
 */
export function forSeal(chain: Chain, part: Part): Bytes {
  return object(bodyOf(chain, part, "plain", OURS), "plain", OURS);
}

/**
 * The parts of one switching key as they stand in packed keys.
 *
 * @param chain - of its parameters.
 * @param parts - one for each digit.
 */
export function packedKey(chain: Chain, parts: readonly Part[]): Bytes {
  const pieces = parts.flatMap((part) => {
    const plain = bodyOf(chain, part, "plain", SERVERS).reduce((size, piece) => size + piece.length, 0);
    return [objectHeader(plain, "plain", SERVERS), ...bodyOf(chain, part, "packed", SERVERS)];
  });
  return concatenate([word(parts.length), ...pieces]);
}

/**
 * Relinearisation or Galois keys, packed.
 *
 * @param chain - of their parameters.
 * @param keys - of `packedKey`, by SEAL's index.
 */
export function packedKeys(chain: Chain, keys: ReadonlyMap<number, Uint8Array>): Bytes {
  const pieces: Uint8Array[] = [];
  let lists = 0;
  for (const [index, key] of [...keys].sort(([a], [b]) => a - b)) {
    pieces.push(new Uint8Array(8 * (index - lists)), key);
    lists = index + 1;
  }
  return object([chain.ofKeys, word(lists), ...pieces], "packed", SERVERS);
}

function bodyOf(chain: Chain, part: Part, form: Form, minor: Minor): readonly Uint8Array[] {
  const residues = part.residues.map((each, place) =>
    form === "packed"
      ? pack(each, chain.bits[place % part.primes] ?? 64)
      : new Uint8Array(each.buffer, each.byteOffset, each.byteLength),
  );
  const tail = part.seed === null ? [] : [objectHeader(part.seed.length, "plain", minor), part.seed];
  return [ciphertextHead(chain.ringDegree, part, minor), ...residues, ...tail];
}
