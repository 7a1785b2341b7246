import { expect, test } from "vitest";
import { Reading, resultColumns } from "../../src/client/reading/index.ts";
import { readCsv, writeCsv } from "../../src/client/table/index.ts";
import { cases, distance, errorOf, numbersOf, writeBack } from "./vectors.ts";

interface ReadingCase {
  readonly name: string;
  readonly reading: string;
  readonly scores: string;
  readonly outputs: number;
  readonly error?: string;
  /** What `fhenn decrypt` writes. */
  readonly csv: string;
  readonly struck: readonly number[];
  readonly hasProbabilities: boolean;
}

interface FinishCase {
  readonly finish: "sigmoid" | "softmax" | "argmax" | null;
  readonly scores: string;
  readonly outputs: number;
  readonly csv: string;
}

interface Stranger {
  readonly text: string;
  readonly error: string | null;
  readonly read: readonly ReadingCase[];
}

/** What probabilities and values may be off by, relative to the largest of their column. */
const CLOSE = 1e-12;

const CASES = cases<ReadingCase>("readings");
const FINISHES = cases<FinishCase>("finishes");
const STRANGERS = cases<Stranger>("strange_readings");

const isNumber = (cell: string) => /^(?:-?(?:[0-9.]+(?:e[-+][0-9]+)?|inf|nan)|)$/.test(cell);
/** Empty cells are NaN, and equal to one another. */
const numberIn = (cell: string) => (cell === "" ? NaN : Number(cell.replace("inf", "Infinity")));

/** Names of columns that differ between two files; texts must be equal, numbers close. */
function differences(got: string, wanted: string): unknown[] {
  const [ours, theirs] = [got, wanted].map((text) => readCsv(text, { header: true }));
  if (ours === undefined || theirs === undefined || JSON.stringify(ours.names) !== JSON.stringify(theirs.names)) {
    return [{ names: ours?.names, wanted: theirs?.names }];
  }
  return (theirs.names ?? []).flatMap((name, place) => {
    const [own, other] = [ours, theirs].map(({ columns }) => (columns[place] ?? []).map(String));
    if (own === undefined || other === undefined || JSON.stringify(own) === JSON.stringify(other)) {
      return [];
    }
    const numbers = own.length === other.length && [...own, ...other].every(isNumber);
    const close = numbers && distance(own.map(numberIn), other.map(numberIn)) <= CLOSE;
    return close ? [] : [{ name, own: own.slice(0, 99), other: other.slice(0, 99) }];
  });
}

function csvOf({ scores, outputs, reading, struck }: ReadingCase): string {
  return writeCsv(resultColumns(numbersOf(scores), outputs, Reading.fromJson(reading), null, new Set(struck)));
}

test.skipIf(CASES.length === 0)("labels, probabilities and values are those of Python", () => {
  const wrong: unknown[] = [];
  for (const each of CASES) {
    const error = errorOf(() => csvOf(each));
    if (error !== (each.error ?? null)) {
      wrong.push({ name: each.name, error, wanted: each.error });
    } else if (error === null) {
      expect(Reading.fromJson(each.reading).hasProbabilities).toBe(each.hasProbabilities);
      const found = differences(csvOf(each), each.csv);
      if (found.length > 0) wrong.push({ name: each.name, found });
    }
  }
  expect(wrong).toEqual([]);
  const written = CASES.filter(({ error }) => error === undefined).map((each) => ({ ...each, csv: csvOf(each) }));
  writeBack("results.json", JSON.stringify(written));
});

test.skipIf(FINISHES.length === 0)("finished scores are those of Python", () => {
  for (const { finish, scores, outputs, csv } of FINISHES) {
    expect(differences(writeCsv(resultColumns(numbersOf(scores), outputs, null, finish)), csv)).toEqual([]);
  }
});

test.skipIf(STRANGERS.length === 0)(
  "documents of strangers are refused as Python refuses them, or mean the same",
  () => {
    const wrong: unknown[] = [];
    for (const { text, error, read } of STRANGERS) {
      const got = errorOf(() => Reading.fromJson(text));
      if (got !== error) {
        wrong.push({ text: text.slice(0, 2000), got, error });
      }
      for (const each of got === error ? read : []) {
        const refused = errorOf(() => csvOf(each));
        const found = refused === null && each.error === undefined ? differences(csvOf(each), each.csv) : [];
        if (refused !== (each.error ?? null) || found.length > 0)
          wrong.push({ text, outputs: each.outputs, refused, wanted: each.error, found });
      }
    }
    expect(wrong).toEqual([]);
  },
);

const document = (fields: object) =>
  JSON.stringify({ kind: "fhenn-reading", version: 1, task: "classification", ...fields });

test("a reading says what scores mean", () => {
  const reading = Reading.fromJson(document({ classes: ["no", "yes"], dtype: "<U3", probability: "sigmoid" }));
  const { cells, rows, width } = reading.predict(Float64Array.of(0, 1e-9, -1e-9), 1);
  expect([rows, width]).toEqual([3, 1]);
  expect(Array.isArray(cells) && cells.map(({ text }) => text)).toEqual(["no", "yes", "no"]);
  const [shares] = reading.probabilities(Float64Array.of(0, 1000, -1000), 1) ?? [];
  expect([...(shares ?? [])]).toEqual([0.5, 0.5, 0, 1, 1, 0]);
  expect(errorOf(() => reading.predict(new Float64Array(6), 3))).toBe("ShapeMismatch");
  const plain = Reading.fromJson(document({ task: "regression" }));
  expect(plain.probabilities(Float64Array.of(1), 1)).toBeNull();
  expect(plain.predict(Float64Array.of(1, 2), 2).cells).toEqual(Float64Array.of(1, 2));
});

test("rows that a witness has struck out are empty", () => {
  const reading = Reading.fromJson(document({ classes: [0, 1], dtype: "<i8" }));
  const columns = resultColumns(Float64Array.of(NaN, 1), 1, reading, null, new Set([0]));
  expect(columns.map(({ name, kind }) => [name, kind])).toEqual([
    ["prediction", "prediction"],
    ["score", "score"],
  ]);
  expect(writeCsv(columns)).toBe("prediction,score\n,\n1,1.0\n");
});
