/** Functions of single numbers that expressions of scores have. */

import { sigmoid } from "../finish.ts";

/** -log(1 + exp(-x)), for any float. */
function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/** By the names that JSON has: NumPy's, σ and log σ, and the normal distribution's. */
export const FUNCTIONS: ReadonlyMap<string, (x: number) => number> = new Map([
  ["arcsinh", Math.asinh],
  ["cbrt", Math.cbrt],
  ["exp", Math.exp],
  ["exp2", (x: number) => 2 ** x],
  ["expm1", Math.expm1],
  ["log", Math.log],
  ["log10", Math.log10],
  ["log1p", Math.log1p],
  ["log2", Math.log2],
  ["reciprocal", (x: number) => 1 / x],
  ["sinh", Math.sinh],
  ["sqrt", Math.sqrt],
  ["square", (x: number) => x * x],
  ["sigmoid", sigmoid],
  ["log-sigmoid", logSigmoid],
  ["normal-cdf", (x: number) => erfc(-x / Math.SQRT2) / 2],
]);

export type PowerMethod = "box-cox" | "yeo-johnson";

/** The inverse of a power transformation (Box & Cox 1964; Yeo & Johnson 2000). */
export function inversePower(method: PowerMethod, y: number, power: number): number {
  if (method === "box-cox") {
    return Math.exp(power === 0 ? y : Math.log1p(power * y) / power);
  }
  if (y >= 0) {
    return Math.abs(power) < Number.EPSILON ? Math.exp(y) - 1 : (y * power + 1) ** (1 / power) - 1;
  }
  return Math.abs(power - 2) <= Number.EPSILON ? 1 - Math.exp(-y) : 1 - ((power - 2) * y + 1) ** (1 / (2 - power));
}

const LENTZ = 1e-300;

/**
 * The complementary error function, 2/√π ∫ exp(-t²) from x on; relative error below 1e-13 or so.
 *
 * A power series to 2.5, a continued fraction beyond (Abramowitz & Stegun 7.1.6 and 7.1.14; the fraction by Lentz).
 */
export function erfc(x: number): number {
  if (Number.isNaN(x)) {
    return x;
  }
  if (x < 0) {
    return 2 - erfc(-x);
  }
  return x < 2.5 ? 1 - series(x) : x > 28 ? 0 : (Math.exp(-x * x) / Math.sqrt(Math.PI)) * fraction(x);
}

/** erf x = 2/√π exp(-x²) Σ 2ⁿ x²ⁿ⁺¹/(1·3·…·(2n + 1)). */
function series(x: number): number {
  let [term, total] = [x, x];
  for (let n = 1; term > total * Number.EPSILON * 0.1; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))). */
function fraction(x: number): number {
  let [found, c, d] = [LENTZ, LENTZ, 0];
  for (let n = 0; n < 500; n += 1) {
    const numerator = n === 0 ? 1 : n / 2;
    d = 1 / (x + numerator * d);
    c = x + numerator / c;
    const ratio = c * d;
    found *= ratio;
    if (Math.abs(ratio - 1) < Number.EPSILON) {
      break;
    }
  }
  return found;
}
