"""The forward pass of a PyTorch module, step by step."""

from __future__ import annotations

import builtins
import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody calls it)
from numpy.typing import ArrayLike, NDArray
from torch import fx
from torch.nn.modules.lazy import LazyModuleMixin

from fhenn import approx
from fhenn.approx import Function
from fhenn.errors import ShapeMismatch, UnsupportedModel, UnsupportedValue
from fhenn.interop.assembly import Outcome
from fhenn.interop.chain import SAMPLES, Chain, Unsuitable, parametrised, repeated
from fhenn.interop.gates import difference, product, quotient
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.finite import require_finite
from fhenn.nn.finish import finished
from fhenn.text import an

Floats = NDArray[np.float64]
Step = Callable[..., Any]

SUPPORTED = (
    "Linear, Conv1d, Conv2d, AvgPool1d, AvgPool2d, AdaptiveAvgPool, BatchNorm1d, BatchNorm2d, ZeroPad, Flatten, "
    "Dropout, Identity, ReLU, LeakyReLU, PReLU, RReLU, ReLU6, ELU, SELU, CELU, GELU, SiLU, Mish, Sigmoid, LogSigmoid, "
    "Hardsigmoid, Hardswish, Tanh, Hardtanh, Tanhshrink, Softplus, Softsign, exp, abs, erf, the activations of "
    "fhenn.interop.torch, their functional forms, arithmetic with constants, sums and products of two branches, whole "
    "powers, view, reshape and squeeze that keep samples apart, and Softmax or LogSoftmax at the end"
)

_LINEAR = 20.0
"""Where softplus may be taken for linear, as PyTorch does by default: it is off by 2e-9 then."""

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
        raise UnsupportedValue(an(type(module).__name__), "a torch.nn.Module (fhenn reads no pickled files)")
    example = as_samples(example_input, "example_input")
    twin = copied(module, "cpu", torch.float64).eval()
    try:
        start = Chain.start(tuple(example.shape[1:]))
    except Unsuitable as unsuitable:
        raise ShapeMismatch("example_input", tuple(example.shape), unsuitable.reason) from None
    result = _Reader(*trace(twin)).read(start)
    _compare(twin, example, result)
    if isinstance(result, _Shares):
        labels = np.arange(result.scores.features) if classes is None else classes
        return Outcome(result.scores, labels, "softmax")
    return Outcome.of(result, classes)


def as_samples(samples: Any, name: str) -> torch.Tensor:
    """Samples as a tensor in float64 on the CPU. Raises ShapeMismatch, NonFiniteValue, UnsupportedValue.

    samples: a tensor or an array (samples, ...).
    name: of the argument.
    """
    values = samples if isinstance(samples, torch.Tensor) else np.asarray(samples)
    if (isinstance(values, np.ndarray) and values.dtype.kind not in "biuf") or (
        isinstance(values, torch.Tensor) and values.is_complex()
    ):
        raise UnsupportedValue(f"{name} of dtype {values.dtype}", "real numbers, (samples, ...)")
    found = torch.as_tensor(values).detach().to("cpu", torch.float64)
    if found.ndim < 2 or len(found) == 0:
        raise ShapeMismatch(name, tuple(found.shape), "(samples, ...), at least one sample")
    require_finite(name, found, "Give real samples, or zeros.")
    return found


def copied(
    module: torch.nn.Module, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> torch.nn.Module:
    """A copy of a module. Raises UnsupportedModel for what would escape the reading.

    device, dtype: of the copy; those of the module where None.
    """
    for name, each in module.named_modules():
        reason = _not_to_be_read(each)
        if reason:
            raise refusal(type(each).__name__, name or _ITSELF, reason)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta or tensor.layout != torch.strided or tensor.is_quantized:
            raise refusal("a tensor", name, "it is on the meta device, sparse or quantised")
    try:
        return copy.deepcopy(module).to(device, dtype)
    except Exception as error:  # whatever a module's own copying raises
        raise refusal(type(module).__name__, _ITSELF, f"it cannot be copied ({error})") from error


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


def trace(module: torch.nn.Module) -> tuple[torch.nn.Module, fx.Graph]:
    """A Sequential of the module alone, which calls it with one argument, as `_compare` does, and its graph."""
    root = torch.nn.Sequential(module)
    try:
        return root, _Tracer().trace(root)
    except Exception as error:  # forward runs, with whatever it raises on a placeholder
        reason = str(error).strip().partition("\n")[0]
        raise refusal(type(module).__name__, "forward", f"torch.fx cannot follow it ({reason})") from error


def step_of(node: fx.Node, module: torch.nn.Module | None = None) -> Step | None:
    """What a node of a graph does to what the samples come to, None where that is not known.

    module: that it calls, if it calls one; the step takes it first.
    """
    if module is not None:
        return MODULES.get(Activation if isinstance(module, Activation) else type(module))
    return (FUNCTIONS if node.op == "call_function" else METHODS).get(node.target)


def writes_over(node: fx.Node, module: torch.nn.Module | None = None) -> bool:
    """Whether a node of a graph writes its result over what it is given first, as `relu_` and `inplace=True` do.

    module: that it calls, if it calls one.
    """
    if module is not None:
        return bool(getattr(module, "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    named = name.endswith("_") and not name.endswith("__")
    return named or node.target in _ASSIGNING or bool(node.kwargs.get("inplace"))


class _Reader:
    """Goes through a graph node by node."""

    def __init__(self, root: torch.nn.Module, graph: fx.Graph) -> None:
        self._root, self._graph = root, graph
        self._values: dict[fx.Node, Any] = {}
        self._one_tensor: dict[fx.Node, list[fx.Node]] = {}

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
                raise refusal(layer, where, unsuitable.reason) from None
            if isinstance(value, Chain | _Shares) and node.op == "output":
                return value
            self._set(node, value)
        raise refusal("the module", "forward", "it returns nothing")

    def _set(self, node: fx.Node, value: Any) -> None:
        """Note what a node comes to, and with it what was written over."""
        source = node.args[0] if node.args else None
        over = isinstance(source, fx.Node) and writes_over(node, self._called(node))
        alike = self._one_tensor.setdefault(source, [source]) if over and isinstance(source, fx.Node) else []
        alike.append(node)
        self._one_tensor[node] = alike
        used = sum(len(each.users) for each in alike) > 1
        for each in alike:
            self._values[each] = value.seal() if isinstance(value, Chain) and used else value

    def _called(self, node: fx.Node) -> torch.nn.Module | None:
        return self._submodule(node) if node.op == "call_module" else None

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
        module = self._called(node)
        if module is not None:
            step = step_of(node, module)
            bound = None if step is None else (module, *args)
        else:
            if _is_constant((args, kwargs)):
                return _computed(node, args, kwargs)
            step = step_of(node)
            bound = args
        if step is None or bound is None:
            instead = INSTEAD.get(node.target if module is None else type(module))
            raise Unsuitable(
                f"put {instead} in its place, and train on"
                if instead
                else "it is none of the layers that can be folded or approximated"
            )
        try:
            return step(*bound, **kwargs)
        except TypeError as error:  # arguments that the step does not know
            raise Unsuitable(f"it is called in a way that is not known ({error})") from error


def _is_constant(arguments: Any) -> bool:
    """Whether nothing in some arguments depends on the samples, and a tensor or two known sizes are among them."""
    values: list[Any] = []
    fx.node.map_aggregate(arguments, values.append)
    known = not any(isinstance(value, Chain | _Shares) or (type(value) is int and value >= SAMPLES) for value in values)
    return known and any(isinstance(value, torch.Tensor | int | float) for value in values)


def _computed(node: fx.Node, args: Any, kwargs: Any) -> Any:
    """What a step makes of constants."""
    if node.op == "call_method" and str(node.target).endswith("_"):
        raise Unsuitable("it changes a constant")
    try:
        with torch.no_grad():
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            return node.target(*args, **kwargs)
    except Exception as error:  # whatever it raises
        reason = str(error).strip().partition("\n")[0]
        raise Unsuitable(f"it fails on constants ({reason})") from None


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


def _constant(value: Any) -> Any:
    """A number, or a parameter or buffer as an array."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _weights(value)


def _add(x: Any, y: Any, *, alpha: float = 1) -> Chain:
    if isinstance(x, Chain | _Shares) and isinstance(y, Chain | _Shares):
        first, second = repeated(_chain(x), _chain(y))
        found = difference(first, second) if alpha == -1 else None
        return found or first.plus(second if alpha == 1 else second.scale(alpha))
    if isinstance(x, Chain | _Shares):
        return _chain(x).scale(1.0, alpha * _constant(y))
    return _chain(y).scale(alpha, _constant(x))


def _subtract(x: Any, y: Any, *, alpha: float = 1) -> Chain:
    return _add(x, y, alpha=-alpha)


def _multiply(x: Any, y: Any) -> Chain:
    if isinstance(x, Chain | _Shares) and isinstance(y, Chain | _Shares):
        first, second = repeated(_chain(x), _chain(y))
        return product(first, second) or first.times(second)
    return _chain(x).scale(_constant(y)) if isinstance(x, Chain | _Shares) else _chain(y).scale(_constant(x))


def _divide(x: Any, y: Any, *, rounding_mode: str | None = None) -> Chain:
    if rounding_mode is not None:
        raise Unsuitable("it rounds")
    if isinstance(y, Chain | _Shares):
        found = quotient(_chain(x), _chain(y)) if isinstance(x, Chain | _Shares) else None
        if found is None:
            raise Unsuitable("it divides by what the samples come to")
        return found
    with np.errstate(divide="ignore", over="ignore"):
        return _chain(x).scale(1.0 / np.asarray(_constant(y)))


def _power(x: Any, exponent: Any) -> Chain:
    if not isinstance(exponent, int | float):
        raise Unsuitable("its exponent is no number")
    return _chain(x).power(exponent)


def _matmul(x: Any, y: Any) -> Chain:
    weight = None if isinstance(y, Chain | _Shares) else _weights(y)
    if weight is None or weight.ndim > 2:
        raise Unsuitable("it is no product with a constant matrix on the right")
    chain = _chain(x)
    return chain.linear(weight[None, :]).reshape(chain.shape[:-1]) if weight.ndim == 1 else chain.linear(weight.T)


def _each(value: Any, axes: int) -> tuple[int, ...]:
    """A whole number for each axis, or one for all."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    values = values * axes if len(values) == 1 else values
    if len(values) != axes or not all(type(each) is int for each in values):
        raise Unsuitable(f"{value} is no whole number for each of {axes} axes")
    return values


def _convolution(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Chain:
    kernel = _weights(weight)
    if kernel is None or kernel.ndim not in (3, 4):
        raise Unsuitable("its weights are no kernel of images or of sequences")
    taps = kernel.shape[2:]
    strides, gaps = _each(stride, len(taps)), _each(dilation, len(taps))
    if padding == "same":
        spare = [gap * (count - 1) for gap, count in zip(gaps, taps, strict=True)]
        around = tuple((zeros // 2, zeros - zeros // 2) for zeros in spare)  # what is odd goes to the end
    else:
        around = tuple((zeros, zeros) for zeros in _each(0 if padding == "valid" else padding, len(taps)))
    return _chain(x).convolve(kernel, _weights(bias), strides, around, gaps, groups)


def _convolution_of(module: Any, x: Any) -> Chain:
    if module.padding_mode != "zeros":
        raise Unsuitable(f"its padding_mode is {module.padding_mode!r}, and only zeros are known")
    options = (module.stride, module.padding, module.dilation, module.groups)
    return _convolution(x, module.weight, module.bias, *options)


def _average(axes: int) -> Step:
    """Average pooling of images with so many axes behind the channels."""

    def average(
        x: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Chain:
        sizes = _each(kernel_size, axes)
        steps = sizes if stride is None or stride in ([], ()) else _each(stride, axes)
        around = tuple((zeros, zeros) for zeros in _each(padding, axes))
        if divisor_override is None:
            return _chain(x).average(sizes, steps, around, ceil_mode, count_include_pad)
        if ceil_mode:
            raise Unsuitable("it has a divisor_override and rounds sizes up")
        return _chain(x).average(sizes, steps, around).scale(prod(sizes) / divisor_override)

    return average


def _average_of(axes: int) -> Step:
    """The same, of a module."""
    step = _average(axes)

    def average(module: Any, x: Any) -> Chain:
        options = (module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)
        return _chain(step(x, *options, getattr(module, "divisor_override", None)))

    return average


def _average_to(axes: int) -> Step:
    """Average pooling to a size."""

    def average(x: Any, output_size: Any) -> Chain:
        sizes = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * axes
        if len(sizes) != axes:
            raise Unsuitable(f"{output_size} is no size of {axes} axes")
        return _chain(x).average_to(sizes)

    return average


def _mean(x: Any, dim: Any = None, keepdim: bool = False) -> Chain:
    chain = _chain(x)
    rank = len(chain.shape) + 1
    axes = dim if isinstance(dim, tuple | list) else (dim,)
    places = {axis + rank if type(axis) is int and axis < 0 else axis for axis in axes}
    if rank not in (3, 4) or places != set(range(2, rank)):
        raise Unsuitable(f"of samples of shape {chain.shape}, it is not the mean over all axes behind the channels")
    means = chain.average_all()
    return means if keepdim else means.reshape(chain.shape[:1])


def _pad(x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Chain:
    chain = _chain(x)
    if mode != "constant" or value not in (None, 0):
        raise Unsuitable(f"it pads with {value if mode == 'constant' else mode}, and only zeros are known")
    axes = len(chain.shape) - 1
    if len(pad) % 2 or len(pad) > 2 * axes or not all(type(each) is int for each in pad):
        raise Unsuitable(f"{pad} does not pad the axes behind the channels of samples of shape {chain.shape}")
    ends = [(pad[place], pad[place + 1]) for place in range(0, len(pad), 2)]  # the last axis first
    return chain.pad(((0, 0),) * (axes - len(ends)) + tuple(reversed(ends)))


def _batch_normalise(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Chain:
    mean, variance, scale, shift = map(_weights, (running_mean, running_var, weight, bias))
    if training or mean is None or variance is None:
        raise Unsuitable("it uses no running statistics, so that a sample's result depends on the others")
    scale, shift = np.ones_like(mean) if scale is None else scale, np.zeros_like(mean) if shift is None else shift
    return _chain(x).normalise(mean, variance, eps, scale, shift)


def _linear(x: Any, weight: Any, bias: Any = None) -> Chain:
    matrix = _weights(weight)
    if matrix is None:
        raise Unsuitable("it has no weights")
    return _chain(x).linear(matrix, _weights(bias))


def _batch_norm(module: Any, x: Any) -> Chain:
    if module.running_mean is None or module.running_var is None:
        raise Unsuitable("it keeps no running statistics, so that a sample's result depends on the others")
    parts = (module.running_mean, module.running_var, module.weight, module.bias)
    return _batch_normalise(x, *parts, eps=module.eps)


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


def _unsqueeze(x: Any, dim: int) -> Chain:
    chain = _chain(x)
    place = dim + len(chain.shape) + 2 if dim < 0 else dim
    if not 0 < place <= len(chain.shape) + 1:
        raise Unsuitable(f"axis {dim} does not keep samples of shape {chain.shape} apart, or their axis first")
    return chain.reshape((*chain.shape[: place - 1], 1, *chain.shape[place - 1 :]))


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


def _elementwise(function: Function) -> Step:
    """A function without parameters, of a tensor; of what may write over it as well."""

    def step(x: Any, inplace: bool = False) -> Chain:
        return _chain(x).activate(function)

    return step


def _leaky_relu(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Chain:
    return _chain(x).activate(parametrised(approx.leaky_relu, negative_slope))


def _rrelu(x: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Chain:
    if training:
        raise Unsuitable("it draws slopes in evaluation mode too: give it training=self.training")
    return _leaky_relu(x, (lower + upper) / 2)


def _prelu(x: Any, weight: Any) -> Chain:
    slopes = _weights(weight)
    if slopes is None:
        raise Unsuitable("it has no slopes")
    return _chain(x).leaky(slopes)


def _elu(x: Any, alpha: float = 1.0, inplace: bool = False) -> Chain:
    return _chain(x).activate(parametrised(approx.elu, alpha))


def _celu(x: Any, alpha: float = 1.0, inplace: bool = False) -> Chain:
    return _chain(x).activate(parametrised(approx.celu, alpha))


def _gelu(x: Any, approximate: str = "none") -> Chain:
    return _chain(x).activate(approx.GELU_TANH if approximate == "tanh" else approx.GELU)


def _softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Chain:
    if threshold < _LINEAR:
        raise Unsuitable(f"it is linear from {threshold:g} on, where softplus still bends: take {_LINEAR:g} or more")
    return _chain(x).activate(parametrised(approx.softplus, beta))


def _hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Chain:
    return _chain(x).activate(parametrised(approx.hardtanh, min_val, max_val))


def _clamp(x: Any, min: Any = None, max: Any = None) -> Chain:  # noqa: A002  (torch's names)
    if not all(bound is None or isinstance(bound, int | float) for bound in (min, max)):
        raise Unsuitable("its bounds are no numbers")
    return _chain(x).clip(min, max)


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


MODULES: dict[type[torch.nn.Module], Step] = {
    torch.nn.Linear: lambda module, x: _linear(x, module.weight, module.bias),
    torch.nn.ReLU: lambda module, x: _chain(x).activate(approx.RELU),
    torch.nn.LeakyReLU: lambda module, x: _leaky_relu(x, module.negative_slope),
    torch.nn.PReLU: lambda module, x: _prelu(x, module.weight),
    torch.nn.RReLU: lambda module, x: _rrelu(x, module.lower, module.upper),
    torch.nn.ReLU6: lambda module, x: _chain(x).activate(approx.RELU6),
    torch.nn.ELU: lambda module, x: _elu(x, module.alpha),
    torch.nn.SELU: lambda module, x: _chain(x).activate(approx.SELU),
    torch.nn.CELU: lambda module, x: _celu(x, module.alpha),
    torch.nn.GELU: lambda module, x: _gelu(x, module.approximate),
    torch.nn.SiLU: lambda module, x: _chain(x).activate(approx.SILU),
    torch.nn.Mish: lambda module, x: _chain(x).activate(approx.MISH),
    torch.nn.Sigmoid: lambda module, x: _chain(x).activate(approx.SIGMOID),
    torch.nn.LogSigmoid: lambda module, x: _chain(x).activate(approx.LOG_SIGMOID),
    torch.nn.Hardsigmoid: lambda module, x: _chain(x).activate(approx.HARD_SIGMOID),
    torch.nn.Hardswish: lambda module, x: _chain(x).activate(approx.HARD_SWISH),
    torch.nn.Tanh: lambda module, x: _chain(x).activate(approx.TANH),
    torch.nn.Hardtanh: lambda module, x: _hardtanh(x, module.min_val, module.max_val),
    torch.nn.Tanhshrink: lambda module, x: _chain(x).activate(approx.TANHSHRINK),
    torch.nn.Softplus: lambda module, x: _softplus(x, module.beta, module.threshold),
    torch.nn.Softsign: lambda module, x: _chain(x).activate(approx.SOFTSIGN),
    torch.nn.Conv1d: _convolution_of,
    torch.nn.Conv2d: _convolution_of,
    torch.nn.AvgPool1d: _average_of(1),
    torch.nn.AvgPool2d: _average_of(2),
    torch.nn.AdaptiveAvgPool1d: lambda module, x: _average_to(1)(x, module.output_size),
    torch.nn.AdaptiveAvgPool2d: lambda module, x: _average_to(2)(x, module.output_size),
    torch.nn.ZeroPad1d: lambda module, x: _pad(x, module.padding),
    torch.nn.ZeroPad2d: lambda module, x: _pad(x, module.padding),
    torch.nn.ConstantPad1d: lambda module, x: _pad(x, module.padding, value=module.value),
    torch.nn.ConstantPad2d: lambda module, x: _pad(x, module.padding, value=module.value),
    torch.nn.BatchNorm1d: _batch_norm,
    torch.nn.BatchNorm2d: _batch_norm,
    torch.nn.Flatten: lambda module, x: _flatten(x, module.start_dim, module.end_dim),
    torch.nn.Dropout: lambda module, x: _chain(x),
    torch.nn.Dropout1d: lambda module, x: _chain(x),
    torch.nn.Dropout2d: lambda module, x: _chain(x),
    torch.nn.Identity: lambda module, x: _chain(x),
    torch.nn.Softmax: lambda module, x: _softmax(x, module.dim),
    torch.nn.LogSoftmax: lambda module, x: _log_softmax(x, module.dim),
    Activation: lambda module, x: _chain(x).activate(module.node),
}
"""What a module in evaluation mode does, by its exact type."""

_ASSIGNING = frozenset({operator.iadd, operator.isub, operator.imul, operator.itruediv})
"""What `x += y` and its kind call."""

_AVERAGES = "average pooling, torch.nn.AvgPool{}d,"
INSTEAD: dict[Any, str] = {
    **dict.fromkeys((torch.nn.MaxPool1d, F.max_pool1d, torch.max_pool1d), _AVERAGES.format(1)),
    **dict.fromkeys((torch.nn.MaxPool2d, F.max_pool2d, torch.max_pool2d), _AVERAGES.format(2)),
    **dict.fromkeys(
        (
            *(torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.RMSNorm),
            *(torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.LocalResponseNorm),
            *(F.layer_norm, F.group_norm, F.rms_norm, F.instance_norm, F.local_response_norm, torch.layer_norm),
        ),
        "torch.nn.BatchNorm1d or BatchNorm2d",
    ),
    **dict.fromkeys((torch.nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d), "torch.nn.AdaptiveAvgPool2d"),
}
"""What can be trained in the place of a layer for which no polynomial stands in, for a few epochs."""

_ELEMENTWISE: dict[Function, tuple[Any, ...]] = {
    approx.RELU: (F.relu, F.relu_, torch.relu, torch.relu_),
    approx.RELU6: (F.relu6,),
    approx.SELU: (F.selu, F.selu_, torch.selu, torch.selu_),
    approx.SILU: (F.silu,),
    approx.MISH: (F.mish,),
    approx.SIGMOID: (torch.sigmoid, F.sigmoid, torch.special.expit),
    approx.LOG_SIGMOID: (F.logsigmoid,),
    approx.HARD_SIGMOID: (F.hardsigmoid,),
    approx.HARD_SWISH: (F.hardswish,),
    approx.TANH: (torch.tanh, F.tanh),
    approx.TANHSHRINK: (F.tanhshrink,),
    approx.SOFTSIGN: (F.softsign,),
    approx.EXP: (torch.exp,),
    approx.ABS: (torch.abs, torch.absolute, operator.abs, builtins.abs),
    approx.ERF: (torch.erf, torch.special.erf),
}
"""What computes a function without parameters."""

FUNCTIONS: dict[Any, Step] = {
    F.linear: _linear,
    F.conv1d: _convolution,
    F.conv2d: _convolution,
    F.avg_pool1d: _average(1),
    F.avg_pool2d: _average(2),
    F.adaptive_avg_pool1d: _average_to(1),
    F.adaptive_avg_pool2d: _average_to(2),
    F.pad: _pad,
    F.batch_norm: _batch_normalise,
    **dict.fromkeys((operator.add, operator.iadd, torch.add), _add),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub), _subtract),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul), _multiply),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div), _divide),
    **dict.fromkeys((operator.pow, torch.pow), _power),
    **dict.fromkeys((operator.neg, torch.neg), lambda x: _chain(x).scale(-1.0)),
    **dict.fromkeys((operator.matmul, torch.matmul), _matmul),
    torch.square: lambda x: _power(x, 2),
    torch.mean: _mean,
    torch.unsqueeze: _unsqueeze,
    **{each: _elementwise(function) for function, several in _ELEMENTWISE.items() for each in several},
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), _leaky_relu),
    **dict.fromkeys((F.rrelu, F.rrelu_, torch.rrelu, torch.rrelu_), _rrelu),
    **dict.fromkeys((F.prelu, torch.prelu), _prelu),
    **dict.fromkeys((F.elu, F.elu_), _elu),
    **dict.fromkeys((F.celu, F.celu_, torch.celu, torch.celu_), _celu),
    F.gelu: _gelu,
    F.softplus: _softplus,
    **dict.fromkeys((F.hardtanh, F.hardtanh_), _hardtanh),
    **dict.fromkeys((torch.clamp, torch.clip), _clamp),
    torch.flatten: _flatten,
    torch.reshape: _view,
    torch.squeeze: _squeeze,
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d), _dropout),
    torch.softmax: _softmax,
    F.softmax: _softmax,
    torch.log_softmax: _log_softmax,
    F.log_softmax: _log_softmax,
    builtins.getattr: _attribute,
    operator.getitem: _item,
}

METHODS: dict[Any, Step] = {
    **dict.fromkeys(("add", "add_"), _add),
    **dict.fromkeys(("sub", "sub_"), _subtract),
    **dict.fromkeys(("mul", "mul_"), _multiply),
    **dict.fromkeys(("div", "div_"), _divide),
    "pow": _power,
    "square": lambda x: _power(x, 2),
    "neg": lambda x: _chain(x).scale(-1.0),
    "matmul": _matmul,
    "mean": _mean,
    "contiguous": _chain,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("relu", "relu_"), _elementwise(approx.RELU)),
    "sigmoid": _elementwise(approx.SIGMOID),
    "tanh": _elementwise(approx.TANH),
    "exp": _elementwise(approx.EXP),
    **dict.fromkeys(("abs", "absolute"), _elementwise(approx.ABS)),
    "erf": _elementwise(approx.ERF),
    "prelu": _prelu,
    **dict.fromkeys(("clamp", "clip"), _clamp),
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
                raise refusal(type(module).__name__, "forward", f"it fails on an example ({reason})") from error
        got = (result.scores if isinstance(result, _Shares) else result).exact(rows)
        if isinstance(result, _Shares):
            got = finished("softmax", got)
            wanted = np.exp(wanted) if result.logarithm else wanted
        if not given and not np.isfinite(wanted).all():  # polynomials far outside their domain
            continue
        off = float(np.max(np.abs(got - wanted), initial=0.0)) if got.shape == wanted.shape else np.inf
        if not off <= _CLOSE * max(1.0, float(np.abs(wanted).max())):
            reason = f"its result on an example differs by {off:.2g} from what its layers come to"
            raise refusal(type(module).__name__, "forward", reason)


def refusal(layer: str, where: str, reason: str) -> UnsupportedModel:
    """The error for a part of a module.

    layer, where, reason: as of `UnsupportedModel`.
    """
    return UnsupportedModel(layer, where, reason, SUPPORTED)
