/** The steps that a preparation may have: a closed list. */

import { listOf, objectIn } from "../built.ts";
import { type Json, Malformed } from "../json.ts";
import { Select, Union } from "./arrange.ts";
import { Polynomial } from "./bases.ts";
import { Lookup, OneHot } from "./categories.ts";
import { Impute, IsMissing } from "./gaps.ts";
import { Kernel, Matrix } from "./maps.ts";
import { Power } from "./power.ts";
import { Quantiles } from "./quantiles.ts";
import { Bins, Clip, Function, Normalize, Scale } from "./scaling.ts";
import { Sketch } from "./sketch.ts";
import { Spline } from "./spline.ts";
import type { Step } from "./step.ts";
import { Thermometer } from "./thermometer.ts";
import { CountWords } from "./words.ts";

/** How deep steps may nest. */
export const DEEPEST = 16;

const STEPS: ReadonlyMap<string, (value: Json) => Step> = new Map<string, (value: Json) => Step>([
  ["Select", Select.of],
  ["Impute", Impute.of],
  ["IsMissing", IsMissing.of],
  ["OneHot", OneHot.of],
  ["Lookup", Lookup.of],
  ["Thermometer", Thermometer.of],
  ["CountWords", CountWords.of],
  ["Scale", Scale.of],
  ["Clip", Clip.of],
  ["Bins", Bins.of],
  ["Function", Function.of],
  ["Power", Power.of],
  ["Quantiles", Quantiles.of],
  ["Normalize", Normalize.of],
  ["Polynomial", Polynomial.of],
  ["Spline", Spline.of],
  ["Matrix", Matrix.of],
  ["Sketch", Sketch.of],
  ["Kernel", Kernel.of],
]);

/** The steps in plain data. Throws Malformed or a FhennError. */
export const stepsOf = listOf((value) => stepOf(value));

function stepOf(value: Json, depth = 1): Step {
  const fields = new Map(objectIn(value));
  const name = fields.get("step");
  fields.delete("step");
  if (depth > DEEPEST) {
    throw new Malformed(`its steps nest deeper than ${DEEPEST}`);
  }
  if (name === "Union") {
    return Union.of(fields, (each) => stepOf(each, depth + 1));
  }
  const make = typeof name === "string" ? STEPS.get(name) : undefined;
  if (make === undefined) {
    throw new Malformed(`it has a step ${String(name).slice(0, 40)}, which this client does not know`);
  }
  return make(fields);
}
