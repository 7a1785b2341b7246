/** SEAL's context of a chain of primes, and what node-seal's objects need around them. */

import type { Bytes } from "./bytes.ts";
import { PlanError } from "./errors.ts";
import type { Seal } from "./loadseal.ts";
import type { Chain } from "./structure.ts";

/** An object in SEAL's memory, which nothing else frees. */
export interface Freed {
  delete(): void;
}

/** SEAL's context, and the chain that structure is checked by. */
export interface SealContext extends Freed {
  readonly context: InstanceType<Seal["SEALContext"]>;
  readonly chain: Chain;
}

/**
 * What `use` makes of an object, which is freed.
 *
 * @param made - the object.
 */
export function using<T extends Freed, R>(made: T, use: (made: T) => R): R {
  try {
    return use(made);
  } finally {
    made.delete();
  }
}

/** The bytes of one of SEAL's objects, as it saves them uncompressed. */
export function saved(seal: Seal, made: { saveToArray(mode: Seal["ComprModeType"]["none"]): unknown }): Bytes {
  return made.saveToArray(seal.ComprModeType.none) as Bytes;
}

/** What SEAL says where it throws; its exceptions are none of JavaScript's. */
export function reasonOf(error: unknown): string {
  const message = (error as { readonly message?: unknown } | null)?.message;
  return Array.isArray(message) ? String(message.at(-1)) : String(message ?? error);
}

/**
 * SEAL's context of a chain, for its keys and for ciphertexts of all its primes but the special one.
 *
 * Contexts for fewer primes are made where they are needed: a ciphertext of a longer chain that is at one of its levels
 * is
 * at home in the context of that level, and tables of roots take WebAssembly up to 0.1 s for each prime.
 *
 * @param seal - of `loadSeal`.
 * @param ringDegree - N.
 * @param primes - first prime first, special one last, at 128-bit security.
 * @throws PlanError where SEAL refuses them.
 */
export function sealContextOf(seal: Seal, ringDegree: number, primes: readonly bigint[]): SealContext {
  const context = using(new seal.EncryptionParameters(seal.SchemeType.ckks), (parameters) =>
    using(new seal.VectorModulus(), (moduli) => {
      parameters.setPolyModulusDegree(ringDegree);
      for (const prime of primes) {
        using(new seal.Modulus(prime), (modulus) => moduli.push_back(modulus));
      }
      parameters.setCoeffModulus(moduli);
      return new seal.SEALContext(parameters, false, seal.SecLevelType.tc128);
    }),
  );
  if (!context.parametersSet()) {
    context.delete();
    throw new PlanError("SEAL refuses the parameters of the plan.", "Ask whoever sent it to plan again.");
  }
  const bits = primes.map((prime) => prime.toString(2).length);
  const chain = {
    ringDegree,
    bits,
    ofKeys: using(context.keyParmsId(), identityOf),
    ofCiphertexts: using(context.firstParmsId(), identityOf),
  };
  return { context, chain, delete: () => context.delete() };
}

function identityOf(id: { values(): unknown }): Uint8Array {
  return new Uint8Array((id.values() as BigUint64Array).slice().buffer);
}
