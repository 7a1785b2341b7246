"""Matrix products on whole samples: every shape, every form of packing."""

from base64 import b64encode
from dataclasses import replace
from zlib import compress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import compare, mostly_thorough

import fhenn
from fhenn.ckks.layout import Placement, Vectors, layout_from_json, layout_to_json
from fhenn.ckks.maps import AffineMap, RotationSchedule, diagonals_of, power_of_two
from fhenn.ckks.operator import Dense, Operator, Sparse
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import CHAINED, STRATEGIES
from fhenn.ckks.sums import drop_to
from fhenn.errors import KeyMissing, LevelExhausted, ShapeMismatch

rng = np.random.default_rng(0)


def packing(width, outputs, samples, slots, upload=1):
    """The layout that a client packs for a first matrix."""
    ring, period, m = slots // samples, power_of_two(width), power_of_two(outputs)
    if period > ring:
        return Vectors("blocks", ring, samples, m, -(-width // ring))
    if upload > 1 or period * m <= ring:
        features = power_of_two(-(-width // upload))
        return Vectors("tiles", features, samples, m, -(-width // features))
    return Vectors("blocks", period, samples, m * period // ring)


def mapped(layout, weight, slots, target=None):
    """The affine map of a weight, which is kept alive, and its schedule."""
    operator = weight if isinstance(weight, Operator) else Dense(weight)
    affine = AffineMap(operator, None, layout, slots, CHAINED, target=target)
    return operator, affine, affine.schedules[0]


def slot_values(affine, schedule):
    """What multiplies each shift of each tile for each tile of outputs, (outlets, tiles, K, slots)."""
    diagonals = schedule.diagonals
    values = np.zeros((diagonals.outlets, affine.group, diagonals.most, affine.slots))
    for outlet, tile in np.ndindex(values.shape[:2]):
        for shift, row in affine.values(schedule, tile, outlet):
            values[outlet, tile, shift] = row
    return values


def simulate(layout, weight, x, slots, target=None, giants=None):
    """What the ciphertexts hold after the product, in plain NumPy, and the schedule."""
    _alive, affine, schedule = mapped(layout, weight, slots, target)
    if giants is not None:
        schedule = replace(schedule, giants=giants(schedule))
    rows = np.array(layout.pack(x, slots)).reshape(-1, layout.tiles, slots)
    values = slot_values(affine, schedule)
    totals = np.zeros((len(rows), schedule.diagonals.outlets, slots))
    for outlet, row in enumerate(schedule.steps):
        for tile, steps in enumerate(row):
            for shift, (giant, baby) in steps.items():
                part = np.roll(rows[:, tile], -baby * layout.samples, axis=1) * values[outlet, tile, shift]
                totals[:, outlet] += np.roll(part, -giant * layout.samples, axis=1)
    for fold in schedule.diagonals.folds:
        totals = totals + np.roll(totals, -fold * layout.samples, axis=2)
    return totals.reshape(-1, slots), schedule


def replicated(x, period, samples, slots):
    return Vectors("replicated", period, samples).pack(x, slots)


@pytest.mark.thorough
@settings(max_examples=150)
@given(st.integers(1, 300), st.integers(1, 20), st.sampled_from([1, 2, 4]), st.integers(1, 5), st.integers(1, 5))
def test_every_slot_holds_the_product_and_nothing_else(width, outputs, samples, upload, count):
    slots = 128
    x, weight = rng.normal(size=(count, width)), rng.normal(size=(outputs, width))
    ring, m = slots // samples, power_of_two(outputs)
    layouts = [Vectors("replicated", power_of_two(width), samples)] if width <= ring else []
    if power_of_two(-(-width // upload)) * m <= ring or upload == 1:  # else several ciphertexts in the place of one
        layouts.append(packing(width, outputs, samples, slots, upload))
    layouts += [
        Vectors("blocks", period, samples, m * period // ring, -(-width // period))
        for period in (ring // 4, ring // 2)
        if period * m > ring
    ]
    for layout in layouts:
        total, schedule = simulate(layout, weight, x, slots)
        expected = replicated(x @ weight.T, schedule.diagonals.outputs, samples, slots)
        np.testing.assert_allclose(total, expected, atol=1e-9)


def placed(width, period, samples, tiles=1):
    """Features at random places, with one in each tile at least."""
    held = np.full((tiles, period), -1)
    firsts = np.arange(tiles) * period + rng.integers(period, size=tiles)
    others = np.setdiff1d(np.arange(tiles * period), firsts)
    held.reshape(-1)[np.concatenate([firsts, rng.permutation(others)])[:width]] = rng.permutation(width)
    return Placement.of(held, samples)


some_tiles = st.integers(1, 3)


@pytest.mark.thorough
@settings(max_examples=150)
@given(st.integers(3, 20), st.integers(3, 20), st.sampled_from([1, 2, 4]), st.tuples(some_tiles, some_tiles), st.data())
def test_features_may_stand_anywhere(width, outputs, samples, tiles, data):
    """Whatever ciphertext, and whatever the giant steps are: a slot of an output holds it, all others nothing."""
    slots = 128
    periods = [1 << power for power in range(8) if 1 << power <= slots // samples]
    density = data.draw(st.sampled_from([0.05, 0.3, 1.0]))
    weight = rng.normal(size=(outputs, width)) * (rng.random((outputs, width)) < density)
    layout, target = (
        placed(size, data.draw(st.sampled_from([each for each in periods if each * some >= size])), samples, some)
        for size, some in zip((width, outputs), tiles, strict=True)
    )
    assert layout.holds(width, slots)
    assert target.holds(outputs, slots)
    if data.draw(st.booleans()):
        layout = Vectors("replicated", power_of_two(width), samples)
    if data.draw(st.booleans()):
        target = None
    if layout.tiles > 1 and data.draw(st.booleans()):  # and at several places
        held = layout.held
        held[held < 0] = rng.integers(-1, width, np.count_nonzero(held < 0))
        layout = Placement.of(held, samples)
    first = data.draw(st.integers(0, 127))
    distances = data.draw(st.lists(st.integers(1, 40), max_size=8))

    def giants(schedule):
        """Any, the first of which is not beyond all shifts."""
        start = first % schedule.diagonals.most
        return tuple(start + sum(distances[:place]) for place in range(len(distances) + 1))

    x = rng.normal(size=(3, width))
    for choice in (None, giants):
        total, _ = simulate(layout, weight, x, slots, target, choice)
        there = target or Vectors("replicated", power_of_two(outputs), samples)
        np.testing.assert_allclose(total, there.pack(x @ weight.T, slots), atol=1e-9)
        np.testing.assert_allclose(there.unpack(total, (3, outputs)), x @ weight.T, atol=1e-9)


def test_a_convolution_has_few_diagonals_where_it_stays_in_place():
    """Nine taps of a 3×3 kernel; one after another 33, as rows of outputs are shorter than those of inputs."""
    height, width = 8, 8
    y, x, down, right = (each.ravel() for each in np.mgrid[:6, :6, :3, :3])
    rows, columns = y * 6 + x, (y + down) * width + x + right
    operator = Sparse(rows, columns, rng.normal(size=len(rows)), (36, 64))
    held = np.full((1, 64), -1)
    held[0, np.arange(6)[:, np.newaxis] * width + np.arange(6)] = np.arange(36).reshape(6, 6)
    layout = Vectors("replicated", 64)
    stays = diagonals_of(operator, layout, 64, Placement.of(held))
    assert stays.present == 9
    assert diagonals_of(operator, layout, 64).present > 25
    for rotations in STRATEGIES:  # rows of three taps
        schedule = RotationSchedule.of(stays, rotations)
        assert (schedule.giants, schedule.babies(0)) == ((0, width, 2 * width), [0, 1, 2])
    assert height * width == layout.period


@given(st.integers(1, 20), st.sampled_from([1, 2, 4]), st.integers(1, 9))
def test_a_placement_is_a_bijection(width, samples, count):
    x = rng.normal(size=(count, width))
    layout = placed(width, 32, samples)
    assert layout.holds(width, 128)
    assert not layout.holds(width + 1, 128)
    rows = layout.pack(x, 128)
    np.testing.assert_allclose(layout.unpack(rows, x.shape), x, rtol=1e-14)
    assert layout_from_json(layout_to_json(layout)) == layout


SPREAD = layout_to_json(Placement.of(np.array([[0, -1, 1, 2]])))


@pytest.mark.parametrize(
    "change",
    [
        {"table": "no base64"},
        {"table": "AAAA"},
        {"table": 3},
        {"table": SPREAD["table"][:-4]},
        {"period": 8},
        {"period": 0},
        {"period": 4.0},
        {"period": True},
        {"period": 1 << 17, "tiles": 1 << 17},
        {"samples": 1 << 18},
        {"more": 1},
    ],
    ids=str,
)
def test_a_placement_that_is_none_is_refused(change):
    with pytest.raises((ValueError, TypeError, KeyError)):
        layout_from_json(SPREAD | change)


@pytest.mark.thorough
def test_a_table_that_swells_is_not_inflated(peak):
    bomb = b64encode(compress(bytes(1 << 28), 9)).decode()
    with peak() as used, pytest.raises(ValueError, match="bytes"):
        layout_from_json(SPREAD | {"table": bomb})
    assert used() < 1e6


@pytest.mark.parametrize("held", [[0, 0, 1, 1], [0, 1, 3, -1], [0, 1, -1, -1], [0, 1, 2, -2]], ids=str)
def test_a_placement_holds_every_feature(held):
    assert not Placement.of(np.array([held])).holds(3, 8)
    assert not Placement.of(np.array([[0, 1, 2]])).holds(3, 8)
    assert Placement.of(np.array([[0, -1], [2, 1]])).holds(3, 8)
    assert not Placement.of(np.array([[0, -1], [2, 0]])).holds(3, 8)
    several, once = Placement.of(np.array([[0, 2, 0, 1]])), Placement.of(np.array([[0, 2, -1, 1]]))
    assert several.holds(3, 8)
    assert not several.is_plain
    assert once.is_plain
    assert several.unpack([[1.0, 2.0, 4.0, 8.0]], (1, 3)).tolist() == [[2.5, 8.0, 2.0]]
    assert not Placement.of(np.array([[0, 1], [-1, -1]])).holds(2, 8)  # a ciphertext for nothing
    assert Placement.of(np.array([[0, 2, -1, 1]])).holds(3, 8)


@given(st.integers(1, 20), st.sampled_from([1, 2, 4]), st.integers(1, 9))
def test_vectors_is_a_bijection(width, samples, count):
    x = rng.normal(size=(count, width))
    for layout in (
        Vectors("replicated", power_of_two(width), samples),
        Vectors("blocks", power_of_two(width), samples, 2),
        Vectors("tiles", 4, samples, 2, -(-width // 4)),
        Vectors("blocks", 8, samples, 2, -(-width // 8)),
    ):
        if layout.holds(width, 128):
            rows = layout.pack(x, 128)
            assert len(rows) == layout.ciphertexts(x.shape, 128)
            np.testing.assert_allclose(layout.unpack(rows, x.shape), x, rtol=1e-14)
            assert layout_from_json(layout_to_json(layout)) == layout


@pytest.mark.parametrize(
    "data",
    [
        {"name": "vectors", "form": "sideways", "period": 4, "samples": 1, "step": 1, "tiles": 1},
        {"name": "vectors", "form": "tiles", "period": -4, "samples": 1, "step": 1, "tiles": 1},
        {"name": "vectors", "form": "tiles", "period": 4.0, "samples": 1, "step": 1, "tiles": 1},
        {"name": "vectors", "form": "tiles", "period": True, "samples": 1, "step": 1, "tiles": 1},
        {"name": "vectors", "form": "tiles", "period": 1 << 40, "samples": 1, "step": 1, "tiles": 1},
        {"name": "vectors", "period": 4},
        {"name": "packed", "period": 4},
        {"name": "other"},
        {},
        5,
        "packed",
    ],
)
def test_odd_layouts_are_refused(data):
    with pytest.raises((ValueError, TypeError, KeyError)):
        layout_from_json(data)


@pytest.mark.parametrize(
    ("width", "outputs", "samples", "upload"),
    [(30, 1, 1, 1), (30, 1, 4, 4), (64, 32, 2, 1), (200, 100, 1, 1), (3, 7, 1, 1), (784, 16, 1, 4), (5, 5, 512, 1)],
)
def test_parity(width, outputs, samples, upload):
    layout = packing(width, outputs, samples, 4096, upload)
    parameters = fhenn.Parameters(8192, (60, 40, 40, 60), 2.0**40)
    node = fhenn.Linear(rng.normal(size=(outputs, width)) / width, rng.normal(size=outputs))
    client = fhenn.Context.generate(parameters, mapped(layout, node.operator, 4096)[2].keys)
    server = client.public()
    x = rng.normal(size=(samples + 1, width))
    encrypted = fhenn.CipherArray.from_bytes(server, fhenn.encrypt(client, x, layout=layout).to_bytes())
    for _ in range(2):  # the second time from the encoded weights
        result = node(encrypted)
        answer = fhenn.CipherArray.from_bytes(client, result.to_bytes())
        compare(fhenn.decrypt(client, answer), node(x), 1e-5)
    assert result.level == encrypted.level - node.cost
    assert len(server.arithmetic.encoded) == 1


def test_encoded_weights_are_forgotten_with_the_weights(client):
    layout = packing(2, 1, 1, client.slots)
    node = fhenn.Linear([[1.0, 2.0]])
    context = fhenn.Context.generate(fhenn.Parameters.for_depth(1), mapped(layout, node.operator, 4096)[2].keys)
    layout = packing(2, 1, 1, context.slots)
    x = fhenn.encrypt(context, [[1.0, 2.0]], layout=layout)
    node(x)
    assert len(context.arithmetic.encoded) == 1
    node.backward(node.forward([1.0, 2.0]))
    node.updates()
    assert len(context.arithmetic.encoded) == 0
    compare(fhenn.decrypt(context, node(x)), node([[1.0, 2.0]]), 1e-5)


def test_zero_weights(client):
    layout = packing(2, 1, 1, client.slots)
    node = fhenn.Linear([[0.0, 0.0]], [0.5])
    compare(fhenn.decrypt(client, node(fhenn.encrypt(client, [[1.0, 2.0]], layout=layout))), [[0.5]], 1e-6)


def test_refuses(client):
    layout = packing(4, 2, 1, client.slots)
    node = fhenn.Linear(np.ones((2, 4)))
    x = fhenn.encrypt(client, np.ones((1, 4)), layout=layout)
    with pytest.raises(KeyMissing, match="rotation"):
        node(x)
    with pytest.raises(ShapeMismatch, match="as packed"):
        fhenn.Linear(np.ones((5, 4)))(x)
    with pytest.raises(ShapeMismatch):
        fhenn.Linear(np.ones((2, 5)))(x)
    wide = fhenn.encrypt(client, np.ones((1, 4)), layout=Vectors("replicated", 4, 1024))
    with pytest.raises(ShapeMismatch, match="positions"):
        fhenn.Linear(np.ones((5, 4)))(wide)


@pytest.mark.parametrize(
    ("layout", "shape"),
    mostly_thorough(
        [
            (Vectors("replicated", 16), (8, 16)),
            (Vectors("blocks", 64, 1, 8), (16, 50)),
            (Vectors("tiles", 8, 1, 8, 3), (8, 20)),
            (Vectors("blocks", 64, 1, 8, 3), (16, 150)),
        ],
        (0, 1, 2),
    ),
    ids=str,
)
def test_errors_come_through_with_the_rotations_before_each_weight(layout, shape):
    """Each weight alone is moved by as many key switches as its baby step is, and no more than those there are."""
    slots, weight = 128, rng.normal(size=shape)
    _alive, affine, schedule = mapped(layout, weight, slots)
    switches = np.zeros(shape)
    for row, feature in np.ndindex(shape):
        one = np.zeros(shape)
        one[row, feature] = 1.0
        used = np.flatnonzero(
            np.abs(slot_values(AffineMap(alone := Dense(one), None, layout, slots, CHAINED), schedule)).sum(
                axis=(0, 1, 3)
            )
        )
        assert alone.shape == shape
        (switches[row, feature],) = {schedule.steps[0][0][shift][1] for shift in used}
    assert switches.max() == max(schedule.babies(0))
    for norm in (1, 2):
        turned = ((np.abs(weight) ** norm * switches).sum(axis=1) ** (1 / norm)).max()
        assert affine.gains(norm, schedule).turned == pytest.approx(turned)
        assert affine.gains(norm, schedule).row == pytest.approx(np.linalg.norm(weight, norm, axis=1).max())


@pytest.fixture(scope="module")
def bottom():
    """No level at all, and a first prime of twice the scale's bits."""
    return fhenn.Context.generate(fhenn.Parameters(4096, (58, 50), 2.0**26), [1, 2, 4, 8, 16, 32])


@pytest.mark.parametrize("layout", ["features", Vectors("tiles", 8, 1, 4)], ids=str)
def test_the_last_product_is_not_rescaled(bottom, layout):
    node = fhenn.Linear(rng.uniform(-1, 1, (4, 8)), [1.0, 0.0, -1.0, 0.5])
    x = rng.uniform(-1, 1, (3, 8))
    result = node(fhenn.encrypt(bottom, x, layout=layout))
    assert (result.level, result.scale) == (0, 2.0**52)
    np.testing.assert_allclose(fhenn.decrypt(bottom, result), node(x), atol=2e-5)
    with pytest.raises(LevelExhausted):  # a second time the prime does not hold it
        fhenn.Linear(rng.uniform(-1, 1, (2, 4)))(result)
    nothing = fhenn.Linear(np.zeros((4, 8)), [1.0, 0.0, -1.0, 0.5])
    answer = nothing(fhenn.encrypt(bottom, x, layout=layout))
    np.testing.assert_allclose(fhenn.decrypt(bottom, answer), nothing(x), atol=2e-5)


def test_a_plan_leaves_out_the_last_prime_where_it_can():
    model = fhenn.Sequential([fhenn.Linear(rng.uniform(-1, 1, (1, 30)) / 8)], finish="sigmoid")
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3)
    assert plan.parameters.levels == 0
    assert fhenn.plan(model, bounds=[-1, 1], accuracy=1e-7).parameters.levels == 1
    client = fhenn.Client(plan)
    x = rng.uniform(-1, 1, (4, 30))
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x))
    np.testing.assert_allclose(client.decrypt_scores(answer), model.infer(x), atol=plan.error)


@pytest.mark.parametrize("layout", [Vectors("replicated", 1), "features"], ids=str)
def test_weights_are_encoded_for_each_level_scale_and_bias(layout):
    """What was encoded for one must not be taken for another: SEAL refuses another level, nobody another scale."""
    context = fhenn.Context.generate(Parameters(8192, (40, 30, 30, 40), 2.0**30))
    weight = np.array([[0.75]])
    x = fhenn.encrypt(context, [[0.5]], layout=layout)

    def lower(scale):
        """A copy a level down; read at half the scale it holds twice as much."""
        return replace(drop_to(x, 1), scale=scale)

    inputs = (x, 0.5), (lower(x.scale), 0.5), (lower(x.scale / 2), 1.0)
    for bias in ([0.0], [0.25], [-0.5]):
        linear = fhenn.Linear(weight, bias)
        for each, value in (*inputs, *inputs):  # the second time from what was kept
            result = linear.infer(each)
            assert result.level == each.level - 1
            assert fhenn.decrypt(context, result)[0, 0] == pytest.approx(0.75 * value + bias[0], abs=1e-3)
