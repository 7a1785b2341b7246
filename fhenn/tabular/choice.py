"""Which kind of model a table is given: by how well each predicts samples that it was not trained on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from fhenn.errors import RangeWarning
from fhenn.tabular.candidates import Candidate, Data, Name
from fhenn.tabular.folds import Split


@dataclass(frozen=True)
class Trial:
    """How well a kind of model predicts.

    name: of the kind.
    score: on samples that were held out, accuracy or R²: the mean over the parts.
    error: of that mean, its standard error; 0 of a single part.
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

    >>> from fhenn.tabular.candidates import candidates_of
    >>> from fhenn.tabular.folds import cross_validation
    >>> x = np.arange(20.0)[:, None]
    >>> data = Data(x, 3 * x[:, 0] + 1, "regression", np.array([]), ("x",))
    >>> splits = cross_validation(data.y, 5, 0, by_class=False)
    >>> [(trial.name, round(trial.score, 3)) for trial in compare(candidates_of("linear"), data, splits)]
    [('linear', 1.0)]
    """
    trials = []
    for candidate in candidates:
        scores = []
        for place, split in enumerate(splits):

            def told(done: int, total: int, place: int = place, name: Name = candidate.name) -> None:
                progress(name, place * total + done, len(splits) * total)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RangeWarning)  # of samples that the model has not seen: scores tell
                fitted = candidate.fit(data, split.train, seed, progress=told)
                scores.append(fitted.score(data.x[split.test], data.labels(split.test)))
        error = float(np.std(scores, ddof=1)) / sqrt(len(scores)) if len(scores) > 1 else 0.0
        trials.append(Trial(candidate.name, float(np.mean(scores)), error))
    return tuple(trials)


def choose(trials: Sequence[Trial]) -> Trial:
    """The simplest kind that is as good as the best, but for the standard error of the best.

    trials: the simplest first, at least one.

    The rule is that of Breiman, Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3.

    >>> choose([Trial("linear", 0.90, 0.01), Trial("perceptron", 0.95, 0.02), Trial("trees", 0.96, 0.02)]).name
    'perceptron'
    """
    best = max(trials, key=lambda trial: trial.score)
    return next(trial for trial in trials if trial.score >= best.score - best.error)
