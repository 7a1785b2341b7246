"""The forward pass of a PyTorch module, step by step."""

from __future__ import annotations

import builtins
import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody calls it)
from numpy.typing import ArrayLike, NDArray
from torch import fx
from torch.nn.modules.lazy import LazyModuleMixin

from fhenn.approx import SIGMOID
from fhenn.approx.functions import TANH
from fhenn.errors import ShapeMismatch, UnsupportedModel, UnsupportedValue
from fhenn.interop.assembly import Outcome
from fhenn.interop.chain import SAMPLES, Chain, Unsuitable
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.finite import require_finite
from fhenn.nn.finish import finished

Floats = NDArray[np.float64]

SUPPORTED = (
    "Linear, Sigmoid, Tanh, BatchNorm1d, Flatten, Dropout, Identity, the activations of fhenn.interop.torch, their "
    "functional forms, view, reshape and squeeze that keep samples apart, and Softmax or LogSoftmax at the end, "
    "one after another"
)

_CLOSE = 1e-9
"""How far the steps that were read may be from the module, relative to its largest output, both in float64."""

_ITSELF = "the module itself"


@dataclass(frozen=True, eq=False)
class _Shares:
    """The softmax of scores, or its logarithm."""

    scores: Chain
    logarithm: bool


def read(module: torch.nn.Module, example_input: Any, classes: ArrayLike | None = None) -> Outcome:
    """What a module computes in evaluation mode, and means; the module stays as it is.

    example_input: a tensor or an array (samples, ...) as the module takes it; its result on it is compared.
    Raises UnsupportedModel, and for the example ShapeMismatch, NonFiniteValue and UnsupportedValue.

    >>> module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    >>> read(module, torch.zeros(1, 3)).chain.steps[1]
    Function('tanh')
    """
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedValue(f"a {type(module).__name__}", "a torch.nn.Module (fhenn reads no pickled files)")
    example = _example(example_input)
    twin = _copy(module)
    try:
        start = Chain.start(tuple(example.shape[1:]))
    except Unsuitable as unsuitable:
        raise ShapeMismatch("example_input", tuple(example.shape), unsuitable.reason) from None
    result = _Reader(twin, _trace(twin)).read(start)
    _compare(twin, example, result)
    if isinstance(result, _Shares):
        labels = np.arange(result.scores.features) if classes is None else classes
        return Outcome(result.scores, labels, "softmax")
    return Outcome.of(result, classes)


def _example(example_input: Any) -> torch.Tensor:
    values = example_input if isinstance(example_input, torch.Tensor) else np.asarray(example_input)
    if (isinstance(values, np.ndarray) and values.dtype.kind not in "biuf") or (
        isinstance(values, torch.Tensor) and values.is_complex()
    ):
        raise UnsupportedValue(f"an example of dtype {values.dtype}", "real numbers, (samples, ...)")
    example = torch.as_tensor(values).detach().to("cpu", torch.float64)
    if example.ndim < 2 or len(example) == 0:
        raise ShapeMismatch("example_input", tuple(example.shape), "(samples, ...), at least one sample")
    require_finite("example_input", example, "Give real samples, or zeros.")
    return example


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """A copy in evaluation mode, in float64, on the CPU. Raises UnsupportedModel for what would escape the reading."""
    for name, each in module.named_modules():
        reason = _not_to_be_read(each)
        if reason:
            raise _refusal(type(each).__name__, name or _ITSELF, reason)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta or tensor.layout != torch.strided or tensor.is_quantized:
            raise _refusal("a tensor", name, "it is on the meta device, sparse or quantised")
    try:
        return copy.deepcopy(module).to("cpu", torch.float64).eval()
    except Exception as error:  # whatever a module's own copying raises
        raise _refusal(type(module).__name__, _ITSELF, f"it cannot be copied ({error})") from error


def _not_to_be_read(module: torch.nn.Module) -> str:
    """Why a module does more than its forward says; empty where it does not."""
    if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
        return "it is compiled: give the module that it was made of"
    if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
        return "its weights are not made yet: run the module once"
    if module._forward_hooks or module._forward_pre_hooks:
        return "it has hooks (weight_norm and its kind among them): remove them first"
    if "forward" in vars(module):
        return "its forward was replaced on the object"
    if isinstance(module, Activation) and type(module).forward is not Activation.forward:
        return "its forward is not that of fhenn.interop.torch.Activation"
    return ""


class _Tracer(fx.Tracer):
    """fhenn's activations are not looked into, as torch.nn's own modules are not."""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Activation) or super().is_leaf_module(m, module_qualified_name)


def _trace(module: torch.nn.Module) -> fx.Graph:
    """The graph of a Sequential of the module alone, which calls it with one argument, as `_compare` does."""
    try:
        return _Tracer().trace(torch.nn.Sequential(module))
    except Exception as error:  # forward runs, with whatever it raises on a placeholder
        reason = str(error).strip().partition("\n")[0]
        raise _refusal(type(module).__name__, "forward", f"torch.fx cannot follow it ({reason})") from error


class _Reader:
    """Goes through a graph node by node."""

    def __init__(self, module: torch.nn.Module, graph: fx.Graph) -> None:
        self._root, self._graph = torch.nn.Sequential(module), graph
        self._values: dict[fx.Node, Any] = {}

    def read(self, start: Chain) -> Chain | _Shares:
        """What comes out. Raises UnsupportedModel."""
        for node in self._graph.nodes:
            if node.op == "placeholder":
                self._values[node] = start
                continue
            layer, where = self._describe(node)
            try:
                value = self._value(node)
            except Unsuitable as unsuitable:
                raise _refusal(layer, where, unsuitable.reason) from None
            if isinstance(value, Chain | _Shares) and node.op == "output":
                return value
            self._values[node] = value
        raise _refusal("the module", "forward", "it returns nothing")

    def _describe(self, node: fx.Node) -> tuple[str, str]:
        if node.op == "call_module":
            kind = type(self._submodule(node))
            namesake = kind not in MODULES and any(kind.__name__ == each.__name__ for each in MODULES)
            name = f"{kind.__module__}.{kind.__name__}" if namesake else kind.__name__
            return name, str(node.target)[len("0.") :] or _ITSELF
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        return str(name), f"forward, {node.name}"

    def _submodule(self, node: fx.Node) -> torch.nn.Module:
        return self._root.get_submodule(str(node.target))

    def _value(self, node: fx.Node) -> Any:
        args = fx.node.map_arg(node.args, self._values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self._values.__getitem__)
        if node.op == "output":
            if not isinstance(args[0], Chain | _Shares):
                raise Unsuitable("the module returns something else than one tensor of what the samples come to")
            return args[0]
        if node.op == "get_attr":
            return operator.attrgetter(str(node.target))(self._root)
        module = None
        if node.op == "call_module":
            module = self._submodule(node)
            step = MODULES.get(Activation if isinstance(module, Activation) else type(module))
            bound = None if step is None else (module, *args)
        else:
            step = (FUNCTIONS if node.op == "call_function" else METHODS).get(node.target)
            bound = args
        if step is None or bound is None:
            sister = SISTERS.get(type(module)) if module is not None else None
            raise Unsuitable(
                f"put fhenn.interop.torch.{sister} in its place, and train on"
                if sister
                else "it is none of the layers that can be folded or approximated"
            )
        try:
            return step(*bound, **kwargs)
        except TypeError as error:  # arguments that the step does not know
            raise Unsuitable(f"it is called in a way that is not known ({error})") from error


def _chain(value: Any) -> Chain:
    if isinstance(value, Chain):
        return value
    if isinstance(value, _Shares):
        raise Unsuitable("it follows a softmax, which is the last step or none")
    raise Unsuitable("it is not applied to what the samples come to")


def _weights(value: Any) -> Floats | None:
    """A parameter or buffer as an array."""
    if value is None:
        return None
    if not isinstance(value, torch.Tensor) or value.is_complex():
        raise Unsuitable("its weights are no constant real tensor")
    return np.asarray(value.detach().cpu().to(torch.float64).numpy())


def _linear(x: Any, weight: Any, bias: Any = None) -> Chain:
    matrix = _weights(weight)
    if matrix is None:
        raise Unsuitable("it has no weights")
    return _chain(x).linear(matrix, _weights(bias))


def _batch_norm(module: Any, x: Any) -> Chain:
    mean, variance = _weights(module.running_mean), _weights(module.running_var)
    if mean is None or variance is None:
        raise Unsuitable("it keeps no running statistics, so that a sample's result depends on the others")
    scale, shift = _weights(module.weight), _weights(module.bias)
    return _chain(x).normalise(
        mean,
        variance,
        module.eps,
        np.ones_like(mean) if scale is None else scale,
        np.zeros_like(mean) if shift is None else shift,
    )


def _dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Chain:
    if training and p:
        raise Unsuitable("it drops in evaluation mode too: give it training=self.training")
    return _chain(x)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Chain:
    return _chain(x).flatten(start_dim, end_dim)


def _view(x: Any, *sizes: Any, shape: Any = None) -> Chain:
    target = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    target = target if shape is None else shape
    if not all(isinstance(size, int) for size in target):
        raise Unsuitable(f"{target} is no shape")
    return _chain(x).view(list(target))


def _squeeze(x: Any, dim: int | tuple[int, ...] | None = None) -> Chain:
    if dim is None:
        raise Unsuitable("without dim, it would take a single sample's axis away")
    return _chain(x).squeeze((dim,) if isinstance(dim, int) else dim)


def _shares(x: Any, dim: int | None, logarithm: bool) -> _Shares:
    chain = _chain(x)
    if len(chain.shape) != 1 or dim not in (1, -1) or chain.features < 2:
        raise Unsuitable(f"dim {dim} of samples of shape {chain.shape} is not that of two classes or more")
    return _Shares(chain, logarithm)


def _softmax(x: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> _Shares:
    if dtype not in (None, torch.float32, torch.float64):
        raise Unsuitable(f"it is in {dtype}")
    return _shares(x, dim, logarithm=False)


def _log_softmax(x: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> _Shares:
    if dtype not in (None, torch.float32, torch.float64):
        raise Unsuitable(f"it is in {dtype}")
    return _shares(x, dim, logarithm=True)


def _sigmoid(x: Any) -> Chain:
    return _chain(x).activate(SIGMOID)


def _tanh(x: Any) -> Chain:
    return _chain(x).activate(TANH)


def _size(x: Any, dim: int | None = None) -> Any:
    sizes = (SAMPLES, *_chain(x).shape)
    return sizes if dim is None else _item(sizes, dim)


def _item(sizes: Any, place: Any) -> Any:
    if not isinstance(sizes, tuple) or not isinstance(place, int | slice):
        raise Unsuitable("it takes a part of what the samples come to")
    try:
        return sizes[place]
    except IndexError:
        raise Unsuitable(f"there is no axis {place}") from None


def _attribute(x: Any, name: str) -> Any:
    if name != "shape":
        raise Unsuitable(f"it asks for {name}")
    return _size(x)


Step = Callable[..., Any]

MODULES: dict[type[torch.nn.Module], Step] = {
    torch.nn.Linear: lambda module, x: _linear(x, module.weight, module.bias),
    torch.nn.Sigmoid: lambda module, x: _sigmoid(x),
    torch.nn.Tanh: lambda module, x: _tanh(x),
    torch.nn.BatchNorm1d: _batch_norm,
    torch.nn.Flatten: lambda module, x: _flatten(x, module.start_dim, module.end_dim),
    torch.nn.Dropout: lambda module, x: _chain(x),
    torch.nn.Identity: lambda module, x: _chain(x),
    torch.nn.Softmax: lambda module, x: _softmax(x, module.dim),
    torch.nn.LogSoftmax: lambda module, x: _log_softmax(x, module.dim),
    Activation: lambda module, x: _chain(x).activate(module.node),
}
"""What a module in evaluation mode does, by its exact type."""

SISTERS: dict[type[torch.nn.Module], str] = {
    torch.nn.ReLU: "ReLU or SignReLU",
    torch.nn.SiLU: "SiLU",
    torch.nn.GELU: "GELU",
    torch.nn.Softplus: "Softplus",
}
"""What can be trained in the place of a layer that is not approximated behind anybody's back."""

FUNCTIONS: dict[Any, Step] = {
    F.linear: _linear,
    torch.sigmoid: _sigmoid,
    F.sigmoid: _sigmoid,
    torch.special.expit: _sigmoid,
    torch.tanh: _tanh,
    F.tanh: _tanh,
    torch.flatten: _flatten,
    torch.reshape: _view,
    torch.squeeze: _squeeze,
    F.dropout: _dropout,
    torch.softmax: _softmax,
    F.softmax: _softmax,
    torch.log_softmax: _log_softmax,
    F.log_softmax: _log_softmax,
    builtins.getattr: _attribute,
    operator.getitem: _item,
}

METHODS: dict[Any, Step] = {
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "flatten": _flatten,
    "view": _view,
    "reshape": _view,
    "squeeze": _squeeze,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "size": _size,
}


def _compare(module: torch.nn.Module, example: torch.Tensor, result: Chain | _Shares) -> None:
    """Raises UnsupportedModel where the module's own result is another: something escaped the reading.

    On the example, and on as many random samples and one more: an example of zeros says little.
    """
    drawn = np.random.default_rng(0).uniform(-1, 1, (len(example) + 1, *example.shape[1:]))
    for samples, given in ((example.clone(), True), (torch.tensor(drawn), False)):
        rows = samples.reshape(len(samples), -1).numpy().copy()
        with torch.no_grad():
            try:
                wanted = module(samples).reshape(len(samples), -1).numpy()
            except Exception as error:  # whatever forward raises
                reason = str(error).strip().partition("\n")[0]
                raise _refusal(type(module).__name__, "forward", f"it fails on an example ({reason})") from error
        got = (result.scores if isinstance(result, _Shares) else result).exact(rows)
        if isinstance(result, _Shares):
            got = finished("softmax", got)
            wanted = np.exp(wanted) if result.logarithm else wanted
        if not given and not np.isfinite(wanted).all():  # polynomials far outside their domain
            continue
        off = float(np.max(np.abs(got - wanted), initial=0.0)) if got.shape == wanted.shape else np.inf
        if not off <= _CLOSE * max(1.0, float(np.abs(wanted).max())):
            reason = f"its result on an example differs by {off:.2g} from what its layers come to"
            raise _refusal(type(module).__name__, "forward", reason)


def _refusal(layer: str, where: str, reason: str) -> UnsupportedModel:
    return UnsupportedModel(layer, where, reason, SUPPORTED)
