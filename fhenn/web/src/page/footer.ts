/** Who could serve another page, and how to tell. */

import { make } from "./dom.ts";
import { onLanguage, speak, text } from "./language.ts";

/** The footer, with the SHA-256 of the build's manifest. */
export function footer(): HTMLElement {
  const hash = make("code", { class: "hash" }, "…");
  const how = make("p");
  const address = new URL("SHA256SUMS", document.baseURI).href;
  onLanguage(how, () => void (how.textContent = text("footerHow", { command: `curl -s ${address} | sha256sum` })));
  void digestOf(address).then((found) => {
    if (found === null) speak(hash, "noHash");
    else hash.textContent = found;
  });
  return make("footer", {}, make("p", {}, speak(make("span"), "footer"), " ", hash), how);
}

/** The SHA-256 of a file beside the page, in hexadecimal digits; null where there is none. */
async function digestOf(address: string): Promise<string | null> {
  if (!isSecureContext) return null; // without cryptography
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
