/** Step 4: the rows, and what is predicted of them. */

import { writeCsv, type Table, type WriteOptions } from "../client/table/index.ts";
import type { Controller } from "./controller.ts";
import { make } from "./dom.ts";
import { download } from "./download.ts";
import { bytes, duration, onLanguage, speak, speakAttribute, text } from "./language.ts";
import { boundsOf } from "./model.ts";
import { bar, probabilities, rowsTable } from "./rows_table.ts";
import { EVERYTHING, RowsView, type SortKey, type Wish } from "./rows_view.ts";
import type { Source, State, Store } from "./state.ts";
import { button, field, stepSection } from "./step.ts";

/** Rows of a page of the table. */
const PAGE = 50;

/** The section of step 4. */
export function stepPredictions(store: Store, controller: Controller): HTMLElement {
  const section = stepSection("step-predictions", 4, "predictionsTitle", "predictionsHint");
  section.id = "predictions";
  section.append(
    make("div", { class: "line" }, predicting(store, controller), stopping(store, controller), saying(store)),
    progress(store),
    new Panel(store).element,
  );
  return section;
}

/** How what is saved is written: as what was brought, and so that a spreadsheet of that language opens it. */
export function formatOf({ delimiter, decimal, mark }: Table): WriteOptions {
  return { delimiter, decimal, mark: mark || delimiter === ";" };
}

/** What a file of predictions is called. */
export function nameOfSaved(source: Source): string {
  if (source.kind === "drawn") return "drawing-prediction.csv";
  const name = source.kind === "file" ? source.name.replace(/\.\w+$/, "") : "typed-rows";
  return `${name}-predictions.csv`;
}

function predicting(store: Store, controller: Controller): HTMLElement {
  const predict = make("button", { type: "button" });
  predict.addEventListener("click", () => void controller.predict());
  store.watch(["rows", "busy", "results"], ({ rows, busy, results }) => {
    const count = rows?.prepared.ready.length ?? 0;
    speak(predict, count ? "predict" : "predictNone", { n: count });
    predict.disabled = !count || busy !== null;
    predict.classList.toggle("primary", count > (results?.rows.length ?? 0));
  });
  return predict;
}

function stopping(store: Store, controller: Controller): HTMLElement {
  const stop = button("stop", () => controller.stop());
  store.watch(["busy"], ({ busy }) => void (stop.hidden = busy !== "predict"));
  return stop;
}

function saying(store: Store): HTMLElement {
  const line = make("p", { class: "said", role: "status" });
  store.watch(["results", "rows", "model", "busy"], (state) =>
    onLanguage(line, () => void (line.textContent = say(state))),
  );
  return line;
}

function say({ model, rows, results, busy }: State): string {
  if (busy === "predict") return "";
  if (!model) return text("needModel");
  if (!rows) return text("needData");
  if (!rows.prepared.ready.length) return text("needReady");
  return results ? text("done", { n: results.rows.length, time: duration(results.milliseconds) }) : "";
}

function progress(store: Store): HTMLElement {
  const bar = speakAttribute(make("progress", { max: 1 }), "aria-label", "working");
  const line = make("p", { class: "step", "aria-live": "polite" });
  const box = make("div", { class: "progress" }, bar, line);
  store.watch(["step", "busy"], ({ step, busy }) => {
    box.classList.toggle("idle", busy === null);
    if (step && step.total > 0 && step.what !== "load") bar.value = step.done / step.total;
    else bar.removeAttribute("value");
    onLanguage(line, () => void (line.textContent = busy === null ? "" : sayStep(step)));
  });
  return box;
}

function sayStep(step: State["step"]): string {
  if (!step) return text("working");
  const { what, done, total } = step;
  switch (what) {
    case "load":
      return text("stepLoad");
    case "keys":
      return text("stepKeys", { done, total });
    case "upload":
      return text("stepUpload", { done: bytes(done), total: bytes(total) });
    case "encrypt":
      return text("stepEncrypt", { done, total });
    case "predict":
      return text("stepPredict", { done, total });
    case "decrypt":
      return text("stepDecrypt", { done, total });
    case "unanswered":
      return text("stepUnanswered");
    case "busy":
      return text("stepBusy");
  }
}

/** The table, with what sorts, filters and saves it. */
class Panel {
  readonly element = make("div", { class: "panel" });
  readonly #empty = speak(make("p", { class: "empty" }), "nothingYet");
  readonly #tools = make("div", { class: "line tools" });
  readonly #scroll = make("div", { class: "scroll", tabindex: 0, role: "region" });
  readonly #pager = make("div", { class: "line pager" });
  readonly #whole = make("div", { class: "whole" });
  #wish: Wish = EVERYTHING;
  #page = 0;
  #view: RowsView | null = null;

  constructor(private readonly store: Store) {
    speakAttribute(this.#scroll, "aria-label", "rowsTable");
    this.element.append(this.#empty, this.#tools, this.#scroll, this.#pager, this.#whole);
    this.#fillTools();
    store.watch(["rows"], () => this.#forget());
    store.watch(["rows", "results", "model"], ({ rows, results }) => {
      this.#view = rows && new RowsView(rows, results);
      this.#whole.replaceChildren();
      if (results?.rows.length === 1 && results.rows[0] !== undefined) this.#open(results.rows[0]);
      onLanguage(this.#scroll, () => this.#draw());
    });
  }

  #forget(): void {
    this.#wish = EVERYTHING;
    this.#page = 0;
    for (const each of this.#tools.querySelectorAll("input, select"))
      (each as HTMLInputElement).value = each.matches("select") ? "all" : "";
  }

  #fillTools(): void {
    const filter = make("input", { type: "search", autocomplete: "off" });
    filter.addEventListener("input", () => this.#want({ filter: filter.value }));
    const only = make("select");
    for (const [value, name] of [
      ["all", "showAll"],
      ["marked", "showMarked"],
      ["alarms", "showAlarms"],
    ] as const) {
      only.append(speak(make("option", { value }), name));
    }
    only.addEventListener("change", () => this.#want({ only: only.value as Wish["only"] }));
    const alarms = only.lastElementChild as HTMLOptionElement;
    this.store.watch(["model"], ({ model }) => void (alarms.hidden = alarms.disabled = !model?.witnesses));
    const save = button("download", () => this.#save());
    this.store.watch(["results"], ({ results }) => void (save.disabled = results === null));
    this.#tools.append(field("filter", filter), field("show", only), save);
  }

  #want(change: Partial<Wish>): void {
    this.#wish = { ...this.#wish, ...change };
    this.#page = 0;
    this.#draw();
  }

  #sort(key: SortKey): void {
    const again = JSON.stringify(key) === JSON.stringify(this.#wish.sort);
    // what is most likely is looked for first
    this.#want({ sort: key, descending: again ? !this.#wish.descending : key.by === "result" });
    this.#scroll.querySelector<HTMLElement>("th[aria-sort$=scending] button")?.focus();
  }

  #draw(): void {
    const view = this.#view;
    this.#empty.hidden = view !== null;
    for (const each of [this.#tools, this.#scroll, this.#pager]) each.hidden = view === null;
    if (!view) {
      this.#scroll.replaceChildren();
      return;
    }
    const rows = view.select(this.#wish);
    const shown = rows.slice(this.#page * PAGE, (this.#page + 1) * PAGE);
    const { model } = this.store.state;
    const table = rowsTable({
      view,
      shown,
      wish: this.#wish,
      pixels: model?.pixels ?? null,
      bounds: model ? boundsOf(model, view.rows.table) : [],
      sort: (key) => this.#sort(key),
      open: (row) => this.#open(row),
    });
    this.#scroll.replaceChildren(table);
    for (const each of this.#tools.querySelectorAll<HTMLElement>(".field")) each.hidden = view.rows.table.rows < 2;
    this.#drawPager(rows.length);
  }

  #drawPager(total: number): void {
    const from = this.#page * PAGE;
    const said = total
      ? text("rowsShown", { from: from + 1, to: Math.min(total, from + PAGE), total })
      : text("noneShown");
    const turn = (by: number): void => {
      this.#page += by;
      this.#draw();
      this.#scroll.scrollTop = 0;
    };
    const [before, after] = [button("previous", () => turn(-1)), button("next", () => turn(1))];
    before.disabled = this.#page === 0;
    after.disabled = from + PAGE >= total;
    const line = make("p", { role: "status" }, said);
    this.#pager.replaceChildren(...(total > PAGE ? [before, line, after] : [line]));
  }

  /** Show all probabilities of a row. */
  #open(row: number): void {
    const view = this.#view;
    const shares = view ? probabilities(view) : [];
    if (!view || shares.length === 0 || view.result((shares[0] as (typeof shares)[number]).column, row) === null)
      return;
    const rows = shares.map(({ column }) => {
      const name = column.label?.text ?? column.name;
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        make("td", { class: "probability" }, ...bar(Number(view.result(column, row)))),
      );
    });
    const caption = speak(make("caption"), "wholeAnswer", { row: row + 1 });
    this.#whole.replaceChildren(make("table", {}, caption, make("tbody", {}, ...rows)));
  }

  /** The rows in their order, with what is predicted before them, as CSV. */
  #save(): void {
    const view = this.#view;
    if (!view?.results) return;
    const { table, source } = view.rows;
    const every = Array.from({ length: table.rows }, (_, row) => row);
    const predicted = view.results.columns.map((column) => ({
      name: column.name,
      cells: every.map((row) => view.result(column, row)),
    }));
    const taken = new Set(predicted.map(({ name }) => name));
    const given = table.columns.map((cells, place) => {
      const name = table.names?.[place] || `x${place + 1}`;
      return { name: taken.has(name) ? `${name} (given)` : name, cells: [...cells] };
    });
    download(nameOfSaved(source), writeCsv([...predicted, ...given], formatOf(table)));
  }
}
