"""Which kind of model a table is given: by how well each predicts samples that it was not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError, RangeWarning
from fhenn.tabular.candidates import Candidate, Data, Fitted, Name
from fhenn.tabular.folds import Places, Split


@dataclass(frozen=True)
class Trial:
    """How well a kind of model predicts.

    name: of the kind.
    score: on all samples that were held out, accuracy or R².
    error: its standard error, by how far the parts differ; 0 of a single part.
    """

    name: Name
    score: float
    error: float


def compare(
    candidates: Sequence[Candidate],
    data: Data,
    splits: Sequence[Split],
    seed: int = 0,
    *,
    progress: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> tuple[Trial, ...]:
    """Try kinds of models, each on every split.

    candidates: the kinds.
    data: to learn from.
    splits: of their samples.
    seed: of whatever is random.
    progress: called with (name, done, total).

    All kinds are measured alike: by the share of right classes; or by R² of all held-out predictions together, whose
    variance is that of all labels that are tested, since that of a small part is anything, and of one sample nothing.
    Raises ParameterError where R² is nothing: where a number is predicted and the labels that are tested are all alike.

    >>> from fhenn.tabular.candidates import candidates_of
    >>> from fhenn.tabular.folds import cross_validation
    >>> x = np.arange(20.0)[:, None]
    >>> data = Data(x, 3 * x[:, 0] + 1, "regression", np.array([]), ("x",))
    >>> splits = cross_validation(data.y, 5, 0, by_class=False)
    >>> [(trial.name, round(trial.score, 3)) for trial in compare(candidates_of("linear"), data, splits)]
    [('linear', 1.0)]
    """
    spread = _spread(data, splits)
    sizes = [len(split.test) for split in splits]
    trials = []
    for candidate in candidates:
        scores = []
        for place, split in enumerate(splits):

            def told(done: int, total: int, place: int = place, name: Name = candidate.name) -> None:
                progress(name, place * total + done, len(splits) * total)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RangeWarning)  # of samples that the model has not seen: scores tell
                fitted = candidate.fit(data, split.train, seed, progress=told)
                scores.append(_score(fitted.predict(data.x[split.test]), data.labels(split.test), spread))
        error = float(np.std(scores, ddof=1)) / sqrt(len(scores)) if len(scores) > 1 else 0.0
        trials.append(Trial(candidate.name, float(np.average(scores, weights=sizes)), error))
    return tuple(trials)


def score_of(fitted: Fitted, data: Data, rows: Places) -> float:
    """How well a model predicts some samples: accuracy, or R², which is 1 or 0 where all their numbers are alike.

    fitted: the model.
    data: all samples.
    rows: those that are predicted.
    """
    found, wanted = fitted.predict(data.x[rows]), data.labels(rows)
    if data.task == "classification":
        return _score(found, wanted, None)
    spread = float(np.var(wanted))
    return _score(found, wanted, spread) if spread else float(np.array_equal(found, wanted))


def _spread(data: Data, splits: Sequence[Split]) -> float | None:
    """The variance of all numbers that are tested; None of classes. Raises ParameterError where it is 0."""
    if data.task == "classification":
        return None
    tested = data.y[np.concatenate([split.test for split in splits])]
    spread = float(np.var(tested))
    if spread == 0:
        raise ParameterError(
            f"{'one sample is' if len(tested) == 1 else 'all samples are'} held out with the label {tested[0]:g}: that "
            "says nothing of how well a model predicts.",
            "Hold out more samples with --held-out, or test all of them in turns with --folds.",
        )
    return spread


def _score(found: NDArray[Any], wanted: NDArray[Any], spread: float | None) -> float:
    """Of a part: the share of right classes; or what it adds to R² of all parts, whose mean by samples that is."""
    if spread is None:
        return float(np.mean(found == wanted))
    return 1 - float(np.mean((found - wanted) ** 2)) / spread


def choose(trials: Sequence[Trial]) -> Trial:
    """The simplest kind that is as good as the best, but for the standard error of the best.

    A score that is no number counts as the worst.

    trials: the simplest first, at least one.

    The rule is that of Breiman, Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3.

    >>> choose([Trial("linear", 0.90, 0.01), Trial("perceptron", 0.95, 0.02), Trial("trees", 0.96, 0.02)]).name
    'perceptron'
    """
    best = max(trials, key=_rank)
    error = best.error if isfinite(best.error) else 0.0
    return next(trial for trial in trials if _rank(trial) >= _rank(best) - error)


def _rank(trial: Trial) -> float:
    """The score; that of a model which predicts no numbers is below all others."""
    return trial.score if isfinite(trial.score) else -inf
