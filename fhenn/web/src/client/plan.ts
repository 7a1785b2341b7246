/** A plan, as a service sends it to clients (`fhenn/planner/plan.py`); `planFromJson` makes one. */

import type { Layout, WholeSamples } from "./layout.ts";
import type { Parameters } from "./parameters.ts";

/** What the client makes of decrypted scores. */
export type Finish = "sigmoid" | "softmax" | "argmax";

/** What an answer is. */
export interface Result {
  /** Of each sample. */
  readonly outputs: number;
  /** Of the ciphertexts. */
  readonly level: number;
  readonly layout: Layout;
}

/** The number that the server returns for one activation, and how to read it. */
export interface Witness {
  readonly node: string;
  readonly place: number;
  readonly domain: readonly [number, number];
  readonly neurons: number;
  readonly degree: number;
  readonly inner: number;
  readonly threshold: number;
  readonly error: number;
  readonly headroom: number;
  readonly start: number;
  readonly level: number;
  readonly limit: number | null;
  readonly chance: number;
}

/** How often a server makes one of the small steps of CKKS, for the samples that share ciphertexts. */
export interface Steps {
  readonly kind: string;
  /** Of the ciphertexts that it runs on. */
  readonly level: number;
  readonly count: number;
}

/** What comes to the activations, where samples say so. */
export interface DataRanges {
  readonly samples: number;
  readonly margin: number;
  readonly intervals: readonly (readonly [number, number])[];
}

/** The parameters for a model and what they cost, as data; it was checked as `Plan.from_json` does in Python. */
export interface Plan {
  readonly parameters: Parameters;
  readonly layout: Layout;
  readonly layoutName: "latency" | "throughput";
  /** Names and shapes of the nodes, and the finish. */
  readonly signature: readonly string[];
  readonly steps: readonly Steps[];
  readonly ranges: DataRanges | null;
  /** Where outputs go in ciphertexts of whole samples, for each affine layer; null for one after another. */
  readonly targets: readonly (WholeSamples | null)[];
  /** Steps, in slots, that need a key, and the level of the ciphertexts that each turns, at most. */
  readonly rotationKeys: ReadonlyMap<number, number>;
  /** The level, at most, of products that are relinearised. */
  readonly relinearisationLevel: number;
  /** The declared bounds of every feature, (features,) each. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Bound on |decrypted - twin| at the output, in units of `units`. */
  readonly error: number;
  readonly accuracy: number;
  /** Standard deviation of that error. */
  readonly deviation: number;
  /** The largest |polynomial - exact| of an activation on its domain; no part of `error`. */
  readonly approximation: number;
  /** Bound on |decrypted - twin| where all parts of the error add up. */
  readonly worst: number;
  readonly finish: Finish | null;
  readonly witnesses: readonly Witness[];
  /** The interval that an activation at the end produces from inputs in its domain; null for another end. */
  readonly outputs: readonly [number, number] | null;
  /** Fingerprint of the model. */
  readonly model: string | null;
  readonly result: Result | null;
  readonly featureNames: readonly string[] | null;
  readonly evaluator: string;
  /** Samples that one upload was planned for. */
  readonly rows: number;
  /** Whether the client maps every feature from its bounds to [-1, 1]. */
  readonly scaled: boolean;
  /** A power of two for each output, by which decrypted scores are multiplied; empty for scores as they are. */
  readonly units: readonly number[];
  /** (channels, height, width) of a sample that is an image; null where samples are none. */
  readonly shape: readonly number[] | null;
  /** Fingerprint of what makes the features of raw tables; null where the rows are features themselves. */
  readonly preparation: string | null;
  /** The largest |twin - exact model| of an output over the samples that it was planned from; null where unknown. */
  readonly distance: number | null;
  readonly features: number;
  readonly samplesPerCiphertext: number;
  readonly ciphertextsPerSample: number;
  /** About how many bytes of keys the server needs. */
  readonly bytesOfKeys: number;
  readonly bytesPerCiphertext: number;
  /** 32 hexadecimal digits, as in Python. */
  readonly fingerprint: string;
}
