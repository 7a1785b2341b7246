/** Whether the fields of a plan from elsewhere can be those of a plan (`Plan._require_sane`, `Plan.require_errors`). */

import { WireFormatError } from "./errors.ts";
import { Malformed } from "./json.ts";
import { sameLayout, WholeSamples } from "./layout.ts";
import { leastErrors } from "./noise.ts";
import type { DataRanges, Plan } from "./plan.ts";
import { boxOf, isUnit } from "./scaling.ts";
import { affineShape, isActivation } from "./signature.ts";

const MOST_ROWS = 2 ** 40;
const MOST_SAMPLES = 2 ** 40;
const MOST_DIMENSIONS = 32;
const MOST_QUERIES = 1n << 64n;

/**
 * Throws Malformed where fields contradict one another.
 *
 * @param highs - how many upper bounds there are.
 * @param rotations - steps that need a key.
 * @param rotationLevels - the level of each, or none.
 * @param queries - samples whose results may be shared.
 * @param spare - levels more than the model takes.
 */
export function requireSane(
  plan: Plan,
  highs: number,
  rotations: readonly number[],
  rotationLevels: readonly number[],
  queries: bigint,
  spare: number,
): void {
  const { parameters, layout, result, signature, outputs, shape } = plan;
  const { levels, slots } = parameters;
  const names = plan.featureNames?.map((name) => name.normalize("NFC")) ?? [];
  const sane =
    new Set(names).size === names.length &&
    [...plan.low, ...plan.high, plan.accuracy, plan.error, plan.deviation, plan.approximation].every(Number.isFinite) &&
    plan.features === highs &&
    highs > 0 &&
    plan.low.every((low, place) => low <= (plan.high[place] as number)) &&
    rotations.every((steps) => steps > 0 && steps < slots) &&
    (rotationLevels.length === 0 || rotationLevels.length === rotations.length) &&
    rotationLevels.every((level) => level >= 0 && level <= levels) &&
    spare >= 0 &&
    spare < Math.max(levels, 1) &&
    plan.accuracy > 0 &&
    (plan.featureNames === null || names.length === plan.features) &&
    plan.worst > 0 &&
    (signature.length > 1 || plan.steps.length === 0) &&
    (plan.model === null || /^[0-9a-f]{16}$/.test(plan.model)) &&
    (plan.preparation === null || /^[0-9a-f]{32}$/.test(plan.preparation)) &&
    queries >= 0n &&
    queries <= MOST_QUERIES &&
    plan.rows > 0 &&
    plan.rows <= MOST_ROWS &&
    (outputs === null || (Number.isFinite(outputs[0]) && Number.isFinite(outputs[1]) && outputs[0] <= outputs[1])) &&
    Math.min(plan.error, plan.deviation, plan.approximation) >= 0 &&
    (!(layout instanceof WholeSamples) || layout.holds(plan.features, slots)) &&
    hasSaneTargets(plan) &&
    (shape === null || isShapeOf(shape, plan.features)) &&
    (result === null ||
      (result.outputs > 0 &&
        result.outputs < 2 ** 32 &&
        result.level >= 0 &&
        result.level <= levels &&
        (layout instanceof WholeSamples
          ? result.layout instanceof WholeSamples
          : sameLayout(result.layout, layout)))) &&
    (plan.units.length === 0 ||
      (result !== null &&
        plan.units.length === result.outputs &&
        plan.units.every(isUnit) &&
        affineShape(signature.at(-2) ?? "") !== null)) &&
    (plan.distance === null || (plan.distance >= 0 && plan.distance < Number.POSITIVE_INFINITY)) &&
    (plan.ranges === null || hasSaneRanges(plan.ranges, signature.slice(0, -1).filter(isActivation).length));
  if (!sane) {
    throw new Malformed("a field is out of range, or contradicts another one");
  }
}

function hasSaneTargets({ layout, targets, signature, parameters }: Plan): boolean {
  const shapes = signature
    .slice(0, -1)
    .map(affineShape)
    .filter((each) => each !== null);
  return (
    targets.length === 0 ||
    (layout instanceof WholeSamples &&
      shapes.length === targets.length &&
      targets.every(
        (target, place) =>
          target === null ||
          (target.isPlain &&
            target.samples === layout.samples &&
            target.holds(shapes[place]?.outputs ?? 0, parameters.slots)),
      ))
  );
}

function hasSaneRanges({ samples, margin, intervals }: DataRanges, activations: number): boolean {
  return (
    samples > 0 &&
    samples <= MOST_SAMPLES &&
    margin >= 1 &&
    margin < Number.POSITIVE_INFINITY &&
    intervals.flat().every(Number.isFinite) &&
    intervals.every(([low, high]) => low <= high) &&
    intervals.length === activations &&
    activations > 0
  );
}

/** Throws WireFormatError where a plan states less error than any model of its shape makes. */
export function requireErrors(plan: Plan): void {
  const box = boxOf(plan.low, plan.high);
  const largest = plan.low.map((low, place) =>
    plan.scaled
      ? Number((box.half[place] as number) > 0)
      : Math.max(Math.abs(low), Math.abs(plan.high[place] as number)),
  );
  const { layout, targets, parameters } = plan;
  const nodes = plan.signature.slice(0, -1);
  const least = leastErrors({ parameters, layout, targets, nodes, largest, centred: plan.evaluator === "native" });
  // Python's least digit may be another one
  const slack = 1 - 1e-9;
  const sane =
    least.error * slack <= plan.error &&
    least.worst * slack <= plan.worst &&
    plan.deviation <= plan.error &&
    plan.error <= plan.worst;
  if (!sane) {
    throw new WireFormatError("plan", "it states less error than any model of its shape and parameters makes");
  }
}

function isShapeOf(sizes: readonly number[], features: number): boolean {
  const modest = sizes.length > 0 && sizes.length <= MOST_DIMENSIONS && sizes.every((size) => size > 0);
  return modest && sizes.reduce((whole, size) => whole * size, 1) === features;
}
