import { describe, expect, test } from "vitest";
import { SecretLocked, WireFormatError } from "../../src/client/index.ts";
import { headerOf, ITERATIONS, lock, unlock, type Locked } from "../../src/worker/lock.ts";

const owner = { plan: "p".repeat(32), fingerprint: "0123456789abcdef" };
const secret = crypto.getRandomValues(new Uint8Array(1000));
const locked = await lock(secret, "correct horse", owner);

const changed = (bytes: Uint8Array<ArrayBuffer>, place: number): Uint8Array<ArrayBuffer> =>
  bytes.map((byte, here) => (here === place ? byte ^ 1 : byte));

function withHeader(change: Readonly<Record<string, unknown>>): Locked {
  const content = { ...headerOf(locked), ...change };
  return { ...locked, header: new TextEncoder().encode(JSON.stringify(content)) };
}

test("what is locked opens with its passphrase", async () => {
  expect(await unlock(locked, "correct horse")).toEqual(secret);
  const { iterations, salt, nonce, plan } = headerOf(locked);
  expect(iterations).toBeGreaterThanOrEqual(600_000);
  expect([salt.length, nonce.length, plan]).toEqual([32, 24, owner.plan]);
});

test("letters are the same however a keyboard composes them", async () => {
  const composed = await lock(secret, "Schl\u00fcssel", owner);
  expect(await unlock(composed, "Schlu\u0308ssel")).toEqual(secret);
});

test("two locks have nothing in common", async () => {
  const again = await lock(secret, "correct horse", owner);
  expect(headerOf(again).salt).not.toBe(headerOf(locked).salt);
  expect(headerOf(again).nonce).not.toBe(headerOf(locked).nonce);
  expect(again.body).not.toEqual(locked.body);
});

describe("nothing else opens it", () => {
  test.each(["", "Correct horse", "correct horse "])("passphrase %j", async (passphrase) => {
    await expect(unlock(locked, passphrase)).rejects.toThrow(SecretLocked);
  });

  test("an altered body", async () => {
    for (const place of [0, 500, locked.body.length - 1]) {
      const body = changed(locked.body, place);
      await expect(unlock({ ...locked, body }, "correct horse")).rejects.toThrow(SecretLocked);
    }
  });

  test.each([
    { plan: "q" },
    { created: 1 },
    { fingerprint: "f" },
    { iterations: ITERATIONS + 1 },
    { salt: "00".repeat(16) },
  ])("an altered header %j", async (change) => {
    await expect(unlock(withHeader(change), "correct horse")).rejects.toThrow(SecretLocked);
  });

  test.each([
    { iterations: 1 },
    { iterations: 1e12 },
    { iterations: "600000" },
    { format: 2 },
    { derivation: "scrypt" },
    { salt: "00" },
    { nonce: "zz".repeat(12) },
    { plan: 7 },
    { fingerprint: null },
    { created: "now" },
  ])("a header that is none: %j", async (change) => {
    await expect(unlock(withHeader(change), "correct horse")).rejects.toThrow(WireFormatError);
  });

  test("bytes that are no header", async () => {
    for (const header of [
      new Uint8Array(),
      new Uint8Array([255]),
      new TextEncoder().encode("null"),
      new TextEncoder().encode("[]"),
    ]) {
      await expect(unlock({ ...locked, header }, "correct horse")).rejects.toThrow(WireFormatError);
    }
  });
});

test("an empty passphrase locks nothing", async () => {
  await expect(lock(secret, "", owner)).rejects.toThrow(SecretLocked);
});
