/** The quantile function of the normal distribution (`fhenn/interop/preparation/normal.py`). */

const P0 = [-59.96335010141079, 98.00107541859997, -56.67628574690703, 13.931260938727968, -1.2391658386738125];
const Q0 = [
  ...[1.0, 1.9544885833814176, 4.676279128988815, 86.36024213908905, -225.46268785411937],
  ...[200.26021238006066, -82.03722561683334, 15.90562251262117, -1.1833162112133],
];
const P1 = [
  ...[4.0554489230596245, 31.525109459989388, 57.16281922464213, 44.08050738932008, 14.684956192885803],
  ...[2.1866330685079025, -0.1402560791713545, -0.03504246268278482, -0.0008574567851546854],
];
const Q1 = [
  ...[1.0, 15.779988325646675, 45.39076351288792, 41.3172038254672, 15.04253856929075],
  ...[2.504649462083094, -0.14218292285478779, -0.03808064076915783, -0.0009332594808954574],
];
const P2 = [
  ...[3.2377489177694603, 6.915228890689842, 3.9388102529247444, 1.3330346081580755, 0.20148538954917908],
  ...[0.012371663481782003, 0.00030158155350823543, 2.6580697468673755e-6, 6.239745391849833e-9],
];
const Q2 = [
  ...[1.0, 6.02427039364742, 3.6798356385616087, 1.3770209948908132, 0.21623699359449663],
  ...[0.013420400608854318, 0.00032801446468212774, 2.8924786474538068e-6, 6.790194080099813e-9],
];
/* Coefficients of rational functions, the highest power first: of the middle, of the tails down to e⁻³², beyond. */

const MIDDLE = Math.exp(-2);
const ROOT = Math.sqrt(2 * Math.PI);

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((total, each) => total * x + each, 0);
}

/**
 * The number that a standard normal variable exceeds with probability 1 - share.
 *
 * Source: Moshier, Cephes Mathematical Library, ndtri.c, which SciPy uses too; relative error below 1e-14 or so.
 *
 * @param share - from 0 to 1; NaN is returned for others, -∞ for 0, ∞ for 1.
 */
export function normalQuantile(share: number): number {
  if (!(share >= 0 && share <= 1)) {
    return NaN;
  }
  const upper = share > 1 - MIDDLE;
  const lower = upper ? 1 - share : share;
  if (lower > MIDDLE) {
    const centred = lower - 0.5;
    const square = centred * centred;
    return ROOT * (centred + centred * ((square * polynomial(P0, square)) / polynomial(Q0, square)));
  }
  const outer = lower === 0 ? Infinity : tail(lower);
  return upper ? outer : -outer;
}

function tail(share: number): number {
  const x = Math.sqrt(-2 * Math.log(share));
  const z = 1 / x;
  const near = (z * polynomial(P1, z)) / polynomial(Q1, z);
  const far = (z * polynomial(P2, z)) / polynomial(Q2, z);
  return x - Math.log(x) / x - (x < 8 ? near : far);
}
