import { expect, test } from "vitest";
import { ShapeMismatch } from "../../src/client/index.ts";
import type { Prepared, Problem, Table } from "../../src/client/table/index.ts";
import { exampleOf, middle, withExamples } from "../../src/page/example.ts";
import { entropy } from "../../src/page/server_panel.ts";

const column = { name: "a", kind: "number", used: true, texts: [], bounds: null, example: null } as const;

test("an example has few digits and is accepted", () => {
  expect(middle(-3.5835, 38.6745)).toBe("20");
  expect(middle(0.0011, 0.0013)).toBe("0.0012");
  expect(middle(5, 5)).toBe("5");
  expect(middle(-1, 1)).toBe("0");
});

test("an example of texts is one of them", () => {
  expect(exampleOf({ ...column, kind: "text", texts: ["north", "south"] })).toBe("north");
  expect(exampleOf(column)).toBe("0");
  expect(exampleOf({ ...column, kind: "text" })).toBe("");
  expect(exampleOf({ ...column, used: false, bounds: [0, 1] })).toBe("");
});

test("noise holds eight bits a byte, and text does not", () => {
  expect(entropy(Uint8Array.from({ length: 4096 }, (_, place) => place % 256))).toBeCloseTo(8, 9);
  expect(entropy(new Uint8Array(100))).toBe(0);
});

test("examples of raw columns are cells that were accepted", () => {
  const refuse = (table: Table): Prepared => {
    const problems = (table.columns[0] ?? []).flatMap((cell, row): Problem[] =>
      Number(cell) < 60
        ? [{ row, column: 0, name: "a", kind: "out of bounds", message: "", refusal: "BoundsExceeded" }]
        : [],
    );
    return {
      features: new Float64Array(),
      rows: table.rows,
      width: 0,
      names: null,
      origins: [],
      problems,
      notes: [],
      ready: [],
    };
  };
  const wanted = [column, { ...column, name: "b", kind: "text", texts: ["north"] }] as const;
  expect(withExamples(wanted, refuse).map(exampleOf)).toEqual(["100", "north"]);
  const broken = (): never => {
    throw new ShapeMismatch("columns", [1], "2");
  };
  expect(withExamples(wanted, broken)).toEqual(wanted);
});
