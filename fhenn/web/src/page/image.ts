/** Drawings as models know their images: 28 × 28 pixels as in MNIST, others filled by the drawing. */

/** A picture in shades of grey: (height × width), row by row, 0 for paper and 1 for ink. */
export interface Picture {
  readonly height: number;
  readonly width: number;
  readonly ink: Float64Array;
}

/** Side of MNIST's images, and of the box that its digits fit. */
const MNIST = 28;
const BOX = 20;

/** Whether images of a shape are taken to be as in MNIST. */
export function isMnist(height: number, width: number): boolean {
  return height === MNIST && width === MNIST;
}

/**
 * A drawing as a small image: of 28 × 28 pixels as in MNIST, of any other shape so that its inked part fills the
 * image, with its proportions and in the middle, as scikit-learn's digits of 8 × 8 are (`load_digits`).
 *
 * MNIST (Y. LeCun, C. Cortes, C. Burges, "The MNIST database"): size-normalised to a box of
 * 20 × 20 with its proportions, by averages, and centred by the centre of mass.
 *
 * @param drawing - larger than the image
 * @param height - of the image, in pixels
 * @param width - of the image, in pixels
 * @returns the image; null where nothing is drawn
 */
export function normalise(drawing: Picture, height: number, width: number): Picture | null {
  const box = bounds(drawing);
  if (box === null) return null;
  const [tall, wide] = [box.bottom - box.top, box.right - box.left];
  if (!isMnist(height, width)) {
    const scale = Math.min(height / tall, width / wide);
    return resample(drawing, box, scale, height, width, (height - tall * scale) / 2, (width - wide * scale) / 2);
  }
  const scale = BOX / Math.max(tall, wide);
  const small = resample(drawing, box, scale, height, width, 0, 0);
  const centre = centreOf(small);
  return resample(drawing, box, scale, height, width, height / 2 - centre.y, width / 2 - centre.x);
}

interface Box {
  readonly top: number;
  readonly left: number;
  /** One past the last. */
  readonly bottom: number;
  readonly right: number;
}

function bounds({ height, width, ink }: Picture): Box | null {
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if ((ink[y * width + x] ?? 0) <= 0.05) continue;
      [top, left, bottom, right] = [
        Math.min(top, y),
        Math.min(left, x),
        Math.max(bottom, y + 1),
        Math.max(right, x + 1),
      ];
    }
  }
  return bottom > top ? { top, left, bottom, right } : null;
}

/** The box of a drawing, scaled and moved, into an image: each pixel is the mean of what falls on it. */
function resample(
  { width: from, ink }: Picture,
  box: Box,
  scale: number,
  height: number,
  width: number,
  down: number,
  right: number,
): Picture {
  const found = new Float64Array(height * width);
  for (let y = box.top; y < box.bottom; y += 1) {
    for (let x = box.left; x < box.right; x += 1) {
      const value = ink[y * from + x] ?? 0;
      if (value > 0)
        spread(found, height, width, (y - box.top) * scale + down, (x - box.left) * scale + right, scale, value);
    }
  }
  return { height, width, ink: found.map((value) => Math.min(1, value)) };
}

/** Add a square of ink: to each pixel the share of it that the square covers. */
function spread(
  found: Float64Array,
  height: number,
  width: number,
  y: number,
  x: number,
  side: number,
  ink: number,
): void {
  for (let row = Math.max(0, Math.floor(y)); row < Math.min(height, Math.ceil(y + side)); row += 1) {
    const tall = Math.min(row + 1, y + side) - Math.max(row, y);
    for (let column = Math.max(0, Math.floor(x)); column < Math.min(width, Math.ceil(x + side)); column += 1) {
      const wide = Math.min(column + 1, x + side) - Math.max(column, x);
      const place = row * width + column;
      found[place] = (found[place] ?? 0) + ink * Math.max(0, tall) * Math.max(0, wide);
    }
  }
}

function centreOf({ height, width, ink }: Picture): { readonly y: number; readonly x: number } {
  let [weight, down, right] = [0, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const value = ink[y * width + x] ?? 0;
      weight += value;
      down += value * (y + 0.5);
      right += value * (x + 0.5);
    }
  }
  return { y: down / weight, x: right / weight };
}

/**
 * The values that a model takes of an image.
 *
 * Training images have pixels that are never inked, whose bounds are 0 and 0: ink there says nothing to the model, and
 * is left out. Paper has the least value of all bounds, ink the largest; where the least is near 0, paper is 0.
 *
 * @param low - least value of each pixel, (height × width,)
 * @param high - largest value of each pixel
 */
export function valuesOf({ ink }: Picture, low: Float64Array, high: Float64Array): Float64Array {
  const [least, most] = [low.reduce((a, b) => Math.min(a, b)), high.reduce((a, b) => Math.max(a, b))];
  const paper = Math.abs(least) < 0.1 * most ? 0 : least; // bounds may have a margin below
  return ink.map((value, place) => {
    const exact = paper + (Math.round(value * 255) / 255) * (most - paper);
    return Math.min(high[place] ?? 0, Math.max(low[place] ?? 0, exact));
  });
}
