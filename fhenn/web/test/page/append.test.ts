/** Rows that are typed go below those that are there, whose predictions stay. */

import { beforeEach, expect, test, vi } from "vitest";
import { readCsv } from "../../src/client/table/index.ts";
import { appended } from "../../src/page/append.ts";
import { Controller } from "../../src/page/controller.ts";
import type { Model, Results, State, Store, Wanted } from "../../src/page/state.ts";
import type { Trouble } from "../../src/page/trouble.ts";
import type { Ask } from "../../src/worker/protocol.ts";

vi.mock("../../src/worker/worker.ts?worker&url", () => ({ default: "worker.js" }));

const column: Wanted = { name: "a", kind: "number", used: true, texts: [], bounds: null, example: null };
const wanted: readonly Wanted[] = [column, { ...column, name: "b" }];
const info = { name: "m", version: "1", features: 2, featureNames: ["a", "b"], bounds: null, shape: null };
const served = { ...info, reading: null, preparation: null };

/** A service that has one model, or lists nothing; predictions fail. */
class FakeWorker {
  static models: readonly { readonly name: string }[] = [{ name: "other" }, { name: "m" }];
  onmessage: (event: { data: unknown }) => void = () => undefined;

  postMessage({ id, name, ask }: Ask): void {
    const told = name === "list" ? FakeWorker.models : name === "pick" ? { ...served, name: ask.model } : null;
    const trouble = { name: "ServiceUnreachable", message: "" };
    const data = name === "predict" ? { id, type: "failed", trouble } : { id, type: "done", value: told };
    queueMicrotask(() => this.onmessage({ data }));
  }

  terminate(): void {
    this.onmessage = () => undefined;
  }
}

const results: Results = { rows: [0], columns: [], alarms: new Map(), milliseconds: 1 };
let state: State;
let controller: Controller;
let troubles: (Trouble | null)[];
const file = (text: string): File => {
  const arrayBuffer = () => Promise.resolve(new TextEncoder().encode(text).buffer);
  return { name: "x.csv", size: text.length, arrayBuffer } as File;
};

beforeEach(async () => {
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("location", { origin: "null" });
  vi.stubGlobal("window", {});
  troubles = [];
  const model = { ...served, reader: null, preparer: null, pixels: null, wanted } as unknown as Model;
  state = { service: "", token: "", model, keys: {}, rows: null, results: null, busy: null } as unknown as State;
  const store = {
    get state() {
      return state;
    },
    set: (part: Partial<State>) => void (state = { ...state, ...part }),
  };
  controller = new Controller(store as unknown as Store, (trouble) => void troubles.push(trouble));
  await controller.load(file("b,id,a\n1,x,2\n"));
});

test("a typed row goes below those of a file, by its names, and their predictions stay", async () => {
  state = { ...state, results };
  expect(await controller.addRow(["5", "6"])).toBe(true);
  expect(state.rows?.table.columns).toEqual([
    ["1", "6"],
    ["x", ""],
    ["2", "5"],
  ]);
  expect([...(state.rows?.prepared.ready ?? [])]).toEqual([0, 1]);
  expect(state.rows?.source).toEqual({ kind: "file", name: "x.csv", typed: 1 });
  expect(state.results).toBe(results);
});

test("a typed row is written as the file is", () => {
  const table = readCsv("a;b\n1,5;2,5\n", { detect: true });
  expect(appended(table, { wanted }, ["3.25", "4"]).columns).toEqual([
    ["1,5", "3,25"],
    ["2,5", "4"],
  ]);
});

test("predictions stay until there are new ones", async () => {
  state = { ...state, results };
  expect(await controller.predict()).toBe(false);
  expect(troubles.at(-1)?.name).not.toBeUndefined();
  expect(state.results).toBe(results);
});

test("a fresh token keeps the model and the rows where it is still served", async () => {
  state = { ...state, results };
  const { rows } = state;
  expect(await controller.connect("fresh")).toBe(true);
  expect([state.model?.name, state.rows, state.results]).toEqual(["m", rows, results]);
  FakeWorker.models = [{ name: "other" }];
  expect(await controller.connect("another")).toBe(true);
  expect([state.model?.name, state.rows, state.results]).toEqual(["other", null, null]);
});
