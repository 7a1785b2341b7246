/** Step 1: who asks, and which model. */

import type { Reading } from "../client/reading/index.ts";
import type { Controller } from "./controller.ts";
import { make } from "./dom.ts";
import { number, onLanguage, range, speak, text } from "./language.ts";
import type { Model, Store, Wanted } from "./state.ts";
import { account, field, stepSection } from "./step.ts";
import type { TextName } from "./texts.ts";

/** Classes that are named before it says "…". */
const MOST_CLASSES = 12;

/** The section of step 1. */
export function stepModel(store: Store, controller: Controller): HTMLElement {
  const section = stepSection("step-model", 1, "modelTitle", "modelHint");
  const elsewhere = make("p", { class: "notice" });
  if (store.state.service !== location.origin) {
    speak(elsewhere, "serviceElsewhere", { page: location.host || "file", service: store.state.service });
    section.append(elsewhere);
  }
  section.append(tokenForm(store, controller), picker(store, controller), about(store));
  return section;
}

/** The token in what was put into its field: a whole address may be pasted, with the token in its fragment. */
export function bareToken(given: string): string {
  const [, fragment] = /#(.*)$/s.exec(given) ?? [];
  return (new URLSearchParams(fragment ?? "").get("token") ?? given).trim();
}

function tokenForm(store: Store, controller: Controller): HTMLElement {
  const token = make("input", {
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    name: "token",
  });
  const connect = speak(make("button", { type: "submit" }), "connect");
  const form = make("form", { class: "line" }, account(), field("token", token), connect);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void controller.connect(bareToken(token.value));
  });
  store.watch(["token"], (state) => void (token.value = state.token));
  store.watch(["busy", "models"], ({ busy, models }) => {
    connect.disabled = busy !== null;
    connect.classList.toggle("primary", models === null);
  });
  return form;
}

function picker(store: Store, controller: Controller): HTMLElement {
  const select = make("select", { name: "model" });
  const line = field("model", select);
  const none = speak(make("p", { class: "notice" }), "noModels");
  select.addEventListener("change", () => void controller.pick(select.value));
  store.watch(["models", "model", "busy"], ({ models, model, busy }) => {
    line.hidden = !models?.length;
    none.hidden = models === null || models.length > 0;
    select.disabled = busy !== null;
    select.replaceChildren(
      ...(models ?? []).map(({ name }) => make("option", { value: name, selected: name === model?.name }, name)),
    );
    if (model) select.value = model.name;
  });
  return make("div", {}, line, none);
}

function about(store: Store): HTMLElement {
  const box = make("div", { class: "about" });
  store.watch(["model"], ({ model }) => {
    if (!model) {
      box.replaceChildren();
      return;
    }
    const predicts = make("p", { class: "predicts" });
    onLanguage(predicts, () => void (predicts.textContent = whatItPredicts(model.reader)));
    const accuracy = make("p");
    onLanguage(accuracy, () => {
      accuracy.textContent = text(accuracyOf(model), { error: number(model.error, 2) });
    });
    const more = [
      ...(model.distance ? [speak(make("p"), "distance", { distance: number(model.distance, 2) })] : []),
      ...(model.distance || model.ranged ? [speak(make("p"), "otherRows")] : []),
    ];
    box.replaceChildren(predicts, accuracy, ...more, model.pixels ? pixels(model.pixels) : columns(model));
  });
  return box;
}

/** Which text says what the bound of the plan is of. */
function accuracyOf({ reader, finish }: Model): TextName {
  if (reader?.task === "regression") return "accuracyOfNumber";
  return finish === "sigmoid" || finish === "softmax" ? "accuracyOfLogit" : "accuracy";
}

function whatItPredicts(reader: Reading | null): string {
  if (!reader) return text("predictsScores");
  const shown = reader.classes.slice(0, MOST_CLASSES).map((each) => each.text);
  const classes = shown.join(", ") + (reader.classes.length > MOST_CLASSES ? ", …" : "");
  switch (reader.task) {
    case "classification":
      return text("predictsClass", { classes });
    case "multilabel":
      return text("predictsLabels", { classes });
    case "multioutput":
      return text("predictsSeveral", { n: reader.outputs.length });
    case "regression":
      return text("predictsNumber");
  }
}

function pixels([height, width]: readonly [number, number]): HTMLElement {
  return speak(make("p"), "pixels", { height, width });
}

function columns({ wanted }: Model): HTMLElement {
  const names = speak(make("th", { scope: "col" }), "columnName");
  const accepts = speak(make("th", { scope: "col" }), "columnAccepts");
  const rows = wanted.map((each, place) => {
    const cell = make("td");
    onLanguage(cell, () => void (cell.textContent = whatItAccepts(each)));
    return make("tr", {}, make("th", { scope: "row" }, each.name ?? String(place + 1)), cell);
  });
  const table = make(
    "table",
    { class: "columns" },
    make("thead", {}, make("tr", {}, names, accepts)),
    make("tbody", {}, ...rows),
  );
  const summary = speak(make("summary"), "columnsOf", { n: wanted.length });
  return make("details", {}, summary, make("div", { class: "scroll", tabindex: 0, role: "group" }, table));
}

/** What a column may hold, in words. */
export function whatItAccepts({ bounds, kind, texts, used }: Wanted): string {
  if (!used) return text("notUsed");
  if (bounds) return range(bounds);
  if (texts.length) return texts.slice(0, MOST_CLASSES).join(", ") + (texts.length > MOST_CLASSES ? ", …" : "");
  return text(kind === "number" ? "anyNumber" : "anyText");
}
