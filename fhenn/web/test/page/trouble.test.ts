/** What the page says of errors of a service. */

import { expect, test, vi } from "vitest";
import { troubleOf } from "../../src/page/trouble.ts";
import { lostBecause, WorkerTrouble } from "../../src/page/worker_link.ts";

vi.mock("../../src/worker/worker.ts?worker&url", () => ({ default: "worker.js" }));

const refused = (status: number, kind: string): WorkerTrouble =>
  new WorkerTrouble({ name: "ServiceError", message: "", wayOut: "", status, kind, lost: false });

test.each([
  [404, "http", "errorNoService"],
  [404, "model-unknown", "errorModelGone"],
  [410, "version-gone", "errorModelGone"],
  [404, "keys-unknown", "errorService"],
  [401, "http", "errorToken"],
  [503, "busy", "errorBusy"],
] as const)("%i %s", (status, kind, name) => {
  expect(troubleOf(refused(status, kind)).name).toBe(name);
});

test("what is stopped is no error with details", () => {
  expect(troubleOf(lostBecause("Stopped"))).toEqual({ name: "stopped", values: {}, kind: "", message: "" });
});
