import { expect, test } from "vitest";
import { Table, type Problem } from "../../src/client/table/index.ts";
import { EVERYTHING, RowsView } from "../../src/page/rows_view.ts";
import { summary } from "../../src/page/step_data.ts";
import type { Results, Rows } from "../../src/page/state.ts";

const problem: Problem = { row: 2, column: 0, name: "a", kind: "blank", message: "blank", refusal: "MissingValues" };
const table = new Table({
  names: ["a", "b"],
  columns: [
    ["3", "10", "", "-1,5"],
    ["x", "Yes", "y", "no"],
  ],
});
const rows: Rows = {
  table,
  prepared: {
    features: new Float64Array(4),
    rows: 4,
    width: 1,
    names: null,
    origins: [0],
    problems: [problem],
    notes: [],
    ready: [0, 1, 3],
  },
  source: { kind: "typed" },
};
const results: Results = {
  rows: [0, 1, 3],
  columns: [
    { name: "prediction", kind: "prediction", label: null, cells: ["ill", "well", null] },
    { name: "p", kind: "probability", label: null, cells: [0.25, 0.75, null] },
  ],
  alarms: new Map([[3, "witness"]]),
  milliseconds: 1,
};
const view = new RowsView(rows, results);

test("rows come in their order", () => {
  expect(view.select(EVERYTHING)).toEqual([0, 1, 2, 3]);
  expect(view.select({ ...EVERYTHING, descending: true })).toEqual([3, 2, 1, 0]);
});

test("numbers are sorted as numbers, and what is missing comes last", () => {
  const sort = { by: "column", place: 0 } as const;
  expect(view.select({ ...EVERYTHING, sort })).toEqual([3, 0, 1, 2]);
  expect(view.select({ ...EVERYTHING, sort, descending: true })).toEqual([1, 0, 3, 2]);
});

test("predictions are sorted too", () => {
  const sort = { by: "result", place: 1 } as const;
  expect(view.select({ ...EVERYTHING, sort, descending: true })).toEqual([1, 0, 2, 3]);
});

test("rows are found by cells and predictions, in any case", () => {
  expect(view.select({ ...EVERYTHING, filter: "YES" })).toEqual([1]);
  expect(view.select({ ...EVERYTHING, filter: " ill" })).toEqual([0]);
  expect(view.select({ ...EVERYTHING, filter: "nothing" })).toEqual([]);
});

test("marked rows and alarms can be seen alone", () => {
  expect(view.select({ ...EVERYTHING, only: "marked" })).toEqual([2]);
  expect(view.select({ ...EVERYTHING, only: "alarms" })).toEqual([3]);
  expect(new RowsView(rows, null).select({ ...EVERYTHING, only: "alarms" })).toEqual([]);
});

test("rows of which something is noted are found among the marked ones, and told of", () => {
  const notes: Problem[] = [
    { ...problem, row: 1, refusal: null },
    { ...problem, row: 3, kind: "unknown category", refusal: null },
    { ...problem, row: 2, kind: "unknown category", refusal: null }, // which is not sent
  ];
  const noted = { ...rows, prepared: { ...rows.prepared, notes } };
  expect(new RowsView(noted, null).select({ ...EVERYTHING, only: "marked" })).toEqual([1, 2, 3]);
  expect(summary(noted)).toBe(
    "4 rows that you typed. 1 row is marked and stays here. 1 row has a category that the model does not know. " +
      "1 row has blanks that the model fills in.",
  );
});

test("what is predicted stands at its row", () => {
  const [prediction] = results.columns;
  expect([0, 1, 2, 3].map((row) => view.result(prediction as (typeof results.columns)[number], row))).toEqual([
    "ill",
    "well",
    null,
    null,
  ]);
});
