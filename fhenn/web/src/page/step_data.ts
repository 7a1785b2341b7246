/** Step 2: a file that is dropped, a row that is typed, a drawing. */

import type { Prepared, ProblemKind } from "../client/table/index.ts";
import type { Controller } from "./controller.ts";
import { freshId, make } from "./dom.ts";
import { download } from "./download.ts";
import { drawingField } from "./drawing.ts";
import { exampleCsv, exampleOf } from "./example.ts";
import { onLanguage, speak, text } from "./language.ts";
import type { Model, Rows, Store, Wanted } from "./state.ts";
import { button, stepSection } from "./step.ts";
import { whatItAccepts } from "./step_model.ts";
import type { TextName } from "./texts.ts";

/** Columns beyond which a form to type them in helps nobody. */
const MOST_FIELDS = 200;

/** The section of step 2. */
export function stepData(store: Store, controller: Controller): HTMLElement {
  const section = stepSection("step-data", 2, "dataTitle", "dataHint");
  const ways = make("div", { class: "ways" });
  store.watch(["model"], ({ model }) => ways.replaceChildren(...(model ? waysOf(model, controller) : [])));
  section.append(dropZone(store, controller), ways, loaded(store));
  return section;
}

function waysOf(model: Model, controller: Controller): readonly HTMLElement[] {
  if (model.pixels) return [drawingField(model, controller)];
  if (model.wanted.length > MOST_FIELDS) return [];
  return [
    button("example", () => download("example.csv", exampleCsv(model.wanted)), "link"),
    rowForm(model, controller),
  ];
}

function dropZone(store: Store, controller: Controller): HTMLElement {
  const input = make("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", id: freshId("file") });
  const zone = make("label", { class: "drop", for: input.id }, input, speak(make("span"), "drop"));
  const take = (files: FileList | null): void => {
    if (files?.[0]) void controller.load(files[0], files.length);
  };
  input.addEventListener("change", () => {
    take(input.files);
    input.value = ""; // the same file may be chosen again, once it is mended
  });
  const over = (event: DragEvent): void => {
    event.preventDefault();
    zone.classList.toggle("over", event.type !== "dragleave");
  };
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", over);
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (!input.disabled) take(event.dataTransfer?.files ?? null);
  });
  store.watch(["model", "busy"], ({ model, busy }) => {
    input.disabled = !model || busy === "predict";
    zone.classList.toggle("off", input.disabled);
  });
  return zone;
}

function rowForm({ wanted }: Model, controller: Controller): HTMLElement {
  const used = wanted.filter((each) => each.used);
  const controls = used.map(control);
  const lines = used.map((each, place) => {
    const input = controls[place] as HTMLInputElement | HTMLSelectElement;
    input.id = freshId("cell");
    const accepts = make("small", { id: freshId("accepts") });
    onLanguage(accepts, () => void (accepts.textContent = whatItAccepts(each)));
    input.setAttribute("aria-describedby", accepts.id);
    const label = make("label", { for: input.id }, each.name ?? String(wanted.indexOf(each) + 1));
    return make("div", { class: "field" }, label, input, accepts);
  });
  const fill = button("fillExample", () => {
    used.forEach((each, place) => void ((controls[place] as HTMLInputElement).value = exampleOf(each)));
  });
  const add = speak(make("button", { type: "submit", class: "primary" }), "addRow");
  const form = make("form", {}, make("div", { class: "fields" }, ...lines), make("div", { class: "line" }, add, fill));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = new Map(used.map((each, place) => [each, (controls[place] as HTMLInputElement).value]));
    void controller.addRow(wanted.map((each) => asTyped(typed.get(each) ?? "", each)));
  });
  return make("details", { class: "typing" }, speak(make("summary"), "typeRow"), form);
}

function control({ texts, kind }: Wanted): HTMLElement {
  if (!texts.length || kind === "number") {
    return make("input", { type: "text", inputmode: kind === "number" ? "decimal" : "text", autocomplete: "off" });
  }
  if (kind === "either") return make("input", { type: "text", autocomplete: "off" });
  return make("select", {}, make("option", { value: "" }), ...texts.map((each) => make("option", {}, each)));
}

/** Numbers may be typed with a decimal comma. */
function asTyped(cell: string, { kind }: Wanted): string {
  return kind === "number" && /^\s*[-+]?\d*,\d+\s*$/.test(cell) ? cell.replace(",", ".") : cell;
}

function loaded(store: Store): HTMLElement {
  const box = make("p", { class: "loaded", role: "status" });
  store.watch(["rows"], ({ rows }) => onLanguage(box, () => void (box.textContent = rows ? summary(rows) : "")));
  return box;
}

/** What was brought, and what of it is marked. */
export function summary(rows: Rows): string {
  const { source, refused, dropped = 1 } = rows;
  const said = inAll(rows);
  if (refused !== undefined) return text("stillHere", { file: refused, rows: said });
  const file = source.kind === "file" ? source.name : "";
  return dropped > 1 ? `${said} ${text("firstOfFiles", { n: dropped, file })}` : said;
}

function inAll({ table, prepared, source }: Rows): string {
  if (source.kind === "drawn") return text("drawn");
  const marked = table.rows - prepared.ready.length;
  const what =
    source.kind === "file" ? text("loaded", { n: table.rows, source: source.name }) : text("typed", { n: table.rows });
  const typed = source.kind === "file" && source.typed ? `, ${text("someTyped", { n: source.typed })}` : "";
  const said = [
    `${what}${typed}.`,
    marked ? text("someMarked", { n: marked }) : text("allReady"),
    ...noted(prepared, "unknown category", "someUnknown"),
    ...noted(prepared, "blank", "someFilled"),
  ];
  return said.join(" ");
}

/** What is said of the rows that are sent though something is noted of them. */
function noted({ notes, ready }: Prepared, kind: ProblemKind, name: TextName): readonly string[] {
  const sent = new Set(ready);
  const n = new Set(notes.filter((each) => each.kind === kind && sent.has(each.row)).map(({ row }) => row)).size;
  return n ? [text(name, { n })] : [];
}
