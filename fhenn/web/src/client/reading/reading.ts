/** `Reading`: what a model's scores mean to those who know the model from elsewhere. */

import type { Finish } from "../plan.ts";
import type { NamedColumn } from "../table/index.ts";

export type Task = "regression" | "classification" | "multilabel" | "multioutput";

/** A class, with the type that it has in Python. */
export interface Label {
  readonly kind: "int" | "float" | "bool" | "text";
  /** As Python prints it. */
  readonly text: string;
  readonly value: number | bigint | boolean | string;
}

/** Rows of labels or numbers. */
export interface Predictions {
  readonly rows: number;
  /** Cells of a row: 1 of a classification, labels of a multilabel, outputs of others. */
  readonly width: number;
  /** (rows × width), row-major: labels of classifications, 1 and 0 of a multilabel, values of a regression. */
  readonly cells: readonly Label[] | Float64Array;
}

/** What a column of results holds. */
export type ResultKind = "prediction" | "probability" | "score";

/** A column of results, as `fhenn decrypt` writes it. */
export interface ResultColumn extends NamedColumn {
  readonly kind: ResultKind;
  /** The class that a probability is of; null for other columns. */
  readonly label: Label | null;
}

/** What scores mean, and what a client makes of them, exactly. */
export class Reading {
  private constructor(
    readonly task: Task,
    /** The labels, in the order of the scores; none for a regression and a multioutput. */
    readonly classes: readonly Label[],
    /** Names of the features; null where the model was fitted on none. */
    readonly features: readonly string[] | null,
    /** Of a multioutput: a classification each. */
    readonly outputs: readonly Reading[],
  ) {}

  /**
   * The reading of Python's `to_json`, whoever wrote it.
   *
   * Throws WireFormatError where it is not one.
   */
  static fromJson(text: string | Uint8Array): Reading {
    void text;
    throw new Error("not written yet");
  }

  /** Whether `probabilities` answers. */
  get hasProbabilities(): boolean {
    throw new Error("not written yet");
  }

  /**
   * What is predicted.
   *
   * scores: (rows, outputs), row-major, decrypted and not finished.
   * outputs: scores of a row.
   *
   * Throws ShapeMismatch where there are others.
   */
  predict(scores: Float64Array, outputs: number): Predictions {
    void scores, outputs;
    throw new Error("not written yet");
  }

  /**
   * The probabilities of the classes, (rows, classes), or labels; of a multioutput one such array for each output.
   *
   * Returns null where the model has none. Throws ShapeMismatch.
   */
  probabilities(scores: Float64Array, outputs: number): readonly Float64Array[] | null {
    void scores, outputs;
    throw new Error("not written yet");
  }
}

/**
 * The columns that `fhenn decrypt` and `fhenn predict` write: prediction, probabilities, scores.
 *
 * scores: (rows, outputs), row-major, decrypted and not finished; NaN in rows that a witness has struck out.
 * outputs: scores of a row.
 * reading: what they mean; null where the model does not say.
 * finish: of the plan; used where there is no reading.
 * struck: rows whose cells are left empty.
 */
export function resultColumns(
  scores: Float64Array,
  outputs: number,
  reading: Reading | null,
  finish: Finish | null,
  struck: ReadonlySet<number> = new Set(),
): readonly ResultColumn[] {
  void scores, outputs, reading, finish, struck;
  throw new Error("not written yet");
}
