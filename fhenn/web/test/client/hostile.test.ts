/** What a stranger may send that nothing but one of fhenn's errors may come of: answers. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, loadSeal, type Plan, type Seal } from "../../src/client/index.ts";
import { objectOf } from "../../src/client/json.ts";
import { planFromJson } from "../../src/client/planreader.ts";
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
      stated.map((each) => message(seal, plan, { fingerprint, shape: [1, 1], layout: layout.json, level, scale, ...each })),
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
