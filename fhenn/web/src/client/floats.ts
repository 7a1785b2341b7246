/** Floats in hexadecimal, as Python's `float.hex` writes them: to the last bit. */

import { Malformed } from "./json.ts";

const WRITTEN = /^0x1\.([0-9a-f]{13})p([+-][0-9]{1,4})$/;

/** A normal float above 0 in hexadecimal. */
export function floatHex(value: number): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n) - 1023;
  const digits = (bits & ((1n << 52n) - 1n)).toString(16).padStart(13, "0");
  return `0x1.${digits}p${exponent < 0 ? "-" : "+"}${Math.abs(exponent)}`;
}

/** The normal float above 0 that `floatHex` wrote. Throws Malformed for another text. */
export function floatOfHex(written: string): number {
  const [, digits = "0", power = "0"] = WRITTEN.exec(written) ?? [];
  const exponent = Number(power);
  if (!WRITTEN.test(written) || exponent < -1022 || exponent > 1023) {
    throw new Malformed("it is not a float in hexadecimal, above 0");
  }
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, (BigInt(exponent + 1023) << 52n) | BigInt(`0x${digits}`));
  return view.getFloat64(0);
}
