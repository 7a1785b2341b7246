/** `resultColumns`: the columns that `fhenn decrypt` writes (`fhenn/cli/infer.py`). */

import { finished } from "../finish.ts";
import type { Finish } from "../plan.ts";
import type { NamedColumn } from "../table/index.ts";
import { type Label, label } from "./labels.ts";
import type { Reading } from "./reading.ts";

/** What a column of results holds. */
export type ResultKind = "prediction" | "probability" | "score";

/** A column of results, as `fhenn decrypt` writes it. */
export interface ResultColumn extends NamedColumn {
  readonly kind: ResultKind;
  /** The class that a probability is of, or the label that a prediction is about; null for other columns. */
  readonly label: Label | null;
}

type Cells = NamedColumn["cells"];

/**
 * The columns that `fhenn decrypt` and `fhenn predict` write: prediction, probabilities, scores.
 *
 * @param scores - (rows, outputs), row-major, decrypted and not finished.
 * @param outputs - scores of a row.
 * @param reading - what they mean; null where the model does not say.
 * @param finish - of the plan; used where there is no reading.
 * @param struck - rows whose cells are left empty, as witnesses found their samples out of range.
 * @throws ShapeMismatch where the reading is of another number of scores.
 */
export function resultColumns(
  scores: Float64Array,
  outputs: number,
  reading: Reading | null,
  finish: Finish | null,
  struck: ReadonlySet<number> = new Set(),
): readonly ResultColumn[] {
  const read = reading !== null ? readColumns(scores, outputs, reading) : finishColumns(scores, outputs, finish);
  const own = Array.from({ length: outputs }, (_, place) =>
    resultColumn(numbered("score", place, outputs), "score", columnOf(scores, place, outputs)),
  );
  // a later column takes the place of an earlier one of its name, as in Python
  const columns = new Map([...read, ...own].map((column) => [column.name, column]));
  return [...columns.values()].map((column) =>
    struck.size === 0 ? column : { ...column, cells: column.cells.map((cell, row) => (struck.has(row) ? null : cell)) },
  );
}

function readColumns(scores: Float64Array, outputs: number, reading: Reading): readonly ResultColumn[] {
  const predicted = reading.predict(scores, outputs);
  const shares = reading.probabilities(scores, outputs) ?? [];
  const predictions = Array.from({ length: predicted.width }, (_, place) => {
    const about = reading.task === "multilabel" ? (reading.classes[place] ?? null) : null;
    const name = about === null ? numbered("prediction", place, predicted.width) : `prediction(${about.text})`;
    return resultColumn(name, "prediction", predictedCells(reading, predicted.cells, place, predicted.width), about);
  });
  const several = reading.outputs.length > 0;
  const probabilities = (several ? reading.outputs : [reading]).flatMap(({ classes }, at) =>
    classes.flatMap((each, place) => {
      const values = shares[at];
      const name = several ? `p_${at}(${each.text})` : `p(${each.text})`;
      return values === undefined
        ? []
        : [resultColumn(name, "probability", columnOf(values, place, classes.length), each)];
    }),
  );
  return [...predictions, ...probabilities];
}

/** Predicted labels as they are, 1 and 0 of a multilabel in its type, values as numbers. */
function predictedCells(reading: Reading, cells: readonly Label[] | Float64Array, place: number, width: number): Cells {
  if (!(cells instanceof Float64Array)) {
    return cells.filter((_, at) => at % width === place).map(({ value }) => value);
  }
  const numbers = columnOf(cells, place, width);
  if (reading.task !== "multilabel" || reading.dtype.kind === "f") {
    return numbers;
  }
  // of a sample that is struck out nothing may be known
  return numbers.map((each) =>
    Number.isNaN(each) ? null : reading.dtype.kind === "b" ? each !== 0 : BigInt(Math.trunc(each)),
  );
}

function finishColumns(scores: Float64Array, outputs: number, finish: Finish | null): readonly ResultColumn[] {
  if (finish === null) {
    return [];
  }
  const done = finished(finish, scores, outputs);
  if (finish === "argmax") {
    return [resultColumn("argmax", "prediction", Array.from(done, BigInt))];
  }
  return Array.from({ length: outputs }, (_, place) =>
    resultColumn(numbered(finish, place, outputs), "probability", columnOf(done, place, outputs), label(BigInt(place))),
  );
}

function columnOf(values: Float64Array, place: number, width: number): readonly number[] {
  return Array.from(values.filter((_, at) => at % width === place));
}

function resultColumn(name: string, kind: ResultKind, cells: Cells, about: Label | null = null): ResultColumn {
  return { name, kind, cells, label: about };
}

function numbered(name: string, place: number, count: number): string {
  return count === 1 ? name : `${name}_${place}`;
}
