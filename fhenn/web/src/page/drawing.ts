/** A field to draw an image on, with the mouse, a pen or a finger. */

import type { Controller } from "./controller.ts";
import { make } from "./dom.ts";
import { isMnist, normalise, valuesOf, type Picture } from "./image.ts";
import { speak, speakAttribute } from "./language.ts";
import type { Model } from "./state.ts";
import { button } from "./step.ts";

const SIDE = 280;

/** The field, with what clears and predicts it. */
export function drawingField(model: Model, controller: Controller): HTMLElement {
  const canvas = make("canvas", { class: "drawing", width: SIDE, height: SIDE, role: "img" });
  speakAttribute(canvas, "aria-label", "drawField");
  const pen = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  const clear = (): void => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SIDE, SIDE);
  };
  clear();
  const [height, width] = model.pixels ?? [1, 1];
  const mnist = isMnist(height, width);
  // MNIST's strokes are about two of 28 pixels wide; those of smaller images, as they fill them, one
  listen(canvas, pen, Math.max(SIDE / 12, mnist ? 0 : SIDE / width));
  const empty = speak(make("p", { class: "notice", role: "status" }), "emptyDrawing");
  empty.hidden = true;
  const predict = button(
    "predictDrawing",
    () => {
      const values = imageOf(pen, model);
      empty.hidden = values !== null;
      if (values) void controller.predictImage(values);
      else controller.dropDrawing();
    },
    "primary",
  );
  const tools = make("div", { class: "line" }, predict, button("clear", clear));
  const hint = speak(make("p", { class: "hint" }), mnist ? "drawHint" : "drawHintFilling", { height, width });
  return make("div", { class: "draw" }, hint, canvas, tools, empty);
}

function listen(canvas: HTMLCanvasElement, pen: CanvasRenderingContext2D, thickness: number): void {
  let from: readonly [number, number] | null = null;
  const place = (event: PointerEvent): readonly [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  const stroke = (to: readonly [number, number]): void => {
    pen.strokeStyle = "#000";
    pen.lineWidth = thickness;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...(from ?? to));
    pen.lineTo(...to);
    pen.stroke();
    from = to;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    from = null;
    stroke(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !canvas.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) stroke(place(each));
    stroke(place(event));
  });
  const end = (): void => void (from = null);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

function imageOf(pen: CanvasRenderingContext2D, { pixels, bounds, features }: Model): Float64Array | null {
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  const ink = Float64Array.from({ length: SIDE * SIDE }, (_, place) => 1 - (data[4 * place] ?? 255) / 255);
  const [height, width] = pixels ?? [0, 0];
  const image: Picture | null = normalise({ height: SIDE, width: SIDE, ink }, height, width);
  if (image === null) return null;
  const any = new Float64Array(features);
  return valuesOf(image, bounds?.low ?? any.map(() => 0), bounds?.high ?? any.map(() => 1));
}
