/** What the worker's session leaves behind: of secret keys here, and of evaluation keys at the service. */

import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { Client, loadSeal, type Plan, readPlanFile, Service, ServiceError } from "../../src/client/index.ts";
import { headerOf, lock, type Locked } from "../../src/worker/lock.ts";
import { Session } from "../../src/worker/session.ts";
import { bytes, describeVectors } from "../client/vectors.ts";

const kept = new Map<string, Locked>();
vi.mock("../../src/worker/key_store.ts", () => ({
  read: (plan: string) => Promise.resolve(kept.get(plan) ?? null),
  write: (plan: string, locked: Locked) => Promise.resolve(void kept.set(plan, locked)),
  forget: (plan: string) => Promise.resolve(void kept.delete(plan)),
}));

const PLACE = { service: "https://inference.example.org", token: "token", model: "model" };
const passphrase = "correct horse battery";
const tell = () => undefined;

describeVectors("sessions", "cases.json", () => {
  /** Digests of the keys that the service has. */
  const has = new Set<string>();
  let plan: Plan;

  beforeAll(async () => {
    ({ plan } = await readPlanFile(bytes("hidden-latency.plan")));
  });
  beforeEach(() => {
    vi.restoreAllMocks();
    kept.clear();
    has.clear();
    vi.spyOn(Service.prototype, "planFile").mockImplementation(() => readPlanFile(bytes("hidden-latency.plan")));
    vi.spyOn(Service.prototype, "uploadKeys").mockImplementation(async (keys) => {
      const digest = Buffer.from(await crypto.subtle.digest("SHA-256", keys.slice())).toString("hex");
      has.add(digest);
      return digest;
    });
    vi.spyOn(Service.prototype, "forgetKeys").mockImplementation((digest) => {
      has.delete(digest);
      return Promise.resolve();
    });
  });

  async function session(): Promise<Session> {
    const made = new Session(() => loadSeal());
    await made.pick(PLACE);
    return made;
  }

  const sentOfKept = () => headerOf(kept.get(plan.fingerprint) as Locked).sent;

  test("what is stopped ends, with its keys there to go on with", async () => {
    vi.stubGlobal("fetch", (_: string, { signal }: RequestInit) => {
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("it was ended"))));
    });
    const first = await session();
    await first.makeKeys(tell);
    const values = Float64Array.from(plan.low, (low, place) => (low + (plan.high[place] ?? 0)) / 2);
    for (let again = 0; again < 2; again += 1) {
      const told = first.predict({ values, rows: 1 }, ({ what }) => {
        if (what === "predict") setTimeout(() => first.stop(), 20);
      });
      await expect(told).rejects.toMatchObject({ name: "Stopped" });
    }
    vi.unstubAllGlobals();
  });

  test("the message of the secret key is wiped once it is kept", async () => {
    const secrets = vi.spyOn(Client.prototype, "secretBytes");
    const first = await session();
    await first.makeKeys(tell);
    await first.keep({ passphrase });
    expect(secrets).toHaveBeenCalled();
    for (const { value } of secrets.mock.results) {
      expect(((await value) as Uint8Array).every((byte) => byte === 0)).toBe(true);
    }
    first.close();
  });

  test("what was sent is written down beside the kept key, replaced at its next use, and deleted", async () => {
    const first = await session();
    await first.makeKeys(tell);
    await first.keep({ passphrase });
    await first.sendKeys(tell);
    const before = [...has];
    expect(sentOfKept()).toEqual(before);
    first.close();
    const second = await session();
    await second.unlock({ passphrase }, tell);
    await second.sendKeys(tell);
    expect(has.size).toBe(1);
    expect([...has]).not.toEqual(before);
    expect(sentOfKept()).toEqual([...has]);
    second.close();
    await (await session()).forget(); // without the passphrase
    expect([has.size, kept.size]).toEqual([0, 0]);
  });

  test("keys that new ones replaced are deleted too, and one that fails does not spare the others", async () => {
    const first = await session();
    vi.spyOn(Service.prototype, "forgetKeys").mockRejectedValue(new ServiceError(503, "busy", "later", "1"));
    for (let round = 0; round < 2; round += 1) {
      await first.makeKeys(tell);
      await first.sendKeys(tell);
    }
    expect(has.size).toBe(2);
    const [refused] = has;
    vi.spyOn(Service.prototype, "forgetKeys").mockImplementation((digest) => {
      if (digest === refused) return Promise.reject(new ServiceError(503, "busy", "later", "1"));
      has.delete(digest);
      return Promise.resolve();
    });
    await expect(first.forget()).rejects.toMatchObject({ name: "ServiceError" });
    expect([...has]).toEqual([refused]);
  });

  test("a kept key is taken for no other model, and for no other key", async () => {
    const first = await session();
    const secret = await Client.create(await loadSeal(), plan, { preparation: plan.preparation }).then((client) =>
      client.secretBytes(),
    );
    const foreign = { plan: "0".repeat(32), fingerprint: "0".repeat(16) };
    for (const owner of [foreign, { ...foreign, plan: plan.fingerprint }]) {
      kept.set(plan.fingerprint, await lock(secret.slice(), passphrase, owner));
      await expect(first.unlock({ passphrase }, tell)).rejects.toMatchObject({ name: "WireFormatError" });
      await expect(first.sendKeys(tell)).rejects.toMatchObject({ name: "ParameterError" });
    }
  });

  test("a client whose evaluation keys fail is closed", async () => {
    const closed = vi.spyOn(Client.prototype, "close");
    vi.spyOn(Client.prototype, "evaluationKeys").mockRejectedValue(new Error("no memory"));
    await expect((await session()).makeKeys(tell)).rejects.toThrow("no memory");
    expect(closed).toHaveBeenCalledTimes(1);
  });
});
