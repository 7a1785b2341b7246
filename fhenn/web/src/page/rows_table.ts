/** The table of rows, with their predictions first and what is wrong marked at its cell. */

import type { ResultColumn } from "../client/reading/index.ts";
import type { Problem, ProblemKind } from "../client/table/index.ts";
import { make } from "./dom.ts";
import { number, percent, range, text } from "./language.ts";
import type { RowsView, SortKey, Wish } from "./rows_view.ts";
import type { TextName } from "./texts.ts";
import { thumbnail } from "./thumbnail.ts";

/** Columns of probabilities that are shown each; more are drawn in one cell. */
const MOST_COLUMNS = 3;

/** Columns of the table that are shown. */
const MOST_CELLS = 60;

const KINDS: Readonly<Record<ProblemKind, TextName>> = {
  blank: "blank",
  "unknown category": "unknownCategory",
  "not a number": "notANumber",
  "out of bounds": "outOfBounds",
  infinite: "infinite",
};

/** What the table is drawn from. */
export interface Drawn {
  readonly view: RowsView;
  readonly shown: readonly number[];
  readonly wish: Wish;
  readonly pixels: readonly [number, number] | null;
  /** Of each column of the table, between which numbers the model accepts; null where that is not known. */
  readonly bounds: readonly (readonly [number, number] | null)[];
  /** Called with the key of a heading that was pressed. */
  readonly sort: (key: SortKey) => void;
  /** Called with a row whose probabilities are to be shown all. */
  readonly open: (row: number) => void;
}

/** The table of some rows. */
export function rowsTable(drawn: Drawn): HTMLTableElement {
  const caption = make("caption", { class: "unseen" }, text("rowsTable"));
  const body = make("tbody", {}, ...drawn.shown.map((row) => line(drawn, row)));
  return make("table", { class: "rows" }, caption, make("thead", {}, make("tr", {}, ...headings(drawn))), body);
}

function headings(drawn: Drawn): readonly HTMLElement[] {
  const { view, pixels } = drawn;
  const { table } = view.rows;
  const found = [heading(drawn, text("row"), { by: "row" }, "place")];
  resultsOf(view).forEach(({ column, place }) => {
    const name = column.kind === "prediction" && column.name === "prediction" ? text("prediction") : column.name;
    found.push(heading(drawn, name, { by: "result", place }, "result"));
  });
  if (many(view)) found.push(make("th", { scope: "col", class: "result" }, text("probability")));
  if (pixels) return [...found, make("th", { scope: "col" }, text("image"))];
  for (const place of cellsOf(view)) {
    found.push(heading(drawn, table.names?.[place] || String(place + 1), { by: "column", place }, ""));
  }
  return found;
}

function heading({ wish, sort }: Drawn, name: string, key: SortKey, kind: string): HTMLElement {
  const now = JSON.stringify(wish.sort) === JSON.stringify(key);
  const press = make("button", { type: "button", class: "sort", title: text("sortBy", { column: name }) }, name);
  press.addEventListener("click", () => sort(key));
  const order = now ? (wish.descending ? "descending" : "ascending") : "none";
  return make("th", { scope: "col", class: kind, "aria-sort": order }, press);
}

function line(drawn: Drawn, row: number): HTMLElement {
  const { view, pixels, open } = drawn;
  const problems = view.problems.get(row) ?? [];
  const alarm = view.results?.alarms.get(row);
  const kinds = [...(problems.length ? ["marked"] : []), ...(alarm === undefined ? [] : ["alarmed"])];
  const place = make("th", { scope: "row", class: "place" }, String(row + 1));
  const found = make("tr", { class: kinds.join(" ") }, place);
  if (problems.length) place.append(make("span", { class: "badge" }, text("notSent")));
  if (alarm !== undefined) place.append(alarmBadge(alarm));
  const cells = resultsOf(view).map(({ column }) => resultCell(column, view.result(column, row)));
  if (alarm !== undefined) cells[0]?.append(make("span", { class: "reason" }, text("outOfRange")));
  found.append(...cells);
  if (many(view)) found.append(manyCell(view, row, open));
  if (pixels) found.append(make("td", {}, thumbnail(view.rows.prepared, row, pixels)));
  else found.append(...cellsOf(view).map((column) => cell(drawn, row, column)));
  return found;
}

function alarmBadge(source: string): HTMLElement {
  const hint = source ? text("alarmHint", { source }) : text("alarmBeside");
  return make(
    "span",
    { class: "badge alarm", title: hint },
    text("alarm"),
    make("span", { class: "unseen" }, `: ${hint}`),
  );
}

function resultCell({ kind }: ResultColumn, value: string | number | bigint | boolean | null): HTMLElement {
  const found = make("td", { class: `result ${kind}` });
  if (value === null || value === "") return found;
  if (kind !== "probability") found.append(typeof value === "number" ? number(value, 5) : String(value));
  else found.append(...bar(Number(value)));
  return found;
}

/** A share of one, as a bar and in per cent. */
export function bar(share: number): readonly HTMLElement[] {
  const filled = make("span", { class: "filled" });
  filled.style.inlineSize = `${100 * Math.min(1, Math.max(0, share))}%`;
  return [
    make("span", { class: "bar", "aria-hidden": "true" }, filled),
    make("span", { class: "share" }, percent(share)),
  ];
}

function manyCell(view: RowsView, row: number, open: (row: number) => void): HTMLElement {
  const shares = probabilities(view).map(({ column }) => Number(view.result(column, row) ?? NaN));
  const found = make("td", { class: "result probability" });
  if (shares.some(Number.isNaN)) return found;
  const bars = shares.map((share) => {
    const each = make("span");
    each.style.blockSize = `${Math.max(4, 100 * share)}%`;
    return each;
  });
  const label = text("wholeAnswer", { row: row + 1 });
  const press = make("button", { type: "button", class: "many", title: label });
  press.append(
    make("span", { class: "unseen" }, `${label}: `),
    make("span", { class: "bars", "aria-hidden": "true" }, ...bars),
  );
  press.append(percent(Math.max(...shares)));
  press.addEventListener("click", () => open(row));
  found.append(press);
  return found;
}

function cell({ view, bounds }: Drawn, row: number, column: number): HTMLElement {
  const value = view.rows.table.columns[column]?.[row] ?? null;
  const found = make("td", {}, value === null ? "" : typeof value === "number" ? number(value) : value);
  const here = (each: Problem): boolean => each.column === column;
  const problem = view.problems.get(row)?.find(here);
  const note = view.notes.get(row)?.find(here);
  if (problem) {
    found.classList.add("bad");
    found.title = problem.message;
    found.append(make("span", { class: "mark" }, wrong(problem, bounds[column] ?? null)));
  } else if (note) {
    found.classList.add("noted");
    found.title = note.message;
    found.append(make("span", { class: "mark" }, text(note.kind === "blank" ? "filledIn" : KINDS[note.kind])));
  }
  return found;
}

/** What is wrong with a cell, and what would be accepted. */
export function wrong({ kind }: Problem, bounds: readonly [number, number] | null): string {
  const said = text(KINDS[kind]);
  return kind === "out of bounds" && bounds ? `${said}: ${range(bounds)}` : said;
}

interface Placed {
  readonly column: ResultColumn;
  /** In the columns of the results. */
  readonly place: number;
}

/** Columns of results that are shown each: predictions, few probabilities, and scores where there is nothing else. */
function resultsOf(view: RowsView): readonly Placed[] {
  const all = placed(view);
  const found = all.filter(({ column }) => column.kind === "prediction");
  const shares = probabilities(view);
  if (shares.length) return many(view) ? found : [...found, ...shares];
  return found.length ? found : all;
}

/** The columns of probabilities of the results. */
export function probabilities(view: RowsView): readonly Placed[] {
  return placed(view).filter(({ column }) => column.kind === "probability");
}

function placed({ results }: RowsView): readonly Placed[] {
  return (results?.columns ?? []).map((column, place) => ({ column, place }));
}

function many(view: RowsView): boolean {
  return probabilities(view).length > MOST_COLUMNS;
}

/** Columns of the table that are shown: those with problems first found, then the others in their order. */
function cellsOf(view: RowsView): readonly number[] {
  const { columns } = view.rows.table;
  return columns.map((_, place) => place).slice(0, MOST_CELLS);
}
