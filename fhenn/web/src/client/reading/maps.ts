/** What is read of scores by expressions of them: `Maps`, and those that JSON names by a word. */

import { type Fields, optional, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import { type Json, Malformed } from "../json.ts";
import {
  cellsOf,
  type Expression,
  expressionsOf,
  inOrder,
  made,
  MOST_CELLS,
  MOST_STEPS,
  type Operation,
  scoresAt,
} from "./expressions.ts";
import { apply, columns, concatenate, interpolated, normalise, OPERATIONS, scale, softmaxOf } from "./operations.ts";

/** How scores become probabilities. */
export type Probability = "sigmoid" | "softmax" | "one-vs-rest" | "modified-huber";

/** Expressions of scores for what a model answers. */
export interface Maps {
  /** A column for each class, of which the largest wins; of a multilabel 0 and 1; of a regression the values. */
  readonly predict: Expression;
  readonly probabilities: Expression | null;
  readonly decision: Expression | null;
  /** How many scores they are of. */
  readonly scores: number;
}

/** What Python's `Maps.to_fields` wrote. Throws Malformed or ParameterError where a stranger's fields are not that. */
export function mapsOf(fields: Fields): Maps {
  const steps = fields.need("steps", (value: Json) => expressionsOf(value, OPERATIONS));
  const at = (name: string) => {
    const place = fields.need(name, optional(whole));
    const found = place === null ? null : steps[place];
    if (found === undefined) {
      throw new Malformed("other maps");
    }
    return found;
  };
  const [predict, probabilities, decision] = [at("predict"), at("probabilities"), at("decision")];
  fields.end();
  if (predict === null) {
    throw new Malformed("maps without a prediction");
  }
  const needed = inOrder([predict, probabilities, decision].filter((each) => each !== null));
  if (needed.length !== steps.length) {
    throw new Malformed("steps that no answer needs");
  }
  const cells = needed.reduce((total, each) => total + cellsOf(each), 0);
  const reason = `${needed.length} steps, with ${cells} numbers a sample, are too many for a client.`;
  ensure(needed.length <= MOST_STEPS && cells <= MOST_CELLS, reason, `Make at most ${MOST_STEPS} and ${MOST_CELLS}.`);
  const scores = needed.reduce(
    (most, { places }) => (places ?? []).reduce((last, place) => Math.max(last, place), most),
    -1,
  );
  return { predict, probabilities, decision, scores: scores + 1 };
}

/**
 * Throw ParameterError where an answer is not of the width that goes with the classes.
 *
 * @param maps - that are read.
 * @param predict - columns of `predict`; null for any number.
 * @param others - columns of the probabilities; 0 where there are neither these nor a decision.
 */
export function requireWidths(maps: Maps, predict: number | null, others: number): void {
  const fit =
    (predict === null || maps.predict.width === predict) &&
    (maps.probabilities === null || maps.probabilities.width === others) &&
    (maps.decision === null || others > 0);
  ensure(fit, "the maps do not go with the classes.", "Give a column for each class or label.");
}

/**
 * What is read of scores, one for each class or one for the second of two.
 *
 * @param probability - by which word; null for none.
 * @param outputs - how many scores there are.
 */
export function mapsByName(probability: Probability | null, outputs: number): Maps {
  const scores = scoresAt(Array.from({ length: outputs }, (_, place) => place));
  const each = outputs === 1 ? opposed(scores) : scores;
  const probabilities = probability === null ? null : probabilitiesBy(probability, scores, each);
  return { predict: each, probabilities, decision: scores, scores: outputs };
}

/** (-s, s) of one score s: the second class wins where it is above 0. */
function opposed(score: Expression): Expression {
  return named(scale(named(columns(score, [0, 0])), [-1, 1], [0, 0]));
}

/** (1 - p, p) of the probability p of the second of two classes. */
function complemented(share: Expression): Expression {
  return named(scale(named(columns(share, [0, 0])), [-1, 1], [1, 0]));
}

function probabilitiesBy(probability: Probability, scores: Expression, each: Expression): Expression {
  if (probability === "softmax") {
    return named(softmaxOf(each));
  }
  if (probability === "modified-huber") {
    // Zhang 2002: (clip(s, -1, 1) + 1)/2
    const shares = Array.from({ length: scores.width }, (_, place) =>
      named(interpolated(named(columns(scores, [place])), [-1, 1], [0, 1])),
    );
    const [only] = shares;
    return shares.length === 1 && only ? complemented(only) : named(normalise(named(concatenate(shares))));
  }
  if (scores.width === 1) {
    return named(apply(each, "sigmoid"));
  }
  // σ of each over the sum of all, as the softmax of log σ, which holds for any float
  return named(softmaxOf(named(apply(each, "log-sigmoid"))));
}

function named(parts: ReturnType<Operation>): Expression {
  return made("", parts);
}
