/** Elements made by hand: text is text and never markup, so the page needs no policy for HTML. */

export type Child = Node | string;

/** Attributes by name; `true` sets one without a value, `false` leaves it out. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/**
 * An element with attributes and children.
 *
 * @param tag - its name
 * @param attributes - by name
 * @param children - nodes, and texts that become text nodes
 */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** Set attributes, or remove those that are `false`. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** A number that no other element of this page has, for `id` and what refers to it. */
export function freshId(name: string): string {
  count += 1;
  return `${name}-${count}`;
}

let count = 0;
