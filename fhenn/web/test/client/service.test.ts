import { beforeAll, expect, test } from "vitest";
import { Client, FhennError, loadSeal, type Seal, Service } from "../../src/client/index.ts";
import { describeVectors, json, write } from "./vectors.ts";

let seal: Seal;
beforeAll(async () => {
  seal = await loadSeal();
});

interface Running {
  readonly url: string;
  readonly token: string;
}

describeVectors("a service of Python", "service.json", () => {
  const { url, token } = json<Running>("service.json");

  test("keys are sent once, and answers are right", async () => {
    const service = new Service(url, token);
    const [summary] = await service.models();
    expect(summary?.name).toBe("cancer");
    const { plan } = await service.planFile("cancer");
    expect(plan.fingerprint).toBe(summary?.version);
    const client = await Client.create(seal, plan);
    const rows = Float64Array.from({ length: 3 * plan.features }, (_, place) => Math.sin(place));
    const upload = await client.encrypt(rows, 3);
    const keys = await client.evaluationKeys();
    await expect(service.predict("cancer", "0".repeat(64), upload, plan)).rejects.toMatchObject({
      kind: "keys-unknown",
    });
    const told: number[] = [];
    const digest = await service.uploadKeys(keys, (_, done) => told.push(done));
    expect(told[0]).toBe(0);
    expect(told.at(-1)).toBe(keys.length);
    expect(await service.uploadKeys(keys, (_, done) => expect(done).toBe(keys.length))).toBe(digest);
    const { finished } = await client.decrypt(await service.predict("cancer", digest, upload, plan));
    write("service.rows", rows);
    write("service.finished", finished);
    await service.forgetKeys(digest);
    await service.forgetKeys(digest);
    await expect(service.predict("cancer", digest, upload, plan)).rejects.toMatchObject({
      name: "ServiceError",
      status: 404,
    });
    client.close();
  });

  test("what is broken off goes on", async () => {
    const { plan } = await new Service(url, token).planFile("cancer");
    const client = await Client.create(seal, plan);
    const keys = await client.evaluationKeys();
    let sent = 0;
    const breaking: typeof fetch = (input, init) => {
      const body = init?.body as Uint8Array<ArrayBuffer> | null;
      sent += body?.length ?? 0;
      const short = init?.method === "PATCH" && sent === body?.length; // the first piece is cut short
      return fetch(input, short ? { ...init, body: body.subarray(0, 1000) } : init);
    };
    await new Service(url, token, { fetch: breaking }).uploadKeys(keys);
    expect(sent).toBeLessThan(2 * keys.length);
    client.close();
  });

  test("a wrong token, and another model, are refused in words", async () => {
    await expect(new Service(url, "wrong").models()).rejects.toMatchObject({ name: "ServiceError", status: 401 });
    await expect(new Service(url, token).planFile("other")).rejects.toMatchObject({
      name: "ServiceError",
      status: 404,
    });
  });
});

interface Attack extends Running {
  readonly name: string;
}

describeVectors("services that mean harm", "hostile.json", () => {
  test("are refused in bounded time and memory", { timeout: 600_000 }, async () => {
    const found: Record<string, { error: string; text: string; seconds: number }> = {};
    for (const { name, url } of json<readonly Attack[]>("hostile.json")) {
      const start = performance.now();
      const [error, text] = await meet(url);
      found[name] = { error, text, seconds: (performance.now() - start) / 1000 };
    }
    const megabytes = process.resourceUsage().maxRSS / 1000;
    write("hostile.json", new TextEncoder().encode(JSON.stringify({ found, megabytes })));
    expect(Object.keys(found).length).toBeGreaterThan(0);
  });
});

/** Everything that a client does, and the type and the text of the error that it meets. */
async function meet(url: string): Promise<readonly [string, string]> {
  try {
    const service = new Service(url, "token", { timeout: 0.7, patience: 0.5 });
    const [model] = await service.models();
    const { plan } = await service.planFile(model?.name ?? "");
    const client = await Client.create(seal, plan);
    try {
      const digest = await service.uploadKeys(await client.evaluationKeys());
      const upload = await client.encrypt(new Float64Array(plan.features), 1);
      await client.decrypt(await service.predict(model?.name ?? "", digest, upload, plan));
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof FhennError) {
      return [error.name, error.message];
    }
    throw error;
  }
  return ["", ""];
}
