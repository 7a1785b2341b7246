/** Files that the page makes, for the reader to keep. */

import { make } from "./dom.ts";

/**
 * Offer a text as a file.
 *
 * @param name - of the file
 * @param content - its text
 */
export function download(name: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may begin to read it later
}
