/** When the page ends its worker, in whose memory a secret key may have left traces. */

import { beforeEach, expect, test, vi } from "vitest";
import { Controller } from "../../src/page/controller.ts";
import type { State, Store } from "../../src/page/state.ts";
import type { Posted } from "../../src/worker/protocol.ts";

vi.mock("../../src/worker/worker.ts?worker&url", () => ({ default: "worker.js" }));
vi.mock("../../src/page/model.ts", () => ({ modelOf: (info: unknown) => info }));

/** A worker that answers at once, of a service with two models. */
class FakeWorker {
  static readonly all: FakeWorker[] = [];
  onmessage: (event: { data: unknown }) => void = () => undefined;
  ended = false;
  readonly asked: string[] = [];

  constructor() {
    FakeWorker.all.push(this);
  }

  postMessage(posted: Posted): void {
    this.asked.push(posted.name);
    if (posted.name === "stop") return;
    const { id, name, ask } = posted;
    const models = [{ name: "a" }, { name: "b" }];
    const model = name === "pick" ? ask.model : "";
    const answers = { list: models, pick: { name: model, version: model }, makeKeys: { bytes: 1 } };
    const value = Object.entries(answers).find(([each]) => each === name)?.[1] ?? null;
    queueMicrotask(() => this.onmessage({ data: { id, type: "done", value } }));
  }

  terminate(): void {
    this.ended = true;
  }
}

/** Channels to other tabs, of which there are none. */
class FakeChannel {
  static readonly all: FakeChannel[] = [];
  heard: (event: { data: unknown }) => void = () => undefined;
  readonly told: unknown[] = [];

  constructor() {
    FakeChannel.all.push(this);
  }

  addEventListener(_: string, heard: FakeChannel["heard"]): void {
    this.heard = heard;
  }

  postMessage(data: unknown): void {
    this.told.push(data);
  }
}

let state: State;
let reported: string[];
const heardOfForgotten = (plan: string): Promise<boolean> => {
  FakeChannel.all.at(-1)?.heard({ data: plan });
  return Promise.resolve(true);
};
let controller: Controller;
const ended = () => FakeWorker.all.map((each) => each.ended);

beforeEach(async () => {
  vi.stubGlobal("Worker", FakeWorker);
  vi.stubGlobal("location", { origin: "null" });
  vi.stubGlobal("window", {});
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  reported = [];
  FakeWorker.all.length = 0;
  state = { service: "", token: "", model: null, keys: null } as unknown as State;
  const store = {
    get state() {
      return state;
    },
    set: (part: Partial<State>) => {
      state = { ...state, ...part };
    },
  };
  controller = new Controller(store as unknown as Store, (trouble) => {
    if (["forgottenElsewhere", "stopped"].includes(trouble?.name ?? "")) reported.push(trouble?.name ?? "");
    else if (trouble) throw new Error(JSON.stringify(trouble));
  });
  await controller.connect("token");
});

test("it goes on where there were no keys, and where the model stays", async () => {
  await controller.pick("b");
  await controller.makeKeys();
  await controller.pick("b");
  expect(ended()).toEqual([false]);
  expect(state.keys).not.toBeNull();
});

test.each([
  ["keys are forgotten", () => controller.forget()],
  ["another model is picked", () => controller.pick("b")],
  ["a service is connected to again", () => controller.connect("other")],
] as const)("it ends where %s; the next one is told of the model", async (_, act) => {
  await controller.makeKeys();
  expect(await act()).toBe(true);
  expect(ended()).toEqual([true, false]);
  expect(state.keys).toBeNull();
  expect(await controller.makeKeys()).toBe(true);
  expect(FakeWorker.all[1]?.asked).toContain("pick");
});

test("other tabs are told which model's keys are forgotten, and no more", async () => {
  await controller.makeKeys();
  await controller.forget();
  expect(new Set(FakeChannel.all.at(-1)?.told)).toEqual(new Set(["a"]));
});

test("what another tab forgot is said, and keys of other models stay", async () => {
  await controller.makeKeys();
  await heardOfForgotten("b");
  expect([state.keys !== null, reported]).toEqual([true, []]);
  await heardOfForgotten("a");
  expect([state.keys, reported]).toEqual([null, ["forgottenElsewhere"]]);
});

test("what the server saw of a model goes with it", async () => {
  state = { ...state, seen: { keys: 1, last: null } };
  await controller.pick("a");
  expect(state.seen.keys).toBe(1);
  await controller.pick("b");
  expect(state.seen.keys).toBe(0);
});

test("a prediction that is stopped ends, and its keys stay", async () => {
  await controller.makeKeys();
  state = { ...state, rows: { prepared: { ready: [0], width: 1, features: new Float64Array(1) } } } as unknown as State;
  const predicting = controller.predict();
  controller.stop();
  expect(await predicting).toBe(false);
  expect(FakeWorker.all[0]?.asked).toContain("stop");
  expect([reported, ended(), state.keys !== null]).toEqual([["stopped"], [false], true]);
});
