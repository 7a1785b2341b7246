import { expect, test } from "vitest";
import { floatHex, floatOfHex } from "../../src/client/floats.ts";
import { Malformed, objectOf, readJson, reprOfFloat, writeJson } from "../../src/client/json.ts";

test.each([
  [1, "1.0"],
  [-0, "-0.0"],
  [0.1, "0.1"],
  [1e16, "1e+16"],
  [123456789012345680, "1.2345678901234568e+17"],
  [9999999999999998, "9999999999999998.0"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [5e-324, "5e-324"],
  [2 ** -30, "9.313225746154785e-10"],
])("%d is written as Python does", (value, written) => {
  expect(reprOfFloat(value)).toBe(written);
});

test("whole numbers and floats stay apart", () => {
  expect(readJson("[1, 1.0]")).toEqual([1n, 1]);
  expect(writeJson([1n, 1])).toBe("[1, 1.0]");
});

test("keys are sorted, and those of a prototype are keys like others", () => {
  const value = readJson('{"b": 1, "a": 2, "__proto__": 3}');
  expect(writeJson(value, { sortKeys: true })).toBe('{"__proto__": 3, "a": 2, "b": 1}');
  expect(objectOf({ a: 1n, b: undefined })).toEqual(new Map([["a", 1n]]));
});

test.each(["", "[1,]", "NaN", "Infinity", '{"a": 1, "a": 1}', "[".repeat(65)])("%s is refused", (text) => {
  expect(() => readJson(text)).toThrow(Malformed);
});

test("floats in hexadecimal survive to the last bit", () => {
  expect(floatHex(2 ** 40)).toBe("0x1.0000000000000p+40");
  for (const value of [1, 0.1, Math.PI, 1e300, 2 ** -1022, Number.MAX_VALUE]) {
    expect(floatOfHex(floatHex(value))).toBe(value);
  }
  for (const text of [
    "0x1p+3",
    "nan",
    "inf",
    "0x1.0000000000000p+1024",
    "-0x1.0000000000000p+1",
    "0x0.0000000000000p+0",
  ]) {
    expect(() => floatOfHex(text)).toThrow(Malformed);
  }
});
