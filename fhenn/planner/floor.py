"""The least error that a plan may state: what a client can tell of it without the model.

The noise on shared results is sized by `Plan.worst`, and a plan comes from the server: one that states too little
would have the client hand out its key. What the last node adds is there whatever the weights are, since everything
before it can be multiplied by almost nothing:

- a rescale rounds (`NoiseModel.rounding`), at the result's scale;
- a `Linear` on whole samples adds up by rotations, whose number follows from the shapes: a key switch each;
- its weights are rounded as they are encoded, and multiply the inputs, whose bounds the plan declares where the
  `Linear` is the only node;
- where nothing is rescaled after a product, a weight is an integer, 1 at least, times what a fresh encryption errs by.

These are the terms of `fhenn.planner.walk`, each at the level where it is least, added as there. The result's scale is
the plan's own after a `Linear` that rescales; else it is bounded by the primes that can be left, and known exactly
once there is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil, log2, prod, sqrt

from fhenn.backends.ckks.layout import Layout, Vectors
from fhenn.backends.ckks.matrix import Schedule, power_of_two
from fhenn.backends.ckks.noise import Noise, NoiseModel, noise_model
from fhenn.backends.ckks.parameters import Parameters
from fhenn.backends.ckks.schedule import WIDE
from fhenn.errors import ShapeMismatch

SECURITY_BITS = 128
"""`Plan.worst` holds but for a probability of 2 to the minus that."""

_LINEAR = re.compile(r"Linear(\d{1,9})x(\d{1,9})")
_ACTIVATION = re.compile(r"[A-Za-z_]+(\d{1,4}(?:,\d{1,4})*)\[.*\]")


def least_errors(
    parameters: Parameters,
    layout: Layout,
    nodes: Sequence[str],
    largest: Sequence[float],
    scale: float | None = None,
) -> tuple[float, float]:
    """Lower bounds of `Plan.error` and `Plan.worst`.

    parameters, layout: the plan's. nodes: names and shapes, as in `Plan.signature` without the finish. largest: |x| of
    each feature. scale: of the result, where there is an answer that tells.

    >>> import fhenn
    >>> made = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), inputs=[-1, 1])
    >>> error, worst = least_errors(made.parameters, made.layout, made.signature[:-1], [1.0, 1.0])
    >>> 0 < error <= made.error, 0 < worst <= made.worst
    (True, True)
    """
    slots = parameters.slots
    alone, together = (_least_noise(parameters, layout, nodes, largest, scale, norm) for norm in (2, 1))
    return (
        min((noise.bound(slots) for noise in alone), default=0.0),
        min((noise.bound(slots, SECURITY_BITS) for noise in together), default=0.0),
    )


def _least_noise(
    parameters: Parameters,
    layout: Layout,
    nodes: Sequence[str],
    largest: Sequence[float],
    scale: float | None,
    norm: int,
) -> list[Noise]:
    """What the last node adds at least, in each way that it can run; norm: how errors add up (`Noise`)."""
    model = noise_model(parameters)
    shape = _LINEAR.fullmatch(nodes[-1]) if nodes else None
    if shape is None:
        return [_activation(model, parameters, nodes, scale)]
    schedule = _schedule(layout, nodes, int(shape[2]), parameters.slots)
    values = sum(abs(value) ** norm for value in largest) ** (1 / norm) if len(nodes) == 1 else 0.0
    if isinstance(layout, Vectors):
        encoding = values * model.encoding
    else:  # a scalar's rounding is one number
        encoding = values * model.encoding / sqrt(parameters.slots)
    ways = []
    nominal = parameters.scale
    if parameters.levels > 0 and (scale is None or scale < 2 * nominal):
        rounded = Noise(model.rounding / nominal, 0.0, norm) * _terms(schedule) ** (1 / norm)
        encoded = Noise(0.0, encoding / model.primes[-1], norm)
        ways.append(rounded + _turns(model, schedule, nominal, norm) + encoded)
    if (parameters.levels == 0 or len(nodes) > 1) and (scale is None or scale >= 2 * nominal):
        result = model.primes[0] / 4 if scale is None else scale
        fresh = Noise(0.0, model.fresh / result, norm)
        ways.append(fresh + _turns(model, schedule, result, norm) + Noise(0.0, encoding / nominal, norm))
    return ways or [Noise(0.0, model.fresh / (scale or nominal), norm)]


def _schedule(layout: Layout, nodes: Sequence[str], outputs: int, slots: int) -> Schedule | None:
    """How the last `Linear` adds up; None where it needs no rotations, or where the shapes do not tell."""
    if not isinstance(layout, Vectors):
        return None
    before = [found for node in nodes[:-1] if (found := _LINEAR.fullmatch(node))]
    try:
        if before:
            layout = Vectors("replicated", power_of_two(int(before[-1][2])), layout.samples)
        return Schedule.of(layout, outputs, slots)
    except ShapeMismatch:
        return None


def _terms(schedule: Schedule | None) -> int:
    """Rounded products that a slot of the result is the sum of."""
    return 1 if schedule is None else 2 ** len(schedule.folds)


def _turns(model: NoiseModel, schedule: Schedule | None, scale: float, norm: int) -> Noise:
    """What the rotations of the sum at the end add, on one prime."""
    if schedule is None:
        return Noise(0.0, 0.0, norm)
    turn = model.key_switch(0) * (1 / scale)
    folds, terms = len(schedule.folds), _terms(schedule)
    return Noise(turn.laplace * (terms - 1) ** (1 / norm), turn.normal * folds ** (1 / norm), norm)


def _activation(model: NoiseModel, parameters: Parameters, nodes: Sequence[str], scale: float | None) -> Noise:
    """What an activation at the end adds: its last rescale rounds, unless it is affine."""
    if scale is None:
        used = sum(_least_levels(parameters, nodes, place) for place in range(len(nodes)))
        scale = prod(model.primes[: max(parameters.levels - used, 0) + 1])
    degrees = _degrees(nodes[-1]) if nodes else (1,)
    return Noise(model.rounding / scale, 0.0) if max(degrees) > 1 else Noise(0.0, model.fresh / scale)


def _least_levels(parameters: Parameters, nodes: Sequence[str], place: int) -> int:
    """Levels that a node before or at the end consumes at least."""
    if _LINEAR.fullmatch(nodes[place]):
        return 1
    wide = max(parameters.chain[1:-1], default=0) >= WIDE * log2(parameters.scale)
    merged = wide or place == 0 or _LINEAR.fullmatch(nodes[place - 1]) is None
    # ceil(log2) multiplies at least; an odd cubic on one wide prime divides once
    return sum(1 if degree == 3 and merged else ceil(log2(max(degree, 1))) for degree in _degrees(nodes[place]))


def _degrees(node: str) -> tuple[int, ...]:
    """Of an activation's polynomials; affine where the name does not tell."""
    found = _ACTIVATION.fullmatch(node)
    return (1,) if found is None else tuple(int(degree) for degree in found[1].split(","))
