/** Linear interpolation, rounding by rounding as NumPy's `interp` does it. */

/**
 * The value at a number of the line through some points, and that of the nearest point beyond them.
 *
 * @param x - the number; NaN stays.
 * @param xs - of the points, ascending.
 * @param ys - of the points, as many.
 */
export function interpolate(x: number, xs: readonly number[], ys: readonly number[]): number {
  if (Number.isNaN(x)) {
    return x;
  }
  const last = xs.length - 1;
  const [first, end] = [xs[0] ?? NaN, xs[last] ?? NaN];
  if (x < first) {
    return ys[0] ?? NaN;
  }
  if (x >= end) {
    return ys[last] ?? NaN;
  }
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x >= (xs[middle] ?? NaN)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const at = low - 1;
  const [left, right] = [xs[at] ?? NaN, xs[at + 1] ?? NaN];
  const [from, to] = [ys[at] ?? NaN, ys[at + 1] ?? NaN];
  if (left === x) {
    return from; // no rounding, nor infinity times 0
  }
  const slope = (to - from) / (right - left);
  const found = slope * (x - left) + from;
  if (!Number.isNaN(found)) {
    return found;
  }
  const other = slope * (x - right) + to;
  return Number.isNaN(other) && from === to ? from : other;
}
