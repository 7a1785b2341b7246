"""`plan`: the smallest ring, the chain and the packing for a model, with the error to expect."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, product
from math import inf, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.numbers import round_up
from fhenn.ckks.evaluator import Evaluator
from fhenn.ckks.layout import FEATURES, Layout
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.errors import LevelExhausted, NonFiniteValue, ParameterError, PlanError, PlanWarning, ScaleMismatch
from fhenn.nn import Activation, Affine, Node, Sequential, layers
from fhenn.planner.chains import LARGEST_PRIME_BITS, chains_of, special_bits
from fhenn.planner.flooding import flood, flood_bound, precision
from fhenn.planner.floor import SECURITY_BITS, least_errors
from fhenn.planner.identity import fingerprint_of, node_signature, signature_of
from fhenn.planner.outcome import output_interval, result_of
from fhenn.planner.packing import pack_samples
from fhenn.planner.plan import LayoutName, Plan
from fhenn.planner.request import RangesName, Request
from fhenn.planner.scaling import scaled_bounds, scaled_nodes, takes_units, units_of
from fhenn.planner.walk import Path, Walk, walk
from fhenn.planner.witness import Witness
from fhenn.planner.witness_choice import keys_of_witnesses, witnesses_of
from fhenn.planner.work import steps_of
from fhenn.ranges import DataRanges, Inputs, data_ranges
from fhenn.ranges.data import MARGIN

Floats = NDArray[np.float64]

_LARGEST_VALUE = 2.0 ** max(MAX_MODULUS_BITS.values())
"""What no modulus holds, at whatever scale."""

_MOST_OUTSIDE = 0.2
"""The share of unseen inputs that may leave ranges from data that nobody asked for."""

_ROOMIER = 8
"""Bits between the first primes that are tried for a witness."""


def plan(
    model: Node,
    *,
    inputs: Any = None,
    bounds: Any = None,
    accuracy: float = 1e-3,
    relative: bool | None = None,
    layout: LayoutName = "latency",
    upload: int | None = None,
    samples: int = 1,
    ranges: RangesName = "auto",
    margin: float = MARGIN,
    witness: bool | int | None = None,
    queries: int = 0,
    evaluator: str = "seal",
) -> Plan:
    """The smallest ring at 128-bit security on which `model` reaches an accuracy, and how to use it.

    model: a `Sequential` (or a node) of affine nodes and activations, an affine one first.
    inputs: samples, (samples, features), or (features,) for one: drawn as those that will be encrypted, and not those
    that the model was trained on, for what `ranges` says of unseen ones. None where there are only bounds.
    bounds: (2, features) of low and high, or (2,) for all features, which clients hold their values to; None for the
    least and largest values of the samples. Both are arrays, or anything with named columns, which name the features
    where the model does not.
    accuracy: the largest |decrypted - twin| at the output, above 0: in units of the outputs where it is relative.
    relative: whether the accuracy is relative to how the outputs vary, and the plan's numbers of errors with it. The
    unit of each output is the power of two not above its standard deviation over the samples or, without samples, half
    of the interval that it can reach; 1 where it does not vary (`Plan.units`). None for a regression that ends in an
    affine layer (`fhenn.interop.Reading`), and for no other model.
    layout: "latency" packs whole samples in a ciphertext; "throughput" packs a feature in each, as many samples at once
    as there are slots.
    upload: ciphertexts that the client may send for a sample, 1 or more; None for as many as the features fill. For
    "latency" alone.
    samples: samples that share ciphertexts where they fit, 1 or more; for "latency" alone.
    ranges: what comes to activations: "worst" is all that inputs within bounds can bring; "data" is what the samples
    bring, times the margin, which unseen inputs may leave (`fhenn.ranges.data` says how often); "auto" is the worst
    case where that meets the accuracy, and otherwise the data, with a PlanWarning, if at most a fifth of the unseen
    inputs may leave its ranges.
    margin: how many times wider than what the samples reached ranges from data are; a bit of the modulus for each
    doubling.
    witness: whether answers can show that an activation's inputs left its domain (`Server.predict`), or the range from
    data. A hidden layer's witness has degree 8 where the ring has room for that, else 4 or 2; a number asks for that
    degree. None for witnesses where the ranges are from data.
    queries: samples whose results may be shared (`Client.decrypt`), 0 to 2^64; the accuracy then holds with the noise
    that hides the key.
    evaluator: what will compute, by the name that it was registered under (`fhenn.backends.register`); its rotations
    decide the keys, and its noise the error.

    Returns the plan.
    Raises PlanError where no ring reaches the accuracy, ShapeMismatch and NonFiniteValue for unsuitable inputs, and
    ParameterError for another argument that is out of range.

    >>> import fhenn
    >>> print(plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1]).parameters.ring_degree)
    4096
    """
    nodes = list(layers(model))
    known = Inputs.of(nodes, bounds=bounds, inputs=inputs, features=model.feature_names)
    _require_varying(nodes)
    request = Request.of(
        accuracy=accuracy,
        relative=relative,
        layout=layout,
        upload=upload,
        samples=samples,
        ranges=ranges,
        margin=margin,
        witness=witness,
        queries=queries,
        evaluator=evaluator,
    )
    if request.ranges == "data":
        return _plan(model, known, request, _ranges_of(nodes, known, request))
    try:
        return _plan(model, known, request, None)
    except PlanError as refusal:
        if (
            request.ranges == "worst"
            or known.samples is None
            or not any(isinstance(node, Activation) for node in nodes)
        ):
            raise
        found = _ranges_of(nodes, known, request)
        if found.outside > _MOST_OUTSIDE:
            raise
        made = _plan(model, known, request, found)
        warnings.warn(PlanWarning(refusal.reason, str(found)), stacklevel=2)
        return made


def _ranges_of(nodes: Sequence[Affine | Activation], known: Inputs, request: Request) -> DataRanges:
    """The ranges that samples give. Raises ParameterError without samples."""
    if known.samples is None:
        raise ParameterError(
            "ranges='data' needs samples.",
            "Give them as inputs=, or plan for all that the bounds allow: ranges='worst'.",
        )
    return data_ranges(nodes, *known.box, known.samples, request.margin)


@np.errstate(all="ignore")  # candidates whose numbers overflow are left out
def _plan(model: Node, known: Inputs, request: Request, ranges: DataRanges | None) -> Plan:
    """The plan for one kind of ranges. Raises PlanError."""
    try:
        nodes = scaled_nodes(list(layers(model)), known.low, known.high)
    except NonFiniteValue as cause:
        _require_room(Path(list(layers(model)), *known.box))
        raise PlanError(
            "the first layer overflows within the bounds of its inputs.",
            "Declare tighter bounds of the inputs, or scale them and the weights.",
        ) from cause
    path = Path(nodes, *scaled_bounds(known.low, known.high), ranges)
    units: tuple[float, ...] = ()
    if takes_units(model, request.relative):
        units = units_of(list(layers(model)), known.samples, path.reach[-1])
        path = path.in_units(units)
    _require_room(path)
    chosen = _choose(path, request)
    trial, found = chosen.trial, chosen.walk
    rotations = found.rotations | keys_of_witnesses(found, chosen.witnesses)
    return Plan(
        parameters=chosen.parameters,
        layout=trial.packing,
        layout_name=request.layout,
        rotations=tuple(sorted(rotations)),
        stages=found.stages,
        low=tuple(known.low.tolist()),
        high=tuple(known.high.tolist()),
        accuracy=request.accuracy,
        error=max(found.bound, trial.least_errors(chosen.parameters)[0]),
        deviation=found.noise.deviation,
        approximation=max((sup_error(node) for node in nodes if isinstance(node, Activation)), default=0.0),
        signature=signature_of(model),
        finish=model.finish if isinstance(model, Sequential) else None,
        worst=trial.worst_error(chosen.parameters),
        queries=request.queries,
        witnesses=chosen.witnesses,
        outputs=output_interval(nodes[-1]),
        model=fingerprint_of(model),
        result=result_of(found),
        feature_names=model.feature_names or known.names,
        evaluator=request.evaluator.name,
        steps=steps_of(
            path,
            trial.packing,
            chosen.parameters,
            evaluator=request.evaluator,
            witnesses=chosen.witnesses,
            rotations=rotations,
        ),
        scaled=True,
        ranges=ranges,
        units=units,
    ).as_own()


@dataclass(frozen=True)
class _Candidate:
    """Parameters that hold a model.

    trial: the model in its packing.
    parameters: ring degree, chain and scale.
    walk: the model under them.
    error: bound on the error of what the client reads, the noise on shared results included.
    witnesses: that fit them.
    """

    trial: _Trial
    parameters: Parameters
    walk: Walk
    error: float
    witnesses: tuple[Witness, ...] = ()

    @property
    def primes(self) -> int:
        """How many primes the chain has."""
        return len(self.parameters.chain)


def _choose(path: Path, request: Request) -> _Candidate:
    """The first ring that reaches the accuracy, on its shortest chain, as exact as that can be. Raises PlanError."""
    best = inf
    degrees = request.degrees(path.ranges is not None)
    for ring_degree in MAX_MODULUS_BITS:
        packing = _choose_packing(path.nodes, request, ring_degree // 2)
        if packing is None:
            continue
        trial = _Trial(path, packing, request.queries, request.evaluator)
        enough: list[_Candidate] = []
        # fewer primes are faster; then the accuracy
        for _, alike in groupby(trial.candidates(ring_degree), key=lambda candidate: candidate.primes):
            candidates = sorted(alike, key=lambda candidate: candidate.error)
            best = min([best, *(candidate.error for candidate in candidates[:1])])
            enough += [candidate for candidate in candidates if candidate.error <= request.accuracy]
            if enough and not degrees:
                return enough[0]
        for candidate in trial.add_witnesses(enough, degrees):
            if candidate.error <= request.accuracy:
                return candidate
    raise _unreached_error(path, request, best)


@dataclass(frozen=True)
class _Trial:
    """A model in a packing, whose parameters are sought.

    path: the model.
    packing: layout of its inputs.
    queries: samples whose results may be shared.
    evaluator: what will compute.
    """

    path: Path
    packing: Layout
    queries: int
    evaluator: Evaluator

    def candidates(self, ring_degree: int) -> Iterator[_Candidate]:
        """Candidates on a ring, those of fewer primes first: every chain with the least first prime that fits."""
        for bits, used, least in chains_of(self.path.nodes, shared=self.queries > 0):
            for first in range(least, LARGEST_PRIME_BITS + 1, 2):
                special = special_bits(ring_degree, (first, *used))
                if special <= bits:
                    break
                found = self.candidate(Parameters(ring_degree, (first, *used, special), 2.0**bits))
                if found is not None:
                    yield found
                    break

    def candidate(self, parameters: Parameters) -> _Candidate | None:
        """The parameters as a candidate, None where they do not hold the model."""
        try:
            found = walk(self.path, self.packing, parameters, evaluator=self.evaluator)
        except (ScaleMismatch, LevelExhausted):
            return None
        if not (found.holds and found.bound < inf):
            return None
        error = max(found.bound, self.least_errors(parameters)[0])
        if self.queries:
            outputs = self.path.reach[-1].low.size
            error += flood_bound(flood(self.worst_error(parameters), outputs, self.queries), outputs)
        return _Candidate(self, parameters, found, error)

    def add_witnesses(self, candidates: Sequence[_Candidate], degrees: Sequence[int]) -> Iterator[_Candidate]:
        """Candidates with witnesses: by degree, then in order, with a larger first prime where they need it."""
        for degree, candidate in product(degrees, candidates):
            first, *used, _ = candidate.parameters.chain
            for larger in range(first, LARGEST_PRIME_BITS + 1, _ROOMIER):
                special = special_bits(candidate.parameters.ring_degree, (larger, *used))
                if special <= log2(candidate.parameters.scale):
                    break
                chain = (larger, *used, special)
                found = candidate if larger == first else self.candidate(replace(candidate.parameters, chain=chain))
                if found is not None:
                    with suppress(ScaleMismatch):
                        yield replace(found, witnesses=witnesses_of(found.walk, degree))

    def worst_error(self, parameters: Parameters) -> float:
        """Bound on the error at the output where all of its parts go one way, but for a probability of 2⁻¹²⁸."""
        together = walk(self.path, self.packing, parameters, norm=1, evaluator=self.evaluator)
        found = together.noise.bound(parameters.slots, SECURITY_BITS)
        # decrypted values err a little more than twins do; below that no noise is sized (`safety.flooded`)
        return max(found, self.least_errors(parameters)[1], precision(1.01 * self.path.reach[-1].largest))

    def least_errors(self, parameters: Parameters) -> tuple[float, float]:
        """What a client asks a plan to state at least: more than weights that all but vanish make."""
        low, high = self.path.reach[0].low, self.path.reach[0].high
        largest = np.maximum(np.abs(low), np.abs(high)).tolist()
        signature = [node_signature(node) for node in self.path.nodes]
        return least_errors(parameters, self.packing, signature, largest, evaluator=self.evaluator)


def _unreached_error(path: Path, request: Request, best: float) -> PlanError:
    """The exception for an accuracy that no ring reaches.

    best: the smallest error that a ring does reach.
    """
    accuracy, queries = request.accuracy, request.queries
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


def _require_varying(nodes: Sequence[Affine | Activation]) -> None:
    """Raise PlanError where an activation is a constant."""
    polynomials = [polynomial for node in nodes if isinstance(node, Activation) for polynomial in node.polynomials]
    if any(polynomial.degree == 0 for polynomial in polynomials):
        raise PlanError(
            "an activation has a polynomial of degree 0, a constant.",
            "Leave the activation out, and add its value to the bias of the affine node after it.",
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
    """The largest |polynomial - exact| of an activation on its domain.

    node: an activation.

    Returns 0 where it approximates no function.
    """
    return 0.0 if node.function is None else node.sup_error()


def _choose_packing(nodes: Sequence[Affine | Activation], request: Request, slots: int) -> Layout | None:
    """How the client packs its samples, None where they do not fit the ring."""
    if request.layout == "throughput":
        return FEATURES
    return pack_samples(nodes, slots, request.samples, request.upload)
