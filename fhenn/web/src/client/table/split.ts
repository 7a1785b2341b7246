/** How the text of a CSV file is split into rows and cells: as Python's `csv.reader` does. */

import { unquote } from "./formulas.ts";
import { trim } from "./numerals.ts";

/** Characters of a cell, at most: the limit of Python's `csv`. */
const LONGEST_CELL = 131_072;
const BLANKS: ReadonlySet<string> = new Set(" \t\r\n\v\f\xa0\ufeff");

/** Where a row starts, counted from 1 as an editor does, and its cells; none for a blank line. */
export interface Line {
  readonly line: number;
  readonly cells: readonly string[];
}

/** Why a text is not readable, and the line on which the row starts that is not. */
export class Unreadable {
  constructor(
    readonly reason: string,
    readonly line: number,
  ) {}
}

/** What a text is split by. */
export interface Splitting {
  readonly delimiter: string;
  /** Whether a mark that ends a quoted cell must be followed by the end of the cell, as must every opened one. */
  readonly strict: boolean;
  /** Rows that are not blank, at most; all where it is left out. */
  readonly most?: number;
  /** Lines before the text. */
  readonly before?: number;
}

/**
 * The rows of a text.
 *
 * @param text - of the file; its lines end in \n, \r\n or \r.
 * @throws Unreadable, where it is `strict`, or a cell is too long.
 */
export function* split(text: string, { delimiter, strict, most = Infinity, before = 0 }: Splitting): Generator<Line> {
  const end = text.length;
  let at = 0;
  let number = before + 1;
  let rows = 0;
  while (at < end && rows < most) {
    const line = number;
    const cells: string[] = [];
    if (isEnd(text, at)) {
      at = afterEnd(text, at);
      number += 1;
      yield { line, cells };
      continue;
    }
    for (let open = true; open;) {
      const cell = text[at] === '"' ? quoted(text, at, delimiter, strict, line) : plain(text, at, delimiter);
      if (cell.text.length > LONGEST_CELL) {
        throw new Unreadable(`field larger than field limit (${LONGEST_CELL})`, line);
      }
      cells.push(cell.text);
      number += cell.lines;
      at = cell.at;
      open = at < end && text[at] === delimiter;
      at += open ? 1 : 0;
    }
    if (at < end) {
      at = afterEnd(text, at);
    }
    number += 1;
    rows += 1;
    yield { line, cells };
  }
}

/** A cell of a file without the blanks around it, and without the apostrophe that `quote` put there. */
export function clean(cell: string): string {
  const bare = trim(cell, (character) => BLANKS.has(character));
  return bare.startsWith("'") ? unquote(bare) : bare;
}

interface Found {
  readonly text: string;
  /** Where the cell ends: at a delimiter, a line's end or the text's. */
  readonly at: number;
  /** Ends of lines within the cell. */
  readonly lines: number;
}

function plain(text: string, start: number, delimiter: string): Found {
  const mark = delimiter.charCodeAt(0);
  let at = start;
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === mark || code === 10 || code === 13) {
      break;
    }
  }
  return { text: text.slice(start, at), at, lines: 0 };
}

function quoted(text: string, start: number, delimiter: string, strict: boolean, line: number): Found {
  const parts: string[] = [];
  let at = start + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    if (close < 0) {
      if (strict) {
        throw new Unreadable("unexpected end of data", line);
      }
      parts.push(text.slice(at));
      return found(parts, text.length);
    }
    parts.push(text.slice(at, close));
    const next = close + 1;
    if (text[next] === '"') {
      parts.push('"');
      at = next + 1;
    } else if (next >= text.length || text[next] === delimiter || isEnd(text, next)) {
      return found(parts, next);
    } else if (strict) {
      throw new Unreadable(`'${delimiter}' expected after '"'`, line);
    } else {
      const rest = plain(text, next, delimiter);
      parts.push(rest.text);
      return found(parts, rest.at);
    }
  }
}

function found(parts: readonly string[], at: number): Found {
  const text = parts.join("");
  return { text, at, lines: text.match(/\r\n|\r|\n/g)?.length ?? 0 };
}

function isEnd(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 10 || code === 13;
}

function afterEnd(text: string, at: number): number {
  return at + (text.charCodeAt(at) === 13 && text.charCodeAt(at + 1) === 10 ? 2 : 1);
}
