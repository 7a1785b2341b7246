"""Models as bytes: the same model again, to the last bit, and no code of a stranger's."""

import builtins
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_golden import every_node

import fhenn
from fhenn import artifacts
from fhenn.approx import MISH, Function, hardtanh, leaky_relu
from fhenn.errors import ExtraMissing, RangeWarning, UnsupportedValue, WireFormatError
from fhenn.interop import ImportedModel, Reading
from fhenn.nn import Affine, Dense, Scaling, Sparse
from fhenn.planner import fingerprint_of
from fhenn.wire import frame, unframe

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (5, 3))


@pytest.fixture(scope="module")
def model():
    return every_node()


def test_every_node_survives_to_the_last_bit(model):
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert fingerprint_of(again) == fingerprint_of(model)
    assert artifacts.model_to_bytes(again) == artifacts.model_to_bytes(model)
    for one, other in zip(model.nodes, again.nodes, strict=True):
        assert type(one) is type(other)
        if isinstance(one, fhenn.Activation):
            assert (one.polynomials, one.polynomial, one.on_violation) == (
                other.polynomials,
                other.polynomial,
                other.on_violation,
            )
            assert one.function is other.function
            assert one.sup_error() == other.sup_error() if one.function else True


def test_a_trained_model_and_one_node(model):
    one = fhenn.Linear(rng.normal(size=(2, 3)), optimiser=fhenn.SGD(0.5))
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(one))
    assert np.array_equal(again.predict(X), one.infer(X))
    node = fhenn.Sigmoid(debug_secret=object())
    text = artifacts.model_to_bytes(fhenn.Sequential([one, node]))
    assert b"debug" not in text


def sparse_model():
    return fhenn.Sequential(
        [
            Affine(Scaling(rng.normal(size=3)), rng.normal(size=3)),
            fhenn.Sigmoid(),
            Affine(Sparse([0, 3, 3], [2, 0, 1], rng.normal(size=3), (4, 3)), 0.5),
            fhenn.Sigmoid(),
            Affine(Dense(rng.normal(size=(2, 4)))),
            fhenn.Linear(rng.normal(size=(1, 2))),
        ]
    )


def test_operators_survive_to_the_last_bit():
    model = sparse_model()
    data = artifacts.model_to_bytes(model)
    again = artifacts.model_from_bytes(data)
    assert np.array_equal(again.predict(X), model.predict(X))
    assert (fingerprint_of(again), artifacts.model_to_bytes(again)) == (fingerprint_of(model), data)
    for one, other in zip(model.nodes, again.nodes, strict=True):
        assert type(one) is type(other)
        if isinstance(one, Affine):
            assert type(one.operator) is type(other.operator)
            assert one.operator.shape == other.operator.shape


OPERATORS_THAT_LIE = {
    "kind": (lambda s, h: s["nodes"][0]["operator"].update(kind="eval"), "unknown operator 'eval'"),
    "field": (lambda s, h: s["nodes"][0]["operator"].update(code="1"), "unknown field 'code'"),
    "none": (lambda s, h: s["nodes"][0].pop("operator"), "'operator'"),
    "of a Linear": (lambda s, h: s["nodes"][5].update(operator={"kind": "Dense"}), "unknown field 'operator'"),
    "another kind": (lambda s, h: s["nodes"][0]["operator"].update(kind="Dense"), "weight"),
    "huge": (lambda s, h: s["nodes"][2]["operator"].update(inputs=1 << 60), "a size must be a whole number from 1"),
    "no whole number": (
        lambda s, h: s["nodes"][2]["operator"].update(inputs=3.0),
        "a size must be a whole number from 1",
    ),
    "too narrow": (lambda s, h: s["nodes"][2]["operator"].update(inputs=2), "holds every place"),
    "bias": (lambda s, h: s["nodes"][2]["operator"].update(outputs=5), "a bias must have shape"),
    "places": (lambda s, h: h["1.rows"].update(dtype="F64"), "weights must be int64, not float64"),
}


def test_weights_may_lie_in_memory_in_any_order():
    """Column by column, as the transpose of a matrix does, or with others between."""
    weight = np.arange(12.0).reshape(3, 4)
    for each in (np.asfortranarray(weight), np.repeat(weight, 2, axis=1)[:, ::2]):
        model = fhenn.Sequential([fhenn.Linear(each)])
        again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
        np.testing.assert_array_equal(again.nodes[0].weight, weight)


@pytest.mark.parametrize("name", OPERATORS_THAT_LIE)
def test_an_operator_that_lies_is_refused(name):
    change, reason = OPERATORS_THAT_LIE[name]
    with pytest.raises(WireFormatError, match=reason):
        artifacts.model_from_bytes(rewritten(artifacts.model_to_bytes(sparse_model()), change))


def test_an_operator_of_ones_own_is_refused():
    class Mine(Scaling):
        pass

    with pytest.raises(UnsupportedValue, match="Mine operator in a file"):
        artifacts.model_to_bytes(Affine(Mine([1.0])))


def test_an_imported_model_keeps_its_reading():
    reading = Reading.classification([0, 1, 2], "softmax", ["a", "b", "c"])
    model = ImportedModel([fhenn.Linear(rng.normal(size=(3, 3)))], reading)
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    assert isinstance(again, ImportedModel)
    assert again.reading == reading
    assert again.predict(X).tolist() == model.predict(X).tolist()


def test_what_cannot_be_kept_is_refused():
    class Mine(fhenn.Sigmoid):
        pass

    for node in (
        Mine(),
        fhenn.PolynomialActivation(fhenn.Polynomial((0.0,) * 256 + (1e-9,), (-1, 1))),
    ):
        with pytest.raises(UnsupportedValue, match="in a file"):
            artifacts.model_to_bytes(fhenn.Sequential([node]))


@pytest.mark.parametrize("name", ["mine", "sigmoid"])
def test_of_a_function_of_ones_own_the_polynomial_is_kept(name):
    node = fhenn.PolynomialActivation(fhenn.Polynomial((0.0, 0.9), (-1, 1), function=Function(name, np.sin, np.cos)))
    data = artifacts.model_to_bytes(fhenn.Sequential([node], shape=(1,)))
    (again,) = artifacts.model_from_bytes(data).nodes
    assert again.polynomial.coefficients == (0.0, 0.9)
    assert again.function.name == "own function"
    assert not again.is_exact  # its domain is watched still
    with pytest.warns(RangeWarning):
        again.forward([1.5])
    assert again.exact([0.5, 3.0]).tolist() == [0.45, 0.9]
    assert artifacts.model_to_bytes(fhenn.Sequential([again], shape=(1,))) == data


@pytest.mark.parametrize("function", [leaky_relu(0.01), hardtanh(-2, 3), MISH], ids=str)
def test_functions_with_parameters_are_kept_by_name(function):
    node = fhenn.Activation.fit(function, (-3, 3), degree=6)
    (again,) = artifacts.model_from_bytes(artifacts.model_to_bytes(fhenn.Sequential([node]))).nodes
    assert again.function == function
    assert again.exact(-2.5) == function.value(-2.5)


def test_without_the_extra(model, monkeypatch):
    data = artifacts.model_to_bytes(model)
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    for use in (lambda: artifacts.model_to_bytes(model), lambda: artifacts.model_from_bytes(data)):
        with pytest.raises(ExtraMissing, match="the extra files brings it"):
            use()


def rewritten(data, change):
    """The message with its nodes changed in place, and digests that match."""
    meta, body = unframe("model", data)
    (size,) = struct.unpack_from("<Q", body)
    header = json.loads(body[8 : 8 + size])
    structure = json.loads(header["__metadata__"]["fhenn"])
    change(structure, header)
    header["__metadata__"]["fhenn"] = json.dumps(structure)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return frame("model", meta, struct.pack("<Q", len(text)) + text + body[8 + size :])


def test_the_rewriting_itself_is_harmless(model):
    data = artifacts.model_to_bytes(model)
    assert artifacts.model_to_bytes(artifacts.model_from_bytes(rewritten(data, lambda s, h: None))) == data


CHANGES = {
    "unknown node": lambda s, h: s["nodes"][1].update(node="os.system"),
    "node that is no name": lambda s, h: s["nodes"][1].update(node=["Sigmoid"]),
    "no nodes": lambda s, h: s.update(nodes=[]),
    "node missing": lambda s, h: s["nodes"].pop(1),
    "weights missing": lambda s, h: s["nodes"][0].update(tensors="7"),
    "weights used twice": lambda s, h: s["nodes"][-1].update(tensors="0"),
    "weights not used": lambda s, h: s["nodes"].pop(0),
    "finish unknown": lambda s, h: s.update(finish="eval"),
    "unknown field": lambda s, h: s["nodes"][1].update(code="1"),
    "policy unknown": lambda s, h: s["nodes"][1].update(policy="obey"),
    "polynomial missing": lambda s, h: s["nodes"][1].pop("polynomial"),
    "NaN": lambda s, h: s["nodes"][1]["polynomial"].update(coefficients=[float("nan")]),
    "no numbers": lambda s, h: s["nodes"][1]["polynomial"].update(coefficients=["1"]),
    "empty domain": lambda s, h: s["nodes"][1]["polynomial"].update(domain=[1.0, -1.0]),
    "odd domain": lambda s, h: s["nodes"][1]["polynomial"].update(domain=[1.0]),
    "basis unknown": lambda s, h: s["nodes"][1]["polynomial"].update(basis="fourier"),
    "function unknown": lambda s, h: s["nodes"][1]["polynomial"].update(function="sin"),
    "another square": lambda s, h: s["nodes"][5]["polynomial"].update(coefficients=[0.0, 1.0]),
    "sign not odd": lambda s, h: s["nodes"][7]["stages"][0].update(coefficients=[1.0, 1.0]),
    "epsilon": lambda s, h: s["nodes"][7].update(epsilon=2.0),
    "deep": lambda s, h: s.update(nodes=[nested(s["nodes"], 40)]),
    "root is no sequence": lambda s, h: (s.clear(), s.update(node="Sigmoid")),
    "other weights": lambda s, h: s["nodes"][1]["polynomial"].update(coefficients=[0.5, 0.25]),
    "shape": lambda s, h: h["0.weight"].update(shape=[6, 1]),
    "dtype": lambda s, h: h["0.weight"].update(dtype="I64"),
    "offsets": lambda s, h: h["0.weight"].update(data_offsets=[0, 1 << 60]),
    "a tensor more": lambda s, h: h.update(extra=h["0.weight"]),
    "many coefficients": lambda s, h: s["nodes"][6]["polynomial"].update(coefficients=[1e-9] * 100_000),
    "many stages": lambda s, h: s["nodes"][7].update(stages=s["nodes"][7]["stages"] * 1000),
    "a list": lambda s, h: s.update(nodes=5),
}


def nested(nodes, depth):
    for _ in range(depth):
        nodes = [{"node": "Sequential", "finish": None, "nodes": nodes}]
    return nodes[0]


REASONS = {
    "weights used twice": "two nodes use",
    "weights not used": "no node uses",
    "dtype": "must be float64, not int64",
    "deep": "deep",
    "many coefficients": "more than 256 coefficients",
    "many stages": "stages, more than 16",
    "other weights": "header names",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_model_that_lies_is_refused_though_its_digest_matches(model, name):
    with pytest.raises(WireFormatError, match=REASONS.get(name)):
        artifacts.model_from_bytes(rewritten(artifacts.model_to_bytes(model), CHANGES[name]))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_mutated_body_is_refused_or_another_valid_model(model, data):
    meta, body = unframe("model", artifacts.model_to_bytes(model))
    at = data.draw(st.integers(0, len(body) - 1))
    count = data.draw(st.sampled_from([0, 1, 8, len(body)]))
    mutated = body[:at] + data.draw(st.binary(max_size=16)) + body[at + count :]
    try:
        again = artifacts.model_from_bytes(frame("model", meta, mutated))
    except WireFormatError:
        return
    assert fingerprint_of(again) == meta["fingerprint"]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused(body):
    for data in (body, b"FHENN\x01" + body, frame("model", {}, body)):
        with pytest.raises(WireFormatError):
            artifacts.model_from_bytes(data)
