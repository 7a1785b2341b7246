/** The page: its parts, put together. */

import { alertBox } from "./alert.ts";
import { Controller } from "./controller.ts";
import { make } from "./dom.ts";
import { keepFocus } from "./focus.ts";
import { footer } from "./footer.ts";
import { choose, language, setLanguage, speak, speakAttribute } from "./language.ts";
import { serverPanel } from "./server_panel.ts";
import { NOTHING_SEEN, Store, type State } from "./state.ts";
import { stepData } from "./step_data.ts";
import { stepKeys } from "./step_keys.ts";
import { stepModel } from "./step_model.ts";
import { stepPredictions } from "./step_predictions.ts";
import type { Language } from "./texts.ts";
import { PageError, troubleOf } from "./trouble.ts";

/** The token that the address brings in its fragment, which is taken out of it, and of the history, at once. */
function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

/** Where the service is: where the page is, unless the address says otherwise. */
function serviceAddress(): string {
  const given = new URLSearchParams(location.search).get("service");
  return given === null ? location.origin : given.replace(/\/+$/, "");
}

function header(): HTMLElement {
  const select = speakAttribute(make("select", { class: "language" }), "aria-label", "chooseLanguage");
  for (const [value, name] of [
    ["en", "English"],
    ["de", "Deutsch"],
  ] as const) {
    select.append(make("option", { value, lang: value }, name));
  }
  select.value = language();
  select.addEventListener("change", () => setLanguage(select.value as Language));
  const title = make("div", {}, make("h1", {}, "fhenn"), speak(make("p"), "tagline"));
  return make("header", {}, title, select);
}

function start(): void {
  const first: State = {
    service: serviceAddress(),
    token: takeToken(),
    models: null,
    model: null,
    rows: null,
    keys: null,
    kept: null,
    results: null,
    seen: NOTHING_SEEN,
    busy: null,
    step: null,
  };
  setLanguage(choose(navigator.languages));
  const alerts = alertBox();
  const store = new Store(first);
  keepFocus(store);
  const controller = new Controller(store, alerts.show);
  const steps = make(
    "div",
    { class: "steps" },
    stepModel(store, controller),
    stepData(store, controller),
    stepKeys(store, controller),
  );
  const results = make("div", { class: "results" }, stepPredictions(store, controller), serverPanel(store));
  const skip = speak(make("a", { class: "skip", href: "#predictions" }), "skip");
  document.body.replaceChildren(skip, header(), make("main", {}, alerts.element, steps, results), footer());
  store.watch(["busy"], ({ busy }) => document.body.setAttribute("aria-busy", String(busy !== null)));
  // a file that misses its field must not take the place of the page
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    const token = location.hash.startsWith("#token=") ? takeToken() : "";
    if (token) void controller.connect(token);
  });
  if (!isSecureContext) {
    alerts.show(troubleOf(new PageError("errorInsecure")));
    return;
  }
  controller.warm();
  if (first.token) void controller.connect(first.token);
}

start();
