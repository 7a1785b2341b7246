"""Support vector machines of LIBSVM with a linear kernel: their votes and probabilities are the client's."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.compact import opposed
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Apply, Couple, Exceeds, PairScores, Scale, Votes
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.sklearn.linear import novelty, weights
from fhenn.interop.sklearn.refusals import APPROXIMATION


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import svm

    return {
        svm.SVC: _classifier,
        svm.NuSVC: _classifier,
        svm.SVR: _regressor,
        svm.NuSVR: _regressor,
        svm.OneClassSVM: _one_class,
    }


def _require_linear(step: Any, where: str) -> None:
    if step.kernel != "linear":
        kernel = step.kernel if isinstance(step.kernel, str) else "of one's own"
        raise refuse(
            step,
            where,
            f"its kernel {kernel!r} compares a sample with every support vector, which is no small polynomial",
            f"{type(step).__name__}(kernel='linear'), {APPROXIMATION}",
        )


def _regressor(step: Any, where: str, final: Final) -> Imported:
    _require_linear(step, where)
    return Imported([weights(step)], Reading.regression())


def _one_class(step: Any, where: str, final: Final) -> Imported:
    _require_linear(step, where)
    return novelty(weights(step), np.intp, inclusive=False)


def _classifier(step: Any, where: str, final: Final) -> Imported:
    """One score for each pair of classes, above 0 where the first wins; of two classes where the second does."""
    _require_linear(step, where)
    classes = len(step.classes_)
    scores = Scores(tuple(range(classes * (classes - 1) // 2)))
    probabilities = _probabilities(step, scores)
    if classes == 2:
        maps = Maps(opposed(scores), probabilities, scores)
        return Imported([weights(step)], Reading.classification(step.classes_, maps=maps))
    losses = Scale(scores, (-1.0,) * scores.width, (0.0,) * scores.width)
    ranked = PairScores(Exceeds(losses, 0.0, inclusive=False), losses)
    one_vs_one = step.decision_function_shape == "ovo"
    # LIBSVM counts a score of 0 for the second class, and scikit-learn for the first
    votes = ranked if step.break_ties and not one_vs_one else Votes(Exceeds(losses, 0.0, inclusive=True))
    maps = Maps(votes, probabilities, scores if one_vs_one else ranked)
    return Imported([weights(step)], Reading.classification(step.classes_, maps=maps))


def _probabilities(step: Any, scores: Scores) -> Expression | None:
    """Platt's sigmoid of every pair (Lin, Lin and Weng 2007), coupled."""
    if step.probability is not True or not len(step._probA):
        return None
    # LIBSVM's score of two classes is above 0 where the first wins
    sign = -1.0 if scores.width == 1 else 1.0
    slopes, offsets = (-sign * step._probA).tolist(), (-step._probB).tolist()
    return Couple(Apply(Scale(scores, tuple(slopes), tuple(offsets)), "sigmoid"))
