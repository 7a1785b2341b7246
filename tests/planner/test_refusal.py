"""Refusals that help: the layer, what is at stake there, and remedies that work."""

from dataclasses import replace
from itertools import pairwise
from time import monotonic

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn.errors import PlanRefused
from fhenn.nn import layers
from fhenn.planner import refusal
from fhenn.planner.request import Request

rng = np.random.default_rng(3)

X = np.clip(rng.normal(size=(400, 12)) / 3, -1, 1)


def network(*widths, activation=fhenn.Sigmoid, gain=1.0, end=True):
    nodes = []
    for width, outputs in pairwise(widths):
        weight = np.random.default_rng(width).normal(size=(outputs, width)) / np.sqrt(width)
        nodes += [fhenn.Linear(gain * weight), activation()]
    return fhenn.Sequential(nodes if end else nodes[:-1])


REQUEST = Request.of(
    accuracy=1e-3, relative=None, layout="latency", upload=None, samples=1, ranges="worst", margin=2.0, witness=None,
    queries=0, evaluator="seal",
)  # fmt: skip

CASES = {
    "an accuracy beyond every ring": (fhenn.Linear([[1.0, 2.0]]), {"bounds": [-1, 1], "accuracy": 1e-13}),
    "values beyond every modulus": (
        network(
            4, 4, 4, 1, activation=lambda: fhenn.PolynomialActivation((0, 0, 0, 0, 0, 0, 0, 1), (-1, 1)), gain=1e20
        ),
        {"bounds": [-1, 1]},
    ),
    "bounds that are too wide": (
        network(4, 3, 1, activation=fhenn.Square, gain=3.0, end=False),
        {"bounds": [-1e4, 1e4], "accuracy": 1e-4},
    ),
    "more outputs than slots": (fhenn.Linear(np.ones((131_073, 2))), {"bounds": [-1, 1], "layout": "latency"}),
    "more features than an upload": (fhenn.Linear(np.full((1, 16_385), 1e-5)), {"bounds": [-1, 1], "upload": 1}),
    "deeper than every chain": (network(*[2] * 18, gain=0.5), {"bounds": [-1, 1]}),
    "samples that would do": (
        network(12, 8, 1, gain=4.0),
        {"inputs": X, "ranges": "worst", "accuracy": 1e-6, "witness": False},
    ),
    "a margin that is too large": (
        network(12, 8, 1, activation=fhenn.Square, end=False),
        {"inputs": X, "bounds": [-1e6, 1e6], "ranges": "data", "margin": 1e5, "accuracy": 1e-4},
    ),
    "queries": (network(4, 3, end=False), {"bounds": [-1, 1], "queries": 2**50, "accuracy": 1e-3}),
    "a high degree": (
        network(4, 3, 1, activation=lambda: fhenn.Sigmoid((-4, 4), degree=31), gain=2.0),
        {"bounds": [-1, 1], "accuracy": 1e-7},
    ),
}


def refused(name):
    model, wishes = CASES[name]
    with pytest.raises(PlanRefused) as caught:
        fhenn.plan(model, **wishes)
    return caught.value, model, wishes


def follow(remedy, model, wishes):
    """The plan that a remedy names."""
    wishes, nodes = dict(wishes), list(layers(model))
    if remedy.name == "bounds" and remedy.value == "samples":
        del wishes["bounds"]
    elif remedy.name == "bounds":
        low, high = wishes["bounds"]
        middle, half = (low + high) / 2, (high - low) / 2
        wishes["bounds"] = middle - remedy.value * half, middle + remedy.value * half
    elif remedy.name == "finish":
        model = fhenn.Sequential(nodes[:-1], finish=remedy.value)
    elif remedy.name == "degree":
        lower = [
            type(node)(node.domain, degree=int(remedy.value))
            if isinstance(node, fhenn.Activation) and node.polynomial.degree > remedy.value
            else node
            for node in nodes
        ]
        model = fhenn.Sequential(lower)
    else:
        wishes[remedy.name] = remedy.value
    return fhenn.plan(model, **wishes)


EXPECTED = {
    "an accuracy beyond every ring": ("Linear (node 0)", "accuracy", {"accuracy"}),
    "values beyond every modulus": ("Linear (node 4)", "range", set()),
    "bounds that are too wide": ("Linear (node 2)", "range", {"bounds"}),
    "more outputs than slots": ("Linear (node 0)", "slots", {"layout"}),
    "more features than an upload": ("Linear (node 0)", "slots", {"layout", "upload"}),
    "deeper than every chain": ("Sigmoid (node 23)", "depth", set()),
    "samples that would do": ("Sigmoid (node 1)", "range", {"ranges", "accuracy", "finish"}),
    "a margin that is too large": ("Linear (node 2)", "range", {"bounds"}),
    "queries": ("Linear (node 0)", "accuracy", {"queries"}),
    "a high degree": ("Linear (node 0)", "accuracy", {"accuracy", "finish", "degree"}),
}


@pytest.mark.thorough
def test_no_accuracy_is_named_that_is_larger_than_any_output():
    """Far beyond its domain a polynomial makes huge numbers, which say nothing of what the model answers."""
    nodes = [fhenn.Linear([[12.0]]), fhenn.Sigmoid((-8, 8), degree=31), fhenn.Linear([[3.0]])]
    with pytest.raises(PlanRefused, match=r"best reaches [\d.]+e\+\d+") as caught:
        fhenn.plan(fhenn.Sequential(nodes), bounds=[-1, 1], layout="throughput")
    assert {"bounds", "degree"} <= {each.name for each in caught.value.remedies}
    assert "accuracy" not in {each.name for each in caught.value.remedies}


@pytest.mark.filterwarnings("ignore::fhenn.RangeWarning")
@pytest.mark.parametrize("name", mostly_thorough(CASES, (0, 1, 3, 4)))
def test_every_remedy_that_is_named_gives_a_plan(name, monkeypatch):
    monkeypatch.setattr(refusal, "SECONDS", 8.0)
    error, model, wishes = refused(name)
    layer, stake, remedies = EXPECTED[name]
    assert (error.layer, error.stake) == (layer, stake)
    assert remedies <= {each.name for each in error.remedies}
    assert layer in error.reason
    for remedy in error.remedies:
        made = follow(remedy, model, wishes)
        assert made.error <= made.accuracy
        assert remedy.text in str(error)
    print(name, [(each.name, each.value) for each in error.remedies], error)  # noqa: T201


def test_a_remedy_that_does_not_give_a_plan_is_not_named():
    model, wishes = CASES["an accuracy beyond every ring"]
    with pytest.raises(PlanRefused) as caught:
        fhenn.plan(model, layout="latency", **wishes)
    assert "layout" not in {each.name for each in caught.value.remedies}
    assert "Tried without finding one: the layout 'throughput'" in str(caught.value)
    with pytest.raises(PlanRefused):
        fhenn.plan(model, **wishes | {"layout": "throughput"})


def test_the_accuracy_that_is_named_is_the_best_in_digits_that_are_true():
    with pytest.raises(PlanRefused) as caught:
        fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1], accuracy=1e-13)
    (best,) = (each.value for each in caught.value.remedies if each.name == "accuracy")
    made = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1], accuracy=best)
    with pytest.raises(PlanRefused, match=f"reaches {0.99 * made.error!r} for 1 level: the best reaches {best:g}"):
        fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1], accuracy=0.99 * made.error)


def test_trying_ends_and_says_what_was_not_tried(monkeypatch):
    monkeypatch.setattr(refusal, "SECONDS", 0.0)
    error, *_ = refused("an accuracy beyond every ring")
    assert error.remedies == ()
    assert "a larger accuracy (not to the end)" in str(error)
    monkeypatch.setattr(refusal, "SECONDS", 0.1)

    def slow(case, near, until):
        while monotonic() < until:
            pass
        raise refusal.OutOfTime

    start = monotonic()
    bare = refusal.Refusal("Nothing fits.", "Linear (node 0)", "range", 1e-3)
    model = fhenn.Linear([[1.0]])
    known = fhenn.ranges.Inputs.of([model], bounds=[-1, 1])
    request = replace(REQUEST, upload=1, queries=4)
    told = refusal.explain(bare, refusal.Case((model,), known, request, relative=False, from_data=False), slow)
    assert monotonic() - start < 5  # a quarter of what is left for each: without an end there would be none
    assert told.remedies == ()
    assert len(told.untried) >= 4


def test_bits_have_no_bounds_to_narrow():
    """Trees are told of what makes them smaller: their inputs are 0 or 1."""
    bare = refusal.Refusal("Nothing fits.", "Linear (node 0)", "range", 1e-3)
    model = fhenn.Linear([[1.0]])
    known = fhenn.ranges.Inputs.of([model], bounds=[0, 1])

    def never(case, near, until):
        raise bare

    for of_bits in (True, False):
        case = refusal.Case((model,), known, REQUEST, relative=False, from_data=False, of_bits=of_bits)
        told = str(refusal.explain(bare, case, never))
        assert ("shallower trees" in told) == of_bits
        assert ("tighter bounds" in told) != of_bits
