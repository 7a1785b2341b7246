/** The language that the page speaks, and how it says numbers, sizes and times. */

import { TEXTS, type Language, type TextName } from "./texts.ts";

export type Values = Readonly<Record<string, string | number>>;

const LANGUAGES: readonly Language[] = ["en", "de"];

/**
 * The first language that both the page and the reader know.
 *
 * @param wanted - as `navigator.languages` has them
 */
export function choose(wanted: readonly string[]): Language {
  for (const each of wanted) {
    const found = LANGUAGES.find((language) => each.toLowerCase().split("-")[0] === language);
    if (found) return found;
  }
  return "en";
}

let current: Language = "en";
let spoken: { readonly node: WeakRef<Node>; readonly say: () => void }[] = [];

/** The language that the page speaks. */
export function language(): Language {
  return current;
}

/** Speak another language: all that `speak` and `onLanguage` know is said again. */
export function setLanguage(chosen: Language): void {
  current = chosen;
  document.documentElement.lang = chosen;
  document.title = text("title");
  spoken = spoken.filter(({ node }) => node.deref() !== undefined);
  for (const each of [...spoken]) each.say();
}

/**
 * A text of the page in its language.
 *
 * @param name - of `TEXTS`
 * @param values - what stands for `{name}` in it; numbers are written as the language does, and `n` chooses between
 * the forms for one and for others that `|` parts
 */
export function text(name: TextName, values: Values = {}): string {
  const forms = TEXTS[name][current].split("|");
  const form = (values["n"] === 1 ? forms[0] : forms.at(-1)) ?? "";
  return form.replace(/\{(\w+)\}/g, (whole, key: string) => {
    const value = values[key];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/**
 * Say a text in an element now, and again when the language changes. What the element said before is replaced.
 *
 * @param element - whose text it is
 * @param name - of `TEXTS`
 * @param values - as for `text`
 * @returns the element
 */
export function speak<E extends Element>(element: E, name: TextName, values: Values = {}): E {
  onLanguage(element, () => void (element.textContent = text(name, values)));
  return element;
}

/** The same for an attribute, for instance `aria-label`. */
export function speakAttribute<E extends Element>(
  element: E,
  attribute: string,
  name: TextName,
  values: Values = {},
): E {
  const slot = attributes.get(element) ?? new Map<string, () => void>();
  if (!attributes.has(element)) {
    attributes.set(element, slot);
    spoken.push({ node: new WeakRef(element), say: () => slot.forEach((say) => say()) });
  }
  const say = (): void => element.setAttribute(attribute, text(name, values));
  slot.set(attribute, say);
  say();
  return element;
}

/** Do something now, and whenever the language changes, as long as an element is alive. One thing an element. */
export function onLanguage(element: Element, say: () => void): void {
  const known = sayings.get(element);
  sayings.set(element, say);
  if (!known) spoken.push({ node: new WeakRef(element), say: () => sayings.get(element)?.() });
  say();
}

/** Say nothing more in an element, and empty it. */
export function silence(element: Element): void {
  if (sayings.has(element)) sayings.set(element, () => undefined);
  element.textContent = "";
}

const sayings = new WeakMap<Element, () => void>();
const attributes = new WeakMap<Element, Map<string, () => void>>();

/** A number as the language writes it, to so many significant digits. */
export function number(value: number, digits = 6): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(1).replace(".", current === "de" ? "," : ".");
  return new Intl.NumberFormat(current, { maximumSignificantDigits: digits }).format(value || 0); // no -0
}

/** Two numbers, and what lies between them. */
export function range([low, high]: readonly [number, number]): string {
  return text("fromTo", { low: number(low, 4), high: number(high, 4) });
}

/** A share of one, in per cent. */
export function percent(share: number): string {
  return new Intl.NumberFormat(current, { style: "percent", maximumFractionDigits: 1 }).format(share);
}

/** Bytes in the unit that suits them; 1 kB is 1,000 bytes. */
export function bytes(count: number): string {
  if (count < 1000) return `${number(count)} B`;
  return count < 999_500 ? `${number(count / 1e3, 3)} kB` : `${number(count / 1e6, 3)} MB`;
}

/** A time in the unit that suits it. */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${number(Math.round(milliseconds))} ms` : `${number(milliseconds / 1000, 3)} s`;
}
