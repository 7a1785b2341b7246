"""`plan`: the smallest ring, the chain and the packing for a model, with the error to expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, hypot, inf, log2, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Polynomial, sigmoid
from fhenn.backends import PLAIN
from fhenn.backends.ckks.context import Context
from fhenn.backends.ckks.layout import FEATURES, Layout, Vectors
from fhenn.backends.ckks.matrix import Schedule, power_of_two
from fhenn.backends.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.backends.ckks.schedule import WIDE, CubicForm, CubicSchedule
from fhenn.errors import NonFiniteValue, ParameterError, PlanError, ScaleMismatch, ShapeMismatch
from fhenn.nn import Linear, Node, Sequential, Sigmoid
from fhenn.nn.finish import Finish
from fhenn.planner.noise import Noise, NoiseModel

Floats = NDArray[np.float64]
LayoutName = Literal["latency", "throughput"]

_SCALE_BITS = range(45, 17, -1)
_LARGEST_PRIME_BITS = 60


@dataclass(frozen=True)
class Stage:
    """One node of the plan.

    node: its name. features: how many after it. level: rescales left after it. largest: bound on |value| at its input.
    headroom: the largest |value| at its input that the modulus surely holds. noise: standard deviation of the error
    after it.
    """

    node: str
    features: int
    level: int
    largest: float
    headroom: float
    noise: float


@dataclass(frozen=True)
class Plan:
    """CKKS parameters for a model, and what they cost. Make one with `fhenn.plan`.

    layout: how the client packs samples × features. rotations: steps, in slots, that need a key. low, high: the
    declared bounds of every feature. error: bound on |decrypted - twin| at the output, but for a probability of 2⁻⁴⁰;
    deviation: its standard deviation. approximation: the largest |polynomial - exact| of an activation on its domain,
    another matter. signature: shapes of the model that it is for. finish: what its client applies to decrypted scores.
    Sizes in bytes are estimates, a third too small at worst: SEAL's compression is not perfect.
    """

    parameters: Parameters
    layout: Layout
    layout_name: LayoutName
    rotations: tuple[int, ...]
    stages: tuple[Stage, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    accuracy: float
    error: float
    deviation: float
    approximation: float
    signature: tuple[str, ...]
    finish: Finish | None

    def fits(self, context: Context) -> bool:
        """Whether keys were made for these parameters and rotations."""
        wanted = (self.parameters.ring_degree, self.parameters.chain, self.parameters.scale)
        return wanted == context.parameters and all(context.can_rotate(steps) for steps in self.rotations)

    @property
    def features(self) -> int:
        """Features of a sample."""
        return len(self.low)

    @property
    def samples_per_ciphertext(self) -> int:
        """Samples that share ciphertexts."""
        return self.layout.samples if isinstance(self.layout, Vectors) else self.parameters.slots

    @property
    def ciphertexts_per_sample(self) -> int:
        """Ciphertexts of one upload: of one sample, or of all that share them."""
        return self.layout.ciphertexts((1, self.features), self.parameters.slots)

    @property
    def bytes_per_ciphertext(self) -> int:
        """Of a fresh ciphertext."""
        return 2 * self.parameters.ring_degree * sum(self.parameters.chain[:-1]) // 8

    @property
    def bytes_of_keys(self) -> int:
        """Of the evaluation keys: public, relinearisation, rotations."""
        one = 2 * self.parameters.ring_degree * sum(self.parameters.chain) // 8
        return one * (1 + (len(self.parameters.chain) - 1) * (1 + len(self.rotations)))

    def __str__(self) -> str:
        chain = ", ".join(map(str, self.parameters.chain))
        lines = [
            f"plan, {self.layout_name}: N={self.parameters.ring_degree} [{chain}], "
            f"scale 2^{log2(self.parameters.scale):g}, 128-bit security",
            f"  error of encryption   <= {self.error:.1e} (asked: {self.accuracy:.1e}), deviation {self.deviation:.1e}",
            f"  error of activations  <= {self.approximation:.1e} each, on their domain",
            f"  samples               {self.samples_per_ciphertext} in {self.ciphertexts_per_sample} ciphertexts, "
            f"{self.bytes_per_ciphertext * self.ciphertexts_per_sample / 1e6:.2f} MB",
            f"  evaluation keys       {self.bytes_of_keys / 1e6:.1f} MB, {len(self.rotations)} rotations",
            "",
            f"  {'node':<10} {'features':>8} {'level':>5} {'largest |x|':>12} {'headroom':>10} {'deviation':>10}",
        ]
        lines += [
            f"  {stage.node:<10} {stage.features:>8} {stage.level:>5} {stage.largest:>12.4g} "
            f"{stage.headroom:>10.3g} {stage.noise:>10.1e}"
            for stage in self.stages
        ]
        return "\n".join(lines)


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
    nodes = list(_flatten(model))
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
                approximation=max((_sup_error(node) for node in nodes if isinstance(node, Sigmoid)), default=0.0),
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


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish."""
    nodes = [
        f"Linear{node.weight.shape[1]}x{node.weight.shape[0]}" if isinstance(node, Linear) else node.name
        for node in _flatten(model)
    ]
    finish = model.finish if isinstance(model, Sequential) else None
    return (*nodes, f"finish={finish}")


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
        stages, error, _ = _stages(list(_flatten(model)), plan_.layout, plan_.parameters, bounds)
    except ScaleMismatch as cause:
        raise PlanError("the model's values no longer fit the plan's parameters.", "Plan again.") from cause
    if error > plan_.accuracy or any(stage.largest > stage.headroom for stage in stages):
        raise PlanError("the model's weights have changed, and the plan no longer holds for them.", "Plan again.")


def _flatten(model: Node) -> Iterator[Linear | Sigmoid]:
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from _flatten(node)
    elif isinstance(model, Linear | Sigmoid):
        yield model
    else:
        raise PlanError(f"a {model.name} cannot be planned.", "Use Linear and Sigmoid nodes.")


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
                    stages, error, rotations = _stages(nodes, packing, parameters, bounds)
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


def _stages(
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
    rounded, turned = model.rounding / nominal, 0.0
    if isinstance(layout, Vectors):
        schedule = Schedule.of(layout, weight.shape[0], model.ring_degree // 2)
        terms = 2 ** len(schedule.folds)
        folding = sqrt(terms - 1) * model.key_switch(level - 1) / nominal
        babies = sqrt(max(schedule.baby - 1, 0) / 2 + 0.5) * model.key_switch(level) / scale * row
        rounded = sqrt(terms) * rounded
        turned = sqrt(folding**2 + (babies**2 if schedule.baby > 1 else 0.0))
    else:
        # a scalar's rounding is one number, not a slot's worth of them
        encoding /= sqrt(model.ring_degree / 2)
    return noise * row + Noise(hypot(rounded, turned), encoding)


def _noise_of_cubic(
    model: NoiseModel, polynomial: Polynomial, cubic: CubicSchedule, level: int, *, noise: Noise, largest: float
) -> Noise:
    """Standard deviation after the cubic, at the input where it has the most."""
    form = CubicForm.of(polynomial)
    points = np.linspace(-largest, largest, 201)
    slope = float(np.abs(polynomial.derivative()(points)).max())
    of_square = model.rounding / cubic.square if cubic.levels == 2 else model.key_switch(level) / cubic.square
    squared = of_square * abs(form.k) * largest
    final = model.rounding / cubic.result
    shrunk = 0.0
    if cubic.multiplier is not None:
        shrunk = model.rounding / cubic.factor * float(np.abs(points**2 + form.b).max())
    return noise * slope + Noise(hypot(squared, final, shrunk), 0.0)


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


def _sup_error(node: Sigmoid) -> float:
    """The largest |polynomial - σ| on the domain, from a grid fine enough for the two digits that are printed."""
    x = np.linspace(*node.domain, 4001)
    return float(np.abs(node.polynomial(x) - sigmoid(x)).max())
