/** Text that strangers wrote, made safe to show, and numbers in few digits (`fhenn/text.py`). */

const INVISIBLE =
  "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\uffff\u{e0000}-\u{e0fff}";
const UNSAFE = new RegExp(`[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Co}\\p{Cn}\\p{Zl}\\p{Zp}${INVISIBLE}]`, "gu");

/** Characters of a stranger's text that are shown. */
const LONGEST = 200;

/**
 * A text in one line, in which codes stand for what a reader cannot see or what turns the direction of writing.
 *
 * @param text - anything; shown as `String` does.
 * @param longest - characters that are kept; an ellipsis stands for the rest.
 */
export function printable(text: unknown, longest = LONGEST): string {
  const whole = [...String(text)];
  const kept = whole.slice(0, longest).join("").replace(UNSAFE, escape);
  return whole.length <= longest ? kept : `${kept}…`;
}

/**
 * The first five of some things, separated by commas, and how many others there are.
 *
 * @param things - each shown as `printable` does.
 * @param noun - stands before them, in the plural where there are several; none where it is empty.
 */
export function joinFirst(things: readonly unknown[], noun = ""): string {
  const left = things.length - 5;
  const others = left > 0 ? ` and ${left} other${left === 1 ? "" : "s"}` : "";
  const names =
    things
      .slice(0, 5)
      .map((each) => printable(each))
      .join(", ") + others;
  return noun ? `${noun}${things.length === 1 ? "" : "s"} ${names}` : names;
}

/**
 * Numbers in as few digits as keep their order: what is beyond a bound is seen to be.
 *
 * @param values - that are compared.
 * @param digits - significant digits that are enough where no two numbers are near each other.
 */
export function apart(values: readonly number[], digits = 6): string[] {
  const order = (numbers: readonly number[]) => numbers.map((a) => numbers.map((b) => Math.sign(a - b)).join()).join();
  for (let count = digits; count < 17; count += 1) {
    const texts = values.map((value) => String(Number(value.toPrecision(count))));
    if (order(texts.map(Number)) === order(values)) {
      return texts;
    }
  }
  return values.map(String);
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  return code < 0x100
    ? `\\x${hex.padStart(2, "0")}`
    : code < 0x10000
      ? `\\u${hex.padStart(4, "0")}`
      : `\\U${hex.padStart(8, "0")}`;
}
