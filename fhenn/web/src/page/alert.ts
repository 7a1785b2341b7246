/** The message of what went wrong. */

import { make } from "./dom.ts";
import { speak } from "./language.ts";
import { button } from "./step.ts";
import type { Trouble } from "./trouble.ts";

/** A box for one message, and what shows one in it or takes it away. */
export function alertBox(): { readonly element: HTMLElement; readonly show: (trouble: Trouble | null) => void } {
  const element = make("div", { class: "alert", role: "alert" });
  const show = (trouble: Trouble | null): void => {
    element.hidden = trouble === null;
    element.replaceChildren(...(trouble ? content(trouble, () => show(null)) : []));
  };
  show(null);
  return { element, show };
}

function content({ name, values, kind, message, open }: Trouble, close: () => void): readonly HTMLElement[] {
  const said = speak(make("p"), name, values);
  const shut = button("dismiss", close);
  if (!kind && !message) return [said, shut];
  if (open) return [said, make("p", { lang: "en" }, message), shut];
  const whole = make("p", { lang: "en" }, make("code", {}, kind), message ? ` ${message}` : "");
  return [said, make("details", {}, speak(make("summary"), "details"), whole), shut];
}
