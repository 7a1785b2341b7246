"""`plan`: the smallest ring, the chain and the packing for a model, with the error to expect."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, product
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.domains import tolerated
from fhenn.ckks.circuits import is_constant
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.columns import bounds_of_features, features_of
from fhenn.errors import NonFiniteValue, ParameterError, PlanError, PlanWarning, UnwatchedWarning
from fhenn.nn import Activation, Node, RangeGuard, Sequential, Step, circuit
from fhenn.planner.chains import has_chain, prime_limits
from fhenn.planner.identity import fingerprint_of, image_shape_of, signature_of
from fhenn.planner.layouts import choose_layout
from fhenn.planner.outcome import output_interval, result_of
from fhenn.planner.packing import THROUGHPUT, Packing, pack
from fhenn.planner.plan import Plan
from fhenn.planner.refusal import Case, Refusal, explain, name_of, require_room, require_slots, unreached
from fhenn.planner.request import LayoutWish, RangesName, Request
from fhenn.planner.scaling import scaled_bounds, scaled_nodes, takes_units, units_of
from fhenn.planner.trial import Candidate, Trial
from fhenn.planner.walk import Path
from fhenn.planner.witness_choice import keys_of_witnesses
from fhenn.planner.work import work_of
from fhenn.ranges import DataRanges, Inputs, data_ranges, reaches
from fhenn.ranges.data import MARGIN, distance_to_exact, seen_by, strays

Floats = NDArray[np.float64]

_MOST_OUTSIDE = 0.2
"""The share of unseen inputs that may leave ranges from data that nobody asked for."""

_LOOKED_AT = 2000
"""Samples, at most, that the witnesses of a plan with ranges from data are held to."""


def plan(
    model: Node,
    *,
    inputs: Any = None,
    bounds: Any = None,
    accuracy: float = 1e-3,
    relative: bool | None = None,
    layout: LayoutWish = "auto",
    rows: int | None = None,
    upload: int | None = None,
    samples: int | None = None,
    ranges: RangesName = "auto",
    margin: float = MARGIN,
    witness: bool | int | None = None,
    queries: int = 0,
    evaluator: str | None = None,
    max_upload: float | None = None,
    max_memory: float | None = None,
    max_keys: float | None = None,
    public_key: bool = False,
) -> Plan:
    """The smallest ring at 128-bit security on which `model` reaches an accuracy, and how to use it.

    model: a `Sequential` (or a node) of affine nodes and activations, an affine one first.
    inputs: samples, (samples, features), or (features,) for one; of a model that knows the shape of its images also
    (samples, channels, height, width). They are drawn as those that will be encrypted, and not those that the model was
    trained on, for what `ranges` says of unseen ones. None where there are only bounds.
    bounds: (2, features) of low and high, or (2,) for all features, which clients hold their values to; None for the
    least and largest values of the samples (`fhenn.ranges.bounds_of`). Both are arrays, or anything with named columns,
    which name the features where the model does not. Of a model with a preparation, samples are raw tables, and bounds
    are those of the features that it makes; None for 0 and 1 where these are bits, as trees take them.
    accuracy: the largest |decrypted - twin| at the output, above 0: in units of the outputs where it is relative.
    relative: whether the accuracy is relative to how the outputs vary, and the plan's numbers of errors with it. The
    unit of each output is the power of two not above its standard deviation over the samples or, with fewer than ten,
    half of the interval that it can reach; 1 where it does not vary (`Plan.units`). None for a regression that ends in
    an affine layer (`fhenn.interop.Reading`), and for no other model.
    layout: "latency" packs whole samples in a ciphertext; "throughput" packs a feature in each, as many samples at once
    as there are slots. "auto" takes what is cheapest for `rows` samples (`Plan.comparison`), in seconds of client,
    server and transfer.
    rows: samples that one upload will hold, 1 or more; None for as many as `inputs` has, 1 without them.
    upload: ciphertexts that the client may send for a sample, 1 or more, for "latency"; None for what is cheapest.
    samples: samples that share ciphertexts where they fit, 1 or more, for "latency"; None for what is cheapest.
    ranges: what comes to activations: "worst" is all that inputs within bounds can bring; "data" is what the samples
    bring, times the margin, which unseen inputs may leave (`fhenn.ranges.data` says how often); "auto" is the worst
    case where that meets the accuracy, and otherwise the data, with a PlanWarning, if at most a fifth of the unseen
    inputs may leave its ranges.
    margin: how many times wider than what the samples reached ranges from data are; a bit of the modulus for each
    doubling.
    witness: whether answers can show that an activation's inputs left its domain (`Server.predict`), or the range from
    data. A hidden layer's witness has degree 8 where the ring has room for that, else 4 or 2; a number asks for that
    degree. Where none has room, or those that have would alarm for the samples, the chain gets levels for them
    (`Plan.spare`). None for witnesses where the ranges are from data.
    queries: samples whose results may be shared (`Client.decrypt`), 0 to 2^64; the accuracy then holds with the noise
    that hides the key.
    evaluator: what will compute, by the name that it was registered under (`fhenn.backends.register`), "seal" or
    "native"; its rotations decide the keys, and its noise the error. None for `fhenn.backends.default_evaluator`.
    max_upload: bytes that one upload may have; None for any.
    max_memory: bytes that client or server may take, by estimate; None for any.
    max_keys: bytes that the evaluation keys may have; None for any.
    public_key: whether samples may be encrypted with the public key alone (`fhenn.Encryptor`), which errs by more.

    Returns the plan.
    Raises PlanRefused where no ring reaches the accuracy, with the remedies that were tried and give a plan; PlanError
    where every layout exceeds a limit, and UnsupportedNode, one too, for nodes of another kind; ShapeMismatch and
    NonFiniteValue for unsuitable inputs; ParameterError for another argument that is out of range.
    Warns with a RangeWarning for each activation whose domain the samples leave, or, where there are neither samples
    nor witnesses, with an UnwatchedWarning where inputs within the bounds can, unless its policy is "ignore"; and with
    a PlanWarning where ranges from data are taken that nobody asked for.

    >>> import fhenn
    >>> print(plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1]).parameters.ring_degree)
    4096
    """
    nodes = circuit(model)
    shape = image_shape_of(model)
    inputs, bounds = features_of(inputs, model.preparation, "inputs"), bounds_of_features(bounds, model.preparation)
    known = Inputs.of(nodes, bounds=bounds, inputs=inputs, features=model.feature_names, shape=shape)
    require_varying(nodes)
    if known.samples is not None:
        for report in strays(nodes, known.samples):
            RangeGuard(report.node, report.domain, report.consequence).act(report)
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
        rows=known.rows if rows is None else rows,
        max_upload=max_upload,
        max_memory=max_memory,
        max_keys=max_keys,
        public_key=public_key,
    )
    relative = takes_units(model, request.relative)
    of_bits = model.preparation is not None and model.preparation.bounds is not None
    case = Case(tuple(nodes), known, request, relative, from_data=request.ranges == "data", of_bits=of_bits)
    try:
        made = _plan(model, case)
    except Refusal as refusal:
        worst = refusal
    else:
        if known.samples is None and not made.witnesses:
            _warn_of_unwatched(nodes, known)
        return made
    other = None if request.ranges == "worst" else with_data(case)
    if other is None:
        raise explain(worst, case, _attempt)
    try:
        made = _plan(model, other)
    except Refusal as refusal:
        raise explain(refusal, other, _attempt) from None
    warnings.warn(PlanWarning(worst.reason, str(made.ranges)), stacklevel=2)
    return made


def _warn_of_unwatched(nodes: Sequence[Step], known: Inputs) -> None:
    """Warn of activations that inputs within bounds can bring beyond their domains."""
    watched = [
        (place, node)
        for place, node in enumerate(nodes)
        if isinstance(node, Activation) and not node.is_exact and node.on_violation != "ignore"
    ]
    found = reaches(nodes, *known.box) if watched else []
    for place, node in watched:
        (low, high), (least, most) = found[place].interval, tolerated(node.domain)
        if low < least or high > most:
            warnings.warn(UnwatchedWarning(node.name, (low, high), node.domain), stacklevel=3)


def with_data(case: Case) -> Case | None:
    """The case with ranges from its samples, None where these are there already, or say too little of unseen inputs."""
    known = case.known.samples is not None and any(isinstance(node, Activation) for node in case.nodes)
    if case.from_data or not known or _ranges_of(case).outside > _MOST_OUTSIDE:
        return None
    return replace(case, from_data=True)


def _ranges_of(case: Case) -> DataRanges:
    """The ranges that samples give. Raises ParameterError without samples."""
    if case.known.samples is None:
        raise ParameterError(
            "ranges='data' needs samples.",
            "Give them as inputs=, or plan for all that the bounds allow: ranges='worst'.",
        )
    return data_ranges(case.nodes, *case.known.box, case.known.samples, case.request.margin)


def path_of(case: Case) -> tuple[Path, tuple[float, ...]]:
    """The model as a server runs it, and the units of its outputs.

    Raises Refusal where values come to a node that no modulus holds.
    """
    known = case.known
    try:
        nodes = scaled_nodes(list(case.nodes), known.low, known.high)
    except NonFiniteValue:
        require_room(Path(case.nodes, *known.box))
        layer = name_of(case.nodes, 0)
        raise Refusal(f"{layer} overflows within the bounds of its inputs.", layer, "range") from None
    ranges = _ranges_of(case) if case.from_data else None
    if ranges is not None and not ranges.intervals:  # without activations the worst case is exact
        ranges = None
    seen = {} if known.samples is None or ranges is None else seen_by(case.nodes, known.samples[:_LOOKED_AT])
    path = Path(nodes, *scaled_bounds(known.low, known.high), ranges, seen)
    units = units_of(case.nodes, known.samples, path.reach[-1]) if case.relative else ()
    path = path.in_units(units)
    require_room(path)
    return path, units


@np.errstate(all="ignore")  # as below
def _attempt(case: Case, near: Parameters | None, until: float) -> None:
    """Look for any parameters that do: those nearby, then large rings and scales. Raises Refusal, OutOfTime."""
    (path, _), request = path_of(case), case.request
    require_slots(path.nodes, request)
    degrees = request.degrees(path.ranges is not None)
    rings = sorted(MAX_MODULUS_BITS, key=lambda ring: (near is None or ring != near.ring_degree, -ring))
    # a layout that is left open is either
    layouts: tuple[LayoutWish, ...] = ("latency", "throughput") if request.leaves_layout_open else (request.layout,)
    for ring_degree, layout in product(rings, layouts):
        if not has_chain(path.nodes, ring_degree, request.queries > 0):
            continue
        packing = choose_packing(path.nodes, replace(request, layout=layout), ring_degree // 2)
        if packing is None:
            continue
        trial = Trial(path.placed(packing.targets), packing, request.queries, request.evaluator, until)
        nearby = trial.candidate(near) if near is not None and trial.would_try(near, ring_degree) else None
        fitting: Candidate | None = None
        for candidate in chain([] if nearby is None else [nearby], trial.candidates(ring_degree, exact_first=True)):
            if candidate.error <= request.accuracy:
                if not degrees or trial.with_witnesses([candidate], degrees, request.accuracy):
                    return
                fitting = fitting or candidate
        for deeper in () if fitting is None else trial.with_spare_levels(fitting, degrees):
            for candidate in deeper.candidates(ring_degree, exact_first=True):
                enough = candidate.error <= request.accuracy
                if enough and deeper.with_witnesses([candidate], degrees, request.accuracy):
                    return
    raise Refusal("no parameters were found.", name_of(path.nodes, 0), "range")


@np.errstate(all="ignore")  # candidates whose numbers overflow are left out
def _plan(model: Node, case: Case) -> Plan:
    """The plan for one kind of ranges. Raises Refusal; PlanError where every layout exceeds a limit."""
    served = path_of(case)

    def make(fixed: Request) -> Plan:
        """The plan for a layout."""
        return _plan_as(model, case.known, fixed, served)

    return choose_layout(served[0], case.request, make)


def _plan_as(model: Node, known: Inputs, request: Request, served: tuple[Path, tuple[float, ...]]) -> Plan:
    """The plan for a request that leaves nothing of the layout open. Raises Refusal.

    served: the nodes that the server runs, and the units of their outputs.
    """
    path, units = served
    chosen = _choose(path, request)
    trial, found, path = chosen.trial, chosen.walk, chosen.trial.path
    nodes = path.nodes
    keys = {*found.rotations, *keys_of_witnesses(found, chosen.witnesses)}
    work = work_of(
        path,
        trial.packing.layout,
        chosen.parameters,
        evaluator=request.evaluator,
        witnesses=chosen.witnesses,
        rotations=dict.fromkeys(keys, chosen.parameters.levels),
    )
    return Plan(
        parameters=chosen.parameters,
        layout=trial.packing.layout,
        layout_name="throughput" if trial.packing == THROUGHPUT else "latency",
        rotations=work.rotations,
        rotation_levels=work.rotation_levels,
        stages=found.stages,
        low=tuple(known.low.tolist()),
        high=tuple(known.high.tolist()),
        accuracy=request.accuracy,
        error=max(found.bound, trial.least_errors(chosen.parameters)[0]),
        deviation=found.noise.deviation,
        approximation=max((sup_error(node) for node in nodes if isinstance(node, Activation)), default=0.0),
        signature=signature_of(model),
        finish=model.finish if isinstance(model, Sequential) else None,
        worst=trial.worst_error(chosen.parameters, found.bound),
        queries=request.queries,
        witnesses=chosen.witnesses,
        outputs=output_interval(nodes[-1]),
        model=fingerprint_of(model),
        result=result_of(found),
        feature_names=model.feature_names or known.names,
        preparation=None if model.preparation is None else model.preparation.fingerprint,
        evaluator=request.evaluator.name,
        rows=request.rows,
        steps=work.steps,
        scaled=True,
        ranges=path.ranges,
        units=units,
        distance=_distance(model, known, units),
        public_key=request.public_key,
        targets=trial.packing.targets,
        shape=image_shape_of(model),
        spare=trial.spare,
    ).as_own()


def _distance(model: Node, known: Inputs, units: tuple[float, ...]) -> float | None:
    """How far the samples' outputs are from those of the exact model, in units; None where nothing tells."""
    if known.samples is None:
        return None
    found = distance_to_exact(circuit(model), known.samples[:_LOOKED_AT])
    largest = inf if found is None else float((found / np.array(units or 1.0)).max())
    return largest if largest < inf else None


def _choose(path: Path, request: Request) -> Candidate:
    """The first ring that reaches the accuracy, on its shortest chain, as exact as that can be. Raises Refusal.

    On a ring, primes that the evaluator is fast with come first.
    """
    require_slots(path.nodes, request)
    closest: Candidate | None = None
    degrees = request.degrees(path.ranges is not None)
    for ring_degree in MAX_MODULUS_BITS:
        fitting: list[Candidate] = []
        for most in prime_limits(request.evaluator):
            if not has_chain(path.nodes, ring_degree, request.queries > 0, most):
                continue
            packing = choose_packing(path.nodes, request, ring_degree // 2)
            if packing is None:
                continue
            trial = Trial(path.placed(packing.targets), packing, request.queries, request.evaluator, most=most)
            enough: list[Candidate] = []
            # fewer primes are faster; then the accuracy
            for candidates in trial.by_primes(ring_degree):
                closest = min(filter(None, (closest, candidates[0])), key=lambda candidate: candidate.error)
                enough += [candidate for candidate in candidates if candidate.error <= request.accuracy]
                if enough and not degrees:
                    return enough[0]
            fitting += enough[:1]
            for wider in trial.with_wider_ranges() if enough else ():
                witnessed = wider.witnessed(ring_degree, request.accuracy, degrees, enough if wider is trial else None)
                if witnessed is not None:
                    return witnessed
        for candidate in fitting:
            for deeper in candidate.trial.with_spare_levels(candidate, degrees):
                witnessed = deeper.witnessed(ring_degree, request.accuracy, degrees)
                if witnessed is not None:
                    return witnessed
    if closest is None:
        raise unreached(path, request)
    raise unreached(path, request, closest.error, closest.walk, closest.parameters)


def require_varying(nodes: Sequence[Step]) -> None:
    """Raise PlanError where an activation is a constant."""
    polynomials = [polynomial for node in nodes if isinstance(node, Activation) for polynomial in node.polynomials]
    if any(is_constant(polynomial) for polynomial in polynomials):
        raise PlanError(
            "an activation is a constant: its polynomial has degree 0, or other terms that are too small to show "
            "beside the constant.",
            "Leave the activation out, and add its value to the bias of the affine node after it.",
        )


def sup_error(node: Activation) -> float:
    """The largest |polynomial - exact| of an activation on its domain.

    node: an activation.

    Returns 0 where it approximates no function.
    """
    return 0.0 if node.function is None else node.sup_error()


def choose_packing(nodes: Sequence[Step], request: Request, slots: int) -> Packing | None:
    """How samples are packed, None where they do not fit the ring."""
    if request.layout == "throughput":
        return THROUGHPUT
    return pack(nodes, slots, request.evaluator.rotations, request.samples or 1, request.upload)
