"""Plans for networks of images: what is placed where, and that it is right in every slot."""

from dataclasses import replace
from importlib import import_module
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_through import planned
from support import mostly_thorough

import fhenn
from fhenn.backends import CIPHER
from fhenn.ckks import CipherArray
from fhenn.ckks.evaluator import NATIVE
from fhenn.ckks.layout import FEATURES, Placement, Vectors, WholeSamples
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.rotations import CHAINED, HOISTED
from fhenn.errors import PlanError, RangeViolation, ShapeMismatch, WireFormatError
from fhenn.nn import FORK, JOIN, SWAP, Affine, circuit, deepest, trail
from fhenn.planner.demands import bytes_of_answer
from fhenn.planner.layouts import _steps_by_shape
from fhenn.planner.placements import place_images
from fhenn.planner.scaling import scale, served_nodes
from fhenn.planner.walk import Path, walk
from fhenn.pool import work
from fhenn.session.answer import Answer

rng = np.random.default_rng(0)


def conv(outputs, inputs, size, **options):
    weight = rng.normal(size=(outputs, inputs // options.get("groups", 1), size, size))
    return fhenn.Conv2d(weight / np.sqrt(weight[0].size), 0.1 * rng.normal(size=outputs), **options)


def linear(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs), 0.1 * rng.normal(size=outputs))


NETWORKS = {
    "convolution alone": lambda: [[conv(3, 2, 3, padding=1)], (2, 6, 5)],
    "strides": lambda: [
        [
            conv(3, 1, 3, stride=2, padding=1),
            fhenn.Square(),
            conv(5, 3, 2, stride=2),
            fhenn.Square(),
            fhenn.Flatten(),
            linear(3, 20),
        ],
        (1, 9, 8),
    ],
    "pools": lambda: [
        [
            conv(2, 1, 3),
            fhenn.Square(),
            fhenn.AvgPool2d(2),
            conv(4, 2, 2),
            fhenn.Square(),
            fhenn.GlobalAvgPool2d(),
            fhenn.Flatten(),
            linear(2, 4),
        ],
        (1, 8, 8),
    ],
    "groups": lambda: [[conv(4, 4, 3, groups=2, dilation=2), fhenn.Square(), conv(2, 4, 1)], (4, 7, 6)],
    "residual": lambda: [
        [
            conv(4, 1, 3, padding=1),
            fhenn.Square(),
            fhenn.Residual(fhenn.Sequential([conv(4, 4, 3, padding=1), fhenn.Square(), conv(4, 4, 3, padding=1)])),
            fhenn.Square(),
            fhenn.GlobalAvgPool2d(),
            fhenn.Flatten(),
            linear(3, 4),
        ],
        (1, 6, 6),
    ],
    "projected residual": lambda: [
        [
            conv(2, 1, 3, padding=1),
            fhenn.Residual(
                fhenn.Sequential([conv(4, 2, 3, padding=1, stride=2), fhenn.Square(), conv(4, 4, 3, padding=1)]),
                conv(4, 2, 1, stride=2),
            ),
            fhenn.Square(),
            conv(2, 4, 1),
        ],
        (1, 6, 6),
    ],
    "residual in a residual": lambda: [
        [
            conv(2, 1, 3, padding=1),
            fhenn.Residual(
                fhenn.Sequential(
                    [conv(2, 2, 3, padding=1), fhenn.Residual(fhenn.Sequential([fhenn.Square(), conv(2, 2, 1)]))]
                )
            ),
        ],
        (1, 5, 5),
    ],
    "sequences": lambda: [
        [
            fhenn.Conv1d(rng.normal(size=(3, 2, 4)) / 3, stride=2),
            fhenn.Square(),
            fhenn.AvgPool1d(2),
            fhenn.Flatten(),
            linear(2, 9),
        ],
        (2, 14),
    ],
    "upsampled": lambda: [[conv(2, 1, 3), fhenn.Square(), fhenn.Upsample(2), conv(1, 2, 3)], (1, 5, 5)],
    "small residual": lambda: [
        [
            conv(2, 1, 2),
            fhenn.Square(),
            fhenn.Residual(fhenn.Sequential([conv(2, 2, 2, padding=1, dilation=2)])),
        ],
        (1, 3, 3),
    ],
}


LARGE = {
    "large images": lambda: [[conv(1, 3, 3, padding=1, stride=2)], (3, 56, 50)],
    "many outputs": lambda: [[conv(20, 2, 3, padding=1)], (2, 20, 20)],
    "a large layer": lambda: [
        [conv(20, 3, 3, padding=1), fhenn.Square(), conv(3, 20, 2, stride=2), fhenn.Flatten(), linear(4, 300)],
        (3, 20, 20),
    ],
    "large branches": lambda: [
        [
            conv(9, 1, 3, padding=1),
            fhenn.Square(),
            fhenn.Residual(fhenn.Sequential([conv(9, 9, 3, padding=1)])),
            fhenn.GlobalAvgPool2d(),
            fhenn.Flatten(),
            linear(3, 9),
        ],
        (1, 30, 30),
    ],
}
"""Of layers that a ciphertext of their ring does not hold."""


def network(name):
    nodes, shape = (NETWORKS | LARGE)[name]()
    return fhenn.Sequential(nodes, shape=shape)


def features(x):
    return x.reshape(len(x), -1)


def slots_of(client, answer):
    """The slot values of an answer's ciphertexts, and how its outputs sit there."""
    array = CipherArray.from_bytes(client._context, Answer.from_bytes(answer).result)
    return np.array([client._context.decrypt_slots(each) for each in array.ciphertexts]), array.layout


EVERY = [
    *product(NETWORKS, ("latency", "throughput"), ("seal", "native")),
    *product(LARGE, ("latency",), ("seal", "native")),
]


QUICK = ("convolution alone", "upsampled", "small residual", "large images")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "layout", "evaluator"),
    mostly_thorough(EVERY, (EVERY.index((name, "latency", "native")) for name in QUICK)),
)
def test_a_network_is_right_in_every_slot(name, layout, evaluator):
    """What a client reads is the twin; a slot that holds no output holds nothing."""
    model = network(name)
    x = rng.uniform(-1, 1, (3, *model.shape))
    plan = fhenn.plan(
        model, inputs=x, bounds=[-1, 1], ranges="data", witness=False, accuracy=1e-2, layout=layout, evaluator=evaluator
    )
    assert plan.shape == model.shape
    if name in LARGE:
        assert max(each.tiles for each in (plan.layout, *plan.targets) if each is not None) > 1
    plan = fhenn.Plan.from_json(plan.to_json())
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    answer = server.predict(client.encrypt(x))
    twin = features(model.infer(x))
    assert np.abs(features(client.decrypt(answer)) - twin).max() <= plan.error
    held, where = slots_of(client, answer)
    if isinstance(where, WholeSamples):
        pad = -len(x) % plan.samples_per_ciphertext  # places without a sample repeat one
        content = where.content(twin.shape[1], plan.parameters.slots)
        empty = np.repeat(content < 0, where.samples, axis=1)
        held = held.reshape(-1, where.tiles, plan.parameters.slots)
        assert np.abs(held[:, empty]).max(initial=0.0) <= plan.error
        assert pad >= 0


sizes = st.integers(1, 4)


@st.composite
def networks(draw, most=3):
    """A few convolutions and poolings, with what they take; branches now and then."""
    channels, height, width = draw(sizes), draw(st.integers(3, 9)), draw(st.integers(3, 9))
    shape, nodes = (channels, height, width), []
    for _ in range(draw(st.integers(1, most))):
        options = {"stride": draw(st.sampled_from([1, 1, 2, 3])), "padding": draw(st.integers(0, 2))}
        size = draw(st.integers(1, min(shape[1:]) + 2 * options["padding"]))
        groups = 2 if shape[0] % 2 == 0 and draw(st.booleans()) else 1
        outputs = groups * draw(sizes)
        nodes.append(conv(outputs, shape[0], min(size, 5), groups=groups, **options).with_shape(shape))
        shape = nodes[-1].output_shape
        kind = draw(st.sampled_from(["square", "pool", "residual", "nothing"]))
        if kind == "square" and not any(isinstance(node, fhenn.Square) for node in nodes):
            nodes.append(fhenn.Square())
        elif kind == "pool" and min(shape[1:]) > 1:
            nodes.append(fhenn.AvgPool2d(2, draw(st.integers(1, 2))).with_shape(shape))
            shape = nodes[-1].output_shape
        elif kind == "residual":
            body = fhenn.Sequential([conv(shape[0], shape[0], 3, padding=1)])
            nodes.append(fhenn.Residual(body).with_shape(shape))
    return fhenn.Sequential(nodes, shape=(channels, height, width))


@pytest.mark.thorough
@pytest.mark.parametrize(("most", "count"), [(2, 4), pytest.param(3, 20, marks=pytest.mark.thorough)])
def test_any_network_runs_as_planned(most, count):
    """On numbers in the place of ciphertexts, with the keys that the plan names and no others."""
    cases = given(networks(most), st.sampled_from([1, 2]), st.sampled_from(["seal", "native"]))
    settings(max_examples=count, deadline=None)(cases(runs_as_planned))()


def runs_as_planned(model, samples, evaluator):
    x = rng.uniform(-1, 1, (2, *model.shape))
    options = {"samples": samples, "layout": "latency", "evaluator": evaluator, "accuracy": 1e-2}
    plan, context = planned(model, inputs=x, bounds=[-1, 1], **options)
    assert plan.samples_per_ciphertext in (1, samples)
    values = fhenn.encrypt(context, scale(features(x), *plan.bounds), layout=plan.layout)
    infer, add = (lambda _, node, each: node.infer(each)), (lambda _, first, second: CIPHER.add(first, second))
    *_, result = trail(served_nodes(plan, model), values, infer, add)
    np.testing.assert_allclose(fhenn.decrypt(context, result), features(model.infer(x)), atol=1e-3)
    assert result.layout == plan.result.layout
    assert deepest(circuit(model))


def applied(affine, rows):
    """What the ciphertexts hold after a map, in plain NumPy.

    rows: (tiles, slots).
    """
    schedule = affine.schedules[0]
    totals = np.zeros((schedule.diagonals.outlets, affine.slots))
    for outlet, steps in enumerate(schedule.steps):
        for tile, split in enumerate(steps):
            for shift, values in affine.values(schedule, tile, outlet):
                giant, baby = split[shift]
                totals[outlet] += np.roll(np.roll(rows[tile], -baby) * values, -giant)
    for fold in schedule.diagonals.folds:
        totals = totals + np.roll(totals, -fold, axis=1)
    return totals


@pytest.mark.thorough
@pytest.mark.parametrize("count", [10, pytest.param(60, marks=pytest.mark.thorough)])
def test_layers_take_as_many_ciphertexts_as_they_need(count):
    """Of a few slots each: in each slot its feature, or nothing, after every map."""
    cases = given(networks(), st.sampled_from([16, 32, 64]), st.sampled_from([CHAINED, HOISTED]))
    settings(max_examples=count, deadline=None)(cases(take_as_many_as_they_need))()


def take_as_many_as_they_need(model, slots, rotations):
    nodes = circuit(model)
    inputs, targets = place_images(nodes, slots, 1, rotations)
    x = features(rng.uniform(-1, 1, (1, *model.shape)))
    assert inputs.holds(x.size, slots)
    layouts, left = {id(x): inputs}, iter(targets)

    def step(_, node, values):
        if not isinstance(node, Affine):
            y = node.infer(values)
            layouts[id(y)] = layouts[id(values)]
            return y
        affine = AffineMap(node.operator, None, layouts[id(values)], slots, rotations, 0.0, next(left))
        y = node.operator.apply(values)
        held = applied(affine, layouts[id(values)].pack(values, slots))
        np.testing.assert_allclose(held, affine.outlet.pack(y, slots), atol=1e-9)
        assert affine.outlet.tiles >= -(-node.outputs // slots)
        layouts[id(y)] = affine.outlet
        return y

    def join(_, first, second):
        assert layouts[id(first)] == layouts[id(second)]
        total = first + second
        layouts[id(total)] = layouts[id(first)]
        return total

    alive = list(trail(nodes, x, step, join))
    assert next(left, None) is None
    assert len(alive) == len(nodes) + 1


@pytest.mark.parametrize(("made_for", "runs"), [(HOISTED, CHAINED), (CHAINED, HOISTED)], ids=["on SEAL", "native"])
def test_keys_for_another_evaluator_serve(made_for, runs):
    """Whatever way to rotate they were made for: a server without the native library runs a plan for it."""
    convolution = conv(2, 4, 2, groups=2).with_shape((4, 3, 3))
    layout, (target,) = place_images([convolution], 4096, 1, made_for)
    theirs, own = (AffineMap(convolution.operator, None, layout, 4096, each, 0.0, target) for each in (made_for, runs))
    for schedule in theirs.schedules:
        keys = schedule.keys_at(2, 2)
        found = own.schedule(lambda steps, level, keys=keys: keys.get(steps, -1) >= level, 2, 2)
        assert found.keys_at(2, 2).items() <= keys.items()


@pytest.mark.thorough
def test_maps_of_images_are_one_where_nothing_is_between():
    model = network("pools")
    names = [step.name for step in circuit(model)]
    assert names == ["Conv2d", "Square", "AvgPool2d_Conv2d", "Square", "GlobalAvgPool2d_Linear"]
    assert circuit(model)[2] is circuit(model)[2]  # made once
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput")
    assert [stage.node for stage in plan.stages] == names
    assert model.cost == 7
    assert plan.parameters.levels <= 5


def test_maps_whose_product_would_be_large_stay_two(monkeypatch):
    model = fhenn.Sequential([fhenn.AvgPool2d(2), conv(1, 1, 2)], shape=(1, 4, 4))
    module = import_module("fhenn.nn.circuit")
    monkeypatch.setattr(module, "_MOST_ENTRIES", 15)  # sums of 4 numbers come to 4 outputs, which come to 1
    assert [step.name for step in circuit(model)] == ["AvgPool2d", "Conv2d"]
    monkeypatch.setattr(module, "_MOST_ENTRIES", 16)
    assert len(circuit(model)) == 2, "what was found is kept"
    again = fhenn.Sequential([fhenn.AvgPool2d(2), conv(1, 1, 2)], shape=(1, 4, 4))
    assert [step.name for step in circuit(again)] == ["AvgPool2d_Conv2d"]


def test_the_sketch_of_a_convolution_counts_its_products():
    """Three outputs of 5 × 4 pixels, each of 2 × 3 × 3 numbers."""
    model = fhenn.Sequential([conv(3, 2, 3)], shape=(2, 7, 6))
    parameters = fhenn.Parameters(8192, (50, 40, 50), 2.0**40)
    sketched, _ = _steps_by_shape(circuit(model), FEATURES, parameters, NATIVE)
    traced = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput").steps
    assert [count for (kind, _), count in sketched.items() if kind == "plain product"] == [3 * 20 * 18]
    assert [step.count for step in traced if step.kind == "plain product"] == [3 * 20 * 18]


def test_neighbouring_linear_layers_stay_what_they_are():
    """As in plans of before there were images."""
    model = fhenn.Sequential([linear(3, 4), linear(2, 3)])
    assert [step.name for step in circuit(model)] == ["Linear", "Linear"]


def test_a_step_changes_the_map_that_was_joined():
    model = fhenn.Sequential([fhenn.AvgPool2d(2), conv(1, 1, 2)], shape=(1, 4, 4))
    x = rng.normal(size=(1, 1, 4, 4))
    before = circuit(model)[0]
    model.forward(x)
    model.backward(np.ones((1, 1, 1, 1)))
    model.update()
    after = circuit(model)[0]
    assert after is not before
    np.testing.assert_allclose(features(model.infer(x)), after.infer(features(x)))


@pytest.mark.parametrize("rotations", [CHAINED, HOISTED])
def test_outputs_stay_where_their_inputs_are(rotations):
    """A stride's outputs in the places of every other input; the channels in the gaps between."""
    first, second = conv(2, 1, 3), conv(8, 2, 3, stride=2)
    model = fhenn.Sequential([first, fhenn.Square(), second], shape=(1, 16, 16))
    layout, (before, after) = place_images(circuit(model), 2048, 1, rotations)
    assert isinstance(layout, Placement)
    assert (before.places(np.arange(2 * 14 * 14))[1][:14] == np.arange(14)).all()
    rows = after.places(np.arange(8 * 6 * 6))[1].reshape(8, 6, 6)
    start = rows - rows[0, 0, 0]
    assert (start[0, 0] == 2 * np.arange(6)).all()
    assert (start[0, :, 0] == 32 * np.arange(6)).all()
    assert sorted(start[:4, 0, 0].tolist()) == [0, 1, 16, 17]
    assert len(set(rows.reshape(-1).tolist())) == rows.size


def test_a_stride_at_the_start_takes_pixels_side_by_side():
    """What a tap meets is next to what it meets for the next output: nine taps on a quarter of the positions each."""
    model = fhenn.Sequential([conv(1, 1, 2, stride=2)], shape=(1, 8, 8))
    layout, _ = place_images(circuit(model), 2048, 1, HOISTED)
    at = layout.places(np.arange(64))[1].reshape(8, 8)
    assert (at[0, ::2] - at[0, 0] == np.arange(4)).all()
    assert (at[::2, 0] - at[0, 0] == 4 * np.arange(4)).all()


def test_an_answer_of_several_ciphertexts_is_counted_in_full():
    """Its bytes, before anything is computed, and every one of its values where errors are bounded."""
    model = network("many outputs")
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency", evaluator="native")
    tiles = plan.result.layout.tiles
    assert tiles > 2
    client = fhenn.Client(plan)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(np.zeros((1, *model.shape))))
    assert len(answer) <= bytes_of_answer(plan, 1)
    for told in (plan.cost(1).down, work.bytes_of_answer(model, plan, plan.ciphertexts_per_sample, witness=False)):
        assert 0.9 < told / len(answer) < 1.1
    walked = walk(Path.of(plan, model), plan.layout, plan.parameters, evaluator=plan.find_evaluator())
    assert walked.bound == walked.noise.bound(tiles * plan.parameters.slots)


@pytest.mark.thorough
def test_no_error_is_larger_than_the_worst_one():
    """A stride whose only tap meets the padding: of its gain there is a bound, which the error of squares goes through.

    A plan whose error is larger than what it states at worst is read by nobody.
    """
    last = conv(2, 2, 1, stride=5, padding=2), fhenn.Residual(conv(2, 2, 1))
    model = fhenn.Sequential(
        [fhenn.Conv2d(30 * np.ones((2, 1, 1, 1))), fhenn.Square(on_violation="ignore"), *last], shape=(1, 2, 2)
    )
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency", evaluator="native")
    assert plan.error <= plan.worst
    assert fhenn.Plan.from_json(plan.to_json()) == plan


def test_branches_that_can_be_added_are_kept_in_view():
    """Although many ways that cannot be added take as little."""
    first = [
        conv(4, 1, 5, stride=2, padding=1),
        fhenn.Square(),
        conv(4, 4, 1, stride=3, groups=2),
        conv(6, 4, 1, groups=2),
    ]
    branches = fhenn.Residual(fhenn.Sequential([conv(6, 6, 3, padding=1)]))
    nodes = circuit(fhenn.Sequential([*first, branches], shape=(1, 4, 7)))
    assert place_images(nodes, 2048, 1, HOISTED) is not None


@pytest.mark.parametrize("upload", mostly_thorough([None, 1, 2, 8], (1,)))
def test_an_upload_takes_no_more_ciphertexts_than_it_may(upload):
    """8,400 features: where fewer are asked for, the ring is larger."""
    model = network("large images")
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency", upload=upload)
    least = -(-plan.features // plan.parameters.slots)
    assert least <= plan.ciphertexts_per_sample <= (upload or least + 1)


@pytest.mark.parametrize(("rotations", "most"), [(CHAINED, 7), (HOISTED, 8)], ids=["chained", "hoisted"])
def test_what_each_tap_meets_goes_where_the_outputs_stand(rotations, most):
    """49 taps, of which none takes a rotation: those that there are sum over groups of taps, and pair them."""
    last = [fhenn.Square(), fhenn.Flatten(), linear(10, 256)]
    nodes = circuit(fhenn.Sequential([conv(4, 1, 7, stride=3), *last], shape=(1, 28, 28)))
    layout, (target, _) = place_images(nodes, 4096, 1, rotations)
    assert layout.tiles == 1
    assert not layout.is_plain
    affine = AffineMap(nodes[0].operator, None, layout, 4096, rotations, 0.0, target)
    assert affine.schedules[0].count <= most
    assert affine.schedules[0].diagonals.present <= 4
    # a larger upload saves one of them, and takes more than it saves
    assert place_images(nodes, 4096, 1, rotations, upload=4)[0].tiles == 1
    assert place_images(nodes, 512, 1, rotations, upload=1) is None
    assert 1 < place_images(nodes, 512, 1, rotations, upload=4)[0].tiles <= 4


@pytest.mark.thorough
def test_a_wide_network_makes_no_matrix(peak):
    """8 channels of 32 × 32: its matrices would take 700 MB."""
    model = fhenn.Sequential(
        [conv(8, 3, 3, padding=1), fhenn.Square(), conv(8, 8, 3, padding=1, stride=2)], shape=(3, 32, 32)
    )
    with peak() as used:
        plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-1, layout="latency", evaluator="native")
    assert plan.ciphertexts_per_sample == 1
    assert used() < 400e6


@pytest.mark.parametrize(
    ("name", "evaluator"),
    mostly_thorough(product(["strides", "residual", "large branches", "upsampled"], ["seal", "native"]), (7,)),
)
def test_witnesses_watch_images(name, evaluator):
    """An image that leaves the ranges is seen, in whatever slots its features are; others are not."""
    model = network(name)
    x = rng.uniform(-1, 1, (200, *model.shape)) / 4
    options = {"rows": 1, "witness": True, "layout": "latency", "evaluator": evaluator}
    plan = fhenn.plan(model, inputs=x, bounds=[-1, 1], ranges="data", accuracy=1e-2, **options)
    assert len(plan.witnesses) == sum(isinstance(node, fhenn.Square) for node in circuit(model))
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    answer = server.predict(client.encrypt(x[:1]))
    assert np.abs(features(client.decrypt(answer)) - features(model.infer(x[:1]))).max() <= plan.error
    witness = plan.witnesses[0]
    held = fhenn.decrypt(
        client._context, CipherArray.from_bytes(client._context, Answer.from_bytes(answer).witnesses[0])
    )
    assert np.abs(held - witness.numbers(features(model.nodes[0].infer(x[:1])))).max() <= witness.error
    if name in LARGE:  # the sum over so many neurons is quiet in a range that no image leaves
        assert max(target.tiles for target in plan.targets if target is not None) > 1
        return
    first = model.nodes[0].operator
    loud = np.sign(first.dense()[np.argmax(first.row_norms(1))]).reshape(1, *model.shape)
    assert np.abs(first @ loud.reshape(-1)).max() > max(map(abs, plan.ranges.intervals[0]))
    with pytest.raises(RangeViolation):
        client.decrypt(server.predict(client.encrypt(loud)))


def test_plans_of_images_are_kept_in_files_and_checked():
    def small():
        nodes = [conv(3, 1, 3, stride=2, padding=1), fhenn.Square(), fhenn.Flatten(), linear(2, 60)]
        return fhenn.Sequential(nodes, shape=(1, 9, 8))

    model = small()
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency")
    again = fhenn.Plan.from_json(plan.to_json())
    assert again == plan
    assert again.fingerprint == plan.fingerprint == plan.public().fingerprint
    assert any(isinstance(target, Placement) for target in plan.targets)
    other = Placement.of(plan.targets[0].held[:, ::-1], plan.layout.samples)
    assert replace(plan, targets=(other, *plan.targets[1:])).fingerprint != plan.fingerprint
    for targets in (
        plan.targets[:-1],
        (Placement.of(plan.targets[0].held[:, :-1], plan.layout.samples), *plan.targets[1:]),
        (Vectors("replicated", 2, plan.layout.samples), *plan.targets[1:]),
        (replace(plan.targets[0], samples=2 * plan.layout.samples), *plan.targets[1:]),
    ):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(replace(plan, targets=targets).to_json())
    for shape in ((1, 9, 9), (0, 9, 8), (72, 1, -1)):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(replace(plan, shape=shape).to_json())
    with pytest.raises(PlanError):
        fhenn.Server(small(), plan, fhenn.Client(plan).evaluation_keys())


def test_images_of_another_shape_are_refused():
    model = fhenn.Sequential([conv(4, 4, 3, groups=2, dilation=2)], shape=(4, 7, 6))
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency")
    client = fhenn.Client(plan)
    x = rng.uniform(-1, 1, (2, 4, 7, 6))
    same = fhenn.Server(model, plan, client.evaluation_keys()).predict(
        client.encrypt((100 * x).astype(int).clip(-1, 1))
    )
    assert client.decrypt(same).shape == (2, model.nodes[-1].outputs)
    with pytest.raises(ShapeMismatch, match=r"np\.moveaxis\(x, -1, 1\)"):
        client.encrypt(np.moveaxis(x, 1, -1))
    with pytest.raises(ShapeMismatch, match=r"\(samples, 4, 7, 6\)"):
        client.encrypt(x[:, :3])
    with pytest.raises(ShapeMismatch, match=r"\(samples, 4, 7, 6\)"):
        fhenn.plan(model, inputs=x[..., :5])
    one = fhenn.plan(fhenn.Sequential([conv(1, 1, 2)], shape=(1, 8, 8)), bounds=[-1, 1], accuracy=1e-2)
    with pytest.raises(ShapeMismatch, match=r"x\[:, np\.newaxis\]"):
        fhenn.Client(one).encrypt(rng.uniform(-1, 1, (2, 8, 8)))


@pytest.mark.thorough
@pytest.mark.usefixtures("refused_briefly")
def test_a_network_that_no_ring_holds_names_the_layer():
    pairs = [(fhenn.Conv2d(np.full((1, 1, 3, 3), 0.1), padding=1), fhenn.Tanh(degree=31)) for _ in range(6)]
    nodes = [node for pair in pairs for node in pair]
    with pytest.raises(PlanError, match=r"\(node \d+\) makes it \d+ levels"):
        fhenn.plan(fhenn.Sequential(nodes, shape=(1, 4, 4)), bounds=[-1, 1])
    with pytest.raises(PlanError, match="131,073 outputs; a layer may have 131,072"):  # one that is not of images
        fhenn.plan(fhenn.Linear(np.ones((131073, 1))), bounds=[-1, 1], layout="latency")


def test_branches_meet_at_one_scale():
    """The one with more levels is brought to the scale of the other, exactly."""
    model = network("small residual")
    steps = circuit(model)
    assert steps[2] is FORK
    assert JOIN in steps
    assert SWAP not in steps
    assert SWAP in circuit(network("projected residual"))
    assert all(isinstance(step, Affine) for step in steps if step.name == "Conv2d")
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency")
    assert plan.signature[2:5:2] == ("Fork", "Join")
