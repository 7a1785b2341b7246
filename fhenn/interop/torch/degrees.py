"""Which polynomial stands at each activation of a converted module: domains, fits, and levels within a depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

import fhenn.nn as nodes
from fhenn.approx import Function, Polynomial
from fhenn.approx.families import lost_function
from fhenn.approx.numbers import is_whole, round_up
from fhenn.approx.weighted import weighted
from fhenn.errors import NonFiniteValue, ParameterError
from fhenn.interop import from_torch
from fhenn.interop.stand_in import node_of
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.importer import refusal
from fhenn.interop.torch.rewriting import FunctionSite, MaximumSite, Rewritten, Site
from fhenn.interop.torch.tuning import Lesson, reaching, rows, scores_of
from fhenn.nn.activation import Domain

Floats = NDArray[np.float64]

MOST_LEVELS = 3
"""Of an activation: degree 8. What fine-tuning does not reach with it, it does not reach with more."""

_USUAL = 2
_KEPT = 1 << 17
"""Values that a fit looks at, at most."""
_LOOKED_AT = 1000
"""Samples on which it is found out what each activation's error does to the output, at most."""


@dataclass(frozen=True, eq=False)
class Values:
    """What comes to an activation.

    low, high: the least and the largest.
    some: values that stand for all.
    """

    low: float
    high: float
    some: Floats

    @classmethod
    def at(cls, module: torch.nn.Module, site: Site, samples: torch.Tensor) -> Values:
        """Raises NonFiniteValue where values are NaN or infinite, ParameterError where they never vary."""
        lowest: torch.Tensor | None = None
        highest: torch.Tensor | None = None
        parts = []
        for batch in reaching(module, site.name, samples):
            values = batch.double().flatten()
            count = int(torch.count_nonzero(~torch.isfinite(values)))
            if count:
                raise NonFiniteValue(
                    site.name, count, "The module overflows on the data: scale them, or look at its weights."
                )
            down, up = batch.amin(dim=0), batch.amax(dim=0)
            lowest = down if lowest is None else torch.minimum(lowest, down)
            highest = up if highest is None else torch.maximum(highest, up)
            stride = max(1, len(values) * len(samples) // (len(batch) * _KEPT))
            parts.append(values[:: stride | 1].cpu().numpy())  # odd, so as not to keep to one column of images
        if lowest is None or highest is None or torch.equal(lowest, highest):
            raise ParameterError(
                f"what comes to {site.name} ({site.was}) is the same for all data, so that no domain can be told.",
                "Give data as the module will see them, or take the layer out if it is dead.",
            )
        return cls(float(lowest.min()), float(highest.max()), np.concatenate(parts))

    def domain(self, margin: float) -> Domain:
        """The interval, stretched about its middle and rounded outward."""
        middle, half = (self.low + self.high) / 2, margin * (self.high - self.low) / 2
        return _outward(middle - half, middle + half)


def _outward(low: float, high: float) -> Domain:
    return -_up(-low), _up(high)


def _up(value: float) -> float:
    """Three digits, upward."""
    if value > 0:
        return float(round_up(value, 3))
    rounded = float(f"{value:.3g}")
    return rounded if rounded >= value else value


def fitted(function: Function, values: Values, levels: int, margin: float) -> Activation:
    """The activation of a function for what comes to it.

    levels: that it consumes: the degree is 2 to that power.
    margin: how many times wider the domain is than what comes.
    """
    polynomial = weighted(function, 2**levels, values.domain(margin), values.some)
    return Activation(node_of(function, polynomial))


def settled(layer: Activation, low: float, high: float, margin: float) -> Activation:
    """The polynomial that the weights were trained to, which stands for itself now, on a domain that holds the values.

    What it was fitted to is forgotten: with the exact function in its place, these weights mean nothing.

    low, high: of the values, which are taken `margin` times as wide.
    """
    start, end = layer.domain
    spare = (margin - 1) * (high - low) / 2
    domain = _outward(min(low - spare, start), max(high + spare, end))
    polynomial = layer.polynomial
    if domain != layer.domain:
        polynomial = replace(polynomial.to_monomial(), domain=domain).to_chebyshev()
    polynomial = replace(polynomial, function=None)
    return Activation(nodes.PolynomialActivation(replace(polynomial, function=lost_function(polynomial))))


class Levels:
    """What a module's network consumes, for levels of each activation."""

    def __init__(self, rewritten: Rewritten, example: torch.Tensor) -> None:
        """Have the importer read the module with polynomials in all places.

        rewritten: is given other modules in its sites, so it is not used any more.
        example: samples.

        Raises UnsupportedModel where the module can, even so, not run encrypted.
        """
        self._sites: dict[Polynomial, int] = {}
        for place, site in enumerate(rewritten.sites):
            if isinstance(site, MaximumSite):
                rewritten.replace(site, site.average)
            if not isinstance(site, FunctionSite):
                continue
            polynomial = Polynomial((float(place), 0.5, 0.25), (-4.0, 4.0), "monomial", site.function)
            self._sites[polynomial] = place
            rewritten.replace(site, Activation(node_of(site.function, polynomial)))
        rewritten.show_finish()
        model = from_torch(rewritten.module, example)
        missed = [
            node.function.name for node in model.stand_ins if isinstance(node, nodes.Activation) and node.function
        ]
        if missed:
            reason = f"its {', '.join(missed)} cannot be replaced alone: call a module of PyTorch for it"
            raise refusal("the module", "forward", reason)
        self._steps = list(nodes.circuit(model))

    def total(self, levels: Sequence[int]) -> int:
        """The levels of the network.

        levels: of each site.
        """
        steps = [self._stand_in(step, levels) for step in self._steps]
        return sum(step.cost for step in nodes.deepest(steps))

    def _stand_in(self, step: nodes.Step, levels: Sequence[int]) -> nodes.Step:
        place = self._sites.get(step.polynomial) if isinstance(step, nodes.Activation) else None
        if place is None:
            return step
        # each of its own, as those that are fitted are: sums of two take a level
        return nodes.PolynomialActivation([0.0] * 2 ** levels[place] + [1.0 + place])


def least_levels(site: Site) -> int:
    """Of a site: a quadratic stands for no odd function."""
    if not isinstance(site, FunctionSite):
        return 0
    return 2 if site.function.symmetry == "odd" else 1


def chosen_levels(
    original: Rewritten, lesson: Lesson, levels: Levels, depth: int | None, margin: float
) -> tuple[int, ...]:
    """Levels of each site: two where no depth is given; else the least, and more where that helps the output most.

    original: the module with its exact functions; it is left as it was.
    depth: that the network may consume.

    Raises ParameterError where the depth is too little, NonFiniteValue.
    """
    found = [least_levels(site) for site in original.sites]
    if depth is None:
        return tuple(max(_USUAL, each) if each else 0 for each in found)
    least = levels.total(found)
    if not is_whole(depth) or least > depth:
        raise ParameterError(
            f"depth={depth!r} cannot be had: the network consumes {least} levels with the least polynomials.",
            f"Give depth={least} or more, or a network with fewer layers.",
        )
    errors = _errors(original, lesson, margin)
    while True:
        gains = {
            place: (errors[place][each] - errors[place][each + 1])
            for place, each in enumerate(found)
            if 0 < each < MOST_LEVELS and levels.total([*found[:place], each + 1, *found[place + 1 :]]) <= depth
        }
        if not gains:
            return tuple(found)
        found[max(gains, key=lambda place: (gains[place], -place))] += 1


def _errors(original: Rewritten, lesson: Lesson, margin: float) -> list[dict[int, float]]:
    """For each site, by levels, the mean square that its polynomial alone adds to the output."""
    samples = lesson.samples[lesson.training[:_LOOKED_AT]]
    wanted = rows(scores_of(original.module, samples))
    found: list[dict[int, float]] = []
    for site in original.sites:
        found.append({})
        if not isinstance(site, FunctionSite):
            continue
        exact = original.module.get_submodule(site.name)
        values = Values.at(original.module, site, samples)
        for each in range(1, MOST_LEVELS + 1):
            original.replace(site, fitted(site.function, values, each, margin).to(samples.device))
            off = scores_of(original.module, samples) - wanted
            found[-1][each] = float((off.double() ** 2).mean())
        original.replace(site, exact)
    return found
