"""Through a model node by node: level, range, headroom and noise after each of them."""

from __future__ import annotations

from collections.abc import Iterator
from math import hypot, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial, sigmoid
from fhenn.backends.ckks.layout import Layout, Vectors
from fhenn.backends.ckks.matrix import Schedule
from fhenn.backends.ckks.parameters import Parameters
from fhenn.backends.ckks.schedule import CubicForm, CubicSchedule
from fhenn.errors import PlanError, ScaleMismatch
from fhenn.nn import Linear, Node, Sequential, Sigmoid
from fhenn.planner.noise import Noise, NoiseModel
from fhenn.planner.plan import Stage

Floats = NDArray[np.float64]


def flatten(model: Node) -> Iterator[Linear | Sigmoid]:
    """The nodes of a model in order, those of a Sequential in its place. Raises PlanError."""
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from flatten(node)
    elif isinstance(model, Linear | Sigmoid):
        yield model
    else:
        raise PlanError(f"a {model.name} cannot be planned.", "Use Linear and Sigmoid nodes.")


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish."""
    nodes = [
        f"Linear{node.weight.shape[1]}x{node.weight.shape[0]}" if isinstance(node, Linear) else node.name
        for node in flatten(model)
    ]
    finish = model.finish if isinstance(model, Sequential) else None
    return (*nodes, f"finish={finish}")


def stages_of(
    nodes: list[Linear | Sigmoid], packing: Layout, parameters: Parameters, bounds: tuple[Floats, Floats]
) -> tuple[tuple[Stage, ...], float, set[int]]:
    """Every node with its level, range, headroom and noise; the bound at the output; the rotations."""
    primes = [2.0**bits for bits in parameters.chain[:-1]]
    model = NoiseModel(parameters.ring_degree, primes, 2.0 ** parameters.chain[-1])
    level, scale, nominal = parameters.levels, parameters.scale, parameters.scale
    low, high = bounds
    noise = Noise(laplace=0.0, normal=model.fresh / scale)
    layout = packing
    stages = []
    rotations: set[int] = set()
    for node in nodes:
        largest = float(np.maximum(np.abs(low), np.abs(high)).max())
        modulus = float(np.prod(primes[: level + 1])) / 2
        if isinstance(node, Linear):
            after = _interval_of_linear(node, low, high)
            noise = _noise_of_linear(model, node, layout, noise=noise, at=(level, scale, nominal), bounds=(low, high))
            reach = float(np.maximum(np.abs(after[0]), np.abs(after[1])).max())
            fits = float(np.prod(primes[:level])) / 2 / nominal
            headroom = min(modulus / scale, largest * fits / reach if reach else inf)
            if isinstance(layout, Vectors):
                schedule = Schedule.of(layout, node.weight.shape[0], parameters.slots)
                rotations |= schedule.rotations
                layout = Vectors("replicated", schedule.outputs, layout.samples)
            low, high = after
            scale, level = nominal, level - 1
            width = node.weight.shape[0]
        else:
            form = CubicForm.of(node.polynomial)
            moduli = [int(prime) for prime in primes[: level + 1]]
            cubic = CubicSchedule.choose(form.k, (scale, scale), moduli, parameters.ring_degree)
            headroom = cubic.headroom(node.polynomial)
            noise = _noise_of_cubic(model, node.polynomial, cubic, level, noise=noise, largest=largest)
            low, high = _interval_of_polynomial(node.polynomial, low, high)
            scale, level = cubic.result, level - cubic.levels
            width = len(low)
        stages.append(Stage(node.name, width, level, largest, headroom, noise.deviation))
    final = float(np.maximum(np.abs(low), np.abs(high)).max()) * scale
    if final > primes[0] / 2:
        raise ScaleMismatch(scale, int(primes[0]), "")
    return tuple(stages), noise.bound(parameters.slots), rotations


def _noise_of_linear(
    model: NoiseModel,
    node: Linear,
    layout: Layout,
    *,
    noise: Noise,
    at: tuple[int, float, float],
    bounds: tuple[Floats, Floats],
) -> Noise:
    """Standard deviation after x Wᵀ + b, of the row that has the most."""
    level, scale, nominal = at
    weight = node.weight
    values = np.maximum(np.abs(bounds[0]), np.abs(bounds[1]))
    plain_scale = nominal * model.primes[level] / scale
    row = float(np.sqrt((weight**2).sum(axis=1)).max())
    encoding = float(np.sqrt((values**2).sum())) * model.encoding / plain_scale
    rounded, turned = Noise(model.rounding / nominal, 0.0), Noise(0.0, 0.0)
    if isinstance(layout, Vectors):
        schedule = Schedule.of(layout, weight.shape[0], model.ring_degree // 2)
        terms, folds = 2 ** len(schedule.folds), len(schedule.folds)
        rounded = rounded * sqrt(terms)
        # a spike sits in few slots: a fold's meets a sum once, where its rounding is in every term
        turn = model.key_switch(level - 1) * (1 / nominal)
        turned = Noise(turn.laplace * sqrt(terms - 1), turn.normal * sqrt(folds))
        # a baby step is turned again for the next one: each slot may see the same spike in every step
        turned += model.key_switch(level) * (row / scale * sqrt(schedule.baby - 1))
    else:
        # a scalar's rounding is one number, not a slot's worth of them
        encoding /= sqrt(model.ring_degree / 2)
    return noise * row + rounded + turned + Noise(0.0, encoding)


def _noise_of_cubic(
    model: NoiseModel, polynomial: Polynomial, cubic: CubicSchedule, level: int, *, noise: Noise, largest: float
) -> Noise:
    """Standard deviation after the cubic, at the input where it has the most."""
    form = CubicForm.of(polynomial)
    points = np.linspace(-largest, largest, 201)
    slope = float(np.abs(polynomial.derivative()(points)).max())
    of_square = Noise(model.rounding, 0.0) if cubic.levels == 2 else model.key_switch(level)
    rounded = model.rounding / cubic.result
    if cubic.multiplier is not None:
        rounded = hypot(rounded, model.rounding / cubic.factor * float(np.abs(points**2 + form.b).max()))
    return noise * slope + of_square * (abs(form.k) * largest / cubic.square) + Noise(rounded, 0.0)


def _interval_of_linear(node: Linear, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Interval of every output for inputs in a box."""
    middle, half = (low + high) / 2, (high - low) / 2
    centre, reach = node.weight @ middle + node.bias, np.abs(node.weight) @ half
    return centre - reach, centre + reach


def _interval_of_polynomial(polynomial: Polynomial, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Interval of every value for inputs in intervals: end points and the turning points between them."""
    turns = np.roots(polynomial.derivative().coefficients[::-1])
    points = [low, high]
    points += [np.clip(turn.real, low, high) for turn in turns if abs(turn.imag) < 1e-12]
    values = np.stack([polynomial(point) for point in points])
    return values.min(axis=0), values.max(axis=0)


def sup_error(node: Sigmoid) -> float:
    """The largest |polynomial - σ| on the domain, from a grid fine enough for the two digits that are printed."""
    x = np.linspace(*node.domain, 4001)
    return float(np.abs(node.polynomial(x) - sigmoid(x)).max())
