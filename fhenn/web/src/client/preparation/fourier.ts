/** The discrete Fourier transform of any length, by powers of two and Bluestein's chirps. */

/** Complex numbers, real and imaginary parts apart. */
export interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Complex numbers that are all 0. */
export function zeros(length: number): Complex {
  return { re: new Float64Array(length), im: new Float64Array(length) };
}

/** Products, number by number. */
export function times(a: Complex, b: Complex): Complex {
  const found = zeros(a.re.length);
  for (let at = 0; at < found.re.length; at += 1) {
    const [x, y, u, v] = [a.re[at] ?? NaN, a.im[at] ?? NaN, b.re[at] ?? NaN, b.im[at] ?? NaN];
    found.re[at] = x * u - y * v;
    found.im[at] = x * v + y * u;
  }
  return found;
}

/**
 * Σ xⱼ exp(-2πi jk/n) for each k; with a plus and divided by n where `inverse`.
 *
 * Source for lengths that are no power of two: Bluestein, IEEE Trans. Audio Electroacoust. 18 (1970).
 */
export function transform(x: Complex, inverse = false): Complex {
  if (inverse) {
    const { re, im } = transform({ re: x.im, im: x.re });
    const share = 1 / x.re.length;
    return { re: im.map((each) => each * share), im: re.map((each) => each * share) };
  }
  const length = x.re.length;
  return (length & (length - 1)) === 0 ? byHalves(x) : byChirps(x);
}

function byHalves(x: Complex): Complex {
  const length = x.re.length;
  const [re, im] = [x.re.slice(), x.im.slice()];
  for (let at = 1, other = 0; at < length; at += 1) {
    let bit = length >> 1;
    for (; other & bit; bit >>= 1) {
      other ^= bit;
    }
    other ^= bit;
    if (at < other) {
      [re[at], re[other]] = [re[other] ?? NaN, re[at] ?? NaN];
      [im[at], im[other]] = [im[other] ?? NaN, im[at] ?? NaN];
    }
  }
  for (let size = 2; size <= length; size *= 2) {
    const half = size / 2;
    for (let place = 0; place < half; place += 1) {
      const angle = (-2 * Math.PI * place) / size;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let a = place; a < length; a += size) {
        const b = a + half;
        const [u, v] = [re[b] ?? NaN, im[b] ?? NaN];
        const [p, q] = [u * c - v * s, u * s + v * c];
        const [r, t] = [re[a] ?? NaN, im[a] ?? NaN];
        [re[a], im[a], re[b], im[b]] = [r + p, t + q, r - p, t - q];
      }
    }
  }
  return { re, im };
}

function byChirps(x: Complex): Complex {
  const length = x.re.length;
  const size = 2 ** Math.ceil(Math.log2(2 * length - 1));
  const chirp = zeros(length);
  for (let at = 0; at < length; at += 1) {
    // of at² only the rest matters, and large angles lose digits
    const angle = (-Math.PI * ((at * at) % (2 * length))) / length;
    chirp.re[at] = Math.cos(angle);
    chirp.im[at] = Math.sin(angle);
  }
  const [a, b] = [zeros(size), zeros(size)];
  const turned = times(x, chirp);
  a.re.set(turned.re);
  a.im.set(turned.im);
  for (let at = 0; at < length; at += 1) {
    for (const place of at === 0 ? [0] : [at, size - at]) {
      b.re[place] = chirp.re[at] ?? NaN;
      b.im[place] = -(chirp.im[at] ?? NaN);
    }
  }
  const { re, im } = transform(times(byHalves(a), byHalves(b)), true);
  return times({ re: re.slice(0, length), im: im.slice(0, length) }, chirp);
}
