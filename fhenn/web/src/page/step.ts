/** The frame of a step: its number, its title, a hint. */

import { freshId, make } from "./dom.ts";
import { speak } from "./language.ts";
import type { TextName } from "./texts.ts";

/** A section with a number, a heading and a hint, to be filled. */
export function stepSection(name: string, place: number | null, title: TextName, hint: TextName): HTMLElement {
  const id = freshId("title");
  const heading = make("h2", { id });
  if (place !== null) heading.append(make("span", { class: "number" }, String(place)));
  heading.append(speak(make("span"), title));
  const section = make("section", { class: `card ${name}`, "aria-labelledby": id });
  section.append(heading, speak(make("p", { class: "hint" }), hint));
  return section;
}

/** A button that says a text. */
export function button(name: TextName, act: () => void, kind = ""): HTMLButtonElement {
  const made = speak(make("button", { type: "button", class: kind }), name);
  made.addEventListener("click", act);
  return made;
}

/** A label above what it names. */
export function field(name: TextName, control: HTMLElement): HTMLElement {
  control.id ||= freshId("field");
  return make("div", { class: "field" }, speak(make("label", { for: control.id }), name), control);
}

/** Whose password a form takes, for managers of passwords, which want to be told: the page has no names. */
export function account(): HTMLElement {
  return make("input", { type: "text", name: "username", value: "fhenn", autocomplete: "username", hidden: true });
}
