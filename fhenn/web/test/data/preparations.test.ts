import { expect, test } from "vitest";
import { FhennError } from "../../src/client/errors.ts";
import { readPlanFile } from "../../src/client/planfile.ts";
import { Preparation } from "../../src/client/preparation/index.ts";
import { type Prepared, readCsv } from "../../src/client/table/index.ts";
import { bytesOf, cases, distance, errorOf, numbersOf, sameBits, writeBack } from "./vectors.ts";

interface Options {
  readonly delimiter?: string;
  readonly decimal?: "." | ",";
  readonly header?: boolean;
}

interface TableCase {
  readonly content: string;
  readonly options: Options;
  readonly expected: readonly string[];
  /** Of each row its features, or the name of Python's error; the name alone where the whole table is refused. */
  readonly rows: readonly string[] | string;
}

interface PreparationCase {
  readonly name: string;
  readonly preparation: string;
  readonly fingerprint: string;
  readonly features: readonly string[];
  readonly texts: readonly (readonly string[])[];
  readonly exact: boolean;
  readonly tables: readonly TableCase[];
}

interface Stranger {
  readonly text?: string;
  readonly repeat?: string;
  readonly length?: number;
  readonly error: string | null;
  readonly content?: string;
  readonly rows?: readonly string[] | string;
  readonly fingerprint?: string;
}

/** What features that are not rounded by IEEE 754 alone may be off by, relative to the largest of their row. */
const CLOSE = 1e-12;
const REFUSALS = new Set(["MissingValues", "CellRefused", "UnknownCategory"]);

const CASES = cases<PreparationCase>("preparations");
const STRANGERS = cases<Stranger>("strange_preparations");

/** What differs from Python. */
function compare(prepared: Prepared, rows: readonly string[], exact: boolean, worst: { distance: number }): unknown[] {
  return rows.flatMap((wanted, row): unknown[] => {
    const problems = prepared.problems.filter((problem) => problem.row === row);
    const got = prepared.features.subarray(row * prepared.width, (row + 1) * prepared.width);
    if (REFUSALS.has(wanted)) {
      const fits = problems[0]?.refusal === wanted && !prepared.ready.includes(row) && got.every(Number.isNaN);
      return fits ? [] : [{ row, wanted, problems }];
    }
    const numbers = numbersOf(wanted);
    const off = distance(got, numbers);
    worst.distance = Math.max(worst.distance, off);
    const fits =
      prepared.ready.includes(row) && problems.length === 0 && (exact ? sameBits(got, numbers) : off <= CLOSE);
    return fits ? [] : [{ row, off, wanted: [...numbers], got: [...got], problems }];
  });
}

test.skipIf(CASES.length === 0)("features are those of Python, row by row, or refused by the same error", async () => {
  const wrong: unknown[] = [];
  const worst = { distance: 0 };
  for (const each of CASES) {
    const preparation = Preparation.fromJson(each.preparation);
    expect(await preparation.fingerprint()).toBe(each.fingerprint);
    expect(preparation.features).toEqual(each.features);
    expect(preparation.texts.map((texts) => [...texts].sort())).toEqual(each.texts.map((texts) => [...texts].sort()));
    for (const { content, options, expected, rows } of each.tables) {
      const run = () => preparation.prepare(readCsv(content, { ...options, expected }));
      const error = errorOf(run);
      if (typeof rows === "string" || error !== null) {
        if (error !== rows) wrong.push({ name: each.name, content, error, rows });
        continue;
      }
      const found = compare(run(), rows, each.exact, worst);
      if (found.length > 0) wrong.push({ name: each.name, content, found });
    }
  }
  console.log(`features differ by ${worst.distance.toExponential(2)} at most`);
  expect(wrong).toEqual([]);
});

test.skipIf(STRANGERS.length === 0)(
  "documents of strangers are refused as Python refuses them, or mean the same",
  async () => {
    const wrong: unknown[] = [];
    const worst = { distance: 0 };
    for (const each of STRANGERS) {
      const text = each.text ?? (each.repeat ?? "").slice(0, 1).repeat(each.length ?? 0);
      const error = errorOf(() => Preparation.fromJson(text));
      if (error !== each.error) {
        wrong.push({ text: text.slice(0, 3000), error, wanted: each.error });
        continue;
      }
      if (error !== null) {
        continue;
      }
      const preparation = Preparation.fromJson(text);
      const run = () => preparation.prepare(readCsv(each.content ?? "", { header: true }));
      const refused = errorOf(run);
      if (typeof each.rows === "string" || refused !== null) {
        if (refused !== each.rows) wrong.push({ text: text.slice(0, 3000), refused, rows: each.rows });
        continue;
      }
      const found = compare(run(), each.rows ?? [], false, worst);
      if (found.length > 0) wrong.push({ text, found });
      expect(await preparation.fingerprint()).toBe(each.fingerprint);
    }
    expect(wrong).toEqual([]);
  },
);

test.skipIf(CASES.length === 0)("what is prepared here is written for Python to compare", () => {
  const written = CASES.map(({ name, preparation, tables }) => {
    const [first] = tables;
    const made = first && typeof first.rows !== "string" && Preparation.fromJson(preparation);
    const found = made && first && made.prepare(readCsv(first.content, { ...first.options, expected: first.expected }));
    return found ? { name, preparation, ...first, ready: found.ready, features: [...found.features] } : null;
  });
  writeBack("prepared.json", JSON.stringify(written.filter((each) => each !== null)));
});

const PLAN_FILES = cases<{ readonly data: string; readonly error: string | null }>("plan_files");

test.skipIf(PLAN_FILES.length === 0)("a preparation that the plan does not name is refused", async () => {
  for (const { data, error } of PLAN_FILES) {
    const found = await readPlanFile(bytesOf(data)).then(
      () => null,
      (thrown: Error) => thrown.name,
    );
    expect(found).toBe(error);
  }
});

const DOCUMENT = {
  kind: "fhenn-preparation",
  version: 1,
  columns: [
    { name: "age", kind: "number", used: true },
    { name: "site", kind: "text", used: true },
    { name: "dose", kind: "number", used: true },
    { name: "id", kind: "either", used: false },
  ],
  steps: [
    {
      step: "Union",
      branches: [
        [
          { step: "Select", places: [0] },
          { step: "Impute", fill: [40.5] },
        ],
        [
          { step: "Select", places: [1] },
          { step: "OneHot", categories: [["A", "B"]], slots: [[0, 1]], sizes: [2], unknown: [-1] },
        ],
        [
          { step: "Select", places: [2] },
          { step: "Function", name: "log" },
        ],
      ],
    },
  ],
  features: ["age", "site_A", "site_B", "log dose"],
};

test("what the preparation permits is a note, and what it does not a problem at its cell", () => {
  const preparation = Preparation.fromJson(JSON.stringify(DOCUMENT));
  const table = readCsv("dose,site,age,more\n1,A,30,x\n1,C,,y\n0,B,3,z\n,B,old,w\n");
  const { problems, notes, ready, origins, features } = preparation.prepare(table);
  expect(preparation.names).toEqual(["age", "site", "dose"]);
  expect(preparation.texts).toEqual([[], ["A", "B"], [], []]);
  expect(origins).toEqual([2, 1, 1, 0]);
  expect(ready).toEqual([0, 1]);
  expect([...features.subarray(0, 8)]).toEqual([30, 1, 0, 0, 40.5, 0, 0, 0]);
  expect(problems.map(({ row, name, kind }) => [row, name, kind])).toEqual([
    [3, "age", "not a number"],
    [2, "dose", "infinite"],
    [3, "dose", "blank"],
  ]);
  expect(notes.map(({ row, name, kind }) => [row, name, kind])).toEqual([
    [1, "age", "blank"],
    [1, "site", "unknown category"],
  ]);
  expect(notes[0]?.message).toBe("The cell is blank: the model fills in 40.5.");
});

test("a row whose cell is refused has no other problem for what is made of it", () => {
  const columns = ["a", "b"].map((name) => ({ name }));
  const steps = [{ step: "Polynomial", products: [[0, 1], [0]] }];
  const document = { ...DOCUMENT, columns, steps, features: ["ab", "a"] };
  const { problems } = Preparation.fromJson(JSON.stringify(document)).prepare(readCsv("a,b\nx,1\n1e200,1e200\n"));
  expect(problems.map(({ row, column, name, kind }) => [row, column, name, kind])).toEqual([
    [0, 0, "a", "not a number"],
    [1, null, "ab", "infinite"],
  ]);
});

test("errors of tables are typed", () => {
  const preparation = Preparation.fromJson(JSON.stringify(DOCUMENT));
  try {
    preparation.prepare(readCsv("age,id\n1,2\n"));
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(FhennError);
    expect(error).toMatchObject({ name: "FeatureMismatch", missing: ["site", "dose"], raw: true });
  }
});

test("messages hold no more than 40 characters of a cell", () => {
  const preparation = Preparation.fromJson(JSON.stringify(DOCUMENT));
  const { problems } = preparation.prepare(readCsv(`age,site,dose\n${"x".repeat(5000)},A,1\n`));
  expect(problems[0]?.message.length).toBeLessThan(200);
});
