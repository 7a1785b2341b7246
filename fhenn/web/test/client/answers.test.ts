import { beforeAll, expect, test } from "vitest";
import { Client, loadSeal, readPlanFile, receiptOf, type Seal } from "../../src/client/index.ts";
import { bytes, describeVectors, json, write } from "./vectors.ts";

let seal: Seal;
beforeAll(async () => {
  seal = await loadSeal();
});

describeVectors("answers of Python to uploads of ours", "answers.json", () => {
  const answers = Object.entries(json<Record<string, string>>("answers.json"));
  test.each(answers)("%s is decrypted", async (answer, name) => {
    const { plan } = await readPlanFile(bytes(`${name}.plan`));
    const secret = bytes(`from_js/${name}.secret`);
    const client = await Client.fromSecretBytes(seal, plan, secret, { preparation: plan.preparation });
    const receipt = receiptOf(bytes(`from_js/${name}.upload`));
    const { scores, finished, violations } = await client.decrypt(bytes(`${answer}.answer`), { receipt });
    write(`${answer}.scores`, scores);
    write(`${answer}.finished`, finished);
    client.close();
    expect(violations).toBeNull();
  });
});
