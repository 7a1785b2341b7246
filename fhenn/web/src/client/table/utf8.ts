/** The text in a file, which must be UTF-8. */

import { TableError } from "../errors.ts";

const SAVE_AS_UTF8 = "Save it as UTF-8 (in Excel: CSV UTF-8).";
/** Bytes at its beginning in which a text file has no zero. */
const START = 1000;

/**
 * The text of a file, with a byte order mark where it has one.
 *
 * @param data - the file.
 * @param source - what it is called, for the error.
 * @throws TableError with the line, for another encoding.
 */
export function decode(data: Uint8Array, source: string): string {
  const [first, second] = data;
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (marked || data.subarray(0, START).includes(0)) {
    throw new TableError(`${source} is not in UTF-8: it is UTF-16, or not a text file.`, SAVE_AS_UTF8);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch (error) {
    if (!(error instanceof TypeError)) {
      throw error;
    }
    const at = firstStray(data);
    const line = data.subarray(0, at).reduce((count, byte) => count + (byte === 10 ? 1 : 0), 1);
    const byte = (data[at] ?? 0).toString(16).padStart(2, "0");
    throw new TableError(`${source} is not in UTF-8: byte 0x${byte} on line ${line}.`, SAVE_AS_UTF8, line);
  }
}

/** Where the first byte is that is not UTF-8: the end of the longest part before it that is. */
function firstStray(data: Uint8Array): number {
  let [low, high] = [0, data.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isGoodStart(data.subarray(0, middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  // the last bytes may begin a character that does not go on
  for (let back = 1; back <= 3 && back <= low; back += 1) {
    const byte = data[low - back] ?? 0;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back ? low - back : low;
    }
    if (byte < 0x80) {
      break;
    }
  }
  return low;
}

/** Whether bytes are the beginning of a text in UTF-8, cut anywhere. */
function isGoodStart(data: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: true });
    return true;
  } catch {
    return false;
  }
}
