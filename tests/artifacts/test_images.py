"""Models of images as bytes: small, the same again to the last bit, and modest whoever wrote them."""

import numpy as np
import pytest
from test_model import rewritten

import fhenn
from fhenn import artifacts
from fhenn.errors import UnsupportedNode, UnsupportedValue, WireFormatError
from fhenn.nn import Affine, Convolution, Separable
from fhenn.planner import fingerprint_of

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (3, 2, 9, 8))


def network():
    """Every node of images."""
    return fhenn.Sequential(
        [
            fhenn.Pad((1, 0, -1, 2)).scaled(2.0),
            fhenn.Conv2d(rng.normal(size=(4, 1, 3, 2)), rng.normal(size=4), (2, 1), ((1, 0), (0, 2)), (1, 2), 2),
            fhenn.Square(),
            fhenn.Sequential(
                [fhenn.AvgPool2d((2, 3), 1, (0, 1), True, False).scaled(0.5), fhenn.Upsample((2, 1)).scaled(3.0)]
            ),
            fhenn.GlobalAvgPool2d().scaled(0.25),
            fhenn.Flatten(),
            fhenn.Linear(rng.normal(size=(2, 4))),
        ],
        shape=(2, 9, 8),
        finish="argmax",
    )


def of_sequences():
    return fhenn.Sequential(
        [
            fhenn.Conv1d(rng.normal(size=(3, 2, 3)), rng.normal(size=3), 2, (1, 2), 2),
            fhenn.AvgPool1d(2, 1, 1, count_include_pad=False),
            fhenn.Flatten(),
        ],
        shape=(2, 11),
    )


def of_operators():
    conv = fhenn.Conv2d(rng.normal(size=(2, 1, 2, 2)), padding=1, stride=(2, 1), shape=(1, 4, 5))
    pool = fhenn.AvgPool2d(2, shape=conv.output_shape)
    return fhenn.Sequential([Affine(conv.operator, conv.bias), Affine(pool.operator)])


@pytest.mark.parametrize("make", [network, of_sequences, of_operators])
def test_models_of_images_survive_to_the_last_bit(make):
    model = make()
    x = rng.normal(size=(3, int(np.prod(model.shape))))
    data = artifacts.model_to_bytes(model)
    again = artifacts.model_from_bytes(data)
    np.testing.assert_array_equal(again.infer(x), model.infer(x))
    assert (again.shape, again.output_shape, repr(again)) == (model.shape, model.output_shape, repr(model))
    assert (fingerprint_of(again), artifacts.model_to_bytes(again)) == (fingerprint_of(model), data)


def test_images_too():
    model = network()
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.infer(X[0]), model.infer(X[0]))


def test_an_affine_keeps_its_operator():
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(of_operators()))
    assert [type(node.operator) for node in again.nodes] == [Convolution, Separable]


def test_a_large_layer_makes_a_small_file():
    """Its weight is 74 kB, where a matrix would be 8 GB."""
    model = fhenn.Conv2d(rng.normal(size=(32, 32, 3, 3)), padding=1, shape=(32, 32, 32))
    data = artifacts.model_to_bytes(model)
    assert len(data) < 80_000
    assert artifacts.model_from_bytes(data).output_shape == (32, 32, 32)


def test_a_shape_that_no_node_knows_is_kept():
    model = fhenn.Sequential([fhenn.Square(), fhenn.Square()], shape=(2, 3, 4))
    assert artifacts.model_from_bytes(artifacts.model_to_bytes(model)).shape == (2, 3, 4)


def test_a_residual_is_kept():
    shortcut = fhenn.Conv2d(rng.normal(size=(3, 2, 1, 1)))
    body = fhenn.Sequential([fhenn.Conv2d(rng.normal(size=(3, 2, 3, 3)), padding=1), fhenn.Square()])
    model = fhenn.Sequential([fhenn.Residual(body, shortcut), fhenn.Residual(fhenn.Square())], shape=(2, 9, 8))
    data = artifacts.model_to_bytes(model)
    again = artifacts.model_from_bytes(data)
    np.testing.assert_array_equal(again.infer(X), model.infer(X))
    assert artifacts.model_to_bytes(again) == data


def test_what_cannot_be_kept_is_refused():
    class Mine(fhenn.Conv2d):
        pass

    with pytest.raises(UnsupportedValue, match="Mine in a file"):
        artifacts.model_to_bytes(Mine(np.ones((1, 1, 1, 1)), shape=(1, 2, 2)))
    with pytest.raises(UnsupportedNode, match="does not know the shape"):
        artifacts.model_to_bytes(fhenn.AvgPool2d(2))
    operator = fhenn.Conv2d(np.ones((1, 1, 1, 2)), shape=(1, 2, 2)).operator.T
    with pytest.raises(UnsupportedValue, match=r"TransposedConvolution operator.*sparse\(\)"):
        artifacts.model_to_bytes(Affine(operator))
    artifacts.model_to_bytes(Affine(operator.sparse()))
    with pytest.raises(UnsupportedValue, match="images of at most 1048576"):
        artifacts.model_to_bytes(fhenn.Upsample(32, shape=(2, 32, 32)))


HUGE = 1 << 20


def node(place, **fields):
    return lambda s, h: s["nodes"][place].update(fields)


def pool(**fields):
    return lambda s, h: s["nodes"][3]["nodes"][0].update(fields)


LIES = {
    "huge image": node(1, shape=[2, 1 << 40, 8]),
    "large image": node(1, shape=[2, HUGE, HUGE]),
    "no image": node(1, shape=[2, 8]),
    "no shape": lambda s, h: s["nodes"][1].pop("shape"),
    "a word": node(1, shape="abc"),
    "fractions": node(1, shape=[2, 9.0, 8]),
    "truth": node(1, shape=[2, True, 8]),
    "another image": node(1, shape=[2, 10, 10]),
    "huge padding": node(1, padding=[[HUGE, HUGE], [HUGE, HUGE]]),
    "large padding": node(1, padding=[[HUGE, 0], [0, 0]]),
    "negative padding": node(1, padding=[[-1, 0], [0, 2]]),
    "padding": node(1, padding=3),
    "stride": node(1, stride=[0, 1]),
    "dilation": node(1, dilation=[1 << 60, 1]),
    "groups": node(1, groups=3),
    "pad": node(0, padding=[HUGE, HUGE, HUGE, HUGE]),
    "crop": node(0, padding=[-9, -9, -9, -9]),
    "pad by words": node(0, padding=["1", 0, 0, 0]),
    "huge window": pool(kernel_size=[1 << 60, 1]),
    "padded window": pool(kernel_size=[HUGE, HUGE], padding=[HUGE // 2, HUGE // 2]),
    "many windows": pool(shape=[1, HUGE, 1], kernel_size=[HUGE // 2, 1], stride=[1, 1], padding=[HUGE // 4, 0]),
    "ceil_mode": pool(ceil_mode=1),
    "gain": pool(gain=1),
    "gain that is none": pool(gain=float("nan")),
    "upsample": lambda s, h: s["nodes"][3]["nodes"][1].update(factor=[HUGE, HUGE]),
    "shape of the model": lambda s, h: s.update(shape=[2, 9, 9]),
    "huge model": lambda s, h: s.update(shape=[HUGE, HUGE, HUGE]),
    "features of the model": lambda s, h: s.update(shape=[144]),
    "a field more": node(5, code="1"),
    "bias": lambda s, h: h["0.bias"].update(shape=[2, 2]),
    "kernel": lambda s, h: h["0.weight"].update(shape=[4, 6]),
}


OPERATORS_THAT_LIE = {
    "image": node(0, operator={"kind": "Convolution", "shape": [1, HUGE, HUGE]}),
    "channels": lambda s, h: s["nodes"][1]["operator"].update(channels=HUGE),
    "height": lambda s, h: s["nodes"][1]["operator"].update(vertical=[HUGE, HUGE], horizontal=[HUGE, HUGE]),
    "padding": lambda s, h: s["nodes"][0]["operator"].update(padding=[[HUGE, HUGE], [HUGE, HUGE]]),
    "narrow": lambda s, h: s["nodes"][1]["operator"].update(vertical=[1, 1]),
}


@pytest.mark.parametrize(
    ("model", "lie"),
    [
        *(pytest.param(network, lie, id=name) for name, lie in LIES.items()),
        *(pytest.param(of_operators, lie, id=f"operator, {name}") for name, lie in OPERATORS_THAT_LIE.items()),
    ],
)
def test_a_model_that_lies_is_refused_before_it_takes_memory(model, lie, peak):
    data = rewritten(artifacts.model_to_bytes(model()), lie)
    with peak() as used, pytest.raises(WireFormatError):
        artifacts.model_from_bytes(data)
    assert used() < 60e6


def test_many_small_nodes_ask_for_little_together():
    """A hundred bytes a node ask for 8 MB each."""
    model = fhenn.Sequential([fhenn.AvgPool2d(1)], shape=(1, 1024, 1024))
    data = artifacts.model_to_bytes(model)
    assert artifacts.model_from_bytes(data).shape == model.shape
    many = rewritten(data, lambda s, h: s.update(nodes=s["nodes"] * 1000))
    with pytest.raises(WireFormatError, match="ask for more than"):
        artifacts.model_from_bytes(many)
