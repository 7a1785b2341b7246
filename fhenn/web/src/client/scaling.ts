/** Inputs as the client encrypts them (`fhenn/planner/scaling.py`, `fhenn/ranges/inputs.py`). */

/** By how much of their size values may leave the bounds: a step of single precision, in which tables may be kept. */
const SINGLE_STEP = 2 ** -23;

/** Units are from 2⁻¹⁰⁰⁰ to 2¹⁰⁰⁰. */
const LARGEST_EXPONENT = 1000;

/** The middle and the half width of every feature's box, and the box itself, (features,) each. */
export interface Box {
  readonly floor: Float64Array;
  readonly ceiling: Float64Array;
  readonly middle: Float64Array;
  readonly half: Float64Array;
}

/**
 * The box that clients hold values to.
 *
 * @param low - the declared bounds, (features,).
 * @param high - the same.
 */
export function boxOf(low: Float64Array, high: Float64Array): Box {
  const slack = low.map((bound, place) => SINGLE_STEP * Math.max(Math.abs(bound), Math.abs(high[place] as number)));
  const floor = low.map((bound, place) => bound - (slack[place] as number));
  const ceiling = high.map((bound, place) => bound + (slack[place] as number));
  const middle = floor.map((bound, place) => bound / 2 + (ceiling[place] as number) / 2);
  const half = floor.map((bound, place) => (ceiling[place] as number) / 2 - bound / 2);
  return { floor, ceiling, middle, half };
}

/**
 * A value as it is encrypted: in [-1, 1] where it lies within the box; 0 for a feature that is the constant 0.
 *
 * @param value - of the feature.
 * @param feature - its place.
 */
export function scaled(box: Box, value: number, feature: number): number {
  const half = box.half[feature] as number;
  return half > 0 ? (value - (box.middle[feature] as number)) / half : 0;
}

/** Whether a number can be the unit of an output: a power of two, from 2⁻¹⁰⁰⁰ to 2¹⁰⁰⁰. */
export function isUnit(value: number): boolean {
  const exponent = Math.round(Math.log2(value));
  return value > 0 && Math.abs(exponent) <= LARGEST_EXPONENT && 2 ** exponent === value;
}
