"""What a model is called in a plan, and what tells it from another."""

import numpy as np
import pytest

import fhenn
from fhenn.nn import Affine, Dense, Scaling, Sparse
from fhenn.planner import fingerprint_of, signature_of
from fhenn.planner.identity import AFFINE, node_signature


def test_names_and_shapes():
    model = fhenn.Sequential(
        [Affine(Scaling([1.0, 2.0])), fhenn.Sigmoid(), fhenn.Linear([[1.0, 1.0]])],
        finish="sigmoid",
    )
    assert signature_of(model) == ("Affine2x2", "Sigmoid3[-4,4]", "Linear2x1", "finish=sigmoid")


def test_a_linear_is_called_so_whatever_its_class_is():
    class Mine(fhenn.Linear):
        pass

    assert signature_of(Mine([[1.0]]))[0] == "Linear1x1"
    assert fingerprint_of(Mine([[1.0]])) == fingerprint_of(fhenn.Linear([[1.0]]))


def test_the_fingerprint_of_a_linear_is_what_it_always_was():
    """Of the signature, the weight and the bias, row by row: plans and files that are out there name it."""
    assert fingerprint_of(fhenn.Linear([[1.0, -2.0]], [0.5])) == "fb92c9c493dca45a"


def test_fingerprints_tell_operators_apart():
    square = np.array([[2.0, 0.0], [0.0, 3.0]])
    models = [
        fhenn.Linear(square),
        Affine(Dense(square)),
        Affine(Scaling([2.0, 3.0])),
        Affine(Sparse([0, 1], [0, 1], [2.0, 3.0], (2, 2))),
        Affine(Sparse([0, 1], [1, 0], [2.0, 3.0], (2, 2))),
        Affine(Scaling([2.0, 3.0]), 1.0),
    ]
    assert len({fingerprint_of(model) for model in models}) == len(models)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Linear3x1", ("3", "1")),
        ("AvgPool2d784x196", ("784", "196")),
        ("Sigmoid3[-4,4]", None),
        ("Linear9999999999x1", None),
        ("3x1", None),
        ("Linear3x", None),
        ("Linear٣x1", None),
    ],
)
def test_shapes_are_read_from_names(name, shape):
    found = AFFINE.fullmatch(name)
    assert (found and found.groups()) == shape


def test_layers_of_images_are_told_apart():
    kernel = np.arange(1.0, 9.0).reshape(2, 1, 2, 2)
    models = [
        fhenn.Conv2d(kernel, shape=(1, 5, 4)),
        fhenn.Conv2d(kernel, [1.0, 2.0], shape=(1, 5, 4)),
        fhenn.Conv2d(kernel, shape=(1, 4, 5)),
        fhenn.Conv2d(kernel, stride=(2, 1), shape=(1, 5, 4)),
        fhenn.Conv2d(kernel, dilation=(2, 1), shape=(1, 5, 4)),
        fhenn.Conv2d(kernel, padding=1, shape=(1, 5, 4)),
        fhenn.AvgPool2d(2, shape=(1, 5, 4)),
        fhenn.AvgPool2d(2, shape=(1, 5, 4)).scaled(0.5),
    ]
    assert len({fingerprint_of(model) for model in models}) == len(models)
    assert signature_of(models[0]) == ("Conv2d20x24", "finish=None")


def test_a_class_whose_name_ends_in_a_digit_is_read_right():
    class Block2(fhenn.nn.Affine):
        pass

    class Conv3x3(fhenn.Conv2d):
        pass

    for node in (Block2(fhenn.nn.Scaling([1.0, 2.0, 3.0])), Conv3x3(np.ones((1, 1, 1, 3)), shape=(1, 1, 3))):
        found = AFFINE.fullmatch(node_signature(node))
        assert found is not None
        assert found.groups() == (str(node.inputs), str(node.outputs))
