"""What comes out of a model under a plan."""

from __future__ import annotations

import numpy as np

from fhenn.nn import Activation, Step
from fhenn.planner.plan import Result
from fhenn.planner.walk import Walk
from fhenn.ranges import reaches


def result_of(walk_: Walk) -> Result:
    """What a model's answers are.

    walk_: of the model under a plan's parameters.
    """
    return Result(len(walk_.path.reach[-1].low), walk_.end.array.level, walk_.end.layout)


def output_interval(node: Step) -> tuple[float, float] | None:
    """The interval that an activation makes of inputs in its domain.

    node: the last one of a model.

    Returns (low, high), None for another node than an activation, and for an exact one, which any input may reach.
    """
    return None if not isinstance(node, Activation) or node.is_exact else image_of_domain(node)


def image_of_domain(node: Activation) -> tuple[float, float]:
    """The interval that an activation makes of inputs in its domain.

    node: any activation.
    """
    low, high = (np.array([edge]) for edge in node.domain)
    return reaches([node], low, high)[-1].interval
