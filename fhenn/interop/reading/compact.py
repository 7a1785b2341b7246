"""The maps of the most frequent readings, which JSON names by a word."""

from __future__ import annotations

from typing import Literal

from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.maps import Maps
from fhenn.interop.reading.operations import Apply, Columns, Concatenate, Interpolate, Normalise, Scale, Softmax

Probability = Literal["sigmoid", "softmax", "one-vs-rest", "modified-huber"]


def maps_of(probability: Probability | None, outputs: int) -> Maps:
    """What is read of scores, one for each class or one for the second of two.

    probability: as `Reading` has it.
    outputs: how many scores there are.
    """
    scores = Scores(tuple(range(outputs)))
    each = opposed(scores) if outputs == 1 else scores
    return Maps(each, None if probability is None else _probabilities(probability, scores, each), scores)


def opposed(score: Expression) -> Expression:
    """(-s, s) of one score s: the second class wins where it is above 0."""
    return Scale(Columns(score, (0, 0)), (-1.0, 1.0), (0.0, 0.0))


def complemented(share: Expression) -> Expression:
    """(1 - p, p) of the probability p of the second of two classes."""
    return Scale(Columns(share, (0, 0)), (-1.0, 1.0), (1.0, 0.0))


def _probabilities(probability: Probability, scores: Expression, each: Expression) -> Expression:
    if probability == "softmax":
        return Softmax(each)
    if probability == "modified-huber":  # Zhang 2002: (clip(s, -1, 1) + 1)/2
        columns = [Columns(scores, (place,)) for place in range(scores.width)]
        shares = [Interpolate(column, (-1.0, 1.0), (0.0, 1.0)) for column in columns]
        return complemented(shares[0]) if len(shares) == 1 else Normalise(Concatenate(tuple(shares)))
    if scores.width == 1:
        return Apply(each, "sigmoid")
    # σ of each over the sum of all, as the softmax of log σ, which holds for any float
    return Softmax(Apply(each, "log-sigmoid"))
