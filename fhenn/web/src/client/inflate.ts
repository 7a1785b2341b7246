/** Tables of placements, taken out of their compression: no more than there may be. */

import { Malformed } from "./json.ts";

/** Bytes of a placement's table from elsewhere: of 16 ciphertexts in the largest ring. */
const LARGEST_TABLE = 1 << 20;

/** Characters of such a table: compression makes none much larger, and base64 a third. */
const LONGEST_TEXT = 2 * LARGEST_TABLE;

/**
 * A table of features, which is written as its differences in zlib's format (RFC 1950) and base64.
 *
 * @param written - from a stranger.
 * @param count - of features.
 * @throws Malformed where there are more or fewer, or it cannot be read.
 */
export async function inflated(written: string, count: number): Promise<Int32Array> {
  if (4 * count > LARGEST_TABLE) {
    throw new Malformed(`a placement has at most ${LARGEST_TABLE / 4} positions`);
  }
  // no groups: a regular expression that may go back to each of millions runs out of its stack
  if (written.length > LONGEST_TEXT || written.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(written)) {
    throw new Malformed("a placement's table is not base64");
  }
  const compressed = Uint8Array.from(atob(written), (character) => character.charCodeAt(0));
  const steps = new DataView(await decompressed(compressed, 4 * count));
  const table = new Int32Array(count);
  for (let place = 0, held = 0; place < count; place += 1) {
    held = (held + steps.getInt32(4 * place, true)) | 0;
    table[place] = held;
  }
  return table;
}

/** So many bytes of content, and no more: what would come behind them is not waited for. */
async function decompressed(data: Uint8Array<ArrayBuffer>, size: number): Promise<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  try {
    const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      if (at + piece.value.length > size) {
        await reader.cancel();
        throw new Malformed("more");
      }
      whole.set(piece.value, at);
      at += piece.value.length;
    }
  } catch {
    throw new Malformed(`a placement's table cannot be read, or has more than ${size} bytes`);
  }
  if (at !== size) {
    throw new Malformed(`a placement's table must have ${size} bytes`);
  }
  return whole.buffer;
}
