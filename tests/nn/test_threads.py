"""Nodes that threads share: each meets its own inputs and gradients, and whole steps. Barriers set the order."""

import copy
import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fhenn
from fhenn.errors import CacheEmpty
from fhenn.training import keys_for_training

NODES = {
    "Square": lambda: fhenn.Square(domain=(-9, 9)),
    "Sigmoid": lambda: fhenn.Sigmoid(on_violation="ignore"),
    "SignReLU": lambda: fhenn.SignReLU((-9, 9), on_violation="ignore"),
    "Linear": lambda: fhenn.Linear([[2.0, 0.0], [0.0, 1.0]]),
    "Sequential": lambda: fhenn.Sequential([fhenn.Linear([[2.0, 0.0], [0.0, 1.0]]), fhenn.Square(domain=(-9, 9))]),
}


def in_turns(count, act):
    """`act(number, wait)` in `count` threads; all of them pass each `wait()` together. What they return."""
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: act(number, lambda: barrier.wait(30)), range(count)))


@pytest.mark.parametrize("name", NODES)
def test_a_gradient_is_of_the_threads_own_input(name):
    node, inputs = NODES[name](), [np.array([1.0, 2.0]) * number for number in (1, -2, 3)]

    def work(number, wait):
        for turn in range(3):
            if turn == number:
                node.forward(inputs[number])
            wait()
        for turn in range(3):  # in the same order: the last input that any thread kept is another's
            if turn == number:
                result = node.backward(np.ones(2))
            wait()
        return result

    for result, x in zip(in_turns(3, work), inputs, strict=True):
        alone = NODES[name]()
        alone.forward(x)
        assert np.array_equal(result, alone.backward(np.ones(2)))


@pytest.mark.parametrize("update", ["update", "updates"])
def test_a_step_is_of_the_threads_own_gradients_and_none_is_lost(update):
    node = fhenn.Linear([[0.0, 0.0]], optimiser=fhenn.SGD(1.0))

    def work(number, wait):
        for _ in range(50):
            node.forward(np.eye(2)[number])
            wait()
            node.backward([1.0])
            wait()
            getattr(node, update)()

    in_turns(2, work)
    assert node.weight.tolist() == [[-50.0, -50.0]]
    assert node.bias.tolist() == [-100.0]


def test_steps_follow_one_another():
    """A step that starts while another one runs would start from the same weights, and one would be lost."""
    inside, most = [], []

    class Slow:
        def step(self, parameter, gradient, state):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.pop()
            return parameter - gradient, None

    node = fhenn.Linear([[0.0]], optimiser=Slow())

    def work(number, wait):
        node.forward([1.0])
        node.backward([1.0])
        wait()
        node.update()

    in_turns(4, work)
    assert max(most) == 1
    assert node.weight.tolist() == [[-4.0]]


def test_weight_and_bias_are_of_one_step():
    """Both grow by 1 in every step; a thread that computes within a step must not see one of each."""
    started, done = threading.Event(), threading.Event()

    class Watched:
        def __init__(self):
            self.calls = 0

        def step(self, parameter, gradient, state):
            self.calls += 1
            if self.calls == 2:  # the weight's step is made, the bias's is not
                started.set()
                assert done.wait(30)
            return parameter + 1.0, None

    node = fhenn.Linear([[0.0]], [0.0], optimiser=Watched())
    node.forward([1.0])
    node.backward([1.0])
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: (started.wait(30), node.infer([1.0]), done.set())[1])
        node.update()
        assert seen.result().tolist() == [0.0]
    assert node.infer([1.0]).tolist() == [2.0]


def test_what_another_thread_kept_is_not_there():
    node = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Square()])
    node.forward([1.0])
    with ThreadPoolExecutor(1) as pool:
        for act in (lambda: node.backward([1.0]), node.update, node.updates):
            with pytest.raises(CacheEmpty, match="in this thread"):
                pool.submit(act).result()
        assert pool.submit(lambda: node.nodes[0].kept_inputs).result() == ()
    assert float(node.backward([1.0])[0]) == 2.0  # and this one's still is


def test_turning_the_cache_off_forgets_what_every_thread_kept():
    node = fhenn.Square()

    def work(number, wait):
        node.forward(float(number))
        wait()
        if number == 0:
            node.disable_cache()
            node.enable_cache()
        wait()
        return node.kept_inputs

    assert in_turns(2, work) == [(), ()]


def test_a_thread_that_ends_takes_what_it_kept():
    node, seen = fhenn.Square(), []

    def work():
        node.forward(np.ones(3))
        seen.append(weakref.ref(node._kept.inputs))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()
    assert seen[0]() is None


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])  # noqa: S301
def test_a_copy_keeps_nothing_and_works(again):
    node = fhenn.Linear([[2.0]])
    node.forward([1.0])
    other = again(node)
    assert other.kept_inputs == ()
    other.forward([3.0])
    assert len(node.kept_inputs) == 1
    assert other.backward([1.0]).tolist() == [2.0]
    other.update()
    assert node.weight.tolist() == [[2.0]]


@pytest.mark.thorough
def test_encrypted_weights_too(evaluator):
    holder = keys_for_training(fhenn.Parameters.for_depth(3), evaluator)
    node = fhenn.EncryptedLinear(holder, [[0.5, 0.25]], learning_rate=1.0)
    node.enable_cache()
    inputs = [np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])]

    def work(number, wait):
        node.forward(fhenn.encrypt(holder, inputs[number], layout="features"))
        wait()
        if number == 0:  # one step: the weights' levels differ after it
            node.backward(fhenn.encrypt(holder, [[0.125]], layout="features"))
            node.update()
        wait()
        return len(node.kept_inputs)

    assert in_turns(2, work) == [0, 1]
    assert np.abs(node.reveal(holder) - [[0.375, 0.25]]).max() < 1e-3
