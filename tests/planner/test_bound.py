"""The plan's bound on ciphertexts of both evaluators: keys of many generations, every slot, data that fills bounds."""

from itertools import cycle, pairwise

import numpy as np
import pytest
from support import at_length, mostly_thorough, on_each

import fhenn
from fhenn.backends import context_class
from fhenn.ckks.layout import WholeSamples
from fhenn.planner.scaling import scale

rng = np.random.default_rng(0)


def network(*sizes, finish=None, last=False):
    nodes = []
    for width, outputs in pairwise(sizes):
        weight = rng.uniform(-1, 1, (outputs, width))
        weight *= 3 / np.abs(weight).sum(axis=1, keepdims=True)
        nodes += [fhenn.Linear(weight, rng.uniform(-0.5, 0.5, outputs)), fhenn.Sigmoid(on_violation="ignore")]
    return fhenn.Sequential(nodes if last else nodes[:-1], finish=finish)


REGRESSION, LEFT = network(30, 1, last=True), network(30, 1, finish="sigmoid")
PERCEPTRON, WIDER, TALL = network(16, 8, 4), network(64, 32, 10), network(3, 20, 2, last=True)
WIDE, DEEP = network(300, 2), network(8, 8, 8, 2)


def convolution(outputs, size, **options):
    weight = rng.uniform(-1, 1, (outputs, 1, size, size))
    return fhenn.Conv2d(weight / np.abs(weight).sum(axis=(1, 2, 3), keepdims=True), **options)


SEVERAL_PLACES = fhenn.Sequential(
    [convolution(4, 7, stride=3), fhenn.Square(), fhenn.Flatten(), network(256, 10).nodes[0]], shape=(1, 28, 28)
)
LARGE = fhenn.Sequential(
    [convolution(20, 3, padding=1), fhenn.Square(), fhenn.Flatten(), network(8000, 3).nodes[0]], shape=(1, 20, 20)
)

CASES = {
    "images at several places": (SEVERAL_PLACES, {"layout": "latency", "samples": 1}),
    "large images": (LARGE, {"layout": "latency", "samples": 1}),
    "regression, wide prime": (REGRESSION, {"accuracy": 1e-3}),
    "regression, five primes": (REGRESSION, {"accuracy": 1e-6}),
    "regression, two ciphertexts": (REGRESSION, {"upload": 2}),
    "regression, sixteen samples": (REGRESSION, {"samples": 16}),
    "regression, throughput": (REGRESSION, {"layout": "throughput"}),
    "regression, throughput, small ring": (REGRESSION, {"layout": "throughput", "accuracy": 1e-2}),
    "left to the client": (LEFT, {}),
    "left to the client, large scale": (LEFT, {"accuracy": 1e-6}),
    "left to the client, throughput": (LEFT, {"layout": "throughput"}),
    "perceptron, wide prime": (PERCEPTRON, {"accuracy": 1e-2}),
    "perceptron": (PERCEPTRON, {}),
    "perceptron, throughput": (PERCEPTRON, {"layout": "throughput"}),
    "wider perceptron": (WIDER, {}),
    "wider perceptron, wide prime": (WIDER, {"accuracy": 1e-2}),
    "tall": (TALL, {"accuracy": 1e-2}),
    "tall, throughput": (TALL, {"layout": "throughput", "accuracy": 1e-2}),
    "wide": (WIDE, {}),
    "wide, large scale": (WIDE, {"accuracy": 1e-6}),
    "three layers": (DEEP, {"accuracy": 1e-2}),
    "three layers, throughput": (DEEP, {"accuracy": 1e-2, "layout": "throughput"}),
}
QUICK = ("regression, wide prime", "left to the client, throughput", "images at several places")


def largest_error(model, plan, keys):
    """Over `keys` key generations and every slot that holds an output."""
    count = plan.parameters.slots if plan.layout_name == "throughput" else 4 * plan.samples_per_ciphertext
    x = rng.choice([-1.0, 1.0], (count, plan.features))
    weight = model.nodes[0].operator.dense()[:count]
    x[: len(weight)] = np.where(weight < 0, -1.0, 1.0)  # the corners at which the first layer is largest
    expected = model.infer(x if model.shape is None else x.reshape(-1, *model.shape))
    largest = 0.0
    for _ in range(keys):
        client = context_class(plan.evaluator).generate(plan.parameters, plan.rotations)
        server = fhenn.Server(model, plan, client.to_bytes())
        answer = server.evaluate(fhenn.encrypt(client, scale(x, *plan.bounds), layout=plan.layout))
        held = np.ones((1, client.slots), bool)
        if isinstance(answer.layout, WholeSamples):
            positions = answer.layout.content(answer.shape[1], client.slots)
            held = np.repeat(positions >= 0, answer.layout.samples, axis=1)
        rows = answer.layout.pack(expected, client.slots)
        for ciphertext, row, there in zip(answer.ciphertexts, rows, cycle(held), strict=False):
            error = np.abs(np.array(client.decrypt_slots(ciphertext)) - row)
            largest = max(largest, float(error[there].max()))
    return largest


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUICK)
def test_bound_holds(name, evaluator):
    model, wish = CASES[name]
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator, **wish)
    assert largest_error(model, plan, keys=1) <= plan.error


@at_length("keys", 4, 20)
@pytest.mark.parametrize("name", CASES)
def test_bound_holds_and_is_close(name, keys, evaluator):
    model, wish = CASES[name]
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator, **wish)
    largest = largest_error(model, plan, keys=keys)
    print(f"{name}: N={plan.parameters.ring_degree} {plan.parameters.chain}, bound/largest {plan.error / largest:.1f}")
    assert largest <= plan.error <= 30 * largest


@on_each
@pytest.mark.parametrize(
    ("layout", "features", "neurons"),
    mostly_thorough([("throughput", 64, 16), ("throughput", 256, 64), ("latency", 256, 64)], (0,)),
)
def test_errors_that_all_neurons_share_are_counted(layout, features, neurons):
    """Neurons of the same weights: what one errs by all do, and the last layer adds it up for each of them."""
    weight = rng.choice([-1.0, 1.0], features)
    nodes = [fhenn.Linear(np.tile(weight, (neurons, 1)) / 8), fhenn.Square(), fhenn.Linear(np.ones((1, neurons)))]
    model = fhenn.Sequential(nodes)
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1, ranges="worst", layout=layout)
    x = weight * rng.uniform(0.9, 1, (64, features))
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    errors = client.decrypt_scores(server.predict(client.encrypt(x))) - model.infer(x)
    assert errors.std() < 1.5 * plan.deviation
    assert np.abs(errors).max() < plan.error


def test_a_wide_layer_is_rounded_once():
    """A thousand features to eight outputs, layers to come: one rescale's rounding, not that of 512 that add up."""
    n = 8192
    nodes = [fhenn.Linear(rng.uniform(-1, 1, (8, 1024)) / 100), fhenn.Square(), fhenn.Linear(np.eye(8))]
    model = fhenn.Sequential(nodes)
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="latency")
    rounding = (n / 2 * (1 + 2 * n / 3) / 12) ** 0.5 / plan.parameters.scale
    assert plan.parameters.ring_degree == n
    assert rounding < plan.stages[0].noise < 3 * rounding
