"""`plan`: the smallest ring, the chain and the packing for a model, with the error to expect."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.backends import PLAIN
from fhenn.backends.ckks.layout import FEATURES, Layout, Vectors
from fhenn.backends.ckks.matrix import power_of_two
from fhenn.backends.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.backends.ckks.schedule import WIDE
from fhenn.errors import NonFiniteValue, ParameterError, PlanError, ScaleMismatch, ShapeMismatch
from fhenn.nn import Linear, Node, Sequential, Sigmoid
from fhenn.planner.plan import LayoutName, Plan, Stage
from fhenn.planner.walk import flatten, signature_of, stages_of, sup_error

Floats = NDArray[np.float64]

_SCALE_BITS = range(45, 17, -1)
_LARGEST_PRIME_BITS = 60


def plan(
    model: Node,
    *,
    inputs: ArrayLike,
    accuracy: float = 1e-3,
    layout: LayoutName = "latency",
    upload: int = 1,
    samples: int = 1,
) -> Plan:
    """The smallest ring at 128-bit security on which `model` reaches an accuracy, and how to use it.

    model: a `Sequential` (or a node) of `Linear` and `Sigmoid`, a `Linear` first. inputs: bounds, (2, features) of low
    and high, or (2,) for all features; or sample data (samples >= 3, features), whose box is taken. accuracy: largest
    |decrypted - twin| at the output. layout: "latency", whole samples in a ciphertext, or "throughput", a feature per
    ciphertext and slots samples at once. upload: ciphertexts that the client may send per sample ("latency").
    samples: samples that share ciphertexts ("latency"), if they fit.
    Raises PlanError, which says what would do, ShapeMismatch, NonFiniteValue, ParameterError.

    >>> print(plan(Linear([[1.0, 2.0]]), inputs=[-1, 1]).parameters.ring_degree)
    4096
    """
    nodes = list(flatten(model))
    if not nodes or not isinstance(nodes[0], Linear):
        raise PlanError("the model does not start with a Linear node.", "Put one first; the identity will do.")
    if layout not in ("latency", "throughput"):
        raise ParameterError(f"layout {layout!r} is unknown.", "Choose 'latency' or 'throughput'.")
    if not accuracy > 0 or upload < 1 or samples < 1:
        raise ParameterError("accuracy, upload or samples are not positive.", "Give numbers above 0.")
    low, high = _bounds(inputs, nodes[0].weight.shape[1])
    best = inf
    for ring_degree in MAX_MODULUS_BITS:
        packing = _packing(nodes, layout, ring_degree // 2, upload, samples)
        if packing is None:
            continue
        candidates = list(_candidates(nodes, packing, ring_degree, (low, high)))
        # of those that reach the accuracy the one with the fewest primes, which is the fastest, then the most accurate
        enough = [candidate for candidate in candidates if candidate[0] <= accuracy]
        chosen = min(
            enough or candidates,
            key=lambda candidate: (len(candidate[1].chain) if enough else 0, candidate[0]),
            default=None,
        )
        if chosen is None:
            continue
        best = min(best, chosen[0])
        if chosen[0] <= accuracy:
            error, parameters, stages, rotations = chosen
            return Plan(
                parameters=parameters,
                layout=packing,
                layout_name=layout,
                rotations=tuple(sorted(rotations)),
                stages=stages,
                low=tuple(low.tolist()),
                high=tuple(high.tolist()),
                accuracy=accuracy,
                error=error,
                deviation=stages[-1].noise,
                approximation=max((sup_error(node) for node in nodes if isinstance(node, Sigmoid)), default=0.0),
                signature=signature_of(model),
                finish=model.finish if isinstance(model, Sequential) else None,
            )
    depth = sum(node.cost for node in nodes)
    found = f"the best reaches {best:.1e}" if best < inf else "none holds the depth and the values"
    raise PlanError(
        f"no ring at 128-bit security reaches {accuracy:.1e} for {depth} levels: {found}.",
        "Use fewer layers, a lower accuracy, tighter bounds of the inputs, or leave the last sigmoid to the client "
        "(finish='sigmoid').",
    )


def verify(plan_: Plan, model: Node) -> None:
    """Raise PlanError where a plan does not hold for a model: other nodes, or weights that have grown since.

    A plan's headroom and error are for the weights that it was made with; past the headroom every slot is garbage.
    """
    found = signature_of(model)
    if found != plan_.signature:
        raise PlanError(
            f"the plan is for {', '.join(plan_.signature)}, the model is {', '.join(found)}.",
            "Plan again for this model.",
        )
    bounds = np.array(plan_.low), np.array(plan_.high)
    try:
        stages, error, _ = stages_of(list(flatten(model)), plan_.layout, plan_.parameters, bounds)
    except ScaleMismatch as cause:
        raise PlanError("the model's values no longer fit the plan's parameters.", "Plan again.") from cause
    if error > plan_.accuracy or any(stage.largest > stage.headroom for stage in stages):
        raise PlanError("the model's weights have changed, and the plan no longer holds for them.", "Plan again.")


def _bounds(inputs: ArrayLike, width: int) -> tuple[Floats, Floats]:
    """Low and high of every feature."""
    values = PLAIN.value(inputs).astype(np.float64)
    nonfinite = int(np.count_nonzero(~np.isfinite(values)))
    if nonfinite:
        raise NonFiniteValue("plan", nonfinite, "Declare finite bounds.")
    if values.shape == (2,):
        values = np.repeat(values[:, None], width, axis=1)
    if values.ndim != 2 or values.shape[1] != width or len(values) < 2:
        raise ShapeMismatch("plan inputs", values.shape, f"(2,), (2, {width}) or (samples, {width})")
    low, high = (values[0], values[1]) if len(values) == 2 else (values.min(axis=0), values.max(axis=0))
    if np.any(low > high):
        raise ParameterError("a lower bound exceeds the upper one.", "Give (low, high).")
    return low, high


def _packing(nodes: list[Linear | Sigmoid], layout: LayoutName, slots: int, upload: int, samples: int) -> Layout | None:
    """How the client packs its samples, None where they do not fit the ring."""
    if layout == "throughput":
        return FEATURES
    layers = [node.weight.shape for node in nodes if isinstance(node, Linear)]
    (outputs, width), widest = layers[0], max(power_of_two(size) for shape in layers for size in shape)
    together = power_of_two(samples)
    while together > 1 and slots // together < widest:
        together //= 2
    ring, m = slots // together, power_of_two(outputs)
    if max(power_of_two(shape[0]) for shape in layers) > ring:
        return None
    period = power_of_two(ceil(width / upload))
    if period * m <= ring:
        return Vectors("tiles", period, together, m, ceil(width / period))
    period = power_of_two(width)
    if period > ring:
        return None
    return Vectors("blocks", period, together, m * period // ring)


Candidate = tuple[float, Parameters, tuple[Stage, ...], set[int]]


def _candidates(
    nodes: list[Linear | Sigmoid], packing: Layout, ring_degree: int, bounds: tuple[Floats, Floats]
) -> Iterator[Candidate]:
    """Chains for a ring: for every scale, first and special prime as the values and the budget want them."""
    limit = MAX_MODULUS_BITS[ring_degree]
    for bits in _SCALE_BITS:
        for wide in (True, False):
            if wide and min(2 * bits, _LARGEST_PRIME_BITS) < WIDE * bits:
                continue
            # the first node divides by the last prime
            used = [prime for node in reversed(nodes) for prime in _primes_of(node, bits, wide)]
            for first in range(bits + 4, _LARGEST_PRIME_BITS + 1, 2):
                special = min(limit - first - sum(used), _LARGEST_PRIME_BITS)
                if special <= bits:
                    break
                parameters = Parameters(ring_degree, (first, *used, special), 2.0**bits)
                try:
                    stages, error, rotations = stages_of(nodes, packing, parameters, bounds)
                except ScaleMismatch:
                    continue
                if all(stage.largest <= stage.headroom for stage in stages):
                    yield error, parameters, stages, rotations
                    break


def _primes_of(node: Linear | Sigmoid, bits: int, wide: bool) -> list[int]:
    """Bits of the primes that a node divides by; an activation takes two, or a wide one."""
    if isinstance(node, Linear):
        return [bits]
    return [min(2 * bits, _LARGEST_PRIME_BITS)] if wide else [bits] * node.cost
