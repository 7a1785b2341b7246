/** The focus of the keyboard, which a control loses that is off, or away, while the page is busy. */

import type { Store } from "./state.ts";

/** Give the focus back once the page is no longer busy. Is to be called before the controls watch the store. */
export function keepFocus(store: Store): void {
  let before: HTMLElement | null = null;
  store.watch(["busy"], ({ busy }) => {
    if (busy !== null) {
      const focused = document.activeElement;
      if (focused instanceof HTMLElement && focused !== document.body) before = focused;
      return;
    }
    const wanted = before;
    before = null;
    // after the controls have been switched on again
    if (wanted) queueMicrotask(() => giveBack(wanted));
  });
}

function giveBack(wanted: HTMLElement): void {
  const focused = document.activeElement;
  const lost = focused === null || focused === document.body || focused === wanted || !shown(focused);
  if (!lost) return; // the reader has gone on
  const near = wanted.closest("section")?.querySelectorAll<HTMLElement>("button:enabled, input:enabled") ?? [];
  (shown(wanted) && !wanted.matches(":disabled") ? wanted : [...near].find(shown))?.focus();
}

function shown(element: Element): boolean {
  return element.isConnected && element.getClientRects().length > 0;
}
