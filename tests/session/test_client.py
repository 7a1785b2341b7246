"""What a client reads of witnesses, without keys: each must be the one that the plan has, for the samples that came."""

from types import SimpleNamespace

import numpy as np
import pytest

import fhenn
from fhenn.errors import WireFormatError
from fhenn.planner.witness import Witness
from fhenn.session import client as module

EACH = Witness("Sigmoid", 1, (-4.0, 4.0), 1, 2, 1.0, 1.0, 0.0, 9.0, 1, 0)
TOGETHER = Witness("Sigmoid", 3, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 2, 1)
SCORES = np.zeros((3, 2))
WITHIN = np.zeros((3, 2)), np.full((3, 1), 12.0)


def found(monkeypatch, numbers, levels=(0, 1), witnesses=(EACH, TOGETHER), scores=SCORES, plan=None, certificate=None):
    """What is reported of witnesses that decrypt to these numbers."""
    arrays = iter(
        [
            SimpleNamespace(level=level, shape=each.shape, numbers=each)
            for level, each in zip(levels, numbers, strict=True)
        ]
    )
    monkeypatch.setattr(module, "CipherArray", SimpleNamespace(from_bytes=lambda context, message: next(arrays)))
    monkeypatch.setattr(module, "decrypt", lambda context, array: array.numbers)
    client = object.__new__(fhenn.Client)
    client._plan = plan or SimpleNamespace(witnesses=witnesses, outputs=None)
    client._context, client._certificate = None, certificate
    return client._find_violations(scores, [b""] * len(numbers), 0.0)


def test_samples_are_named_by_the_witness_that_accuses_them(monkeypatch):
    assert found(monkeypatch, WITHIN) is None
    assert found(monkeypatch, (), levels=()) is None
    report = found(monkeypatch, (np.array([[0, 0], [0, 1.1], [0, 0]]), np.array([[0], [0], [12.1]])))
    assert (report.samples, report.total) == ((1, 2), 3)
    assert sorted(report.found.values()) == [(1,), (2,)]


@pytest.mark.parametrize(
    ("numbers", "levels"),
    [
        (WITHIN[:1], (0,)),
        ((*WITHIN, WITHIN[1]), (0, 1, 1)),
        (WITHIN, (1, 1)),
        (WITHIN, (0, 0)),
        ((np.zeros((2, 2)), WITHIN[1]), (0, 1)),
        ((np.zeros((4, 2)), WITHIN[1]), (0, 1)),
        ((WITHIN[0], np.zeros((2, 1))), (0, 1)),
        ((WITHIN[0], np.zeros((3, 2))), (0, 1)),
        ((np.zeros(3), WITHIN[1]), (0, 1)),
    ],
    ids=["one", "three", "level", "level together", "fewer samples", "more", "fewer together", "wider", "flat"],
)
def test_witnesses_of_another_number_level_or_shape_are_refused(monkeypatch, numbers, levels):
    with pytest.raises(WireFormatError):
        found(monkeypatch, numbers, levels)


def test_outputs_count_too_those_of_the_plan_and_those_of_the_certificate(monkeypatch):
    scores = np.array([[0.0, 0.0], [0.0, 1.5], [-0.5, 0.0]])
    plan = SimpleNamespace(witnesses=(), outputs=(0.0, 2.0))
    assert found(monkeypatch, (), (), scores=scores, plan=plan).samples == (2,)
    certificate = SimpleNamespace(output=(-1.0, 1.0))
    assert found(monkeypatch, (), (), scores=scores, plan=plan, certificate=certificate).samples == (1, 2)
