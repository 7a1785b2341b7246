"""The choice of a plan's witnesses: the best that the chain has room for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import acosh, cosh, prod, sqrt

from fhenn.backends.ckks.cipher import shares_square
from fhenn.backends.ckks.layout import Vectors
from fhenn.backends.ckks.noise import Noise, NoiseModel
from fhenn.backends.ckks.parameters import Parameters
from fhenn.backends.ckks.schedule import CubicForm, CubicSchedule
from fhenn.errors import ScaleMismatch
from fhenn.nn import Activation, Linear
from fhenn.planner.walk import Path, Place, Walk, noise_model
from fhenn.planner.witness import Witness, chebyshev_witness, doublings, inner_edge

_DOUBTFUL = 0.9
"""The threshold of a sum of n lies n from either side: what its error may be, for each neuron."""

_DOUBTFUL_SQUARE = 0.45
"""The threshold of a square gives way by its error: what that may be."""


def witnesses_of(
    path: Path, walked: Walk, parameters: Parameters, degrees: int | Mapping[int, int]
) -> tuple[Witness, ...]:
    """The witness of every activation, for a walk under the parameters.

    degrees: of hidden layers' polynomials, one for all or one for each place. Raises ScaleMismatch
    where the chain has no room for one that holds what may reach.
    """
    found = []
    model = noise_model(parameters)
    last = max((place for place, node in enumerate(path.nodes) if isinstance(node, Linear)), default=-1)
    for place, (node, start) in enumerate(zip(path.nodes, walked.starts, strict=True)):
        if not isinstance(node, Activation):
            continue
        low, high = node.domain
        reach = max(path.reach[place].interval[1] - (low + high) / 2, (low + high) / 2 - path.reach[place].interval[0])
        width = len(path.reach[place].low)
        degree = degrees[place] if isinstance(degrees, Mapping) else degrees
        if place > last:
            degree, width = 2, 1
        choices = _choices(model, node, place, start, width, degree)
        chosen = next((choice for choice in choices if choice.headroom >= reach), None)
        if chosen is None:
            raise ScaleMismatch(start.scale, int(model.primes[start.level]), "No witness fits below these primes.")
        found.append(chosen)
    return tuple(found)


def meets_square(node: Activation) -> bool:
    """Whether the node's circuit makes the t² of its domain on its way."""
    return len(node.stages) == 1 and not node.times_input and shares_square(node.domain, node.stages[0])


def _choices(
    model: NoiseModel, node: Activation, place: int, start: Place, width: int, degree: int
) -> Iterator[Witness]:
    """Witnesses of a degree, the cheapest first."""
    low, high = node.domain
    # all that a sum adds up: in layout "replicated" spare positions too, where x is 0
    terms = start.layout.period if width > 1 and isinstance(start.layout, Vectors) else width
    of_node = partial(Witness, node=node.name, place=place, domain=node.domain, neurons=width, degree=degree)
    if degree == 2:
        yield from _squares(model, node, start, terms, of_node)
        return
    half, inner = (high - low) / 2, inner_edge(width, degree)
    polynomial = chebyshev_witness(node.domain, inner, degree)
    threshold = 2 * width + (terms - width) * float(polynomial(0.0))
    depth = doublings(degree)
    for top in range(depth, start.level + 1):
        scale, within, beyond = _doublings(model, start, (top, depth), half * inner, 1 / inner)
        for level in range(top - depth + 1):
            error = terms * (within.bound(model.ring_degree // 2) + _turn(model, level, scale))
            error += beyond.bound(model.ring_degree // 2)
            room = prod(model.primes[: level + 1]) / 2 / scale / terms
            if error <= _DOUBTFUL * width and room >= 4 * width:
                headroom = half * inner * cosh(acosh(room) / degree)
                yield of_node(inner=inner, threshold=threshold, error=error, headroom=headroom, start=top, level=level)


def _doublings(
    model: NoiseModel, start: Place, levels: tuple[int, int], half: float, edge: float
) -> tuple[float, Noise, Noise]:
    """Scale of T(t) made by doublings, and its noise for |t| <= 1 and for t = edge.

    levels: the first one, and how many. half: of the domain of t, in x.
    """
    scale = start.scale * half
    within = beyond = start.noise * (1 / half)
    values = [1.0, edge]
    for level in range(levels[0], levels[0] - levels[1], -1):
        square = scale**2 / 2
        scale = square / model.primes[level]
        added = model.key_switch(level) * (1 / square) + Noise(model.rounding / scale, 0.0)
        within, beyond = (noise * (4 * t) + added for noise, t in zip((within, beyond), values, strict=True))
        values = [2 * t * t - 1 for t in values]
    return scale, within, beyond


def _squares(
    model: NoiseModel, node: Activation, start: Place, terms: int, of_node: partial[Witness]
) -> Iterator[Witness]:
    """Witnesses of t² or its sum."""
    low, high = node.domain
    half, width = (high - low) / 2, of_node.keywords["neurons"]
    taken, scale, noise = _square(model, node, start)
    each = (noise + start.noise * (2 / half)).bound(model.ring_degree // 2)
    for level in range(taken + 1):
        error = terms * (each + (_turn(model, level, scale) if terms > 1 else 0.0))
        room = prod(model.primes[: level + 1]) / 2 / scale / terms
        if error <= _DOUBTFUL_SQUARE and room >= 1:
            yield of_node(
                inner=sqrt((1 - 2 * error) / width),
                threshold=1 - error + (terms - width) * ((low + high) / (high - low)) ** 2,
                error=error,
                headroom=half * sqrt(room),
                start=start.level,
                level=level,
            )


def _square(model: NoiseModel, node: Activation, start: Place) -> tuple[int, float, Noise]:
    """Level, scale and noise of t² as the node's circuit makes it."""
    half, first, level = (node.domain[1] - node.domain[0]) / 2, node.stages[0], start.level
    scale = (start.scale * half) ** 2
    noise = model.key_switch(level) * (1 / scale)
    cubic = CubicForm.of(first)
    if cubic is not None and meets_square(node):
        moduli = [int(prime) for prime in model.primes[: level + 1]]
        schedule = CubicSchedule.choose(cubic.k, (start.scale, start.scale), moduli, model.ring_degree)
        if schedule.levels == 2:
            scale /= model.primes[level]
            return level - 1, scale, noise + Noise(model.rounding / scale, 0.0)
    return level, scale, noise


def _turn(model: NoiseModel, level: int, scale: float) -> float:
    """Bound on what the rotations of a sum add, for each of its terms."""
    return (model.key_switch(level) * (1 / scale)).bound(model.ring_degree // 2)
