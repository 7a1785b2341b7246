/** Plans from JSON, with every check that the Python client makes (`Plan.from_json`). */

import { Fields, listOf, long, oneOf, optional, pair, real, text, truth, whole } from "./built.ts";
import { sha256, utf8 } from "./bytes.ts";
import { bytesOfSwitchingKeys, requireModest, requireShort } from "./demands.ts";
import { FhennError, PlanError, WireFormatError } from "./errors.ts";
import { isObject, type Json, Malformed, objectOf, readJson, writeJson } from "./json.ts";
import { type Layout, layoutFromJson, WholeSamples } from "./layout.ts";
import { type Parameters, parametersOf } from "./parameters.ts";
import type { DataRanges, Plan, Result, Steps } from "./plan.ts";
import { requireErrors, requireSane } from "./plansanity.ts";
import { bytesOfPolynomials, bytesOfPublicKey } from "./sizes.ts";
import { witnessFromJson, witnessToJson } from "./witness.ts";

const EVALUATORS: ReadonlySet<string> = new Set(["seal", "native"]);
const MOST_STEPS = 2 ** 40;

/** Kinds of steps times levels, a few times over. */
const MOST_KINDS_OF_STEPS = 1 << 13;

/** Positions that a plan from elsewhere may name for the outputs of all layers. */
const MOST_PLACES = 1 << 22;

const KINDS = [
  "plain product",
  "product",
  "relinearisation",
  "rescale",
  "rotation",
  "hoisted rotation",
  "addition",
  "number",
  "vector",
] as const;

/**
 * The plan in JSON text.
 *
 * @param written - of Python's `Plan.to_json`, from a stranger.
 * @throws WireFormatError where it is no plan, states something impossible, or less error than any model of its shape
 * makes; PlanError where it is for an evaluator that is not known here.
 */
export async function planFromJson(written: string): Promise<Plan> {
  try {
    requireShort(written);
    const fields = new Fields(readJson(written, true));
    const kind = fields.need("kind", text);
    if (kind !== "fhenn-plan" || fields.need("version", whole) !== 1) {
      throw new Malformed("another kind or version");
    }
    const plan = await planOf(fields);
    if (!EVALUATORS.has(plan.evaluator)) {
      throw new PlanError(
        `the plan is for another evaluator: '${plan.evaluator.slice(0, 40)}'.`,
        "Ask whoever sent it for a plan for 'native' or 'seal'.",
      );
    }
    requireErrors(plan);
    return plan;
  } catch (error) {
    const refused = error instanceof Malformed || error instanceof RangeError; // as in readVersioned
    if (refused || (error instanceof FhennError && error.name === "ParameterError")) {
      throw new WireFormatError("plan", `it is not readable (${error.message})`);
    }
    throw error;
  }
}

async function planOf(fields: Fields): Promise<Plan> {
  const layout = await layoutFromJson(fields.need("layout", (value) => value));
  const resultJson = fields.take("result", (value) => value, null);
  const targets = await targetsOf(fields);
  const parameters = await parametersFromJson(fields.need("parameters", (value) => value));
  const result = resultJson === null ? null : await resultOf(resultJson);
  const rotations = fields.need("rotations", listOf(whole));
  const rotationLevels = fields.take("rotation_levels", listOf(whole), []);
  const stages = fields.need("stages", listOf(stageOf));
  const [low, high] = [fields.need("low", listOf(real)), fields.need("high", listOf(real))];
  const steps = fields.take(
    "steps",
    listOf((value) => stepsOf(value, parameters.levels)),
    [],
  );
  if (steps.length > MOST_KINDS_OF_STEPS) {
    throw new Malformed(`it lists ${steps.length} steps, more than any plan has`);
  }
  const queries = fields.take("queries", long, 0n);
  const [publicKey, spare] = [fields.take("public_key", truth, false), fields.take("spare", whole, 0)];
  const stated = {
    parameters,
    layout,
    layoutName: fields.need("layout_name", oneOf("latency", "throughput")),
    signature: fields.need("signature", listOf(text)),
    steps,
    ranges: fields.take("ranges", optional(rangesOf), null),
    targets,
    rotationKeys: new Map(rotations.map((turn, place) => [turn, rotationLevels[place] ?? parameters.levels])),
    relinearisationLevel: steps.length
      ? steps.reduce((most, { kind, level }) => (kind === "relinearisation" ? Math.max(most, level) : most), 0)
      : parameters.levels,
    low: Float64Array.from(low),
    high: Float64Array.from(high),
    error: fields.need("error", real),
    accuracy: fields.need("accuracy", real),
    deviation: fields.need("deviation", real),
    approximation: fields.need("approximation", real),
    worst: fields.take("worst", real, Number.POSITIVE_INFINITY),
    finish: fields.need("finish", optional(oneOf("sigmoid", "softmax", "argmax"))),
    witnesses: fields.take(
      "witnesses",
      listOf((value) => witnessFromJson(value, parameters.levels)),
      [],
    ),
    outputs: fields.take("outputs", optional(pair), null),
    model: fields.take("model", optional(text), null),
    result,
    featureNames: fields.take("feature_names", optional(listOf(text)), null),
    evaluator: fields.take("evaluator", text, "seal"),
    rows: fields.take("rows", whole, 1),
    scaled: fields.take("scaled", truth, false),
    units: fields.take("units", listOf(real), []),
    shape: fields.take("shape", optional(listOf(whole)), null),
    preparation: fields.take("preparation", optional(text), null),
    distance: fields.take("distance", optional(real), null),
    features: low.length,
  };
  fields.end();
  const samplesPerCiphertext = layout instanceof WholeSamples ? layout.samples : parameters.slots;
  const written: readonly (readonly [string, Json])[] = [
    ["layout", layout.json],
    ["layout_name", stated.layoutName],
    ["rotations", rotations.map(BigInt)],
    ["low", low],
    ["high", high],
    ["accuracy", stated.accuracy],
    ["error", stated.error],
    ["deviation", stated.deviation],
    ["approximation", stated.approximation],
    ["signature", stated.signature],
    ["finish", stated.finish],
    ["parameters", parametersToJson(parameters)],
    ...unless<Json>("worst", stated.worst, stated.worst === Number.POSITIVE_INFINITY),
    ...unless<Json>("queries", queries, queries === 0n),
    ...unless<Json>("witnesses", stated.witnesses.map(witnessToJson), !stated.witnesses.length),
    ...unless<Json>("outputs", stated.outputs, stated.outputs === null),
    ...unless<Json>("model", stated.model, stated.model === null),
    ...unless<Json>("result", resultToJson(result), result === null),
    ...unless<Json>("feature_names", stated.featureNames, stated.featureNames === null),
    ...unless<Json>("evaluator", stated.evaluator, stated.evaluator === "seal"),
    ...unless<Json>("rows", BigInt(stated.rows), stated.rows === 1),
    ...unless<Json>("steps", steps.map(stepsToJson), !steps.length),
    ...unless<Json>("scaled", stated.scaled, !stated.scaled),
    ...unless<Json>("ranges", rangesToJson(stated.ranges), stated.ranges === null),
    ...unless<Json>("units", stated.units, !stated.units.length),
    ...unless<Json>("distance", stated.distance, stated.distance === null),
    ...unless<Json>("rotation_levels", rotationLevels.map(BigInt), !rotationLevels.length),
    ...unless<Json>("public_key", publicKey, !publicKey),
    ...unless<Json>(
      "targets",
      stated.targets.map((each) => each?.json ?? null),
      !targets.length,
    ),
    ...unless<Json>("shape", stated.shape?.map(BigInt) ?? null, stated.shape === null),
    ...unless<Json>("preparation", stated.preparation, stated.preparation === null),
    ...unless<Json>("spare", BigInt(spare), spare === 0),
  ];
  const freshBits = parameters.chain.slice(0, -1);
  const plan: Plan = {
    ...stated,
    samplesPerCiphertext,
    ciphertextsPerSample: layout.ciphertexts(1, low.length, parameters.slots),
    bytesPerCiphertext: bytesOfPolynomials(parameters.ringDegree, freshBits, publicKey ? 2 : 1),
    bytesOfKeys: 0,
    fingerprint: (await sha256(utf8(writeJson(new Map(written), { sortKeys: true })))).slice(0, 32),
  };
  requireSane(plan, high.length, rotations, rotationLevels, queries, spare);
  requireModest(plan, rotations, stages);
  const bytesOfKeys = bytesOfPublicKey(parameters.ringDegree, parameters.chain) + bytesOfSwitchingKeys(plan);
  return { ...plan, bytesOfKeys };
}

function unless<T>(name: string, value: T, omitted: boolean): readonly (readonly [string, T])[] {
  return omitted ? [] : [[name, value]];
}

async function targetsOf(fields: Fields): Promise<readonly (WholeSamples | null)[]> {
  const written = fields.take(
    "targets",
    listOf((value: Json) => value),
    [],
  );
  const found: (WholeSamples | null)[] = [];
  let places = 0;
  if (written.length > 256) {
    throw new Malformed("it has places for more layers than there are");
  }
  for (const each of written) {
    const layout: Layout | null = each === null ? null : await layoutFromJson(each);
    if (layout !== null && !(layout instanceof WholeSamples)) {
      throw new Malformed("its outputs are not placed as whole samples");
    }
    places += layout === null ? 0 : layout.period * layout.tiles;
    if (places > MOST_PLACES) {
      throw new Malformed(`it has places for more than ${MOST_PLACES} values`);
    }
    found.push(layout);
  }
  return found;
}

async function parametersFromJson(value: Json): Promise<Parameters> {
  const fields = new Fields(value);
  const [ringDegree, chain] = [fields.need("ring_degree", whole), fields.need("chain", listOf(whole))];
  const scale = fields.need("scale", real);
  fields.end();
  return parametersOf(ringDegree, chain, scale);
}

function parametersToJson({ ringDegree, chain, scale }: Parameters): Json {
  return objectOf({ ring_degree: BigInt(ringDegree), chain: chain.map(BigInt), scale });
}

async function resultOf(value: Json): Promise<Result> {
  if (!isObject(value)) {
    throw new Malformed("the result is no object");
  }
  const fields = new Fields(value);
  const layout = await layoutFromJson(fields.need("layout", (each) => each));
  const [outputs, level] = [fields.need("outputs", whole), fields.need("level", whole)];
  fields.end();
  return { outputs, level, layout };
}

function resultToJson(result: Result | null): Json {
  if (result === null) {
    return null;
  }
  return objectOf({ outputs: BigInt(result.outputs), level: BigInt(result.level), layout: result.layout.json });
}

/** The name of a stage, which only plans that stay with their server have. */
function stageOf(value: Json): string {
  const fields = new Fields(value);
  const name = fields.need("node", text);
  for (const count of ["features", "level"]) {
    fields.need(count, whole);
  }
  for (const number of ["largest", "headroom", "noise"]) {
    fields.need(number, real);
  }
  fields.end();
  return name;
}

function stepsOf(value: Json, levels: number): Steps {
  const fields = new Fields(value);
  const steps = {
    kind: fields.need("kind", oneOf(...KINDS)),
    level: fields.need("level", whole),
    count: fields.need("count", whole),
  };
  fields.end();
  if (!(steps.level >= 0 && steps.level <= levels && steps.count > 0 && steps.count <= MOST_STEPS)) {
    throw new Malformed(`the plan cannot make ${steps.count} of the steps '${steps.kind}' at level ${steps.level}`);
  }
  return steps;
}

function stepsToJson({ kind, level, count }: Steps): Json {
  return objectOf({ kind, level: BigInt(level), count: BigInt(count) });
}

function rangesOf(value: Json): DataRanges {
  const fields = new Fields(value);
  const ranges = {
    samples: fields.need("samples", whole),
    margin: fields.need("margin", real),
    intervals: fields.need("intervals", listOf(pair)),
  };
  fields.end();
  return ranges;
}

function rangesToJson(ranges: DataRanges | null): Json {
  if (ranges === null) {
    return null;
  }
  return objectOf({ samples: BigInt(ranges.samples), margin: ranges.margin, intervals: ranges.intervals });
}
