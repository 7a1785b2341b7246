/** Votes, scores and probabilities of classes from those of their pairs, in the order (0, 1), (0, 2), …, (1, 2), …. */

import { ensure } from "../ensure.ts";

const LEAST_SHARE = 1e-7;

/** A pair of classes and its place. */
interface Pair {
  readonly first: number;
  readonly second: number;
  readonly place: number;
}

function* pairsOf(classes: number): Generator<Pair> {
  let place = 0;
  for (let first = 0; first < classes; first += 1) {
    for (let second = first + 1; second < classes; second += 1) {
      yield { first, second, place };
      place += 1;
    }
  }
}

/** The number of classes that have so many pairs. Throws ParameterError. */
export function classesOf(pairs: number): number {
  const classes = Math.round((1 + Math.sqrt(1 + 8 * pairs)) / 2);
  const fit = pairs >= 1 && (classes * (classes - 1)) / 2 === pairs;
  ensure(fit, `${pairs} is no number of pairs of classes.`, "Give one column for each pair.");
  return classes;
}

/** The pairs that each class has won. wins: 1 where the second class of a pair has won, 0 where the first has. */
export function votes(wins: Float64Array, classes: number): Float64Array {
  const found = new Float64Array(classes);
  for (const { first, second, place } of pairsOf(classes)) {
    add(found, first, wins[place] === 0 ? 1 : 0);
    add(found, second, wins[place] === 1 ? 1 : 0);
  }
  return found;
}

/** Votes, and less than half a vote more or less by the sum of margins: scikit-learn's decision function of pairs. */
export function pairScores(wins: Float64Array, margins: Float64Array, classes: number): Float64Array {
  const sums = new Float64Array(classes);
  // one after another, as scikit-learn does, or ties fall otherwise
  for (const { first, second, place } of pairsOf(classes)) {
    const margin = margins[place] ?? NaN;
    add(sums, first, -margin);
    add(sums, second, margin);
  }
  const won = votes(wins, classes);
  return won.map((count, at) => {
    const sum = sums[at] ?? NaN;
    return count + sum / (3 * (Math.abs(sum) + 1));
  });
}

/** Probabilities of classes from those of pairs: the second method of Wu, Lin and Weng 2004, as LIBSVM iterates it. */
export function couple(pairs: Float64Array, classes: number): Float64Array {
  const beats = new Float64Array(classes * classes);
  for (const { first, second, place } of pairsOf(classes)) {
    const share = Math.min(Math.max(pairs[place] ?? NaN, LEAST_SHARE), 1 - LEAST_SHARE);
    beats[first * classes + second] = share;
    beats[second * classes + first] = 1 - share;
  }
  return minimise(formOf(beats, classes), classes);
}

function formOf(beats: Float64Array, classes: number): Float64Array {
  const form = new Float64Array(classes * classes);
  for (let row = 0; row < classes; row += 1) {
    let squares = 0;
    for (let column = 0; column < classes; column += 1) {
      const [own, other] = [beats[row * classes + column] ?? NaN, beats[column * classes + row] ?? NaN];
      form[row * classes + column] = -own * other;
      squares += other * other; // how often the others win against the class of the row
    }
    form[row * classes + row] = squares;
  }
  return form;
}

/** Minimise pᵀQp over probabilities p, one coordinate after another, until no gradient is off by 0.005/classes. */
function minimise(form: Float64Array, classes: number): Float64Array {
  let p = new Float64Array(classes).fill(1 / classes);
  for (let round = 0; round < Math.max(100, classes); round += 1) {
    let slopes = p.map((_, row) =>
      p.reduce((sum, share, column) => sum + (form[row * classes + column] ?? NaN) * share, 0),
    );
    let value = p.reduce((sum, share, row) => sum + share * (slopes[row] ?? NaN), 0);
    const start = value;
    const off = slopes.reduce((most, slope) => Math.max(most, Math.abs(slope - start)), 0);
    if (!(off >= 0.005 / classes)) {
      break;
    }
    for (let place = 0; place < classes; place += 1) {
      const own = form[place * classes + place] ?? NaN;
      const slope = slopes[place] ?? NaN;
      const step = (value - slope) / own;
      add(p, place, step);
      value = (value + step * (step * own + 2 * slope)) / (1 + step) / (1 + step);
      slopes = slopes.map((each, row) => (each + step * (form[place * classes + row] ?? NaN)) / (1 + step));
      p = p.map((share) => share / (1 + step));
    }
  }
  return p;
}

function add(numbers: Float64Array, place: number, value: number): void {
  numbers[place] = (numbers[place] ?? NaN) + value;
}
