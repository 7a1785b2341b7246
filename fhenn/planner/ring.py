"""The ring that a model is expected to take, without the search for the best parameters and layout."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.errors import PlanError
from fhenn.nn import Node, circuit
from fhenn.planner.chains import has_chain, prime_limits
from fhenn.planner.packing import of_images
from fhenn.planner.refusal import Case, Refusal
from fhenn.planner.request import RangesName, Request
from fhenn.planner.scaling import takes_units
from fhenn.planner.search import choose_packing, path_of, require_varying, with_data
from fhenn.planner.trial import Trial
from fhenn.ranges import Inputs

_LOOKED_AT = 512
"""Samples that ranges are taken from: all of them would take as long again as the conversion that asks."""


def expected_ring(model: Node, known: Inputs, ranges: RangesName = "auto", accuracy: float = 1e-3) -> int | None:
    """The ring degree that `fhenn.plan` is expected to take for single samples, at 128-bit security.

    It is found as a plan is, with all else at its defaults, but ends at the first parameters that do, and takes a few
    hundred of the samples. Images are taken a pixel in each ciphertext, since their placements take long to choose. The
    plan's ring is larger where their placements need more room, and where it is cheaper for many samples in an upload.

    model: of affine nodes and activations, an affine one first.
    known: its inputs.
    ranges, accuracy: as for `fhenn.plan`.

    Returns N; None where no ring is found.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, 2.0]]), fhenn.Square()])
    >>> fhenn.plan(model, bounds=[-1, 1]).parameters.ring_degree
    8192
    >>> expected_ring(model, Inputs.of(circuit(model), bounds=[-1, 1]))
    8192
    """
    nodes = circuit(model)
    layout = "throughput" if of_images(nodes) else "latency"
    request = Request.of(accuracy=accuracy, layout=layout, samples=1, ranges=ranges)
    if known.samples is not None:
        known = replace(known, samples=known.samples[:: -(-known.rows // _LOOKED_AT)])
    case = Case(tuple(nodes), known, request, takes_units(model, None), from_data=ranges == "data")
    try:
        require_varying(nodes)
        found = _ring_of(case)
        other = with_data(case) if found is None and ranges == "auto" else None
        return found if other is None else _ring_of(other)
    except PlanError:
        return None


@np.errstate(all="ignore")  # parameters whose numbers overflow are left out
def _ring_of(case: Case) -> int | None:
    """The ring for one kind of ranges."""
    request = case.request
    try:
        path, _ = path_of(case)
    except Refusal:  # values that no modulus holds
        return None
    degrees = request.degrees(path.ranges is not None)
    for ring_degree, most in product(MAX_MODULUS_BITS, prime_limits(request.evaluator)):
        if not has_chain(path.nodes, ring_degree, shared=False, most=most):
            continue
        packing = choose_packing(path.nodes, request, ring_degree // 2)
        if packing is None:
            continue
        trial = Trial(path.placed(packing.targets), packing, 0, request.evaluator, most=most)
        if trial.reaches(ring_degree, request.accuracy, degrees):
            return ring_degree
    return None
