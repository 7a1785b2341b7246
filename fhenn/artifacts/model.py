"""Models as messages: weights as safetensors, everything else as JSON. Reading one runs no code of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Composite, Polynomial, function_named
from fhenn.approx.families import OWN, is_known, lost_function
from fhenn.artifacts.images import IMAGE_NODES, image_node_from_data, image_node_to_data, sample_shape_of
from fhenn.artifacts.operators import Tensor, operator_from_data, operator_to_data
from fhenn.errors import ExtraMissing, FhennError, UnsupportedValue, WireFormatError
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.nn import (
    GELU,
    Activation,
    Affine,
    Branches,
    Flatten,
    ImageLayer,
    Linear,
    Multiply,
    Node,
    PolynomialActivation,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SignReLU,
    SiLU,
    Softplus,
    Square,
    Tanh,
)
from fhenn.nn.guard import Policy
from fhenn.planner import fingerprint_of
from fhenn.strict import MALFORMED, read_json
from fhenn.wire import frame, unframe

Floats = NDArray[np.float64]

_KIND = "model"
_DEEPEST = 32
"""How deep sequentials may nest in a file that is read."""

_MOST_COEFFICIENTS, _MOST_STAGES = 256, 16
"""Coefficients of a polynomial, stages of a sign: the time that it takes to construct a node grows with them."""

_MOST_ASKED = 1 << 24
"""Numbers that the nodes of images of a file, which need not hold them, may ask for together: 128 MB."""

_FITTED: Mapping[str, type[Sigmoid | Tanh | ReLU | SiLU | GELU | Softplus]] = {
    kind.__name__: kind for kind in (Sigmoid, Tanh, ReLU, SiLU, GELU, Softplus)
}

_BRANCHES: Mapping[str, type[Residual | Multiply]] = {kind.__name__: kind for kind in (Residual, Multiply)}
_SECOND: Mapping[str, str] = {"Residual": "shortcut", "Multiply": "other"}


def model_to_bytes(model: Node) -> bytes:
    """A model as a message: nodes, weights, polynomials, finish, reading and preparation, every float to its last bit.

    Optimisers, caches and `debug_secret` are left out. Functions are kept by their names: of one of your own the
    polynomial stays, and what it stood for is lost, so that nothing can tell how far off it is any more. The body is a
    safetensors file whose metadata hold the nodes.

    model: of nodes of `fhenn.nn`.

    Raises UnsupportedValue for nodes of your own, UnsupportedNode for nodes that do not know the shape of their images,
    ExtraMissing without safetensors.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0], [0.5, 1.0]]), fhenn.Sigmoid()], finish="argmax")
    >>> again = model_from_bytes(model_to_bytes(model))
    >>> [node.name for node in again.nodes], again.finish
    (['Linear', 'Sigmoid'], 'argmax')
    """
    root = model if isinstance(model, Sequential) else Sequential([model])
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_node_to_data(root, tensors))
    whole = {
        name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()
    }  # safetensors writes memory as it is
    meta = {"fingerprint": fingerprint_of(root), "finish": root.finish, "cost": root.cost}
    return frame(_KIND, meta, _safetensors().save(whole, metadata={"fhenn": structure}))


def model_from_bytes(data: bytes) -> Sequential:
    """The model in a message of `model_to_bytes`. No code of the message is run.

    data: the message.

    Returns an `ImportedModel` where one was written.
    Raises WireFormatError, ExtraMissing without safetensors.
    """
    meta, body = unframe(_KIND, data)
    module = _safetensors()
    try:
        (size,) = struct.unpack_from("<Q", body)
        structure = read_json(read_json(body[8 : 8 + size])["__metadata__"]["fhenn"])
        tensors = module.load(body)
        model = _Reader(tensors).node(structure, 0)
        fingerprint = fingerprint_of(model)
    except (*MALFORMED, FhennError, struct.error) as error:
        raise WireFormatError(_KIND, f"it is not readable ({error})") from error
    except module.SafetensorError as error:
        raise WireFormatError(_KIND, f"its weights are not readable ({error})") from error
    if not isinstance(model, Sequential):
        raise WireFormatError(_KIND, "it is not a sequence of nodes")
    if fingerprint != meta.get("fingerprint"):
        raise WireFormatError(_KIND, "its weights are not those that its header names")
    return model


def _safetensors() -> Any:
    """The functions of safetensors that are used. Raises ExtraMissing."""
    try:
        import safetensors
        import safetensors.numpy as module
    except ModuleNotFoundError as error:
        raise ExtraMissing("files", "safetensors") from error
    return _Safetensors(module.save, module.load, safetensors.SafetensorError)


@dataclass(frozen=True)
class _Safetensors:
    save: Any
    load: Any
    SafetensorError: type[Exception]


def _node_to_data(node: Node, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A node as plain data; its weights are added to `tensors`. Raises UnsupportedValue, UnsupportedNode."""
    if type(node) in (Sequential, ImportedModel, *_BRANCHES.values()):
        return _nodes_to_data(node, tensors)
    if type(node) in (Linear, Affine, *IMAGE_NODES.values()):
        return _map_to_data(node, tensors)
    if type(node) is SignReLU:
        sign = node.sign
        if len(sign.stages) > _MOST_STAGES:
            raise UnsupportedValue(f"a sign of {len(sign.stages)} stages in a file", f"at most {_MOST_STAGES}")
        return {
            "node": "SignReLU",
            "domain": node.domain,
            "policy": node.on_violation,
            "epsilon": sign.epsilon,
            "stages": [_polynomial_to_data(stage) for stage in sign.stages],
        }
    kind = type(node).__name__
    if isinstance(node, Activation) and type(node) in (*_FITTED.values(), PolynomialActivation, Square):
        return {"node": kind, "policy": node.on_violation, "polynomial": _polynomial_to_data(node.polynomial)}
    raise UnsupportedValue(f"a {kind} in a file", "nodes of fhenn.nn")


def _nodes_to_data(node: Node, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """A node that is made of others. Raises as `_node_to_data` does."""
    if isinstance(node, Branches):
        body, *second = (_node_to_data(each, tensors) for each in (node.body, node.second) if each is not None)
        return {"node": node.name, "body": body, _SECOND[node.name]: second[0] if second else None}
    assert isinstance(node, Sequential)  # noqa: S101  (for the type checker)
    # that of features is told by the nodes
    shape = {} if node.shape is None or len(node.shape) == 1 else {"shape": node.shape}
    nodes = [_node_to_data(each, tensors) for each in node.nodes]
    if isinstance(node, ImportedModel):
        made = {} if node.preparation is None else {"preparation": node.preparation.to_json()}
        return {"node": "ImportedModel", "reading": node.reading.to_json(), "nodes": nodes, **shape, **made}
    return {"node": "Sequential", "finish": node.finish, "nodes": nodes, **shape}


def _map_to_data(node: Node, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """An affine map, or what is none of images. Raises as `_node_to_data` does."""
    if isinstance(node, ImageLayer | Flatten):
        data, arrays = image_node_to_data(node)
    else:
        assert isinstance(node, Affine)  # noqa: S101  (for the type checker)
        operator, arrays = operator_to_data(node.operator)
        arrays = {**arrays, "bias": node.bias}
        data = {"node": node.name} if type(node) is Linear else {"node": node.name, "operator": operator}
    if not arrays:
        return data
    name = str(sum(each.endswith(".bias") for each in tensors))
    tensors |= {f"{name}.{part}": array for part, array in arrays.items()}
    return {**data, "tensors": name}


def _polynomial_to_data(polynomial: Polynomial) -> dict[str, Any]:
    """A polynomial as plain data. Raises UnsupportedValue where a file cannot hold it."""
    function = polynomial.function
    if len(polynomial.coefficients) > _MOST_COEFFICIENTS:
        raise UnsupportedValue(
            f"a polynomial of degree {polynomial.degree} in a file", f"a degree of at most {_MOST_COEFFICIENTS - 1}"
        )
    return {
        "coefficients": polynomial.coefficients,
        "domain": polynomial.domain,
        "basis": polynomial.basis,
        "function": None if function is None else function.name if is_known(function) else OWN,
    }


@dataclass
class _Reader:
    """Makes nodes from plain data. Every tensor must be used once."""

    tensors: dict[str, Tensor]
    _used: set[str] = field(default_factory=set)
    _asked: int = 0

    def node(self, data: Any, depth: int) -> Node:
        """The node in plain data. Raises ValueError, TypeError, KeyError or a FhennError where it is no node."""
        data = dict(data)
        kind = data.pop("node")
        if kind in ("Sequential", "ImportedModel", *_BRANCHES):
            if depth > _DEEPEST:
                raise ValueError(f"its nodes nest deeper than {_DEEPEST}")
            node: Node = self._nodes(kind, data, depth + 1)
        elif kind == "Linear":
            name = data.pop("tensors")
            node = Linear(self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))
        elif kind == "Affine":
            node = self._affine(data.pop("operator"), data.pop("tensors"))
        elif kind in IMAGE_NODES:
            node = self._image_node(kind, data)
        elif kind == "SignReLU":
            stages = data.pop("stages")
            if len(stages) > _MOST_STAGES:
                raise ValueError(f"a sign has {len(stages)} stages, more than {_MOST_STAGES}")
            sign = Composite(tuple(map(_polynomial, stages)), _number(data.pop("epsilon")))
            node = SignReLU.of(sign, _domain(data.pop("domain")), on_violation=_policy(data))
        else:
            node = _activation(kind, _polynomial(data.pop("polynomial")), _policy(data))
        if data:
            raise ValueError(f"unknown field {next(iter(data))[:40]!r}")
        if depth == 0 and self._used != set(self.tensors):
            raise ValueError("it holds weights that no node uses")
        return node

    def _nodes(self, kind: str, data: dict[str, Any], depth: int) -> Node:
        """A node that is made of others, which are that deep. Raises as `node` does."""
        if kind in _BRANCHES:
            body, second = (data.pop(name) for name in ("body", _SECOND[kind]))
            return _BRANCHES[kind](self.node(body, depth), None if second is None else self.node(second, depth))
        nodes = [self.node(each, depth) for each in data.pop("nodes")]
        shape = sample_shape_of(data.pop("shape", None))
        if kind == "ImportedModel":
            reading, text = Reading.from_json(data.pop("reading")), data.pop("preparation", None)
            made = None if text is None else Preparation.from_json(text)
            return ImportedModel(nodes, reading, shape=shape, preparation=made)
        return Sequential(nodes, finish=data.pop("finish"), shape=shape)

    def _image_node(self, kind: str, data: dict[str, Any]) -> Node:
        """A node of images. Raises as `node` does."""
        node, asked = image_node_from_data(kind, data, self._tensor)
        self._asked += asked
        if self._asked > _MOST_ASKED:
            raise ValueError(f"its nodes of images ask for more than {_MOST_ASKED} numbers")
        return node

    def _affine(self, data: Any, name: Any) -> Affine:
        """An affine layer from its operator's data and the name of its tensors. Raises as `node` does."""
        operator = operator_from_data(data, lambda part, dtype: self._tensor(f"{name}.{part}", dtype))
        bias = self._tensor(f"{name}.bias")
        if bias.shape != (operator.outputs,):  # else a single number would do for any count of outputs
            raise ValueError(f"a bias must have shape {(operator.outputs,)}, not {bias.shape}")
        return Affine(operator, bias)

    def _tensor(self, name: str, dtype: type[np.number[Any]] = np.float64) -> Tensor:
        """The tensor of a name. Raises ValueError, KeyError."""
        if name in self._used:
            raise ValueError("two nodes use the same weights")
        tensor = self.tensors[name]
        if tensor.dtype != dtype:
            raise ValueError(f"weights must be {np.dtype(dtype)}, not {tensor.dtype}")
        self._used.add(name)
        return tensor


def _activation(kind: Any, polynomial: Polynomial, policy: Policy) -> Activation:
    """An activation from its kind, polynomial and policy. Raises ValueError."""
    if kind in _FITTED:
        return _FITTED[kind](polynomial=polynomial, on_violation=policy)
    if kind == "PolynomialActivation":
        return PolynomialActivation(polynomial, on_violation=policy)
    if kind == "Square":
        node = Square(polynomial.domain, on_violation=policy)
        if node.polynomial != polynomial:
            raise ValueError("the polynomial of a Square must be the square")
        return node
    raise ValueError(f"unknown node {str(kind)[:40]!r}")


def _polynomial(data: Any) -> Polynomial:
    """A polynomial from plain data. Raises ValueError, TypeError, KeyError or a FhennError."""
    fields = dict(data)
    function = fields.pop("function")
    if len(fields["coefficients"]) > _MOST_COEFFICIENTS:
        raise ValueError(f"a polynomial has more than {_MOST_COEFFICIENTS} coefficients")
    fields["coefficients"] = tuple(map(_number, fields["coefficients"]))
    fields["domain"] = _domain(fields["domain"])
    polynomial = Polynomial(**fields)
    if function is None:
        return polynomial
    found = lost_function(polynomial) if function == OWN else function_named(function)
    return replace(polynomial, function=found)


def _domain(data: Any) -> tuple[float, float]:
    """An interval (low, high) from plain data. Raises ValueError."""
    low, high = map(_number, data)
    return low, high


def _number(value: Any) -> float:
    """`value`, where it is a float. Raises ValueError."""
    if type(value) is not float:
        raise ValueError(f"{value!r:.40} must be a number with a decimal point")
    return value


def _policy(data: dict[str, Any]) -> Policy:
    """Take the policy out of a node's fields. Raises ValueError."""
    policy = data.pop("policy")
    if policy not in get_args(Policy):
        raise ValueError(f"policy must be one of {', '.join(map(repr, get_args(Policy)))}, not {str(policy)[:40]!r}")
    return policy  # type: ignore[no-any-return]
