"""`compare`: the same samples through the exact model, its twin, and ciphertexts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.comparison.measured import Measured, measure
from fhenn.comparison.plain import Plain, in_the_clear, time_in_the_clear
from fhenn.comparison.quality import Quality, close, curve_of, decisions
from fhenn.comparison.result import Agreement, Apart, ModelComparison, Seconds, Sizes, Way
from fhenn.errors import ParameterError, PlanError
from fhenn.interop import ImportedModel
from fhenn.interop.conversion import truth_of
from fhenn.interop.reading import Roc
from fhenn.nn import Node
from fhenn.planner import Plan, verify
from fhenn.planner.cost import Cost
from fhenn.ranges import samples_of

Floats = NDArray[np.float64]

SECONDS = 20.0
"""What encrypted samples may take, by the plan's estimate, unless a number of them is asked for."""

MOST = 10_000
"""Samples that are encrypted at most, unless more are asked for."""

_WARM = 2.0
"""Seconds of an evaluation up to which one goes first, so that those that are timed find all weights encoded."""


def compare(
    model: Node,
    plan: Plan,
    X: Any,  # noqa: N803  (scikit-learn's name for samples × features)
    y: Any = None,
    *,
    rows: int | None = None,
    memory: float | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> ModelComparison:
    """Run the exact model, its twin, and ciphertexts on the same samples, and say how they agree and what they take.

    The keys are made for this in this process, and are gone after it.

    model: that the plan is for. The exact model has the functions that its polynomials stand for.
    plan: from `fhenn.plan`.
    X: (samples, features), an array or anything with named columns; raw tables where the model has a preparation.
    y: what they shall be predicted as; labels, or values of a regression. None for how scores agree, alone.
    rows: samples that are encrypted, evenly spread over all; None for all, or as many as take some 20 seconds by the
    plan's estimate, 10,000 at most. All samples go through exact model and twin.
    memory: as for `Client`.
    progress: called with (what, done, total).

    Returns the comparison: print it for a table.
    Raises PlanError where the plan is for another model, ParameterError where rows is no number of samples or there are
    labels for a model that does not say what its scores mean, ShapeMismatch, FeatureMismatch, NonFiniteValue,
    UnsupportedValue where samples or labels are not the model's, BoundsExceeded where samples leave the plan's bounds.

    >>> import fhenn
    >>> model = fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]])], fhenn.Reading.classification(["no", "yes"]))
    >>> found = compare(model, fhenn.plan(model, bounds=[0, 2]), [[2.0, 1.0], [1.0, 2.0]], ["yes", "no"])
    >>> found.encrypted.score, found.from_twin.differ, found.exceeded
    (1.0, 0, False)
    """
    verify(plan, model)
    values = samples_of(model, X, "samples")
    count = _rows_of(plan, rows, len(values))
    chosen = np.unique(np.linspace(0, len(values) - 1, count).astype(np.intp))
    truth = None if y is None else true_values(model, y, values)
    plain = in_the_clear(model, values)
    seconds = time_in_the_clear(model, values[chosen])
    group = _cost(plan, plan.samples_per_ciphertext)
    warm = group is not None and group.server < _WARM
    measured = measure(model, plan, values[chosen], progress, memory, warm=warm)
    answered = ~np.ma.getmaskarray(measured.scores).any(axis=1)
    kept, encrypted = chosen[answered], np.ma.getdata(measured.scores)[answered]
    return _result(_Found(model, plan, plain, truth, kept, encrypted), measured, len(chosen), seconds)


@dataclass(frozen=True, eq=False)
class _Found:
    """What is compared.

    plain: of all samples.
    truth: of all of them, None without labels.
    kept: places of the samples that came back.
    encrypted: scores of these, decrypted.
    """

    model: Node
    plan: Plan
    plain: Plain
    truth: NDArray[Any] | None
    kept: NDArray[np.intp]
    encrypted: Floats

    def quality(self, scores: Floats | None, rows: NDArray[np.intp] | None = None) -> Quality | None:
        """How well scores predict; of some samples where rows are given."""
        if scores is None or self.truth is None or not len(scores) or not isinstance(self.model, ImportedModel):
            return None
        return Quality.of(self.model.reading, scores, self.truth if rows is None else self.truth[rows])

    def apart(self, scores: Floats, others: Floats | None) -> Apart | None:
        """How far scores are from others."""
        return None if others is None else Apart.between(scores, others, self.differ(scores, others))

    def differ(self, scores: Floats, others: Floats) -> NDArray[np.bool_] | None:
        """Which samples are decided otherwise."""
        first, second = decisions(self.model, scores), decisions(self.model, others)
        if first is None or second is None:
            return None
        unlike = np.asarray(first != second)
        return unlike if unlike.ndim == 1 else np.asarray(unlike.any(axis=1))

    def agreement(self, plain: Plain, rows: NDArray[np.intp] | None = None) -> Agreement:
        """Of exact model and twin."""
        return Agreement(
            samples=len(plain.twin),
            exact=self.quality(plain.exact, rows),
            twin=self.quality(plain.twin, rows),
            apart=self.apart(plain.twin, plain.exact),
        )

    def curves(self, scores: dict[Way, Floats]) -> dict[Way, Roc]:
        """Of scores of the samples that came back."""
        if self.truth is None or not isinstance(self.model, ImportedModel):
            return {}
        reading, truth = self.model.reading, self.truth[self.kept]
        found = {way: curve_of(reading, values, truth) for way, values in scores.items()}
        return {way: curve for way, curve in found.items() if curve is not None}


def _result(found: _Found, measured: Measured, sent: int, plaintext: float) -> ModelComparison:
    plain, encrypted = found.plain.at(found.kept), found.encrypted
    bounds = np.broadcast_to(np.array(found.plan.errors), encrypted.shape[1:])
    beyond = (np.abs(encrypted - plain.twin) > bounds).any(axis=1)
    differ = found.differ(encrypted, plain.twin)
    scores: dict[Way, Floats] = {} if plain.exact is None else {"exact": plain.exact}
    scores |= {"twin": plain.twin, "encrypted": encrypted}
    for array in (*scores.values(), found.kept):
        array.flags.writeable = False
    curves = found.curves(scores)
    return ModelComparison(
        plan=found.plan,
        measure=_measure_of(found.model),
        whole=found.agreement(found.plain),
        part=found.agreement(plain, found.kept),
        encrypted=found.quality(encrypted, found.kept),
        from_exact=found.apart(encrypted, plain.exact),
        from_twin=Apart.between(encrypted, plain.twin, differ),
        unexplained=None if differ is None else int(np.count_nonzero(differ & beyond)),
        close=close(found.model, plain.twin, bounds),
        exceeded=bool(beyond.any()),
        left_out=sent - len(found.kept),
        seconds=Seconds(measured.keys, measured.encrypt, measured.evaluate, measured.decrypt, plaintext),
        sizes=Sizes(measured.bytes_keys, measured.bytes_upload, measured.bytes_answer),
        predicted=_cost(found.plan, sent),
        secret_at_server=measured.secret_at_server,
        scores=scores,
        rows=found.kept,
        curves=curves,
        positive=str(found.model.reading.classes[1]) if curves and isinstance(found.model, ImportedModel) else None,
    )


def _rows_of(plan: Plan, rows: int | None, samples: int) -> int:
    """How many samples are encrypted. Raises ParameterError."""
    if rows is not None:
        if not isinstance(rows, Integral) or isinstance(rows, bool) or rows < 1:
            raise ParameterError(
                f"rows must be a number of samples, 1 or more, not {rows!r:.40}.", "Give for instance 100."
            )
        return min(int(rows), samples)
    together = plan.samples_per_ciphertext
    cost = _cost(plan, together)
    groups = MOST if cost is None else int(SECONDS / max(cost.client + cost.server, 1e-9))
    return min(samples, MOST, together * max(groups, 1))


def _cost(plan: Plan, rows: int) -> Cost | None:
    """What a plan expects; None for one of an older fhenn."""
    with suppress(PlanError):
        return plan.cost(rows)
    return None


def true_values(model: Node, y: Any, values: Floats) -> NDArray[Any]:
    """What samples shall be predicted as, in the form in which scores are compared with it.

    model: whose samples they are.
    y: labels or values, as a user gives them.
    values: the samples, (samples, features).

    Raises ParameterError where the model does not say what its scores mean, or a label is none of its classes;
    ShapeMismatch where they are not one for each sample.
    """
    if not isinstance(model, ImportedModel):
        raise ParameterError(
            "the model does not say what its scores mean, so nothing can be said of labels.",
            "Leave the labels out, to compare scores alone.",
        )
    outputs = in_the_clear(model, values[:1]).twin.shape[1]
    return truth_of(y, model.reading, len(values), outputs)


def _measure_of(model: Node) -> str | None:
    if not isinstance(model, ImportedModel):
        return None
    if not model.is_regression:
        return "accuracy"
    return "R²" if model.reading.deviance is None else "D²"
