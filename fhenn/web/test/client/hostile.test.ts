/** What a stranger may send that nothing but one of fhenn's errors may come of: answers, and plans. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, loadSeal, type Plan, type Seal } from "../../src/client/index.ts";
import { inflated } from "../../src/client/inflate.ts";
import { type Json, Malformed, objectOf, writeJson } from "../../src/client/json.ts";
import { ciphertextsIn } from "../../src/client/messages.ts";
import { planFromJson } from "../../src/client/planreader.ts";
import { readFields } from "../../src/client/protobuf.ts";
import { Reading } from "../../src/client/reading/index.ts";
import { uploadHeaderOf } from "../../src/client/receipt.ts";
import { answer, changedPlan, message, planTextIn, type Stated } from "./crafted.ts";
import { bytes, describeVectors, floats } from "./vectors.ts";

const PACKED = objectOf({ name: "packed" });

describeVectors("answers of strangers", "cases.json", () => {
  let seal: Seal;
  const open: Client[] = [];
  beforeAll(async () => {
    seal = await loadSeal();
  });
  afterAll(() => open.forEach((each) => each.close()));

  /** A client of a plan, and what it makes of an answer of these messages to its upload. */
  async function asked(plan: Plan, ...stated: readonly Partial<Stated>[]): Promise<unknown> {
    const client = await Client.create(seal, plan, { preparation: plan.preparation });
    open.push(client);
    const upload = await client.encrypt(floats("hidden-witness-latency.rows").slice(0, plan.features), 1);
    const { fingerprint } = client;
    const { layout } = plan.result ?? { layout: plan.layout };
    const [level, scale] = [0, 2 ** 20];
    const messages = await Promise.all(
      stated.map((each) =>
        message(seal, plan, { fingerprint, shape: [1, 1], layout: layout.json, level, scale, ...each }),
      ),
    );
    return client.decrypt(await answer(plan, uploadHeaderOf(upload), ...messages), { onViolation: "warn" });
  }

  async function planWith(fields: Parameters<typeof changedPlan>[1]): Promise<Plan> {
    return planFromJson(changedPlan(await planTextIn(bytes("hidden-witness-latency.plan")), fields));
  }

  test("a witness that is packed without regard to rows", async () => {
    const plan = await planWith({});
    const { outputs = 1, level = 0 } = plan.result ?? {};
    const witnesses = plan.witnesses.map((each) => ({ layout: PACKED, level: each.level }));
    expect(witnesses).not.toHaveLength(0);
    await expect(asked(plan, { shape: [1, outputs], level }, ...witnesses)).rejects.toMatchObject({
      name: "WireFormatError",
      what: "answer",
    });
  });

  test("a result that is so, under a plan that states none", async () => {
    const plan = await planWith({ result: null, witnesses: [] });
    await expect(asked(plan, { layout: PACKED })).rejects.toMatchObject({ name: "WireFormatError", what: "answer" });
  });

  test("a scale that the modulus of a level does not hold", async () => {
    const plan = await planWith({ result: null, witnesses: [] });
    const below = 2 ** ((plan.parameters.chain[0] ?? 0) - 1);
    await asked(plan, { scale: below / 2 }); // which is read
    for (const scale of [2 * below, 2 ** 60, 2 ** 1023]) {
      await expect(asked(plan, { scale })).rejects.toMatchObject({ name: "WireFormatError" });
    }
  });
});

const MANY = 300_000;

describeVectors("plans of strangers", "cases.json", () => {
  const parameters = (chain: Json) => objectOf({ ring_degree: 8192n, chain, scale: 2 ** 24 });
  const step = objectOf({ kind: "relinearisation", level: 1n, count: 1n });
  const placement = objectOf({ name: "placement", table: "A".repeat(15e6), period: 1n, samples: 1n, tiles: 1n });
  const fields: readonly (readonly [string, Json])[] = [
    ["shape", Array<Json>(MANY).fill(1n)],
    ["parameters", parameters(Array<Json>(MANY).fill(0n))],
    ["parameters", parameters(Array<Json>(65).fill(2n))],
    ["steps", Array<Json>(MANY / 2 - 20_000).fill(step)],
    ["layout", placement],
  ];

  test.each(fields.map(([name, value], place) => ({ name, value, place })))(
    "a field that is longer than any: $name ($place)",
    async ({ name, value }) => {
      const written = changedPlan(await planTextIn(bytes("hidden-latency.plan")), { [name]: value });
      await expect(planFromJson(written)).rejects.toMatchObject({ name: "WireFormatError", what: "plan" });
    },
  );
});

test("a placement's table is base64 of a modest length", async () => {
  for (const written of ["A".repeat(15e6), "A", "AA", "A===", "====", "AA=A", "AAAAA=", "AA\n="]) {
    await expect(inflated(written, 1)).rejects.toThrow(Malformed);
  }
});

test("a reading whose steps take very many others", () => {
  const scores = objectOf({ op: "scores", places: [0n] });
  const parts = Array<Json>(300_000).fill(0n);
  const together = objectOf({ op: "concatenate", parts });
  const steps = [scores, together, objectOf({ op: "columns", of: 1n, places: [299_999n] })];
  const maps = objectOf({ steps, predict: 2n, probabilities: null, decision: null });
  const reading = writeJson(objectOf({ kind: "fhenn-reading", version: 1n, task: "regression", maps }));
  expect([...Reading.fromJson(reading).predict(Float64Array.of(0.25), 1).cells]).toEqual([0.25]);
});

test("a message with more ciphertexts than are due is refused at the first, in a moment", () => {
  const flood = new Uint8Array(16 << 20).map((_, place) => (place % 2 ? 0 : 0x12));
  let views = 0;
  const subarray = flood.subarray.bind(flood);
  flood.subarray = (...range) => {
    views += 1;
    return subarray(...range);
  };
  expect(() => ciphertextsIn(flood, 1, 8192)).toThrow("not valid ciphertexts");
  expect(views).toBe(1);
});

test("numbers of every length are read, and none that is longer than 64 bits", () => {
  const read = (...data: number[]) => [...readFields("note", Uint8Array.from(data))];
  for (const size of [1, 2, 3, 4, 5, 6, 9]) {
    const number = [...Array<number>(size - 1).fill(0xff), 0x7f];
    expect(read(8, ...number)).toEqual([{ number: 1, value: (1n << BigInt(7 * size)) - 1n }]);
    expect(() => read(8, ...number.slice(0, -1))).toThrow("ends in the middle");
  }
  expect(read(8, ...Array<number>(9).fill(0xff), 1)).toEqual([{ number: 1, value: (1n << 64n) - 1n }]);
  expect(() => read(8, ...Array<number>(9).fill(0xff), 2)).toThrow("too long");
  expect(() => read(0)).toThrow("no field");
  expect(() => read(0x80, 0x80, 0x80, 0x80, 0x10, 0)).toThrow("no field");
  expect(() => read(10, 0x80, 0x80, 0x80, 0x80, 0x10)).toThrow("ends in the middle");
});
