"""Averages of uploads, as of models that several hospitals trained: what they err by, and plans that count it.

The server maps each upload by the first layer times its share, and adds what comes out: that costs no level more, and
values stay within the bounds of the plan, since shares are positive and add up to 1. Each map rounds by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import at_most, floating, is_whole
from fhenn.ckks.evaluator import Evaluator
from fhenn.errors import LevelExhausted, ParameterError, PlanError, ScaleMismatch
from fhenn.nn import Affine, Node, Step
from fhenn.planner.flooding import flood, flood_bound
from fhenn.planner.floor import SECURITY_BITS
from fhenn.planner.plan import Plan
from fhenn.planner.scaling import ServedLayer
from fhenn.planner.verification import verify
from fhenn.planner.walk import Path, walk

Floats = NDArray[np.float64]

_MOST_UPLOADS = 1 << 16


@np.errstate(all="ignore")
def for_averages(plan_: Plan, model: Node, uploads: int) -> Plan:
    """A plan for the answers to averages of uploads (`Server.average`), which err by more than those to one.

    plan_: of the model, whose first layer is linear.
    model: that runs on the average: an `Affine` of ones gives the average itself.
    uploads: how many are averaged, at most.

    Returns the plan, with the errors of such averages; its accuracy is at least that, with the noise on results that
    are to be shared. All sides use it, in the place of the other.
    Raises ParameterError, PlanError.

    >>> import fhenn
    >>> model = fhenn.Linear([[1.0, 2.0]])
    >>> plan = fhenn.plan(model, bounds=[-1, 1], public_key=True)
    >>> for_averages(plan, model, 5).error > plan.error
    True
    """
    if not is_whole(uploads) or not 1 <= uploads <= _MOST_UPLOADS:
        raise ParameterError(f"uploads must be a number from 1 to {_MOST_UPLOADS}, not {uploads!r}.", "Give 5.")
    verify(plan_, model)
    deviation, error, worst = errors_of_averages(plan_, model, int(uploads), plan_.find_evaluator())
    made = replace(
        plan_,
        deviation=max(plan_.deviation, deviation),
        error=max(plan_.error, error),
        worst=max(plan_.worst, worst),
    )
    seen = made.error
    if made.queries and made.result is not None:  # and what hides the key in results that are shared
        outputs = made.result.outputs
        seen += flood_bound(flood(made.worst, outputs, made.queries), outputs)
    made = replace(made, accuracy=max(made.accuracy, seen))
    return made.as_own() if plan_.own else made


@np.errstate(all="ignore")
def errors_of_averages(plan_: Plan, model: Node, uploads: int, evaluator: Evaluator) -> tuple[float, float, float]:
    """What answers to averages err by: standard deviation, bound, and bound at worst, as a plan states them.

    plan_: of the model (`verify`).
    model: that runs on the average.
    uploads: how many are averaged.
    evaluator: that computes.

    Raises PlanError where the model does not begin with a linear layer, or the plan does not hold for it.
    """
    path = Path.of(plan_, model)
    first_of(path.nodes)
    try:
        average, worst = (
            walk(
                path,
                plan_.layout,
                plan_.parameters,
                norm=norm,
                keys=plan_.rotation_keys,
                evaluator=evaluator,
                uploads=uploads,
            )
            for norm in (2, 1)
        )
    except (ScaleMismatch, LevelExhausted) as cause:
        raise PlanError("the model's values do not fit the plan's parameters.", "Plan again for this model.") from cause
    return average.noise.deviation, average.bound, worst.noise.bound(plan_.parameters.slots, SECURITY_BITS)


def require_averages(plan_: Plan, model: Node, uploads: int) -> None:
    """Raise PlanError where averages of so many uploads err by more than a plan states.

    plan_: of the model (`verify`).
    model: that runs on the average.
    uploads: how many are averaged.
    """
    _, error, worst = errors_of_averages(plan_, model, uploads, plan_.find_evaluator())
    if error > plan_.error or worst > plan_.worst:
        raise PlanError(
            f"answers to averages of {uploads} uploads err by up to {at_most(error)}, and the plan states "
            f"{at_most(plan_.error)}.",
            f"Give all sides fhenn.planner.for_averages(plan, model, {uploads}).",
        )


def first_of(nodes: Sequence[Step]) -> Affine:
    """The linear layer that a model begins with. Raises PlanError where it begins with another.

    nodes: of the model, as they are served.
    """
    if not isinstance(nodes[0], Affine):
        raise PlanError(
            f"the model begins with a {nodes[0].name}, which is not linear: averaging before it takes a level.",
            "Put fhenn.nn.Affine(fhenn.nn.Scaling(ones)) before it, and plan again.",
        )
    return nodes[0]


def with_share(layer: Affine, share: float) -> ServedLayer:
    """A layer times a share of an average.

    layer: as it is served.
    share: of one upload, above 0.
    """
    scaled = layer.scaled(share)
    return ServedLayer(layer, scaled.operator, scaled.bias, idle=layer.idle * share)


def shares_of(weights: ArrayLike | None, uploads: int) -> tuple[float, ...]:
    """What part of an average each upload is.

    weights: above 0, as numbers of samples; None for equal ones.
    uploads: how many there are.

    Raises ParameterError, UnsupportedValue.

    >>> shares_of([3, 1], 2)
    (0.75, 0.25)
    """
    if not uploads:
        raise ParameterError("there are no uploads to average.", "Give one of each side.")
    given = np.ones(uploads) if weights is None else floating(weights).astype(np.float64)
    total = float(given.sum())
    if given.shape != (uploads,) or not np.all(given > 0) or not isfinite(total) or given.min() / total < 2.0**-40:
        raise ParameterError(
            f"weights must be {uploads} positive numbers of like size, one for each upload.",
            "Give for instance the numbers of samples that each side trained on.",
        )
    return tuple((given / total).tolist())
