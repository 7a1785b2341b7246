/** What a plan may demand of the client that takes it: a stranger may have written it (`fhenn/planner/demands.py`). */

import { PlanError } from "./errors.ts";
import { Malformed } from "./json.ts";
import { WholeSamples } from "./layout.ts";
import type { Plan } from "./plan.ts";
import { affineShape } from "./signature.ts";
import { bytesOfKey } from "./sizes.ts";

/** Bytes of a plan as JSON. */
export const LARGEST_PLAN = 16 << 20;

/** Bytes that a client takes for keys, or for the ciphertexts that one sample needs, unless it is told otherwise. */
export const MEMORY = 400e6;

const MOST_FEATURES = 1 << 17;
const MOST_NODES = 256;
const LONGEST_NAME = 512;
const MOST_CONTAINERS = 1 << 18;
const MOST_PARTS = 1 << 20;
const LARGEST_HEADER = 512;
const LARGEST_FRAME = 1 << 17;

/** What WebAssembly, its keys for encryption, and a page take of themselves beside. */
const CONTEXT_KEYS = 8;
const COPIES_OF_KEYS = 2.1;
const COPIES_OF_CIPHERTEXTS = 2;
const BYTES_PER_SLOT = 20;

/**
 * Throws Malformed, before it is parsed, where a plan is longer, or has more parts, than any of `fhenn.plan`.
 *
 * @param written - the plan as JSON.
 */
export function requireShort(written: string): void {
  if (written.length > LARGEST_PLAN) {
    throw new Malformed(`its ${written.length} characters are more than ${LARGEST_PLAN}`);
  }
  let [containers, parts] = [0, 0];
  for (let at = 0; at < written.length; at += 1) {
    const code = written.charCodeAt(at);
    containers += code === 0x5b || code === 0x7b ? 1 : 0;
    parts += code === 0x2c ? 1 : 0;
  }
  if (containers > MOST_CONTAINERS || parts > MOST_PARTS) {
    throw new Malformed("its brackets and commas are more parts than any plan has");
  }
}

/**
 * Throws Malformed where a plan asks for more than any plan of `fhenn.plan`.
 *
 * @param plan - to be checked.
 * @param stages - names of its stages, which a public plan has none of.
 */
export function requireModest(plan: Plan, rotations: readonly number[], stages: readonly string[]): void {
  const { signature, witnesses, layout, parameters } = plan;
  if (plan.features > MOST_FEATURES) {
    throw new Malformed(`${plan.features} features are more than ${MOST_FEATURES}`);
  }
  if (Math.max(signature.length, stages.length, witnesses.length) > MOST_NODES) {
    throw new Malformed(`it has more than ${MOST_NODES} nodes or witnesses`);
  }
  if (
    [...signature, ...stages, ...witnesses.map((each) => each.node)].some((name) => [...name].length > LONGEST_NAME)
  ) {
    throw new Malformed(`a name is longer than ${LONGEST_NAME} characters`);
  }
  const ascend = witnesses.every((each, place) => place === 0 || (witnesses[place - 1]?.place ?? 0) < each.place);
  if (!ascend || witnesses.some((each) => each.neurons > MOST_FEATURES)) {
    throw new Malformed(`its witnesses must ascend by place and be for at most ${MOST_FEATURES} neurons each`);
  }
  const vectors = layout instanceof WholeSamples;
  if (plan.layoutName === "latency" ? !vectors : layout.name !== "features") {
    throw new Malformed(`its layout '${layout.name}' does not go with the layout_name '${plan.layoutName}'`);
  }
  const together = vectors ? layout.samples : parameters.slots;
  const positions = Math.floor(parameters.slots / together);
  const bound = (width: number) => 2 * isqrt(2 * Math.max(positions, 2 * Math.min(width, MOST_FEATURES)));
  const widths = signature.map(affineShape).filter((each) => each !== null);
  const most = widths.reduce((sum, each) => sum + bound(each.inputs), 0) + 2 * (Math.floor(Math.log2(positions)) + 1);
  const whole = rotations.every((steps) => steps > 0 && steps < parameters.slots && steps % together === 0);
  if (!whole || new Set(rotations).size < rotations.length || rotations.length > most) {
    throw new Malformed(`it asks for ${rotations.length} rotations, which no matrix product of its layout makes`);
  }
}

/** About how many bytes of memory it takes to make a plan's keys. */
export function memoryOfKeys(plan: Plan): number {
  const rotations = [...plan.rotationKeys.values()].reduce((sum, level) => sum + wordsOfKey(plan, level), 0);
  return wordsOfKey(plan, plan.parameters.levels) * CONTEXT_KEYS + rotations + COPIES_OF_KEYS * plan.bytesOfKeys;
}

/** About how many bytes of memory it takes to encrypt the samples that share ciphertexts. */
export function memoryOfUpload(plan: Plan): number {
  const each = BYTES_PER_SLOT * plan.parameters.slots + COPIES_OF_CIPHERTEXTS * plan.bytesPerCiphertext;
  return plan.ciphertextsPerSample * each;
}

/**
 * Bytes that an answer has at most, with every witness of the plan, as SEAL keeps it before it is packed.
 *
 * @param plan - of the model.
 * @param rows - that the answer is for.
 */
export function bytesOfAnswer(plan: Plan, rows: number): number {
  const groups = Math.ceil(rows / plan.samplesPerCiphertext) * ciphertextsOfOutputs(plan);
  const each = 16 * plan.parameters.ringDegree * (plan.parameters.levels + 1) * 1.02 + LARGEST_HEADER;
  return Math.ceil((1 + plan.witnesses.length) * (groups * each + LARGEST_FRAME));
}

/** Ciphertexts that hold the outputs of the samples that share ciphertexts. */
function ciphertextsOfOutputs(plan: Plan): number {
  if (plan.layout instanceof WholeSamples) {
    return plan.targets.length ? (plan.targets.at(-1)?.tiles ?? 1) : 1;
  }
  const widths = plan.signature.map(affineShape).filter((each) => each !== null);
  return Math.min(widths.at(-1)?.outputs ?? MOST_FEATURES, MOST_FEATURES);
}

/**
 * Throws PlanError where something takes more memory than is allowed.
 *
 * @param what - takes it, in the plural, for instance "the keys".
 * @param needed - bytes that it takes.
 * @param allowed - bytes that it may take.
 */
export function requireMemory(what: string, needed: number, allowed: number): void {
  if (needed > allowed) {
    const enough = Math.ceil(needed / 1e8) * 100;
    throw new PlanError(
      `${what} of this plan take about ${Math.ceil(needed / 1e6)} MB of memory; ` +
        `allowed are ${Math.floor(allowed / 1e6)} MB.`,
      `If you trust whoever made the plan, allow more: memory: ${enough}e6.`,
    );
  }
}

/** About how many bytes of keys a plan takes. */
export function bytesOfSwitchingKeys(plan: Pick<Plan, "parameters" | "rotationKeys" | "relinearisationLevel">): number {
  const { ringDegree, chain } = plan.parameters;
  return [plan.relinearisationLevel, ...plan.rotationKeys.values()].reduce(
    (sum, level) => sum + bytesOfKey(ringDegree, [...chain.slice(0, level + 1), chain.at(-1) ?? 0]),
    0,
  );
}

function wordsOfKey(plan: Plan, level: number): number {
  return 16 * plan.parameters.ringDegree * (level + 1) * (level + 2);
}

function isqrt(value: number): number {
  return Math.floor(Math.sqrt(value)); // exact below 2^52
}
