/** Text that a spreadsheet would run as a formula: quoted when written, read back (`fhenn/cli/tables/formulas.py`). */

import { BLANK } from "./numerals.ts";

const DANGEROUS = `[${BLANK}]*[=+\\-@＝＋－＠]|[\\t\\r\\n]`;
const UNSAFE = new RegExp(`^'*(?:${DANGEROUS})`);
const QUOTED = new RegExp(`^''*(?:${DANGEROUS})`);
const NUMBER = /^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * A text that is safe in CSV: one that could be a formula gets an apostrophe in front; all others stay.
 *
 * @example quote("=1+1") // "'=1+1"
 */
export function quote(text: string): string {
  return UNSAFE.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

/** The text that `quote` was called with. */
export function unquote(text: string): string {
  return QUOTED.test(text) ? text.slice(1) : text;
}
