"""What a client reads of witnesses, without keys: each must be the one that the plan has, for the samples that came."""

from types import SimpleNamespace

import numpy as np
import pytest

from fhenn.errors import WireFormatError
from fhenn.planner.witness import Witness
from fhenn.session import violations as module

EACH = Witness("Sigmoid", 1, (-4.0, 4.0), 1, 2, 1.0, 1.0, 1e-9, 9.0, 1, 0, limit=9.0)
TOGETHER = Witness("Sigmoid", 3, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 2, 1)
SCORES = np.zeros((3, 2))
WITHIN = np.zeros((3, 2)), np.full((3, 1), 12.0)


HOLDS = 1000.0
"""What the modulus of every number holds."""


def found(
    monkeypatch,
    numbers,
    levels=(0, 1),
    witnesses=(EACH, TOGETHER),
    scores=SCORES,
    outputs=None,
    certificate=None,
    group=1,
    most=1e9,
):
    """What is reported of witnesses that decrypt to these numbers."""
    arrays = iter(
        [
            SimpleNamespace(level=level, shape=each.shape, numbers=each, scale=1.0)
            for level, each in zip(levels, numbers, strict=True)
        ]
    )
    monkeypatch.setattr(module, "CipherArray", SimpleNamespace(from_bytes=lambda context, message: next(arrays)))
    monkeypatch.setattr(module, "decrypt", lambda context, array: array.numbers)
    plan = SimpleNamespace(witnesses=witnesses, outputs=outputs, samples_per_ciphertext=group)
    context = SimpleNamespace(modulus=lambda level: 2 * HOLDS)
    suspicion = module.read_witnesses(context, plan, [b""] * len(numbers), scores.shape)
    over = ~np.all(np.abs(scores) <= most, axis=1)
    module.add_outputs(suspicion, plan, certificate, scores, over, 0.0)
    return suspicion.report()


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
    assert found(monkeypatch, (), (), scores=scores, outputs=(0.0, 2.0)).samples == (2,)
    certificate = SimpleNamespace(output=(-1.0, 1.0))
    report = found(monkeypatch, (), (), scores=scores, outputs=(0.0, 2.0), certificate=certificate)
    assert report.samples == report.left == (1, 2)


@pytest.mark.parametrize(
    ("number", "left", "condemned"),
    [
        (8.9, (3,), ()),  # beyond the domain, and not beyond the limit
        (9.1, (3,), (4, 5)),
        (-0.1, (3,), (4, 5)),
        (np.nan, (3,), (4, 5)),
    ],
)
def test_all_that_share_a_ciphertext_with_one_beyond_the_limit_are_condemned(monkeypatch, number, left, condemned):
    each, together = np.full((7, 2), 0.5), np.full((7, 1), 12.0)
    each[3, 1] = number
    report = found(monkeypatch, (each, together), scores=np.zeros((7, 2)), group=3)
    assert report.left == left
    assert report.condemned == condemned
    assert report.samples == tuple(sorted(report.left + report.condemned))
    assert report.found == {"witness of Sigmoid (node 1)": (3,)}


def test_a_sample_alone_in_its_ciphertext_spoils_nothing_else(monkeypatch):
    each = np.array([[0.5, 0.5], [99.0, 0.5], [0.5, 0.5]])
    report = found(monkeypatch, (each, WITHIN[1]))
    assert (report.samples, report.condemned) == ((1,), ())


def test_those_that_left_in_a_condemned_ciphertext_count_as_such(monkeypatch):
    each = np.array([[0.5, 0.5], [99.0, 0.5], [1.5, 0.5]])
    report = found(monkeypatch, (each, WITHIN[1]), group=4)
    assert (report.left, report.condemned, report.samples) == ((1, 2), (0,), (0, 1, 2))


def test_a_witness_of_an_older_plan_condemns_beyond_what_its_modulus_holds(monkeypatch):
    for number, condemned in ((0.99 * HOLDS, ()), (1.01 * HOLDS, (1, 2))):
        together = np.array([[number], [0.0], [0.0]])
        assert found(monkeypatch, (WITHIN[0], together), group=3).condemned == condemned


def test_outputs_that_may_not_fit_condemn_their_ciphertext(monkeypatch):
    scores = np.zeros((6, 2))
    scores[4, 1] = -11.0
    assert found(monkeypatch, (), (), scores=scores, group=2, most=12.0) is None
    report = found(monkeypatch, (), (), scores=scores, group=2, most=10.0)
    assert (report.left, report.condemned) == ((4,), (5,))
    assert report.found == {"outputs that may not fit their modulus": (4,)}


def test_the_message_names_the_condemned_apart_and_a_way_out(monkeypatch):
    each = np.array([[0.5, 0.5], [99.0, 0.5], [0.5, 0.5]])
    text = str(found(monkeypatch, (each, WITHIN[1]), group=3))
    assert text.startswith("1 of 3 samples have, or may have, values outside an activation's domain: sample 1;")
    assert "Beside them samples 0, 2 (2) share a ciphertext with one beyond the headroom" in text
    assert "samples=1 confines the damage to that one" in text
