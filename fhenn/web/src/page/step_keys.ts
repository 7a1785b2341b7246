/** Step 3: keys are made, kept, unlocked, forgotten. */

import type { Controller } from "./controller.ts";
import { make } from "./dom.ts";
import { bytes, duration, language, onLanguage, speak, text } from "./language.ts";
import type { State, Store } from "./state.ts";
import { account, button, field, stepSection } from "./step.ts";

const ITERATIONS = 600_000;

/** The section of step 3. */
export function stepKeys(store: Store, controller: Controller): HTMLElement {
  const section = stepSection("step-keys", 3, "keysTitle", "keysHint");
  const making = make("button", { type: "button" });
  making.addEventListener("click", () => void controller.makeKeys());
  store.watch(["keys", "kept", "model", "busy"], ({ keys, kept, model, busy }) => {
    speak(making, keys || kept ? "newKeys" : "makeKeys");
    making.classList.toggle("primary", !keys && !kept);
    making.disabled = !model || busy !== null;
  });
  section.append(status(store), make("div", { class: "line" }, making, forgetting(store, controller)));
  section.append(unlocking(store, controller), keeping(store, controller));
  return section;
}

function status(store: Store): HTMLElement {
  const line = make("p", { class: "keys", role: "status" });
  store.watch(["keys", "kept", "busy"], (state) => onLanguage(line, () => void (line.textContent = sayKeys(state))));
  return line;
}

function sayKeys({ keys, kept, busy }: State): string {
  if (busy === "keys") return text("makingKeys");
  if (!keys) return text("noKeys");
  const said = {
    fingerprint: keys.fingerprint.slice(0, 8),
    time: duration(keys.milliseconds),
    size: bytes(keys.bytes),
  };
  return text(kept?.fingerprint === keys.fingerprint ? "keysKept" : "keysInMemory", said);
}

function forgetting(store: Store, controller: Controller): HTMLElement {
  const forgotten = speak(make("span", { class: "notice", role: "status" }), "forgotten");
  let sure = false;
  const ask = (asking: boolean): void => {
    sure = asking;
    speak(forget, asking ? "forgetSure" : "forget");
  };
  const forget = button(
    "forget",
    () => {
      if (store.state.kept && !sure) {
        ask(true);
        return;
      }
      ask(false);
      void controller.forget().then((well) => void (forgotten.hidden = !well));
    },
    "danger",
  );
  forget.addEventListener("blur", () => ask(false));
  store.watch(["keys", "kept", "busy"], ({ keys, kept, busy }) => {
    forget.hidden = !keys && !kept;
    forget.disabled = busy !== null;
    if (keys || kept) forgotten.hidden = true;
  });
  forgotten.hidden = true;
  return make("div", { class: "line" }, forget, forgotten);
}

function unlocking(store: Store, controller: Controller): HTMLElement {
  const passphrase = make("input", { type: "password", autocomplete: "current-password", required: true });
  const unlock = speak(make("button", { type: "submit", class: "primary" }), "unlock");
  const said = make("p", { class: "notice" });
  const form = make(
    "form",
    { class: "unlock" },
    said,
    account(),
    make("div", { class: "line" }, field("passphrase", passphrase), unlock),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = passphrase.value;
    passphrase.value = "";
    void controller.unlock(given);
  });
  store.watch(["keys", "kept", "busy"], ({ keys, kept, busy }) => {
    form.hidden = !kept || keys !== null;
    unlock.disabled = busy !== null;
    if (kept) onLanguage(said, () => void (said.textContent = text("unlockHint", { date: dateOf(kept.created) })));
  });
  return form;
}

function keeping(store: Store, controller: Controller): HTMLElement {
  const [passphrase, again] = [0, 1].map(() =>
    make("input", { type: "password", autocomplete: "new-password", required: true }),
  ) as [HTMLInputElement, HTMLInputElement];
  const keep = speak(make("button", { type: "submit" }), "keepNow");
  const form = make("form", {}, speak(make("p", { class: "hint" }), "keepHint", { iterations: ITERATIONS }));
  form.append(account(), field("passphrase", passphrase), field("passphraseAgain", again), keep);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [first, second] = [passphrase.value, again.value];
    passphrase.value = again.value = "";
    void controller.keep(first, second);
  });
  const details = make("details", {}, speak(make("summary"), "keep"), form);
  store.watch(["keys", "kept", "busy"], ({ keys, kept, busy }) => {
    details.hidden = !keys || kept?.fingerprint === keys.fingerprint;
    keep.disabled = busy !== null;
  });
  return details;
}

function dateOf(created: number): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(created);
}
