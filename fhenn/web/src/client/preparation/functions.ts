/**
 * Functions of single numbers, by NumPy's names.
 *
 * Those that IEEE 754 rounds (square, sqrt, floor, …) are equal to NumPy's bit by bit. The others are the browser's,
 * which err by a unit in the last place or two, as NumPy's do, which differ between machines.
 */

const HALF = 0.5;

/** The nearest whole number, the even one of two. */
function rint(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  const found = rest < HALF || (rest === HALF && below % 2 === 0) ? below : below + 1;
  return found === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : Number.isFinite(x) ? found : x;
}

/** 1 + ln x where x is not 0, and 0 there. */
function sublinear(x: number): number {
  return x === 0 ? x : Math.log(x) + 1;
}

export const FUNCTIONS: ReadonlyMap<string, (x: number) => number> = new Map([
  ["absolute", Math.abs],
  ["sign", (x: number) => (x === 0 ? 0 : Math.sign(x))],
  ["negative", (x: number) => -x],
  ["square", (x: number) => x * x],
  ["sqrt", Math.sqrt],
  ["cbrt", Math.cbrt],
  ["exp", Math.exp],
  ["exp2", (x: number) => 2 ** x],
  ["expm1", Math.expm1],
  ["log", Math.log],
  ["log2", Math.log2],
  ["log10", Math.log10],
  ["log1p", Math.log1p],
  ["floor", Math.floor],
  ["ceil", Math.ceil],
  ["trunc", Math.trunc],
  ["rint", rint],
  ["sin", Math.sin],
  ["cos", Math.cos],
  ["tan", Math.tan],
  ["arcsin", Math.asin],
  ["arccos", Math.acos],
  ["arctan", Math.atan],
  ["sinh", Math.sinh],
  ["cosh", Math.cosh],
  ["tanh", Math.tanh],
  ["arcsinh", Math.asinh],
  ["arccosh", Math.acosh],
  ["arctanh", Math.atanh],
  ["degrees", (x: number) => x * (180 / Math.PI)],
  ["radians", (x: number) => x * (Math.PI / 180)],
  ["sublinear", sublinear],
]);
