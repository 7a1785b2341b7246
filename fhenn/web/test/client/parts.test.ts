/** Small parts of the client by themselves; what they make of Python's vectors is tested beside. */

import { expect, test } from "vitest";
import { RangeViolation, Service, type Witness } from "../../src/client/index.ts";
import { finished } from "../../src/client/finish.ts";
import { FEATURES, layoutFromJson, Vectors } from "../../src/client/layout.ts";
import { readJson } from "../../src/client/json.ts";
import { primesOf } from "../../src/client/primes.ts";
import { encodeField, readFields } from "../../src/client/protobuf.ts";
import { boxOf, isUnit, scaled } from "../../src/client/scaling.ts";
import { largestBeside, Suspicion } from "../../src/client/violations.ts";
import { alarms, condemns } from "../../src/client/witness.ts";

test("primes are those that SEAL takes", () => {
  expect(primesOf(8192, [40, 20, 40])).toEqual([1099510890497n, 1032193n, 1099511480321n]);
  expect(primesOf(8192, [19, 40])).toBeNull();
});

test("fields of protobuf come back, and none runs past the end", () => {
  const message = encodeField(1, 300);
  expect([...readFields("note", message)]).toEqual([{ number: 1, value: 300n }]);
  expect(() => [...readFields("note", Uint8Array.of(10, 200))]).toThrow("not a valid note");
});

test("what a layout packs comes back", () => {
  const table = Float64Array.from({ length: 24 }, (_, place) => place);
  for (const layout of [
    FEATURES,
    new Vectors("replicated", 4, 2),
    new Vectors("tiles", 2, 1, 4, 2),
    new Vectors("blocks", 4, 2, 1),
  ]) {
    const width = layout === FEATURES ? 3 : 4;
    const rows = table.length / width;
    const held = [...layout.pack((row, feature) => table[row * width + feature] ?? 0, rows, width, 16)];
    expect(held).toHaveLength(layout.ciphertexts(rows, width, 16));
    expect(layout.unpack(held, rows, width)).toEqual(table);
  }
});

test("a placement's table is read, and no bomb goes off", async () => {
  const compressed = async (bytes: Uint8Array<ArrayBuffer>) => {
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
    return btoa(String.fromCharCode(...new Uint8Array(await new Response(stream).arrayBuffer())));
  };
  const named = (table: string) =>
    layoutFromJson(readJson(`{"name": "placement", "table": "${table}", "period": 4, "samples": 1, "tiles": 1}`));
  const steps = new Uint8Array(Int32Array.of(0, -1, 2, -2).buffer);
  const layout = await named(await compressed(steps));
  expect([...layout.pack((_, feature) => feature + 1, 1, 2, 8)]).toEqual([Float64Array.of(1, 0, 2, 0, 1, 0, 2, 0)]);
  expect(layout.holds(2, 8)).toBe(true);
  expect(layout.holds(3, 8)).toBe(false);
  await expect(named(await compressed(new Uint8Array(1 << 24)))).rejects.toThrow("cannot be read");
  await expect(named(await compressed(steps.slice(4)))).rejects.toThrow("16 bytes");
});

test("values are scaled into their box", () => {
  const box = boxOf(Float64Array.of(0, 0), Float64Array.of(2, 0));
  expect(Math.abs(scaled(box, 2, 0) - 1)).toBeLessThan(1e-6);
  expect(scaled(box, 1, 0)).toBe(0);
  expect(scaled(box, 0, 1)).toBe(0);
  expect([2 ** -30, 3, 0, -2, Number.POSITIVE_INFINITY].map(isUnit)).toEqual([true, false, false, false, false]);
});

test("scores are finished for any float", () => {
  expect(finished("sigmoid", Float64Array.of(0, 1000, -1000), 1)).toEqual(Float64Array.of(0.5, 1, 0));
  expect(finished("softmax", Float64Array.of(1000, 1000), 2)).toEqual(Float64Array.of(0.5, 0.5));
  expect(finished("argmax", Float64Array.of(0.1, 0.7, 0.6, 0.2), 2)).toEqual(Float64Array.of(1, 0));
});

test("a sample beyond the headroom condemns those of its ciphertext", () => {
  const suspicion = new Suspicion(8, 4);
  suspicion.add(
    "witness",
    (sample) => sample === 1,
    (sample) => sample === 6,
  );
  const report = suspicion.report();
  expect(report).toEqual({
    samples: [1, 4, 5, 6, 7],
    total: 8,
    found: new Map([["witness", [1, 6]]]),
    condemned: [4, 5, 7],
  });
  expect(report && new RangeViolation(report).message).toContain("samples 4, 5, 7");
});

test.each([
  ["http://inference.example.org", "token", "in the clear"],
  ["https://user:pass@example.org", "token", "more than a host"],
  ["ftp://example.org", "token", "not the address"],
  ["https://example.org", " token", "ASCII"],
  ["https://example.org", "", "ASCII"],
])("a service at %s is refused for '%s'", (url, token, words) => {
  expect(() => new Service(url, token)).toThrow(words);
});

test("a number above its threshold, or below what any input gives, raises an alarm", () => {
  const witness: Witness = {
    node: "Sigmoid",
    place: 1,
    domain: [-4, 4],
    neurons: 3,
    degree: 8,
    inner: 0.9,
    threshold: 6,
    error: 0.5,
    headroom: 100,
    start: 3,
    level: 0,
    limit: 50,
    chance: 1,
  };
  const alarming = (number: number) => alarms(witness, Float64Array.of(0, number));
  expect([6, 6.1, -3.5, -3.6, Number.NaN].map(alarming)).toEqual([false, true, false, true, true]);
  const condemned = (number: number, most: number) => condemns(witness, Float64Array.of(number), most);
  expect([condemned(50, 99), condemned(51, 99), condemned(50, 49), condemned(-4, 99)]).toEqual([
    false,
    true,
    true,
    true,
  ]);
});

test("a number may not take the digits of those beside it", () => {
  expect(largestBeside(2 ** 60, 2 ** -20)).toBe(2 ** 24);
  expect(largestBeside(2 ** 10, 2 ** -20)).toBe(2 ** 10);
});
