/** What bounds of features mean for raw columns: told to the reader in the columns' own numbers. */

import { expect, test } from "vitest";
import { checkBounds, Table, type Prepared } from "../../src/client/table/index.ts";
import { exampleOf } from "../../src/page/example.ts";
import { boundsOf } from "../../src/page/model.ts";
import { withRawBounds } from "../../src/page/raw_bounds.ts";
import { wrong } from "../../src/page/rows_table.ts";
import type { Model, Wanted } from "../../src/page/state.ts";

const column: Wanted = { name: "a", kind: "number", used: true, texts: [], bounds: null, example: null };
const wanted: readonly Wanted[] = [
  column,
  { ...column, name: "b" },
  { ...column, name: "c" },
  { ...column, name: "d", kind: "text", texts: ["north"] },
];

/** Scaled, scaled and turned round, neither rising nor falling, and a code of a text. */
function features(table: Table): Prepared {
  const made = Array.from({ length: table.rows }, (_, row) => {
    const [a, b, c] = table.columns.map((cells) => Number(cells[row]));
    return [((a ?? 0) - 139.5) / 89, -(b ?? 0) / 1000 + 5, Math.abs(c ?? 0), 1];
  });
  return {
    features: Float64Array.from(made.flat()),
    rows: table.rows,
    width: 4,
    names: null,
    origins: [0, 1, 2, 3],
    problems: [],
    notes: [],
    ready: made.map((_, row) => row),
  };
}

test("features that rise or fall with a column give its bounds, and its example", () => {
  const found = withRawBounds(wanted, features, [-1, -1, 0, 0], [1, 1e9, 1, 1]);
  expect(found[0]?.bounds?.[0]).toBeCloseTo(50.5, 6);
  expect(found[0]?.bounds?.[1]).toBeCloseTo(228.5, 6);
  expect(found[1]?.bounds?.[1]).toBeCloseTo(6000, 4);
  expect([found[2]?.bounds, found[3]?.bounds]).toEqual([null, null]);
  expect(exampleOf(found[0] as Wanted)).toBe("140");
  for (const at of found[0]?.bounds ?? []) {
    const table = new Table({ names: ["a", "b", "c", "d"], columns: [[String(at)], ["5"], ["0"], ["north"]] });
    const [low, high] = [Float64Array.of(-1, -1, 0, 0), Float64Array.of(1, 9, 1, 1)];
    expect(checkBounds(features(table), low, high).ready).toEqual([0]);
  }
});

test("features of several columns bound none of them alone", () => {
  const mixed = (table: Table): Prepared => ({ ...features(table), origins: [0, null, 2, 3] });
  expect(withRawBounds(wanted, mixed, [-1, -1, 0, 0], [1, 1, 1, 1])).toEqual(wanted);
});

test("a cell out of bounds says which they are", () => {
  const model = { wanted: withRawBounds(wanted, features, [-1, -1, 0, 0], [1, 1, 1, 1]) } as unknown as Model;
  const table = new Table({ names: ["x", "a"], columns: [["1"], ["3"]] });
  const [other, bounds] = boundsOf(model, table);
  expect(other).toBeNull();
  const problem = { row: 0, column: 1, name: "a", message: "", refusal: "BoundsExceeded" } as const;
  expect(wrong({ ...problem, kind: "out of bounds" }, bounds ?? null)).toBe("out of bounds: 50.5 to 228.5");
  expect(wrong({ ...problem, kind: "blank" }, bounds ?? null)).toBe("blank");
});
