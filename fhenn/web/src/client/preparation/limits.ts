/** How large a stranger's preparation may be, and what its steps must be for. */

import { ensure } from "../ensure.ts";
import { ParameterError } from "../errors.ts";
import { Malformed } from "../json.ts";
import { Union, walk } from "./arrange.ts";
import { DEEPEST } from "./catalogue.ts";
import type { Fields } from "./frame.ts";
import { type Step } from "./step.ts";

/** Bytes of a preparation as JSON. */
const LARGEST = 16 << 20;
/** Commas and brackets in it: what parsing takes in time and memory grows with them. */
const MOST_PARTS = 1 << 20;
const MOST_STEPS = 4096;
/** Numbers that all steps together may make of a row. */
const MOST_CELLS = 1 << 18;
/** Products and sums that they may take for it: some ten milliseconds. */
const MOST_WORK = 1 << 24;
const MOST_COLUMNS = 1 << 17;
const LONGEST_NAME = 512;

/** Throw Malformed, before it is parsed, where a text is longer, or has more parts, than any preparation. */
export function requireShort(source: string | Uint8Array): void {
  if (source.length > LARGEST) {
    throw new Malformed(`its ${source.length} bytes are more than ${LARGEST}`);
  }
  const marks =
    typeof source === "string" ? partsOfText(source) : source.reduce((count, byte) => count + isPart(byte), 0);
  if (marks > MOST_PARTS) {
    throw new Malformed("its brackets and commas are more parts than any preparation has");
  }
}

function partsOfText(source: string): number {
  let count = 0;
  for (let at = 0; at < source.length; at += 1) {
    count += isPart(source.charCodeAt(at));
  }
  return count;
}

/** 1 for a comma and for brackets that open. */
function isPart(code: number): number {
  return code === 0x2c || code === 0x5b || code === 0x7b ? 1 : 0;
}

/** Throw ParameterError where columns are named in part, or a name occurs twice. */
export function requireNames(columns: readonly { readonly name: string | null }[], features: readonly string[]): void {
  const names = columns.flatMap(({ name }) => (name === null ? [] : [name]));
  const whole = columns.length > 0 && (names.length === 0 || names.length === columns.length);
  ensure(whole, "columns must all have names, or none.", "Name all of them, at least one.");
  for (const [what, all] of [
    ["columns", names],
    ["features", features],
  ] as const) {
    const distinct = new Set(all.map((name) => name.normalize("NFC"))).size === all.length;
    ensure(distinct, `two ${what} have the same name.`, "Rename one of them, or leave it out.");
  }
}

/** Throw ParameterError where a preparation is larger than may be sent, or takes longer for a row. */
export function requireModest(
  columns: readonly { readonly name: string | null }[],
  features: readonly string[],
  steps: readonly Step[],
  begin: Fields,
): void {
  const width = Math.max(columns.length, features.length);
  requireAtMost(width, MOST_COLUMNS, "columns");
  for (const name of [...features, ...columns.map((column) => column.name ?? "")]) {
    requireAtMost(name.length > LONGEST_NAME ? [...name].length : name.length, LONGEST_NAME, "characters of a name");
  }
  const { count, deepest } = sizeOf(steps);
  requireAtMost(count, MOST_STEPS, "steps");
  requireAtMost(deepest, DEEPEST, "steps within one another");
  let [cells, work] = [columns.length, 0];
  walk(steps, begin, (step, before) => {
    work += step.work(before.length);
    cells += step.after(before).length;
    requireAtMost(cells, MOST_CELLS, "numbers of a row");
    requireAtMost(work, MOST_WORK, "products for a row");
  });
}

function requireAtMost(count: number, most: number, what: string): void {
  const reason = `a preparation has ${count} ${what}, where ${most} is the most.`;
  ensure(count <= most, reason, "Choose fewer features, or prepare some before.");
}

/** How many steps there are, and how deep they nest. */
function sizeOf(steps: readonly Step[], depth = 1): { readonly count: number; readonly deepest: number } {
  let [count, deepest] = [steps.length, depth];
  for (const step of steps) {
    for (const branch of step instanceof Union ? step.branches : []) {
      const inner = sizeOf(branch, depth + 1);
      count += inner.count + 1;
      deepest = Math.max(deepest, inner.deepest);
    }
  }
  return { count, deepest };
}

/** What comes out of all steps. Throws ParameterError where a step takes other cells than come in to it. */
export function requireKinds(steps: readonly Step[], begin: Fields): Fields {
  return walk(steps, begin, (step, before) => {
    step.wants(before.length).forEach((wanted, place) => {
      const kind = before[place]?.kind;
      const takes = step.takesEither && kind === "either";
      if (wanted !== null && kind !== undefined && wanted !== kind && !takes) {
        const reason = `a step ${step.name} takes ${wanted}s, and what comes in is of kind ${kind}.`;
        throw new ParameterError(reason, "Encode texts as numbers before, or declare the column's kind.");
      }
    });
  });
}

/** Numbers that all steps make of a row. */
export function widthOf(steps: readonly Step[], begin: Fields): number {
  let total = begin.length;
  walk(steps, begin, (step, before) => {
    total += step.after(before).length;
  });
  return total;
}
