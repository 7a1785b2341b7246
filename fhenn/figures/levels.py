"""How a plan spends its levels along a model, in a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

import numpy as np

from fhenn.figures.steps import Step, draw_bits, draw_errors
from fhenn.figures.style import EXACT, POLYNOMIAL, STYLE, matplotlib
from fhenn.nn import Node
from fhenn.planner import Plan, verify
from fhenn.planner.walk import Path, Place, walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 22
"""Characters of a node's name."""


_THINNEST = 1 / 12
"""Of the longest bar: a part must be no thinner to hold a number."""


@dataclass(frozen=True)
class _Spent:
    """A node, and what it takes.

    step: what stands after it.
    levels: that it takes.
    """

    step: Step
    levels: int


def levels_figure(plan: Plan, model: Node) -> Figure:
    """Draw what each node of a model takes of a plan's levels, what is left, and how scale and error go along.

    plan: of the model.
    model: that the plan is for.

    Above, a bar is the levels before a node: the blue part is left after it, the orange part is what it takes. In the
    middle, the bits of the modulus that are left, and which of them the scale takes. Below, the bound on the error
    after each node, with which `fhenn.plan` reckons, except with probability 2⁻⁴⁰. No level is ever won back: there is
    no bootstrapping.

    Returns the figure.
    Raises PlanError where the plan is for another model, ExtraMissing without matplotlib.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()])
    >>> figure = levels_figure(fhenn.plan(model, bounds=[-1, 1]), model)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['2 left', '1 left', '−1', '0 left', '−1']
    """
    verify(plan, model)
    spent = list(_spent(plan, model))
    steps = [each.step for each in spent]
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(max(7.5, 1.5 + 0.55 * len(spent)), 7.4), layout="constrained")
        levels, bits, errors = figure.subplots(3, 1, sharex=True, height_ratios=(1.2, 1.2, 1))
        _draw_levels(levels, spent)
        parameters = plan.parameters
        levels.set_title(
            f"N={parameters.ring_degree}, {parameters.levels} levels, {steps[-1].level} left at the end; "
            "no bootstrapping",
            loc="left",
        )
        draw_bits(bits, steps, levels=False)
        draw_errors(errors, steps)
        errors.set_ylabel("bound on the error")
        figure.align_ylabels()
        return figure


@np.errstate(all="ignore")  # bounds that overflow are infinite
def _spent(plan: Plan, model: Node) -> Iterator[_Spent]:
    """What is encrypted, and each node after it that computes; what only copies or adds branches is left out."""
    path = Path.of(plan, model)
    found = walk(path, plan.layout, plan.parameters, keys=plan.rotation_keys, evaluator=plan.find_evaluator())
    yield _Spent(_step("encrypted", found.starts[0]), 0)
    for node, before, after in zip(path.nodes, found.starts, found.places[1:], strict=True):
        levels = before.array.level - after.array.level
        if levels > 0 or isinstance(node, Node):
            yield _Spent(_step(node.name, after), levels)


def _step(name: str, place: Place) -> Step:
    """What stands at a place of the model."""
    array = place.array
    return Step(
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…",
        level=array.level,
        scale_bits=log2(array.scale),
        modulus_bits=log2(array.context.modulus(array.level)),
        error=place.bound,
    )


def _draw_levels(axes: Axes, spent: Sequence[_Spent]) -> None:
    places = list(range(len(spent)))
    left, taken = [each.step.level for each in spent], [each.levels for each in spent]
    axes.bar(places, left, 0.72, color=EXACT, label="left")
    axes.bar(places, taken, 0.72, left, color=POLYNOMIAL, label="taken")
    top = max(above + below for above, below in zip(left, taken, strict=True))
    for place, each in zip(places, spent, strict=True):
        level = each.step.level
        inside = level > 0.12 * top
        axes.text(
            place,
            level / 2 if inside else level + each.levels + 0.03 * top,
            f"{level} left",
            color="white" if inside else EXACT,
            ha="center",
            va="center" if inside else "bottom",
            fontsize=8,
        )
        if each.levels >= _THINNEST * top and each.levels:
            height = level + each.levels / 2
            axes.text(place, height, f"−{each.levels}", color="white", ha="center", va="center", fontsize=8)
    axes.set_ylim(0, 1.25 * top)
    axes.set_ylabel("levels")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", ncols=2, frameon=False)
