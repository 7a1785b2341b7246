import { expect, test } from "vitest";
import { pack, packedSize, unpack } from "../../src/client/bits.ts";

/** Numbers below 2^bits, as two words each. */
function numbers(count: number, bits: number): Uint32Array<ArrayBuffer> {
  const words = crypto.getRandomValues(new Uint32Array(2 * count));
  const mask = (1n << BigInt(bits)) - 1n;
  const whole = new BigUint64Array(words.buffer);
  whole.forEach((value, place) => {
    whole[place] = place % 5 === 0 ? mask : value & mask;
  });
  return words;
}

test.each([9, 15, 20, 27, 31, 32, 33, 40, 49, 50, 59, 60])("numbers of %i bits come back", (bits) => {
  const made = numbers(4096, bits);
  const packed = pack(made, bits);
  expect(packed).toHaveLength(packedSize(4096, bits));
  expect(unpack(packed, bits)).toEqual(made);
});

test("they are packed lowest bits first", () => {
  const counted = new Uint32Array(new BigUint64Array([...Array(8).keys()].map(BigInt)).buffer);
  expect(Buffer.from(pack(counted, 10)).toString("hex")).toBe("000420c000041460c001");
});
