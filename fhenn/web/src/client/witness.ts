/** The number that a server returns for one activation, and how to read it (`fhenn/planner/witness.py`). */

import { Fields, optional, pair, real, text, whole } from "./built.ts";
import { type Json, type JsonObject, Malformed, objectOf } from "./json.ts";
import type { Witness } from "./plan.ts";

const DEGREES = [8, 4, 2];

/**
 * The witness in a JSON value.
 *
 * @param value - from a stranger.
 * @param levels - of the plan's chain.
 * @throws Malformed where it is none, or states what cannot be.
 */
export function witnessFromJson(value: Json, levels: number): Witness {
  const fields = new Fields(value);
  const witness: Witness = {
    node: fields.need("node", text),
    place: fields.need("place", whole),
    domain: fields.need("domain", pair),
    neurons: fields.need("neurons", whole),
    degree: fields.need("degree", whole),
    inner: fields.need("inner", real),
    threshold: fields.need("threshold", real),
    error: fields.need("error", real),
    headroom: fields.need("headroom", real),
    start: fields.need("start", whole),
    level: fields.need("level", whole),
    limit: fields.take("limit", optional(real), null),
    chance: fields.take("chance", real, 1),
  };
  fields.end();
  const { domain, inner, threshold, error, headroom, start, level, limit, chance } = witness;
  const sane =
    [witness.place, witness.neurons, witness.degree, start, level].every((count) => count >= 0) &&
    [...domain, inner, threshold, error, headroom].every(Number.isFinite) &&
    domain[0] < domain[1] &&
    DEGREES.includes(witness.degree) &&
    witness.neurons > 0 &&
    level <= start &&
    start <= levels &&
    0 < inner &&
    inner <= 1 &&
    0 < chance &&
    chance <= 1 &&
    (limit === null || (threshold <= limit && limit < Number.POSITIVE_INFINITY));
  if (!sane) {
    throw new Malformed("a field of a witness is out of range, or contradicts another one");
  }
  return witness;
}

/** The fields as they are written, without those at their defaults. */
export function witnessToJson(witness: Witness): JsonObject {
  return objectOf({
    node: witness.node,
    place: BigInt(witness.place),
    domain: witness.domain,
    neurons: BigInt(witness.neurons),
    degree: BigInt(witness.degree),
    inner: witness.inner,
    threshold: witness.threshold,
    error: witness.error,
    headroom: witness.headroom,
    start: BigInt(witness.start),
    level: BigInt(witness.level),
    limit: witness.limit ?? undefined,
    chance: witness.chance === 1 ? undefined : witness.chance,
  });
}

/**
 * Whether decrypted numbers of a sample raise an alarm: one above the threshold, or below what any input can give.
 *
 * @param numbers - of the sample; NaN raises an alarm.
 */
export function alarms(witness: Witness, numbers: Float64Array): boolean {
  return !numbers.every((number) => number >= leastOf(witness) && number <= witness.threshold);
}

/**
 * Whether decrypted numbers of a sample may have wrapped round, or come of what made the outputs wrap.
 *
 * All samples that share a ciphertext with it may be garbage.
 *
 * @param numbers - of the sample.
 * @param most - what their ciphertexts hold.
 */
export function condemns(witness: Witness, numbers: Float64Array, most: number): boolean {
  const limit = witness.limit === null ? most : Math.min(witness.limit, most);
  return !numbers.every((number) => number >= leastOf(witness) && number <= limit);
}

/** The least number that inputs can give, its error counted: T is -1 at least, and t² is 0. */
function leastOf({ threshold, degree, error, neurons }: Witness): number {
  const spare = threshold - (degree === 2 ? 1 - error : 2 * neurons);
  return spare - (degree === 2 ? 0 : neurons) - error;
}
