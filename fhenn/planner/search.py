"""`plan`: the smallest ring, the chain and the packing for a model, with the error to expect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice, product
from math import ceil, inf, log2
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.numbers import round_up
from fhenn.ckks.circuits import natural_scale, suitable_primes, takes_wide_prime
from fhenn.ckks.cubic import WIDE
from fhenn.ckks.layout import FEATURES, Layout, Vectors
from fhenn.ckks.maps import power_of_two
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.columns import samples, table_of
from fhenn.errors import LevelExhausted, ParameterError, PlanError, ScaleMismatch, ShapeMismatch
from fhenn.nn import Activation, Affine, Node, Sequential, layers
from fhenn.planner.flooding import MOST_QUERIES, flood, flood_bound, precision
from fhenn.planner.floor import SECURITY_BITS, least_errors
from fhenn.planner.identity import fingerprint_of, node_signature, signature_of
from fhenn.planner.plan import LayoutName, Plan, Result, require_plan
from fhenn.planner.walk import Path, Walk, walk
from fhenn.planner.witness import DEGREES, Witness
from fhenn.planner.witnesses import require_witnesses, witnesses_of
from fhenn.ranges import reaches

Floats = NDArray[np.float64]

_SCALE_BITS = range(45, 17, -1)
_SCALE_BITS_TO_SHARE = range(56, 17, -1)
_SMALLEST_PRIME_BITS, _LARGEST_PRIME_BITS = 18, 60
_LIFTS = (0.0, 0.6, 1.0)
_LARGEST_VALUE = 2.0 ** max(MAX_MODULUS_BITS.values())
"""What no modulus holds, at whatever scale."""

_ROOMIER = 8
"""Bits between the first primes that are tried for a witness."""


@np.errstate(all="ignore")  # candidates whose numbers overflow are left out
def plan(
    model: Node,
    *,
    inputs: Any,
    accuracy: float = 1e-3,
    layout: LayoutName = "latency",
    upload: int = 1,
    samples: int = 1,
    witness: bool | int = False,
    queries: int = 0,
) -> Plan:
    """The smallest ring at 128-bit security on which `model` reaches an accuracy, and how to use it.

    model: a `Sequential` (or a node) of affine nodes and activations, an affine one first.
    inputs: bounds, (2, features) of low and high, or (2,) for all features; or sample data (samples >= 3, features),
    whose least and largest values are the bounds. An array, or anything with named columns, which name the features
    where the model does not.
    accuracy: the largest |decrypted - twin| at the output, above 0.
    layout: "latency" packs whole samples in a ciphertext; "throughput" packs a feature in each, as many samples at once
    as there are slots.
    upload: ciphertexts that the client may send for a sample, 1 or more; for "latency" alone.
    samples: samples that share ciphertexts where they fit, 1 or more; for "latency" alone.
    witness: whether answers can show that an activation's inputs left its domain (`Server.predict`). A hidden layer's
    witness has degree 8 where the ring has room for that, else 4 or 2; a number asks for that degree.
    queries: samples whose results may be shared (`Client.decrypt`), 0 to 2^64; the accuracy then holds with the noise
    that hides the key.

    Returns the plan.
    Raises PlanError where no ring reaches the accuracy, ShapeMismatch and NonFiniteValue for unsuitable inputs, and
    ParameterError for another argument that is out of range.

    >>> import fhenn
    >>> print(plan(fhenn.Linear([[1.0, 2.0]]), inputs=[-1, 1]).parameters.ring_degree)
    4096
    """
    nodes = list(layers(model))
    table = table_of(inputs)
    low, high = bounds_of(inputs if table is None else table, nodes, model.feature_names)
    stages = [stage for node in nodes if isinstance(node, Activation) for stage in node.stages]
    if any(stage.degree == 0 for stage in stages):
        raise PlanError(
            "an activation has a polynomial of degree 0, a constant.",
            "Leave the activation out, and add its value to the bias of the affine node after it.",
        )
    if layout not in ("latency", "throughput"):
        raise ParameterError(
            f"layout must be 'latency' or 'throughput', not {layout!r}.",
            "Choose 'latency' for few samples, 'throughput' for thousands.",
        )
    if not isinstance(accuracy, Real) or not 0 < accuracy < inf:
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")
    if not all(isinstance(count, Integral) and count > 0 for count in (upload, samples)):
        raise ParameterError(
            f"upload and samples must be whole numbers above 0, not {upload!r} and {samples!r}.",
            "Give 1 for one ciphertext and one sample.",
        )
    if not isinstance(witness, bool) and witness not in DEGREES:
        raise ParameterError(
            f"witness must be True, False or one of the degrees {DEGREES}, not {witness!r}.",
            "Give True for the best degree that fits.",
        )
    if not isinstance(queries, Integral) or not 0 <= queries <= MOST_QUERIES:
        raise ParameterError(
            f"queries must be a whole number from 0 to 2^64, not {queries!r}.",
            "Give 0 for results that are not shared.",
        )
    path = Path(nodes, low, high)
    _require_room(path)
    degrees = DEGREES if witness is True else (int(witness),) if witness else ()
    best = inf
    for ring_degree in MAX_MODULUS_BITS:
        packing = _choose_packing(nodes, layout, ring_degree // 2, upload, samples)
        if packing is None:
            continue
        enough: list[_Candidate] = []
        # fewer primes are faster; then the accuracy
        for _, alike in groupby(_candidates(path, packing, ring_degree, int(queries)), key=_count_primes):
            candidates = sorted(alike, key=lambda candidate: candidate.error)
            best = min([best, *(candidate.error for candidate in candidates[:1])])
            enough += [candidate for candidate in candidates if candidate.error <= accuracy]
            if enough and not degrees:
                break
        if degrees:
            roomy = _add_witnesses(path, packing, enough, degrees, int(queries))
            enough = list(islice((candidate for candidate in roomy if candidate.error <= accuracy), 1))
        if enough:
            chosen = enough[0]
            found = Plan(
                parameters=chosen.parameters,
                layout=packing,
                layout_name=layout,
                rotations=tuple(sorted(chosen.walk.rotations)),
                stages=chosen.walk.stages,
                low=tuple(low.tolist()),
                high=tuple(high.tolist()),
                accuracy=accuracy,
                error=max(chosen.walk.bound, _least_errors(path, packing, chosen.parameters)[0]),
                deviation=chosen.walk.stages[-1].noise,
                approximation=max((sup_error(node) for node in nodes if isinstance(node, Activation)), default=0.0),
                signature=signature_of(model),
                finish=model.finish if isinstance(model, Sequential) else None,
                worst=_worst_error(path, packing, chosen.parameters),
                queries=int(queries),
                witnesses=chosen.witnesses,
                outputs=_output_interval(nodes[-1]),
                model=fingerprint_of(model),
                result=result_of(chosen.walk),
                feature_names=model.feature_names or (None if table is None else table.names),
            )
            return found.as_own()
    raise _unreached_error(path, accuracy, best, int(queries))


def _unreached_error(path: Path, accuracy: float, best: float, queries: int) -> PlanError:
    """The error for an accuracy that no ring reaches. best: the smallest error that one does reach."""
    depth = sum(node.cost for node in path.nodes)
    found = f"the best reaches {round_up(best)}" if best < inf else "none holds the depth and the values"
    strays = _describe_stray(path)
    if queries and best < inf:
        return PlanError(
            f"no ring at 128-bit security reaches {accuracy:.1e} with the noise that hides the key from {queries} "
            f"queries: {found}.{strays}",
            f"Ask for an accuracy of {round_up(best)} or more, or for fewer queries: a hundredth needs a tenth "
            "of the noise.",
        )
    return PlanError(
        f"no ring at 128-bit security reaches {accuracy:.1e} for {depth} levels: {found}.{strays}",
        "Use fewer layers, activations of a lower degree or a wider domain, tighter bounds of the inputs or a larger "
        "accuracy, or leave the last sigmoid to the client (finish='sigmoid').",
    )


def _require_room(path: Path) -> None:
    """Raise PlanError at once where values may come to a node that no modulus holds."""
    for node, x in zip((*path.nodes, None), path.reach, strict=True):
        if not x.largest < _LARGEST_VALUE:
            where = "the output" if node is None else f"the input of {node.name}"
            raise PlanError(
                f"{where} may reach {x.largest:.3g}, which no ring at 128-bit security holds.{_describe_stray(path)}",
                "Declare tighter bounds of the inputs, or scale them and the weights.",
            )


def _describe_stray(path: Path) -> str:
    """A sentence on the first activation whose inputs may leave its domain, where its polynomial grows fast."""
    for node, x in zip(path.nodes, path.reach, strict=False):
        if isinstance(node, Activation) and not (node.domain[0] <= x.interval[0] and x.interval[1] <= node.domain[1]):
            low, high = x.interval
            return f" The inputs of {node.name} may reach [{low:.3g}, {high:.3g}], beyond its domain."
    return ""


def sup_error(node: Activation) -> float:
    """The largest |polynomial - exact| of an activation on its domain; 0 where it stands for no function."""
    return 0.0 if node.function is None else node.sup_error()


@np.errstate(all="ignore")
def verify(plan_: Plan, model: Node) -> None:
    """Raise PlanError where a plan is not for a model: other nodes, or other weights.

    plan_: to be checked.
    model: that it should be for.

    A plan's headroom and error are for the weights that it was made with; past the headroom every slot is garbage, and
    clients that hold the plan expect the answers of its model. A plan of before there were fingerprints (`Plan.model`)
    is walked for the model instead. What it says of outputs and witnesses is checked either way.

    >>> import fhenn
    >>> model = fhenn.Linear([[1.0]])
    >>> verify(plan(model, inputs=[-1, 1]), model)
    """
    require_plan(plan_)
    found = signature_of(model)
    if found != plan_.signature:
        raise PlanError(
            f"the plan is for {', '.join(plan_.signature)}, the model is {', '.join(found)}.",
            "Plan again for this model.",
        )
    if plan_.model is not None and plan_.model != fingerprint_of(model):
        raise PlanError("the model's weights are not those that the plan was made for.", "Plan again for this model.")
    path = Path(list(layers(model)), np.array(plan_.low), np.array(plan_.high))
    try:
        now = walk(path, plan_.layout, plan_.parameters)
    except (ScaleMismatch, LevelExhausted) as cause:
        raise PlanError("the model's values do not fit the plan's parameters.", "Plan again for this model.") from cause
    if not (now.bound <= plan_.accuracy and now.holds):
        raise PlanError(
            "the plan does not hold for the model's weights: their error exceeds its accuracy, or their values its "
            "modulus.",
            "Plan again for this model.",
        )
    if plan_.result is not None and plan_.result != result_of(now):
        raise PlanError(
            "the plan's result (outputs, level, layout) is that of another model.", "Plan again for this model."
        )
    if plan_.outputs is not None and plan_.outputs != _output_interval(path.nodes[-1]):
        raise PlanError(
            "the outputs that the plan names are those of another activation.", "Plan again for this model."
        )
    if plan_.witnesses:
        require_witnesses(plan_.witnesses, now)


def result_of(walk_: Walk) -> Result:
    """What a model's answers are.

    walk_: of the model under a plan's parameters.
    """
    return Result(len(walk_.path.reach[-1].low), walk_.end.array.level, walk_.end.layout)


def bounds_of(
    inputs: Any, nodes: Sequence[Affine | Activation], features: Sequence[str] | None = None
) -> tuple[Floats, Floats]:
    """Low and high of every feature, from bounds or data.

    inputs: bounds, (2, features) or (2,), or sample data (samples >= 3, features).
    nodes: of the model, an affine one first.
    features: their names, by which a table's columns are matched; None to take columns in order.

    Returns low and high, (features,) each.
    Raises PlanError where the first node is not affine, ParameterError where a lower bound exceeds the upper one,
    ShapeMismatch, FeatureMismatch, UnsupportedValue, NonFiniteValue.

    >>> import fhenn
    >>> bounds_of([-1, 1], [fhenn.Linear([[1.0, 2.0]])])
    (array([-1., -1.]), array([1., 1.]))
    """
    if not nodes or not isinstance(nodes[0], Affine):
        raise PlanError(
            "the model must start with a Linear node, or another affine one.",
            "Put one first: Linear(np.eye(features)) changes no value.",
        )
    width = nodes[0].inputs
    values = samples(inputs, features, "bounds")
    if values.shape == (2,):
        values = np.repeat(values[:, None], width, axis=1)
    if values.ndim != 2 or values.shape[1] != width or len(values) < 2:
        raise ShapeMismatch("bounds", values.shape, f"(2,), (2, {width}) or (samples, {width})")
    low, high = (values[0], values[1]) if len(values) == 2 else (values.min(axis=0), values.max(axis=0))
    if np.any(low > high):
        worst = int(np.argmax(low - high))
        raise ParameterError(
            f"feature {worst} has a lower bound of {low[worst]:g}, above its upper bound of {high[worst]:g}.",
            "Give all lower bounds first, then all upper ones: (low, high).",
        )
    return low, high


def _choose_packing(
    nodes: list[Affine | Activation], layout: LayoutName, slots: int, upload: int, samples: int
) -> Layout | None:
    """How the client packs its samples, None where they do not fit the ring."""
    if layout == "throughput":
        return FEATURES
    layers = [node.operator.shape for node in nodes if isinstance(node, Affine)]
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


def _output_interval(node: Affine | Activation) -> tuple[float, float] | None:
    """What an activation makes of inputs in its domain; None for another node."""
    if not isinstance(node, Activation):
        return None
    low, high = (np.array([edge]) for edge in node.domain)
    return reaches([node], low, high)[-1].interval


@dataclass(frozen=True)
class _Candidate:
    """Parameters that hold the model.

    parameters: ring degree, chain and scale.
    walk: the model under them.
    error: bound on the error of what the client reads, the noise on shared results included.
    witnesses: that fit them.
    """

    parameters: Parameters
    walk: Walk
    error: float
    witnesses: tuple[Witness, ...] = ()


def _worst_error(path: Path, packing: Layout, parameters: Parameters) -> float:
    """Bound on the error at the output where all of its parts go one way, but for a probability of 2⁻¹²⁸."""
    found = walk(path, packing, parameters, norm=1).noise.bound(parameters.slots, SECURITY_BITS)
    # decrypted values err a little more than twins do; below that no noise is sized (`safety.flooded`)
    return max(found, _least_errors(path, packing, parameters)[1], precision(1.01 * path.reach[-1].largest))


def _least_errors(path: Path, packing: Layout, parameters: Parameters) -> tuple[float, float]:
    """What a client asks a plan to state at least: more than weights that all but vanish make."""
    largest = np.maximum(np.abs(path.reach[0].low), np.abs(path.reach[0].high)).tolist()
    return least_errors(parameters, packing, [node_signature(node) for node in path.nodes], largest)


def _try_parameters(path: Path, packing: Layout, parameters: Parameters, queries: int) -> _Candidate | None:
    """The parameters as a candidate, None where they do not hold the model."""
    try:
        found = walk(path, packing, parameters)
    except (ScaleMismatch, LevelExhausted):
        return None
    if not (found.holds and found.bound < inf):
        return None
    error = max(found.bound, _least_errors(path, packing, parameters)[0])
    if queries:
        outputs = path.reach[-1].low.size
        error += flood_bound(flood(_worst_error(path, packing, parameters), outputs, queries), outputs)
    return _Candidate(parameters, found, error)


def _add_witnesses(
    path: Path, packing: Layout, candidates: Sequence[_Candidate], degrees: Sequence[int], queries: int
) -> Iterator[_Candidate]:
    """Candidates with room for witnesses, with them: by degree, then in order, the first prime larger if it must."""
    for degree, candidate in product(degrees, candidates):
        first, *used, _ = candidate.parameters.chain
        for larger in range(first, _LARGEST_PRIME_BITS + 1, _ROOMIER):
            special = _special_bits(candidate.parameters.ring_degree, (larger, *used))
            if special <= log2(candidate.parameters.scale):
                break
            found: _Candidate | None = candidate
            if larger > first:
                parameters = replace(candidate.parameters, chain=(larger, *used, special))
                found = _try_parameters(path, packing, parameters, queries)
            if found is None:
                continue
            with suppress(ScaleMismatch):
                yield replace(found, witnesses=witnesses_of(found.walk, degree))


def _count_primes(candidate: _Candidate) -> int:
    return len(candidate.parameters.chain)


def _special_bits(ring_degree: int, primes: Sequence[int]) -> int:
    """Bits of the largest special prime that the budget leaves."""
    return min(MAX_MODULUS_BITS[ring_degree] - sum(primes), _LARGEST_PRIME_BITS)


def _candidates(path: Path, packing: Layout, ring_degree: int, queries: int) -> Iterator[_Candidate]:
    """Parameters of a ring that hold the model, those of fewer primes first, for every scale."""
    least_first: dict[tuple[int, tuple[int, ...]], int] = {}
    for bits in _SCALE_BITS_TO_SHARE if queries else _SCALE_BITS:
        choices = product(_wide_primes(path, bits), _LIFTS)
        # the first node divides by the last prime
        chains = {used: bits + 4 for wide, lift in choices if (used := _chain_for(path.nodes, bits, wide, lift))}
        if isinstance(path.nodes[-1], Affine):
            # the last product need not be rescaled where the first prime holds it
            chains |= {used[1:]: 2 * bits + 3 for used in chains}
        least_first |= {(bits, used): least for used, least in chains.items()}
    for (bits, used), least in sorted(least_first.items(), key=lambda item: len(item[0][1])):
        for first in range(least, _LARGEST_PRIME_BITS + 1, 2):
            special = _special_bits(ring_degree, (first, *used))
            if special <= bits:
                break
            found = _try_parameters(path, packing, Parameters(ring_degree, (first, *used, special), 2.0**bits), queries)
            if found is not None:
                yield found
                break


def _wide_primes(path: Path, bits: int) -> list[int | None]:
    """Bits of a prime that may take the place of two for an odd cubic; None for two."""
    stages = [stage for node in path.nodes if isinstance(node, Activation) for stage in node.stages]
    if not any(map(takes_wide_prime, stages)):
        return [None]
    most = min(2 * bits, _LARGEST_PRIME_BITS)
    return [None, *(wide for wide in (most, most - 3, most - 6, most - 9) if wide >= WIDE * bits)]


def _chain_for(
    nodes: Sequence[Affine | Activation], bits: int, wide: int | None, lift: float
) -> tuple[int, ...] | None:
    """The primes of `_primes_of` in the order of a chain, None where a polynomial does not fit their scales."""
    try:
        return tuple(_primes_of(nodes, bits, wide, lift)[::-1])
    except (ScaleMismatch, OverflowError):
        return None


def _primes_of(nodes: Sequence[Affine | Activation], bits: int, wide: int | None, lift: float) -> list[int]:
    """Bits of the primes that the nodes divide by, one after another, as the scales on the way want them.

    wide: bits of the prime that an odd cubic takes in place of two, None for two.
    lift: how much of what an activation adds to the scale the prime of the affine node after it makes up for, 0 to 1;
    what it does not make up for, the weights lose in bits.
    """
    used: list[int] = []
    scale = float(bits)  # in bits
    for node in nodes:
        if isinstance(node, Affine):
            used.append(_prime(bits + lift * max(scale - bits, 0.0)))
            scale = float(bits)
            continue
        start = scale
        for stage in node.stages:
            primes = list(map(_prime, suitable_primes(stage, scale, bits, wide)))
            # the last one is divided by first
            scale = log2(natural_scale(stage, 2.0**scale, tuple(2.0**prime for prime in primes[::-1])))
            used += primes
        if node.times_input:
            used.append(bits)
            scale += start - bits
    return used


def _prime(bits: float) -> int:
    return min(max(round(bits), _SMALLEST_PRIME_BITS), _LARGEST_PRIME_BITS)
