/** Files that are refused: why is said in the banner, and what is still there is not taken for them. */

import { beforeEach, expect, test, vi } from "vitest";
import { Controller } from "../../src/page/controller.ts";
import type { Model, State, Store, Wanted } from "../../src/page/state.ts";
import { summary } from "../../src/page/step_data.ts";
import { bareToken } from "../../src/page/step_model.ts";
import type { Trouble } from "../../src/page/trouble.ts";

vi.mock("../../src/worker/worker.ts?worker&url", () => ({ default: "worker.js" }));

const column: Wanted = { name: "Age", kind: "number", used: true, texts: [], bounds: null, example: null };
const model = {
  features: 2,
  featureNames: ["Age", "b"],
  bounds: null,
  preparer: null,
  wanted: [column, { ...column, name: "b" }],
} as unknown as Model;
let state: State;
let controller: Controller;
let trouble: Trouble | null;
const file = (data: string | Uint8Array, name = "x.csv"): File => {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return { name, size: bytes.length, arrayBuffer: () => Promise.resolve(bytes.slice().buffer) } as unknown as File;
};

beforeEach(() => {
  vi.stubGlobal("location", { origin: "null" });
  vi.stubGlobal("window", {});
  state = { model, rows: null, results: null, busy: null } as unknown as State;
  const store = {
    get state() {
      return state;
    },
    set: (part: Partial<State>) => void (state = { ...state, ...part }),
  };
  controller = new Controller(store as unknown as Store, (each) => void (trouble = each));
});

test.each([
  ["a workbook", Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0), { name: "errorWorkbook", values: { file: "x.csv" }, kind: "" }],
  ["other capitals", "age,b\n1,2\n", { name: "errorCapitals", values: { columns: "Age", found: "age" }, kind: "" }],
  ["a missing column", "c,b\n1,2\n", { name: "errorColumns", values: { columns: "Age" } }],
  ["too many columns", "1,2.5,3\n4,5,3.5\n", { name: "errorColumnNumber", values: { n: 3, wanted: 2 }, kind: "" }],
  ["a line too long", "Age,b\n1,2\n1,2,3\n", { name: "errorTableLine", values: { line: "3" }, open: true }],
  ["no text", Uint8Array.of(1, 0, 2), { name: "errorTable", open: true }],
] as const)("%s is told of at once", async (_, data, told) => {
  expect(await controller.load(file(data))).toBe(false);
  expect(trouble).toMatchObject(told);
  expect(state.rows).toBeNull();
});

test("after a file that is refused, the rows of the former one are said to be that", async () => {
  expect(await controller.load(file("Age,b\n1,2\n", "first.csv"))).toBe(true);
  const results = { rows: [0] } as unknown as State["results"];
  state = { ...state, results };
  expect(await controller.load(file("c,b\n1,2\n", "second.csv"))).toBe(false);
  expect(state.rows && summary(state.rows)).toBe(
    "second.csv was refused. Still here, as before: 1 row of first.csv. All can be predicted.",
  );
  expect(state.results).toBe(results);
  expect(await controller.load(file("Age,b\n1,2\n", "third.csv"), 2)).toBe(true);
  expect(state.rows && summary(state.rows)).toBe(
    "1 row of third.csv. All can be predicted. 2 files were dropped: only the first, third.csv, was taken.",
  );
});

test("a token is found in a whole address", () => {
  expect(bareToken(" fhenn_abc ")).toBe("fhenn_abc");
  expect(bareToken("https://host:8000/?service=x#token=fhenn_a%2Bb")).toBe("fhenn_a+b");
  expect(bareToken("#token=fhenn_abc\n")).toBe("fhenn_abc");
});
