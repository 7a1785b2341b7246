/** What is left of a secret key, and of SEAL's objects, in this client's own memory. */

import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { Client, loadSeal, type Plan, readPlanFile, type Seal } from "../../src/client/index.ts";
import { bytes, describeVectors } from "./vectors.ts";

/** WebAssembly's memory is larger; what is in it goes with the worker. */
const MEMORY = 4 << 20;

/** Whether bytes hold others. */
function holds(data: Uint8Array, needle: Uint8Array): boolean {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(Buffer.from(needle));
}

describeVectors("secret keys", "cases.json", () => {
  let seal: Seal;
  let plan: Plan;
  beforeAll(async () => {
    seal = await loadSeal();
    ({ plan } = await readPlanFile(bytes("hidden-latency.plan")));
  });
  afterEach(() => vi.restoreAllMocks());

  test("are copied into the message of `secretBytes`, and every other copy is wiped", async () => {
    const client = await Client.create(seal, plan);
    const written = await client.secretBytes();
    const needle = written.slice(-1024);
    const copies = new Set<Uint8Array>();
    const set = Reflect.get(Uint8Array.prototype, "set");
    vi.spyOn(Uint8Array.prototype, "set").mockImplementation(function (this: Uint8Array, ...given) {
      if (this.buffer.byteLength < MEMORY) {
        copies.add(this);
      }
      return set.apply(this, given);
    });
    const holding = () => [...copies].filter((each) => holds(each, needle));
    const again = await client.secretBytes();
    expect(holding().map((each) => each === again)).toEqual([true]);
    const restored = await Client.fromSecretBytes(seal, plan, again);
    expect(holding().map((each) => each === again)).toEqual([true]);
    client.close();
    restored.close();
  });

  test("are closed once; what comes behind is told so", async () => {
    const client = await Client.create(seal, plan);
    client.close();
    client.close();
    const closed = { name: "ParameterError", message: expect.stringContaining("closed") as string };
    await expect(client.encrypt(new Float64Array(plan.features), 1)).rejects.toMatchObject(closed);
    await expect(client.evaluationKeys()).rejects.toMatchObject(closed);
    await expect(client.secretBytes()).rejects.toMatchObject(closed);
  });

  test("evaluation keys that failed are made at the next call", async () => {
    let fails = true;
    const progress = () => {
      if (fails) {
        throw new Error("stopped");
      }
    };
    const client = await Client.create(seal, plan, { progress });
    await expect(client.evaluationKeys()).rejects.toThrow("stopped");
    fails = false;
    expect((await client.evaluationKeys()).length).toBeGreaterThan(1000);
    client.close();
  });

  test("an encoder that fails is not taken for values that are too large", async () => {
    const client = await Client.create(seal, plan);
    const failing = vi.spyOn(seal.CKKSEncoder.prototype as { encode(): void }, "encode");
    failing.mockImplementation(() => {
      throw new Error("std::bad_alloc");
    });
    const row = new Float64Array(plan.features);
    await expect(client.encrypt(row, 1)).rejects.toMatchObject({ name: "ParameterError" });
    failing.mockImplementation(() => {
      throw new Error("encoded values are too large");
    });
    await expect(client.encrypt(row, 1)).rejects.toMatchObject({ name: "HeadroomExceeded" });
    client.close();
  });

  test.each(["CKKSEncoder", "Decryptor", "Encryptor"] as const)("nothing is left where %s fails", async (name) => {
    let alive = 0;
    const counted = (made: { delete(): void }) => {
      const own = made.delete.bind(made);
      alive += 1;
      made.delete = () => {
        alive -= 1;
        own();
      };
      return made;
    };
    const watched = ["SEALContext", "SecretKey", "KeyGenerator", "CKKSEncoder", "Decryptor", "Encryptor", "PublicKey"];
    const broken = new Proxy(seal, {
      get: (target, field: string) => {
        const found: unknown = Reflect.get(target, field);
        if (field === name) {
          return function () {
            throw new Error("no memory");
          };
        }
        return watched.includes(field)
          ? new Proxy(found as new () => { delete(): void }, {
              construct: (made, given) => counted(Reflect.construct(made, given) as { delete(): void }),
            })
          : found;
      },
    });
    await expect(Client.create(broken, plan)).rejects.toThrow("no memory");
    expect(alive).toBe(0);
  });
});
