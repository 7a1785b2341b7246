/** A row that is an image, drawn. */

import type { Prepared } from "../client/table/index.ts";
import { make } from "./dom.ts";
import { text } from "./language.ts";

/** The image of a row, as large as its pixels. */
export function thumbnail(
  { features, width }: Prepared,
  row: number,
  [high, wide]: readonly [number, number],
): HTMLElement {
  const canvas = make("canvas", { class: "thumbnail", height: high, width: wide, role: "img" });
  canvas.setAttribute("aria-label", text("imageOfRow", { row: row + 1 }));
  const pen = canvas.getContext("2d");
  const values = features.subarray(row * width, (row + 1) * width);
  const white = values.some((value) => value > 2) ? 255 : 1;
  const dots = new ImageData(wide, high);
  values.forEach((value, place) => {
    const grey = 255 - (255 * value) / white;
    dots.data.set([grey, grey, grey, 255], 4 * place);
  });
  pen?.putImageData(dots, 0, 0);
  return canvas;
}
