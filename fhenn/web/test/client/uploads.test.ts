import { beforeAll, expect, test } from "vitest";
import { Client, loadSeal, readPlanFile, receiptOf, type Seal } from "../../src/client/index.ts";
import { bytes, describeVectors, floats, json, write } from "./vectors.ts";

let seal: Seal;
beforeAll(async () => {
  seal = await loadSeal();
});

describeVectors("keys and uploads for Python", "cases.json", () => {
  const names = Object.entries(json<Record<string, { readonly rows: number }>>("cases.json"));
  test.each(names)("%s is encrypted", async (name, { rows }) => {
    const { plan } = await readPlanFile(bytes(`${name}.plan`));
    const client = await Client.create(seal, plan, { preparation: plan.preparation });
    const upload = await client.encrypt(floats(`${name}.rows`), rows);
    write(`${name}.keys`, await client.evaluationKeys());
    write(`${name}.upload`, upload);
    write(`${name}.secret`, await client.secretBytes());
    client.close();
    expect(receiptOf(upload).parts).toHaveLength(1);
  });
});
