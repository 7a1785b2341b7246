"""The steps that a plan counts are those that a server makes."""

from collections import Counter, deque
from functools import cached_property
from itertools import product

import numpy as np
import pytest
from pass_through import HOISTING, HoistingContext, PassThrough, PassThroughContext
from support import mostly_thorough

import fhenn
from fhenn.backends import CIPHER
from fhenn.ckks import encrypt
from fhenn.ckks.operator import Sparse
from fhenn.ckks.rotations import CHAINED, HOISTED
from fhenn.nn import Affine, layers, trail
from fhenn.planner.scaling import served_nodes
from fhenn.safety import observe

rng = np.random.default_rng(3)


class Counting(PassThrough):
    """Counts what is made, by kind and level."""

    def __init__(self, context):
        super().__init__(context)
        self.counts = Counter()

    def plaintext(self, values, level, scale):
        self.counts["vector" if isinstance(values, np.ndarray) else "number", level] += 1
        return super().plaintext(values, level, scale)

    def plus(self, x, addend):
        self.counts["addition", x.level] += 1
        return super().plus(x, addend)

    def add(self, x, y):
        self.counts["addition", x.level] += 1
        return super().add(x, y)

    def times(self, x, factor):
        self.counts["plain product", x.level] += 1
        return super().times(x, factor)

    def multiply(self, x, y):
        self.counts["product", x.level] += 1
        return super().multiply(x, y)

    def relinearise(self, x):
        if x.parts == 3:
            self.counts["relinearisation", x.level] += 1
        return super().relinearise(x)

    def rescale(self, x):
        self.counts["rescale", x.level] += 1
        return super().rescale(x)

    def rotated(self, x, steps, rotations=CHAINED):
        shared = len(set(steps) - {0}) - 1 if rotations is HOISTED else 0
        if count := len(set(steps) - {0}):
            self.counts["rotation", x.level] += count - shared
        if shared > 0:
            self.counts["hoisted rotation", x.level] += shared
        return super().rotated(x, steps, rotations)


class CountingContext(PassThroughContext):
    @cached_property
    def arithmetic(self):
        return Counting(self)


class CountingHoistingContext(HoistingContext, CountingContext):
    pass


def made(model, plan):
    """What is made for one group of samples, its plaintexts included."""
    kind = CountingHoistingContext if plan.evaluator == HOISTING.name else CountingContext
    context = kind(plan.parameters, plan.rotation_keys)
    x = encrypt(context, np.full((plan.samples_per_ciphertext, plan.features), 0.1), layout=plan.layout)
    context.arithmetic.counts.clear()
    wanted = {witness.place: witness for witness in plan.witnesses}
    for place, node in enumerate(layers(model)):
        x = observe(node, x, wanted[place])[0] if place in wanted else node.infer(x)
    return context.arithmetic.counts


def made_of_images(model, plan):
    """The same of a network with branches."""
    kind = CountingHoistingContext if plan.evaluator == HOISTING.name else CountingContext
    context = kind(plan.parameters, plan.rotation_keys)
    x = encrypt(context, np.full((plan.samples_per_ciphertext, plan.features), 0.01), layout=plan.layout)
    context.arithmetic.counts.clear()
    wanted = {witness.place: witness for witness in plan.witnesses}

    def step(place, node, x):
        return observe(node, x, wanted[place])[0] if place in wanted else node.infer(x)

    deque(trail(served_nodes(plan, model), x, step, lambda _, first, second: CIPHER.add(first, second)), maxlen=0)
    return context.arithmetic.counts


def conv(outputs, inputs):
    return fhenn.Conv2d(rng.normal(size=(outputs, inputs, 3, 3)) / 10, rng.normal(size=outputs) / 10, padding=1)


@pytest.mark.thorough
@pytest.mark.parametrize("evaluator", mostly_thorough(["seal", HOISTING.name], (1,)))
def test_the_steps_of_layers_of_several_ciphertexts_are_counted(evaluator):
    branches = fhenn.Residual(fhenn.Sequential([conv(6, 6)]))
    model = fhenn.Sequential(
        [conv(6, 1), fhenn.Square(), branches, fhenn.Square(), fhenn.Flatten(), dense(2, 6144)], shape=(1, 32, 32)
    )
    x = rng.uniform(-1, 1, (4, 1, 32, 32))
    options = {"ranges": "data", "witness": 2, "layout": "latency", "samples": 1}
    plan = fhenn.plan(model, inputs=x, bounds=[-1, 1], accuracy=0.1, evaluator=evaluator, **options)
    assert max(target.tiles for target in plan.targets if target is not None) > 1
    assert [each.neurons for each in plan.witnesses] == [6144, 6144]
    counted = {(each.kind, each.level): each.count for each in plan.steps}
    assert counted == dict(made_of_images(model, plan))


def dense(outputs, inputs, bias=True):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / inputs, rng.normal(size=outputs) if bias else None)


def sparse(outputs, inputs, entries):
    rows, columns = rng.integers(outputs, size=entries), rng.integers(inputs, size=entries)
    return Affine(Sparse(rows, columns, rng.normal(size=entries) / inputs, (outputs, inputs)), np.zeros(outputs))


MODELS = {
    "one layer": [dense(3, 10)],
    "logistic": [dense(1, 30), fhenn.Sigmoid()],
    "squares": [dense(12, 20), fhenn.Square(), dense(4, 12, bias=False)],
    "degree 7": [dense(5, 9), fhenn.Tanh(degree=7), dense(2, 5)],
    "two hidden": [dense(8, 16), fhenn.Square(), dense(6, 8), fhenn.Square(), dense(3, 6)],
    "sparse": [sparse(6, 40, 7), fhenn.Square(), dense(2, 6)],
}


WISHES = [{}, {"upload": 4}, {"samples": 16}, {"layout": "throughput"}, {"witness": True}]


@pytest.mark.filterwarnings("ignore::fhenn.errors.UnwatchedWarning")
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "wish", "evaluator"),
    # a third of them, with every model, wish and evaluator
    mostly_thorough(product(MODELS, WISHES, ["seal", HOISTING.name]), range(0, 60, 3)),
    ids=str,
)
def test_a_server_makes_the_steps_that_are_counted(name, wish, evaluator):
    model = fhenn.Sequential(MODELS[name])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=0.1, evaluator=evaluator, **({"layout": "latency"} | wish))
    counted = {(each.kind, each.level): each.count for each in plan.steps}
    assert counted == dict(made(model, plan))
