/** JSON documents that name their kind and version: how all of them are read and refused (`fhenn/versioned.py`). */

import { Fields, text } from "./built.ts";
import { FhennError, WireFormatError } from "./errors.ts";
import { Malformed, readJson, type Json } from "./json.ts";

/**
 * What a document stands for.
 *
 * @param kind - its name, which a document carries as "fhenn-" + kind.
 * @param versions - of its format that are read.
 * @param source - the document; bytes are UTF-8.
 * @param make - makes it of the fields, kind and version left out, which are a stranger's: whatever Malformed or
 * FhennError it throws is a refusal.
 * @param checkSource - looks at the document before it is parsed, and throws Malformed where it must not be.
 * @throws WireFormatError where it is no such document.
 */
export function readVersioned<T>(
  kind: string,
  versions: readonly bigint[],
  source: string | Uint8Array,
  make: (fields: Fields) => T,
  checkSource: (source: string | Uint8Array) => void = () => undefined,
): T {
  try {
    checkSource(source);
    const fields = new Fields(readJson(source));
    const found = fields.need("kind", text);
    const version = fields.need("version", (value: Json) => value);
    if (found !== `fhenn-${kind}` || !versions.some((each) => each === version)) {
      throw new Malformed("another kind or version");
    }
    return make(fields);
  } catch (error) {
    if (error instanceof Malformed || error instanceof FhennError || error instanceof RangeError) {
      throw new WireFormatError(kind, `it is not readable (${error.message})`);
    }
    throw error;
  }
}
