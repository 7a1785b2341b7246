"""The least error that a plan may state: what a client can tell of it without the model.

The noise on shared results is sized by `Plan.worst`, and a plan comes from the server: one that states too little
would have the client hand out its key. What the last node adds is there whatever the weights are, since everything
before it can be multiplied by almost nothing:

- a rescale rounds (`NoiseModel.rounding`), at the result's scale;
- a `Linear` on whole samples adds up by rotations, whose number follows from the shapes: a key switch each;
- its weights are rounded as they are encoded, and multiply the inputs, whose bounds the plan declares where the
  `Linear` is the only node;
- where nothing is rescaled after a product, a weight is an integer, 1 at least, times what a fresh encryption errs by.

These are the terms of `fhenn.planner.walk`, each at the level where it is least, added as there.

All of them are in units of the result's scale, which the server chooses: a product with 1 at a scale of 2^120 errs by
next to nothing. So no scale is believed beyond `largest_scale`, where a circuit of `fhenn.plan` can end: it uses its
chain up, and what is left is the first prime, of 60 bits at most. Whoever chooses plan and answer as he likes gets no
floor below what a fresh encryption errs by at a scale of 2^58: 7.0e-15 at N = 4096, the smallest ring with such a
prime, bounded as `Plan.worst` is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import sqrt

from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.maps import in_order, shape_of
from fhenn.ckks.noise import Noise, NoiseModel
from fhenn.ckks.parameters import Parameters
from fhenn.errors import ShapeMismatch
from fhenn.planner.identity import AFFINE, is_wiring
from fhenn.planner.packing import Packing

SECURITY_BITS = 128
"""`Plan.worst` holds but for a probability of 2 to the minus that."""

_ACTIVATION = re.compile(r".+\d\[[^,]+,[^,]+\]")


def is_known(node: str) -> bool:
    """Whether `fhenn.plan` could have written a node of a signature.

    node: its name and shape.

    >>> is_known("Affine3x1"), is_known("Sigmoid3[-4,4]"), is_known("Foo")
    (True, True, False)
    """
    return is_wiring(node) or any(names.fullmatch(node) for names in (AFFINE, _ACTIVATION))


def largest_scale(parameters: Parameters, nodes: Sequence[str]) -> float:
    """The largest scale that a circuit can end at.

    parameters: the plan's.
    nodes: names and shapes, as in `Plan.signature` without the finish.

    After the only `Linear`, whose product is rescaled, near the plan's own; a product that is not leaves two bits of
    the first prime (`fhenn.planner.walk`), and nothing goes beyond that prime.

    >>> largest_scale(Parameters(8192, (60, 40, 60), 2.0**40), ["Linear1x1"]) == 2.0**41
    True
    """
    left = 2.0 ** parameters.chain[0]
    if not nodes or AFFINE.fullmatch(nodes[-1]) is None:
        return left
    return min(2 * parameters.scale, left) if len(nodes) == 1 and parameters.levels > 0 else left / 4


def least_errors(
    parameters: Parameters,
    packing: Packing,
    nodes: Sequence[str],
    largest: Sequence[float],
    scale: float | None = None,
    evaluator: Evaluator = SEAL,
) -> tuple[float, float]:
    """Lower bounds of `Plan.error` and `Plan.worst`.

    parameters: the plan's.
    packing: the plan's.
    nodes: names and shapes, as in `Plan.signature` without the finish.
    largest: the largest |x| of each feature, (features,).
    scale: of an answer's ciphertexts, None where there is no answer yet.
    evaluator: that the plan is for.

    Returns the least error and the least worst error.

    >>> import fhenn
    >>> made = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1])
    >>> error, worst = least_errors(made.parameters, Packing(made.layout), made.signature[:-1], [1.0, 1.0])
    >>> 0 < error <= made.error, 0 < worst <= made.worst
    (True, True)
    """
    slots = parameters.slots
    alone, together = (
        _least_noise(parameters, evaluator.noise(parameters), packing, nodes, largest, scale, norm) for norm in (2, 1)
    )
    return (
        min((noise.bound(slots) for noise in alone), default=0.0),
        min((noise.bound(slots, SECURITY_BITS) for noise in together), default=0.0),
    )


def _least_noise(
    parameters: Parameters,
    model: NoiseModel,
    packing: Packing,
    nodes: Sequence[str],
    largest: Sequence[float],
    scale: float | None,
    norm: int,
) -> list[Noise]:
    """What the last node adds at least, in each way that it can run.

    model: of the noise under the parameters.
    norm: how errors add up (`Noise`).
    """
    most = largest_scale(parameters, nodes)
    shape = AFFINE.fullmatch(nodes[-1]) if nodes else None
    if shape is None:  # an activation's last rescale rounds, at any scale that is left
        return [Noise(model.rounding / (scale or most), 0.0)]
    folds = _folds(packing, nodes, int(shape[2]), parameters.slots)
    values = _norm_of(tuple(largest), norm) if len(nodes) == 1 else 0.0
    if isinstance(packing.layout, WholeSamples):
        encoding = values * model.encoding
    else:  # a scalar's rounding is one number
        encoding = values * model.encoding / sqrt(parameters.slots)
    ways = []
    nominal = min(parameters.scale, most)
    if parameters.levels > 0 and (scale is None or scale < 2 * nominal):
        result = scale or nominal
        rounded = Noise(model.rounding / result, 0.0, norm) * _terms(folds) ** (1 / norm)
        encoded = Noise(0.0, encoding / model.primes[-1], norm)
        ways.append(rounded + _turns(model, folds, result, norm) + encoded)
    if (parameters.levels == 0 or len(nodes) > 1) and (scale is None or scale >= 2 * nominal):
        result = scale or model.primes[0] / 4
        fresh = Noise(0.0, model.fresh / result, norm)
        ways.append(fresh + _turns(model, folds, result, norm) + Noise(0.0, encoding / nominal, norm))
    return ways or [Noise(0.0, model.fresh / (scale or nominal), norm)]


@lru_cache(maxsize=4)
def _norm_of(values: tuple[float, ...], norm: int) -> float:
    """(Σ |value|^norm)^(1/norm), kept for the next parameters: there may be 100,000 values."""
    found: float = sum(abs(value) ** norm for value in values) ** (1 / norm)
    return found


def _folds(packing: Packing, nodes: Sequence[str], outputs: int, slots: int) -> tuple[int, ...] | None:
    """How the last `Linear` adds up; None where it needs no rotations, or where the shapes do not tell."""
    layout, targets = packing.layout, packing.targets
    if not isinstance(layout, WholeSamples):
        return None
    before = [found for node in nodes[:-1] if (found := AFFINE.fullmatch(node))]
    try:
        if before:
            last = targets[len(before) - 1] if targets else None
            layout = in_order(int(before[-1][2]), layout.samples) if last is None else last
        end = targets[len(before)] if targets else None
        return shape_of(layout, outputs if end is None else end.period, slots)[2]
    except ShapeMismatch:
        return None


def _terms(folds: tuple[int, ...] | None) -> int:
    """Rounded products that a slot of the result is the sum of."""
    return 1 if folds is None else 2 ** len(folds)


def _turns(model: NoiseModel, folds: tuple[int, ...] | None, scale: float, norm: int) -> Noise:
    """What the rotations of the sum at the end add, on one prime."""
    if folds is None:
        return Noise(0.0, 0.0, norm)
    turn = model.key_switch(0) * (1 / scale)
    terms = _terms(folds)
    return Noise(turn.laplace * (terms - 1) ** (1 / norm), turn.normal * len(folds) ** (1 / norm), norm)
