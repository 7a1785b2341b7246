import { beforeAll, expect, test } from "vitest";
import { Client, loadSeal, readPlanFile, receiptOf, type Seal } from "../../src/client/index.ts";
import { bytes, describeVectors, floats } from "./vectors.ts";

let seal: Seal;
beforeAll(async () => {
  seal = await loadSeal();
});

describeVectors("what a client refuses to encrypt, and to make", "cases.json", () => {
  test("rows that are none, are not finite, or leave their bounds", async () => {
    const { plan } = await readPlanFile(bytes("wide-bounds-latency.plan"));
    const client = await Client.create(seal, plan);
    const rows = floats("wide-bounds-latency.rows");
    const changed = (place: number, value: number) => rows.with(place, value);
    await expect(client.encrypt(rows, 2)).rejects.toMatchObject({ name: "ShapeMismatch" });
    await expect(client.encrypt(new Float64Array(), 0)).rejects.toMatchObject({ name: "ShapeMismatch" });
    await expect(client.encrypt(changed(3, Number.NaN), 3)).rejects.toMatchObject({ name: "NonFiniteValue", count: 1 });
    const outside = client.encrypt(changed(plan.features + 2, 1e6).with(0, -100), 3);
    await expect(outside).rejects.toMatchObject({
      name: "BoundsExceeded",
      samples: [0, 1],
      features: [0, 2],
      furthest: { sample: 1, feature: 2 },
      largest: 1e6,
    });
    client.close();
  });

  test("more memory than is allowed, another preparation, and a secret key of another plan", async () => {
    const { plan } = await readPlanFile(bytes("hidden-latency.plan"));
    await expect(Client.create(seal, plan, { memory: 1e6 })).rejects.toMatchObject({ name: "PlanError" });
    const preparation = "0".repeat(32);
    await expect(Client.create(seal, plan, { preparation })).rejects.toMatchObject({ name: "PreparationMismatch" });
    const client = await Client.create(seal, plan);
    const other = (await readPlanFile(bytes("one-latency.plan"))).plan;
    const secret = await client.secretBytes();
    await expect(Client.fromSecretBytes(seal, other, secret)).rejects.toMatchObject({ name: "PlanError" });
    await expect(Client.fromSecretBytes(seal, plan, secret.with(-9, 1))).rejects.toMatchObject({
      name: "WireFormatError",
    });
    await expect(Client.fromSecretBytes(seal, plan, await client.evaluationKeys())).rejects.toMatchObject({
      name: "WrongKind",
    });
    client.close();
  });

  test("progress is told to the end", async () => {
    const { plan } = await readPlanFile(bytes("hidden-latency.plan"));
    const told: (readonly [string, number, number])[] = [];
    const client = await Client.create(seal, plan, { progress: (...each) => told.push(each) });
    await client.evaluationKeys();
    await client.encrypt(floats("hidden-latency.rows"), 3);
    const [keys, encrypted] = ["keys", "encrypt"].map((what) => told.filter(([each]) => each === what));
    expect(keys?.at(-1)).toEqual(["keys", 1 + plan.rotationKeys.size, 1 + plan.rotationKeys.size]);
    expect(encrypted?.at(-1)?.[1]).toBe(encrypted?.at(-1)?.[2]);
    client.close();
  });

  test("large tables are parted into uploads of their own", async () => {
    const { plan } = await readPlanFile(bytes("regression-throughput.plan"));
    const client = await Client.create(seal, plan);
    const most = client.parts(1e9)[0]?.rows ?? 0;
    const parts = client.parts(2 * most + 1);
    expect(parts.map(({ rows }) => rows)).toEqual([most, most, 1]);
    expect(parts.map(({ start }) => start)).toEqual([0, most, 2 * most]);
    expect(most % plan.samplesPerCiphertext).toBe(0);
    const uploads = await Promise.all(
      [1, 2].map((rows) => client.encrypt(new Float64Array(rows * plan.features), rows)),
    );
    const digests = uploads.map((upload) => receiptOf(upload).parts[0]?.sha256);
    expect(new Set(digests).size).toBe(2);
    client.close();
  });
});
