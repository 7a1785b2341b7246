"""How several rotations of one ciphertext are made: what is stated of each way is what it does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pass_through import HoistingContext, PassThroughContext

import fhenn
from fhenn.backends.seal.arithmetic import SealArithmetic
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.evaluator import SEAL
from fhenn.ckks.layout import Placement, Vectors
from fhenn.ckks.maps import AffineMap, RotationSchedule, diagonals_of
from fhenn.ckks.operator import Dense, Sparse
from fhenn.ckks.rotations import CHAINED, HOISTED, STRATEGIES
from fhenn.ckks.trace import TracedContext
from fhenn.errors import KeyMissing
from fhenn.nn import Affine

STEPS = st.sets(st.integers(0, 63), max_size=20).map(sorted)
PARAMETERS = fhenn.Parameters(8192, (50, 40, 50), 2.0**40)


@pytest.mark.thorough
@pytest.mark.parametrize("rotations", STRATEGIES, ids=lambda each: type(each).__name__)
@given(steps=STEPS)
def test_what_is_stated_is_what_is_made(rotations, steps):
    """A ciphertext is (how far it is rotated, by how many key switches)."""
    keys, calls = set(), []

    def rotate(x, step):
        keys.add(step)
        calls.append(x)
        return x[0] + step, x[1] + 1

    made = rotations.make((0, 0), steps, rotate)
    assert [turned for turned, _ in made] == steps
    assert tuple(switches for _, switches in made) == rotations.switches(steps)
    assert keys == rotations.keys(steps)
    assert len(calls) == rotations.count(steps)
    # the digits of a ciphertext are made once
    hoisted = len(calls) - len(set(calls))
    assert rotations.hoisted(steps) == hoisted


def test_hoisted_rotations_share_and_chained_ones_do_not():
    steps = [0, 1, 2, 3, 8]
    assert (CHAINED.count(steps), CHAINED.hoisted(steps), CHAINED.effort(steps)) == (4, 0, 4)
    assert (HOISTED.count(steps), HOISTED.hoisted(steps), HOISTED.effort(steps)) == (4, 3, 1.9)
    assert HOISTED.effort([0]) == CHAINED.effort([]) == 0


@pytest.mark.parametrize("size", [1, 2, 8, 32, 64, 256, 1024])
def test_hoisting_takes_no_more_effort_and_few_keys(size):
    """Full matrices: what one more baby step saves in giant ones must be worth its key."""
    diagonals = diagonals_of(Dense(np.ones((size, size))), Vectors("replicated", size), 4096)
    chained, hoisted = (RotationSchedule.of(diagonals, each) for each in (CHAINED, HOISTED))
    assert hoisted.effort <= chained.effort == chained.count
    assert len(hoisted.keys) <= 2 * (2 * size) ** 0.5 + 1


LAYOUT = Vectors("replicated", 64)


def _operator(sparse):
    rng = np.random.default_rng(3)
    if not sparse:
        return Dense(rng.normal(size=(16, 64)))
    rows, columns = rng.integers(16, size=9), rng.integers(64, size=9)
    return Sparse(rows, columns, rng.normal(size=9), (16, 64))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("made_for", STRATEGIES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("kind", [PassThroughContext, HoistingContext])
def test_keys_decide_how_rotations_are_made(kind, made_for, sparse):
    """Keys for one way run on an evaluator that would rather take the other; without keys nothing runs."""
    operator, x = _operator(sparse), np.random.default_rng(4).normal(size=(1, 64))
    keys = AffineMap(operator, None, LAYOUT, 4096, made_for).schedules[0].keys
    context = kind(PARAMETERS, keys)
    result = fhenn.decrypt(context, Affine(operator).infer(fhenn.encrypt(context, x, layout=LAYOUT)))
    np.testing.assert_allclose(result, x @ operator.dense().T, atol=1e-6)
    with pytest.raises(KeyMissing):
        Affine(operator).infer(fhenn.encrypt(kind(PARAMETERS), x, layout=LAYOUT))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rotations", STRATEGIES, ids=lambda each: type(each).__name__)
def test_either_way_runs_on_seal_within_its_bound(rotations, sparse, monkeypatch):
    """SEAL's digits put a spike in each rotation: a special prime of the size of the others makes it large.

    The native evaluator's bounds are held in tests/backends/native/test_noise.py.
    """
    monkeypatch.setattr(SealArithmetic, "rotations", rotations)
    operator, x = _operator(sparse), np.random.default_rng(5).uniform(-1, 1, (1, 64))
    parameters = fhenn.Parameters(8192, (40, 32, 40), 2.0**30)
    schedule = AffineMap(operator, None, LAYOUT, 4096, rotations).schedules[0]
    context = fhenn.Context.generate(parameters, schedule.keys)
    made = []
    rotate = type(context).rotate
    monkeypatch.setattr(type(context), "rotate", lambda *of: (made.append(of), rotate(*of))[1])
    y = Affine(operator).infer(fhenn.encrypt(context, x, layout=LAYOUT))
    error = np.array(context.decrypt_slots(y.ciphertexts[0])) - np.resize(operator.dense() @ x[0], 4096)
    assert len(made) == schedule.count

    traced = TracedContext(parameters, evaluator=replace(SEAL, rotations=rotations))
    noise = Affine(operator).infer(traced.array(LAYOUT, Bounds(-np.ones(64), np.ones(64)))).ciphertexts[0].noise
    assert noise.bound(4096) / 1000 < np.abs(error).max() < noise.bound(4096)
    assert traced.arithmetic.keys == schedule.keys_at(1, 0)


def test_steps_that_are_hoisted_err_once_each_and_their_spikes_add_up():
    """y = x₀ + x₁ + x₂ + x₃ by three rotations: three key switches, where a chain of them makes 1 + 2 + 3."""
    operator = Dense(np.ones((4, 4)))
    diagonals = diagonals_of(operator, Vectors("replicated", 4), 4096)
    gains = {}
    for rotations in STRATEGIES:
        schedule = RotationSchedule.regular(diagonals, 4, rotations)
        affine = AffineMap(operator, None, Vectors("replicated", 4), 4096, rotations)
        gains[rotations] = affine.gains(2, schedule)
    assert gains[CHAINED].turned == pytest.approx(6**0.5)
    assert gains[HOISTED].turned == pytest.approx(3**0.5)
    # each step's spike sits where it was made, so that one slot meets all three, at worst alike
    assert gains[CHAINED].spiked == gains[HOISTED].spiked == 3.0
    assert gains[HOISTED].turned_together == gains[HOISTED].spectral == pytest.approx(4.0)


@pytest.mark.parametrize("rotations", STRATEGIES)
@pytest.mark.parametrize(
    "layout", [Vectors("blocks", 4096, 1, 4, 3), Placement.of(np.arange(12).reshape(3, 4))], ids=str
)
def test_spikes_of_several_tiles_add_up(layout, rotations):
    """One key turns every tile: an output of three meets three times the spikes that it meets of one."""
    inputs = layout.tiles * layout.period
    rows, columns = (each.reshape(-1) for each in np.indices((4, inputs)))
    affine = AffineMap(Sparse(rows, columns, np.ones(rows.size), (4, inputs)), None, layout, 4096, rotations)
    diagonals = affine.schedules[0].diagonals
    assert affine.gains(2, RotationSchedule.regular(diagonals, 4, rotations)).spiked == 9.0
