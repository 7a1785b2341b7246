/** What is saved: written as what was brought, under a name that says what it is. */

import { expect, test } from "vitest";
import { readCsv, writeCsv } from "../../src/client/table/index.ts";
import { formatOf, nameOfSaved } from "../../src/page/step_predictions.ts";

const saved = (text: string): string => {
  const table = readCsv(text, { detect: true });
  const given = table.columns.map((cells, place) => ({ name: table.names?.[place] ?? "", cells: [...cells] }));
  return writeCsv([{ name: "p", cells: [0.25, 1e-7] }, ...given], formatOf(table));
};

test("what came with semicolons and decimal commas is saved with them, and a byte order mark", () => {
  const text = saved('a;ort\n-1,5;"x;y"\n2;=1\n');
  expect(text).toBe(`\ufeffp;a;ort\n0,25;-1,5;"x;y"\n1e-07;2;'=1\n`);
  const again = readCsv(text, { detect: true });
  expect([again.column("a"), again.column("ort"), again.decimal, again.mark]).toEqual([
    ["-1,5", "2"],
    ["x;y", "=1"],
    ",",
    true,
  ]);
});

test("what came with commas is saved with them, and with a mark where it had one", () => {
  expect(saved("a,b\n1.5,x\n2,y\n")).toBe("p,a,b\n0.25,1.5,x\n1e-07,2,y\n");
  expect(saved("\ufeffa,b\n1.5,x\n2,y\n")).toBe("\ufeffp,a,b\n0.25,1.5,x\n1e-07,2,y\n");
});

test("its name says what it is", () => {
  expect(nameOfSaved({ kind: "file", name: "my.patients.csv" })).toBe("my.patients-predictions.csv");
  expect(nameOfSaved({ kind: "drawn" })).toBe("drawing-prediction.csv");
  expect(nameOfSaved({ kind: "typed" })).toBe("typed-rows-predictions.csv");
});
