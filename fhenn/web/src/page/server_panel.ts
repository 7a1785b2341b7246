/** What the server sees: sizes, times, and the picture of noise that an upload is. */

import type { Predicted } from "../worker/protocol.ts";
import { make } from "./dom.ts";
import { bytes, duration, number, onLanguage, speak, speakAttribute, text } from "./language.ts";
import type { Seen, Store } from "./state.ts";
import { stepSection } from "./step.ts";
import type { TextName } from "./texts.ts";

/** The section beside the steps. */
export function serverPanel(store: Store): HTMLElement {
  const section = stepSection("server", null, "serverTitle", "serverHint");
  const box = make("div");
  store.watch(["seen"], ({ seen }) => box.replaceChildren(...content(seen)));
  section.append(box);
  return section;
}

function content({ keys, last }: Seen): readonly HTMLElement[] {
  if (!last) return [speak(make("p", { class: "notice" }), "serverNothing")];
  const lines: readonly (readonly [TextName, () => string])[] = [
    ["sawKeys", () => bytes(keys)],
    ["sawUpload", () => bytes(last.sent)],
    ["sawAnswer", () => bytes(last.received)],
    ["sawRequests", () => number(last.requests)],
    ["tookEncrypt", () => duration(last.encrypting)],
    ["tookServer", () => duration(last.waiting)],
    ["tookDecrypt", () => duration(last.decrypting)],
  ];
  const list = make("dl");
  for (const [name, value] of lines) {
    const said = make("dd");
    onLanguage(said, () => void (said.textContent = value()));
    list.append(make("div", {}, speak(make("dt"), name), said));
  }
  return [list, picture(last)];
}

function picture({ picture: shown }: Predicted): HTMLElement {
  const side = Math.floor(Math.sqrt(shown.length));
  const canvas = make("canvas", { class: "noise", width: side || 1, height: side || 1, role: "img" });
  speakAttribute(canvas, "aria-label", "pictureLabel");
  if (side) {
    const dots = new ImageData(side, side);
    for (let place = 0; place < side * side; place += 1) {
      const grey = shown[place] ?? 0;
      dots.data.set([grey, grey, grey, 255], 4 * place);
    }
    canvas.getContext("2d")?.putImageData(dots, 0, 0);
  }
  const caption = make("figcaption");
  onLanguage(caption, () => {
    caption.textContent = text("picture", { bytes: bytes(shown.length), bits: number(entropy(shown), 3) });
  });
  return make("figure", {}, canvas, caption);
}

/** Shannon's entropy of bytes, in bits a byte. */
export function entropy(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts.reduce(
    (sum, count) => (count ? sum - (count / bytes.length) * Math.log2(count / bytes.length) : sum),
    0,
  );
}
