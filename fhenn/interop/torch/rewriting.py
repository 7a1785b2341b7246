"""A traced copy of a module in which each activation and each maximum is a module of its own, which can be replaced."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (as everybody calls it)
from torch import fx

from fhenn.approx import SIGMOID, Function
from fhenn.interop.chain import Chain, Unsuitable
from fhenn.interop.torch.importer import copied, refusal, step_of, trace, writes_over

_MAXIMA: dict[Any, Any] = {
    **dict.fromkeys((torch.nn.MaxPool1d, F.max_pool1d, torch.max_pool1d), torch.nn.AvgPool1d),
    **dict.fromkeys((torch.nn.MaxPool2d, F.max_pool2d, torch.max_pool2d), torch.nn.AvgPool2d),
}
_ADAPTIVE_MAXIMA: dict[Any, Any] = {
    **dict.fromkeys((torch.nn.AdaptiveMaxPool1d, F.adaptive_max_pool1d), torch.nn.AdaptiveAvgPool1d),
    **dict.fromkeys((torch.nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d), torch.nn.AdaptiveAvgPool2d),
}
"""What is averaged in the place of maxima."""


@dataclass(frozen=True, eq=False)
class Site:
    """A place where a layer is to be replaced.

    name: of the module there.
    was: what the layer is called.
    """

    name: str
    was: str


@dataclass(frozen=True, eq=False)
class FunctionSite(Site):
    """Of an activation.

    function: that it computes element by element.
    """

    function: Function


@dataclass(frozen=True, eq=False)
class MaximumSite(Site):
    """Of a maximum over windows.

    average: the pooling that takes its place.
    """

    average: torch.nn.Module


class _Call(torch.nn.Module):
    """A function or method of one tensor and constants, as a module."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__()
        self._method, self._target = node.op == "call_method", node.target
        self._arguments = fx.node.map_arg((node.args, dict(node.kwargs)), lambda _: _Here())

    def forward(self, x: torch.Tensor) -> Any:
        args, kwargs = fx.node.map_aggregate(self._arguments, lambda each: x if isinstance(each, _Here) else each)
        if self._method:
            return getattr(args[0], str(self._target))(*args[1:], **kwargs)
        return self._target(*args, **kwargs)


class _Here:
    """Stands among arguments for the tensor."""


class Rewritten:
    """A copy of a module, traced, whose activations and maxima are modules of their own.

    module: computes as the given one does; its scores, while a softmax or sigmoid at the end is hidden.
    sites: what can be replaced, from input to output.
    """

    def __init__(self, module: torch.nn.Module, outputs: int) -> None:
        """A softmax at the end is hidden, and a sigmoid of a single score.

        module: stays as it is.
        outputs: numbers that it makes of a sample.

        Raises UnsupportedModel where torch.fx cannot follow it, or a maximum has no average beside it.
        """
        root, graph = trace(copied(module))
        if all(str(node.target).startswith("0.") for node in _named(graph)):  # the Sequential around it
            for node in _named(graph):
                node.target = str(node.target).removeprefix("0.")
            root = root.get_submodule("0")
        self.module = fx.GraphModule(root, graph, type(module).__name__)
        self._out = next(node for node in graph.nodes if node.op == "output")
        self._finish = self._found_finish(outputs)
        self._called: set[str] = set()
        self.sites = [site for node in list(graph.nodes) if (site := self._site(node)) is not None]
        self.hide_finish()

    def replace(self, site: Site, module: torch.nn.Module) -> None:
        """Put a module in the place of a site."""
        self.module.add_submodule(site.name, module.train(self.module.training))

    @property
    def has_finish(self) -> bool:
        """Whether a softmax or sigmoid at the end makes shares of scores."""
        return self._finish is not None

    def hide_finish(self) -> None:
        """Have the module compute scores."""
        if self._finish is not None:
            self._out.args = (self._finish.all_input_nodes[0],)
        self.module.recompile()

    def show_finish(self) -> None:
        """Let the softmax or sigmoid at the end work again."""
        if self._finish is not None:
            self._out.args = (self._finish,)
            self.module.recompile()

    def _submodule(self, node: fx.Node) -> torch.nn.Module | None:
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _found_finish(self, outputs: int) -> fx.Node | None:
        last = self._out.args[0]
        if not isinstance(last, fx.Node) or len(last.all_input_nodes) != 1:
            return None
        module = self._submodule(last)
        kind = last.target if module is None else type(module)
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
        sigmoid = outputs == 1 and _function(last, module) == SIGMOID
        return last if sigmoid or name.lower().replace("_", "") in ("softmax", "logsoftmax") else None

    def _site(self, node: fx.Node) -> Site | None:
        """The site of a node that is one, which then calls a module of its own."""
        if (
            node is self._finish
            or node.op not in ("call_module", "call_function", "call_method")
            or len(node.all_input_nodes) != 1
        ):
            return None
        module = self._submodule(node)
        if isinstance(module, torch.nn.PReLU) and module.weight.numel() > 1:
            reason = "it has a slope for each channel; put torch.nn.PReLU() with one, or LeakyReLU, in its place"
            raise refusal("PReLU", str(node.target), f"{reason}, and train on")
        function, average = _function(node, module), _average(node, module)
        if function is None and average is None:
            return None
        was = type(module).__name__ if module is not None else getattr(node.target, "__name__", str(node.target))
        (source,) = node.all_input_nodes
        if module is None or str(node.target) in self._called:
            name = self._free(str(node.target) if module is not None else node.name)
            self.module.add_submodule(name, _Call(node) if module is None else module)
        else:
            name = str(node.target)
        in_place = writes_over(node, module)
        node.op, node.target, node.args, node.kwargs = "call_module", name, (source,), {}
        if in_place:  # who looks at what went in later sees what came out
            order = {each: place for place, each in enumerate(node.graph.nodes)}
            for user in list(source.users):
                if order[user] > order[node]:
                    user.replace_input_with(source, node)
        self._called.add(name)
        if function is not None:
            return FunctionSite(name, was, function)
        return None if average is None else MaximumSite(name, was, average)

    def _free(self, wanted: str) -> str:
        """A name like the wanted one that no module has."""
        taken = {name for name, _ in self.module.named_modules()}
        name, count = wanted, 1
        while name in taken or hasattr(self.module, name):
            name, count = f"{wanted}_{count}", count + 1
        return name


def _named(graph: fx.Graph) -> Iterator[fx.Node]:
    return (node for node in graph.nodes if node.op in ("call_module", "get_attr"))


def _function(node: fx.Node, module: torch.nn.Module | None) -> Function | None:
    """The function that a node computes element by element, None where it does something else.

    It is what the importer's step adds to a chain.
    """
    step = step_of(node, module)
    if step is None:
        return None
    chain = Chain.start((1,))
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), lambda _: chain)
    try:
        found = step(*args, **kwargs) if module is None else step(module, *args, **kwargs)
    except (Unsuitable, TypeError, ValueError):
        return None
    steps = found.steps if isinstance(found, Chain) else ()
    return steps[0] if len(steps) == 1 and isinstance(steps[0], Function) else None


def _average(node: fx.Node, module: torch.nn.Module | None) -> torch.nn.Module | None:
    """The average pooling of the same windows as a node's maximum. Raises UnsupportedModel for maxima with gaps."""
    called = node.target if module is None else type(module)
    if called in _ADAPTIVE_MAXIMA:
        size = _bound(_adaptive, node)["output_size"] if module is None else module.output_size
        return _module(_ADAPTIVE_MAXIMA[called](size))
    if called not in _MAXIMA:
        return None
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    options = {name: getattr(module, name) for name in names} if module is not None else _bound(_pool, node)
    gaps = options["dilation"]
    if any(gap != 1 for gap in (gaps if isinstance(gaps, tuple | list) else (gaps,))):
        reason = f"its windows have gaps (dilation {gaps}), and no average pooling has"
        raise refusal("a maximum", node.name, reason)
    stride = options["stride"] or None
    padded = {"ceil_mode": options["ceil_mode"], "count_include_pad": False}
    return _module(_MAXIMA[called](options["kernel_size"], stride, options["padding"], **padded))


def _module(made: Any) -> torch.nn.Module:
    """The same, as what it is."""
    return cast(torch.nn.Module, made)


def _bound(of: Any, node: fx.Node) -> dict[str, Any]:
    """The arguments of a functional form by name."""
    bound = inspect.signature(of).bind(*node.args, **node.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _pool(
    input: Any,  # noqa: A002  (torch's name)
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> None:
    """The arguments of F.max_pool2d."""


def _adaptive(input: Any, output_size: Any, return_indices: bool = False) -> None:  # noqa: A002  (torch's name)
    """The arguments of F.adaptive_max_pool2d."""
