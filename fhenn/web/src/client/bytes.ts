/** Bytes: put together, compared, in hexadecimal, and their SHA-256. */

import { ParameterError } from "./errors.ts";

/** Bytes in memory of their own, as the browser's interfaces take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Pieces as one. */
export function concatenate(pieces: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Whether two are the same. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}

/** Lower-case hexadecimal digits. */
export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** UTF-8. */
export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

/**
 * SHA-256 in hexadecimal digits, by the browser.
 *
 * @throws ParameterError where the page was not loaded over https or from this machine: browsers have none there.
 */
export async function sha256(...pieces: readonly Uint8Array[]): Promise<string> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    throw new ParameterError("this page has no cryptography of the browser's.", "Open it over https.");
  }
  const whole = concatenate(pieces);
  try {
    return hex(new Uint8Array(await subtle.digest("SHA-256", whole)));
  } finally {
    whole.fill(0); // a secret key may be in it
  }
}
