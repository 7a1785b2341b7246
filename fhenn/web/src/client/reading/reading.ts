/** `Reading`: what a model's scores mean to those who know the model from elsewhere. */

import { Fields, listOf, oneOf, optional, real, text, truth } from "../built.ts";
import { ensure } from "../ensure.ts";
import { ShapeMismatch } from "../errors.ts";
import { argmax } from "../finish.ts";
import { type Json, Malformed } from "../json.ts";
import { readVersioned } from "../versioned.ts";
import { evaluate } from "./expressions.ts";
import { commonKind, type Dtype, dtypeOf, holds, type Label, label, labelAs } from "./labels.ts";
import { type Maps, mapsByName, mapsOf, type Probability, requireWidths } from "./maps.ts";

export type Task = "regression" | "classification" | "multilabel" | "multioutput";

/** Of what a stranger's reading may hold: features, characters of a name, bytes of labels. */
const MOST_NAMES = 1 << 17;
const LONGEST_NAME = 512;
const LARGEST_LABELS = 16 << 20;
const TASKS = ["regression", "classification", "multilabel", "multioutput"] as const;
const PROBABILITIES = ["sigmoid", "softmax", "one-vs-rest", "modified-huber"] as const;
const LEAST_CLASSES: ReadonlyMap<Task, number> = new Map<Task, number>([
  ["classification", 2],
  ["multilabel", 1],
]);

/** Rows of labels or numbers. */
export interface Predictions {
  readonly rows: number;
  /** Cells of a row: 1 of a classification, labels of a multilabel, outputs of others. */
  readonly width: number;
  /** (rows × width), row-major: labels of classifications, 1 and 0 of a multilabel, values of a regression. */
  readonly cells: readonly Label[] | Float64Array;
}

interface Parts {
  readonly task: Task;
  readonly classes: readonly Label[];
  readonly dtype: string;
  readonly features: readonly string[] | null;
  readonly probability: Probability | null;
  readonly flat: boolean;
  readonly maps: Maps | null;
  readonly outputs: readonly Reading[];
  readonly deviance: number | null;
}

/** What scores mean, and what a client makes of them. */
export class Reading {
  readonly task: Task;
  /** The labels, in the order of the scores; none for a regression and a multioutput. */
  readonly classes: readonly Label[];
  /** The type in which labels are; of a multilabel that of its 0 and 1. */
  readonly dtype: Dtype;
  /** Names of the features; null where the model was fitted on none. */
  readonly features: readonly string[] | null;
  /** Of a multioutput: a classification each. */
  readonly outputs: readonly Reading[];
  private readonly probability: Probability | null;
  private readonly maps: Maps | null;

  private constructor(parts: Parts) {
    this.task = parts.task;
    this.classes = parts.classes;
    this.features = parts.features;
    this.outputs = parts.outputs;
    this.probability = parts.probability;
    this.maps = parts.maps;
    requireTask(parts);
    this.dtype = dtypeOf(parts.dtype);
    requireLabels(parts, this.dtype);
  }

  /**
   * The reading of Python's `to_json`, whoever wrote it.
   *
   * @param source - the JSON text, or its bytes in UTF-8.
   * @throws WireFormatError where it is not one.
   */
  static fromJson(source: string | Uint8Array): Reading {
    return readVersioned("reading", [1n, 2n], source, Reading.of);
  }

  private static of(fields: Fields): Reading {
    const maps = fields.take(
      "maps",
      optional((value: Json) => mapsOf(new Fields(value))),
      null,
    );
    const outputs = fields.take(
      "outputs",
      listOf((value) => Reading.of(new Fields(value))),
      [],
    );
    if (outputs.length > MOST_NAMES) {
      throw new Malformed("outputs without end");
    }
    const parts = {
      task: fields.need("task", oneOf<Task>(...TASKS)),
      classes: fields.take("classes", listOf(label), []),
      dtype: fields.take("dtype", text, "float64"),
      features: fields.take("features", optional(listOf(text)), null),
      probability: fields.take("probability", optional(oneOf<Probability>(...PROBABILITIES)), null),
      flat: fields.take("flat", truth, true),
      deviance: fields.take("deviance", optional(real), null),
      maps,
      outputs,
    };
    fields.end();
    return new Reading(parts);
  }

  /** Whether expressions of its own say what is read. */
  get hasMaps(): boolean {
    return this.maps !== null;
  }

  /** Whether `probabilities` answers. */
  get hasProbabilities(): boolean {
    if (this.outputs.length > 0) {
      return this.outputs.every((each) => each.hasProbabilities);
    }
    return this.probability !== null || (this.maps !== null && this.maps.probabilities !== null);
  }

  /**
   * What is predicted.
   *
   * @param scores - (rows, outputs), row-major, decrypted and not finished.
   * @param outputs - scores of a row.
   * @returns labels of classifications, where the first of the largest scores wins; 1 and 0 of a multilabel; values of
   * a regression.
   * @throws ShapeMismatch where there are others.
   */
  predict(scores: Float64Array, outputs: number): Predictions {
    const rows = this.check(scores, outputs);
    if (this.outputs.length > 0) {
      const common = commonKind(this.outputs.map(({ dtype }) => dtype));
      const found = this.outputs.map((each) => each.labels(scores, outputs).map((own) => labelAs(own, common)));
      const cells = Array.from({ length: rows }, (_, row) =>
        found.flatMap((labels) => labels.slice(row, row + 1)),
      ).flat();
      return { rows, width: this.outputs.length, cells };
    }
    if (this.task === "classification") {
      return { rows, width: 1, cells: this.labels(scores, outputs) };
    }
    if (this.task === "regression" && this.maps === null) {
      return { rows, width: outputs, cells: scores };
    }
    const { predict } = this.mapsOf(outputs);
    return { rows, width: predict.width, cells: evaluate(predict, scores, outputs) };
  }

  /**
   * The probabilities of the classes, (rows, classes) row-major, or of the labels; of a multioutput of each output.
   *
   * @param scores - (rows, outputs), row-major, decrypted and not finished.
   * @param outputs - scores of a row.
   * @returns null where the model has none.
   * @throws ShapeMismatch where there are others.
   */
  probabilities(scores: Float64Array, outputs: number): readonly Float64Array[] | null {
    this.check(scores, outputs);
    const found = (this.outputs.length > 0 ? this.outputs : [this]).map((each) => each.mapsOf(outputs).probabilities);
    const present = found.filter((each) => each !== null);
    const has = this.hasProbabilities && present.length === found.length;
    return has ? present.map((each) => evaluate(each, scores, outputs)) : null;
  }

  /** The class of each row. */
  private labels(scores: Float64Array, outputs: number): readonly Label[] {
    const { predict } = this.mapsOf(outputs);
    const found = evaluate(predict, scores, outputs);
    return Array.from({ length: found.length / predict.width }, (_, row) => {
      const place = argmax(found.subarray(row * predict.width, (row + 1) * predict.width));
      return this.classes[place] ?? label(NaN);
    });
  }

  private mapsOf(outputs: number): Maps {
    return this.maps ?? mapsByName(this.probability, outputs);
  }

  /** How many rows there are. Throws ShapeMismatch for another number of scores. */
  private check(scores: Float64Array, outputs: number): number {
    const allowed = this.widths;
    const rows = scores.length / outputs;
    if (!Number.isInteger(rows) || (allowed.length > 0 && !allowed.includes(outputs))) {
      const expected = allowed.length > 0 ? allowed.join(" or ") : "outputs";
      throw new ShapeMismatch("scores", [Math.floor(rows), outputs], `(samples, ${expected})`);
    }
    return rows;
  }

  /** How many scores there may be; none for any number. */
  private get widths(): readonly number[] {
    const maps = [this, ...this.outputs].flatMap((each) => (each.maps === null ? [] : [each.maps.scores]));
    if (maps.length > 0) {
      return [maps.reduce((most, scores) => Math.max(most, scores))];
    }
    const { length } = this.classes;
    return length === 2 ? [1, 2] : length > 0 ? [length] : [];
  }
}

/** Throw ParameterError where the fields contradict one another. */
function requireTask({ task, classes, features, probability, maps, outputs, deviance }: Parts): void {
  const distinct = new Set((features ?? []).map((name) => name.normalize("NFC"))).size === (features ?? []).length;
  ensure(distinct, "two features have the same name.", "Rename one of them, or leave it out.");
  const least = LEAST_CLASSES.get(task);
  const fit = least === undefined ? classes.length === 0 : classes.length >= least;
  ensure(fit, `task ${task} does not go with ${classes.length} classes.`, "Give two for a classification, or more.");
  // Python's 1, 1.0 and True are equal
  const values = classes.map(({ value }) => (typeof value === "string" ? `text ${value}` : numberIn(value)));
  ensure(new Set(values).size === values.length, "classes must be distinct.", "Leave out what is there twice.");
  const words = probability === null || (task === "classification" && maps === null);
  ensure(words, `probability ${probability} does not go with a ${task}, or with maps.`, "Leave it out.");
  const several = task === "multioutput";
  const apart = outputs.every((each) => each.task === "classification" && each.hasMaps);
  const wayOut = "Give a classification with maps for each output of a multioutput, and none to others.";
  ensure(outputs.length > 0 === several && apart, `a ${task} does not go with ${outputs.length} outputs.`, wayOut);
  const mapped = !(several && maps !== null) && !(task === "multilabel" && maps === null);
  ensure(mapped, `a ${task} has maps${several ? " in its outputs" : ""}.`, "Give them there.");
  if (maps !== null) {
    requireWidths(maps, classes.length || null, classes.length);
  }
  const power = deviance === null || (task === "regression" && !(0 < deviance && deviance < 1));
  ensure(
    power,
    `a ${task} does not go with such a deviance.`,
    "Give a regression the power of a Tweedie distribution.",
  );
}

/** A number as text, the same for those that are equal in Python. */
function numberIn(value: number | bigint | boolean): string {
  const whole = typeof value === "number" ? Number.isInteger(value) : true;
  return whole ? String(BigInt(value)) : String(value);
}

/** Throw Malformed where labels are too large, or not of their type. */
function requireLabels({ task, classes, features }: Parts, dtype: Dtype): void {
  const longest = classes.reduce((most, each) => Math.max(most, [...each.text].length), 0);
  const bytes = dtype.kind === "U" ? 4 * dtype.size : dtype.kind === "O" ? 8 : dtype.size;
  if (bytes > Math.max(16, 4 * longest)) {
    throw new Malformed("labels of another type");
  }
  const names = features ?? [];
  if (
    names.length > MOST_NAMES ||
    names.some((name) => [...name.slice(0, 2 * LONGEST_NAME + 1)].length > LONGEST_NAME)
  ) {
    throw new Malformed("too many features, or a name without end");
  }
  if (bytes * classes.length > LARGEST_LABELS) {
    throw new Malformed("too many labels, or one without end");
  }
  // a multilabel has labels of any type, and 0 and 1 of this one
  if (task !== "multilabel" && !classes.every((each) => holds(dtype, each))) {
    throw new Malformed("labels that are not of their type");
  }
}
