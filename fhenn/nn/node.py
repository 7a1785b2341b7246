"""What every node can do, and what it remembers between `forward`, `backward` and `update`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from copy import copy
from threading import Lock, local
from typing import Any, Self, final

from fhenn.backends import Backend, backend_of
from fhenn.columns import Preparing
from fhenn.errors import CacheEmpty, ParameterError

Shape = tuple[int, ...]
"""Of one sample."""


class Node(ABC):
    """A step of a network, on plaintext (the twin) and on ciphertexts: the contract.

    `forward` keeps its input for `backward`, last in, first out. The cache is on for plaintext and off for ciphertexts
    until `enable_cache()`, so that inference never piles up ciphertexts; `disable_cache()` turns it off for both.

    Threads may share a node. What is kept, inputs and gradients, belongs to the thread whose `forward` kept it, so
    `backward` and `update` work on the calling thread's own; a thread that ends takes its own with it. Parameters are
    shared: a step is whole when another thread sees it, steps follow one another, and a `backward` goes through the
    parameters of its moment. Optimisers, guards, polynomials and ciphertexts never change.

    >>> import fhenn
    >>> node: Node = fhenn.Sequential([fhenn.Linear([[2.0]]), fhenn.Square()])
    >>> float(node.forward([1.5])[0]), float(node.backward([1.0])[0])
    (9.0, 12.0)
    """

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """The node's output for one example `x`, of the same type (and precision) as `x`."""

    @abstractmethod
    def infer(self, x: Any) -> Any:
        """`forward` that keeps nothing for `backward`."""

    @abstractmethod
    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        """`backward` of several examples, in the order of `forwards`: each gradient meets its own input.

        gradients: n of them, which belong to the last n inputs.
        Returns the gradient at each of those inputs.
        Raises CacheEmpty where fewer inputs are kept; nothing is changed then.
        """

    @abstractmethod
    def update(self) -> None:
        """Step the parameters on the last example's gradients, and forget those. Nothing for a node without parameters.

        Raises CacheEmpty where a node with parameters has kept none.
        """

    @abstractmethod
    def updates(self) -> None:
        """Step the parameters on the mean of all gradients kept, and forget them. Nothing without parameters.

        Raises CacheEmpty where a node with parameters has kept none.
        """

    @property
    @abstractmethod
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: the multiplicative depth."""

    @property
    @abstractmethod
    def has_parameters(self) -> bool:
        """Whether `update` and `updates` have something to change."""

    @abstractmethod
    def enable_cache(self) -> None:
        """Keep inputs of every kind for `backward`, ciphertexts too."""

    @abstractmethod
    def disable_cache(self) -> None:
        """Keep no inputs, and forget those kept, and the gradients too."""

    @property
    @abstractmethod
    def is_cache_enabled(self) -> bool:
        """Whether inputs are kept: of plaintext, that is, until `enable_cache()` is called."""

    @property
    def name(self) -> str:
        """The node's name in messages."""
        return type(self).__name__

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """What the features of its samples are called, in order, by which tables are matched; None without names."""
        return None

    @property
    def preparation(self) -> Preparing | None:
        """What makes its features of raw tables, in the clear; None where it takes samples as they are."""
        return None

    @property
    def is_regression(self) -> bool:
        """Whether the outputs are quantities of any unit, so that errors are told relative to how they vary."""
        return False

    def with_shape(self, shape: Sequence[int]) -> Node:
        """The node for samples of a shape: itself where it takes every shape, as activations do.

        shape: of a sample that goes in: (features,), (channels, length) or (channels, height, width).
        Raises ParameterError, ShapeMismatch where it takes no such samples.
        """
        self.shape_after(shape)
        return self

    def shape_after(self, shape: Sequence[int]) -> Shape:
        """The shape of what it makes of a sample: the same, as for what is done element by element.

        shape: of a sample that goes in.
        Raises ParameterError, ShapeMismatch where it takes no such samples.
        """
        return tuple(shape)

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes that it is made of; none of a single layer."""
        return ()

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample that goes in, None where the node takes several or was not told."""
        return None

    @final
    def backward(self, gradient: Any) -> Any:
        """The gradient at the input of the last `forward` that has none yet, given the gradient at its output.

        Raises CacheEmpty where no input is kept.
        """
        return self.backwards([gradient])[0]

    @final
    def forwards(self, xs: Iterable[Any]) -> list[Any]:
        """`forward` of several examples."""
        return [self.forward(x) for x in xs]

    @final
    def __call__(self, x: Any) -> Any:
        """`forward(x)`."""
        return self.forward(x)

    def __repr__(self) -> str:
        # what it is, and never what it holds: weights and secrets stay out of logs
        return f"{self.name}(cost={self.cost})"


def require_each_once(nodes: Iterable[Node]) -> None:
    """Raise ParameterError where a node stands in two places.

    nodes: of a model, with those inside them.

    What is kept for `backward`, and what is put in the place of a node, belongs to one place.
    """
    pending, seen = list(nodes), set[int]()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            raise ParameterError("a node is in the model twice.", "Make a node of its own for each place.")
        seen.add(id(node))
        pending += node.nodes


class _Kept(local):
    """What one thread keeps: its inputs for `backward`, and the gradients of parameters for `update`."""

    def __init__(self) -> None:
        self.inputs: deque[Any] = deque()
        self.gradients: deque[Any] = deque()


class Layer(Node):
    """A node that computes something itself: what a node of your own derives from. All bookkeeping is here.

    A subclass has a `cost`, and says what it computes in the methods that begin with an underscore, which are for
    subclasses alone and as public as the class: `_forward` and `_backward`, and `_step` where there are parameters.
    What it keeps for `backward`, when, and for which thread is not its business. `fhenn.plan` knows affine nodes,
    activations and how branches meet; it refuses others, which run on arrays and on ciphertexts all the same.

    >>> import fhenn
    >>> class Gate(Layer):
    ...     cost = 1  # the mean takes none in layout "features", the product one
    ...     def _forward(self, backend, x):
    ...         return x * x.mean(axis=1, keepdims=True)
    ...     def _backward(self, x, gradient):
    ...         both = (gradient * x).mean(axis=1, keepdims=True)
    ...         return gradient * x.mean(axis=1, keepdims=True) + both, None
    >>> context = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    >>> fhenn.decrypt(context, Gate()(fhenn.encrypt(context, [[1.0, 3.0]], layout="features"))).round(2).tolist()
    [[2.0, 6.0]]
    """

    def __init__(self) -> None:
        self._caching: bool | None = None
        self._kept = _Kept()
        self._stepping = Lock()

    @abstractmethod
    def _forward(self, backend: Backend, x: Any) -> Any:
        """The output for a checked input.

        backend: that serves the input: polynomials and affine maps of one code for every kind of value.
        x: the input: an array, or a ciphertext. It is not to be changed.
        """

    @abstractmethod
    def _backward(self, x: Any, gradient: Any) -> tuple[Any, Any]:
        """The gradient at the input, and those of the parameters (None where there are none).

        x: the input that it belongs to.
        gradient: at the output.
        """

    def _step(self, gradients: list[Any]) -> None:
        """Move the parameters along the mean of `gradients`, one entry per example. Nothing without parameters.

        gradients: what `_backward` gave of the parameters.
        """

    @property
    def has_parameters(self) -> bool:
        """Whether `update` and `updates` have something to change: False where a subclass does not say otherwise."""
        return False

    @final
    def infer(self, x: Any) -> Any:
        backend = backend_of(x)
        return self._forward(backend, backend.value(x))

    @final
    def forward(self, x: Any) -> Any:
        backend = backend_of(x)
        value = backend.value(x)
        result = self._forward(backend, value)
        if self._keeps(backend):
            self._kept.inputs.append(backend.keep(value))
        return result

    @final
    def backwards(self, gradients: Iterable[Any]) -> list[Any]:
        gradients = list(gradients)
        count, kept = len(gradients), self._kept.inputs
        if count > len(kept):
            raise CacheEmpty(f"{self.name}.backward", count, len(kept), self._why_empty())
        inputs = list(kept)[len(kept) - count :]
        results = [
            self._backward(x, backend_of(gradient).value(gradient))
            for x, gradient in zip(inputs, gradients, strict=True)
        ]
        for _ in results:
            kept.pop()
        self._kept.gradients.extend(of_parameters for _, of_parameters in results if of_parameters is not None)
        return [at_input for at_input, _ in results]

    def _why_empty(self) -> str:
        if self._caching is None:
            return (
                "Call forward first, in this thread: each keeps its own; on ciphertexts also enable_cache() before it, "
                "because ciphertext inputs are not kept unless asked for."
            )
        if self._caching:
            return "Call forward first, in this thread: each keeps its own."
        return "The cache was turned off with disable_cache(): call enable_cache(), then forward."

    @final
    def update(self) -> None:
        if self.has_parameters:
            gradients = self._gradients("update")
            with self._stepping:
                self._step([gradients.pop()])

    @final
    def updates(self) -> None:
        if self.has_parameters:
            gradients = self._gradients("updates")
            with self._stepping:
                self._step(list(gradients))
            gradients.clear()

    def _gradients(self, operation: str) -> deque[Any]:
        """Those of this thread. Raises CacheEmpty where there are none."""
        if not self._kept.gradients:
            reason = "Call forward and backward first, in this thread: each keeps its own."
            raise CacheEmpty(f"{self.name}.{operation}", 1, 0, reason)
        return self._kept.gradients

    @final
    def enable_cache(self) -> None:
        self._caching = True

    @final
    def disable_cache(self) -> None:
        self._caching = False
        self._kept = _Kept()  # of every thread

    @property
    def is_cache_enabled(self) -> bool:
        return self._caching is not False

    @property
    def kept_inputs(self) -> tuple[Any, ...]:
        """What this thread keeps for `backward`, which takes the last first."""
        return tuple(self._kept.inputs)

    @final
    def fresh(self) -> Self:
        """A node of its own with the same settings and the very same parameters, which are immutable; nothing kept."""
        return copy(self)

    def __getstate__(self) -> dict[str, Any]:
        # a copy starts with nothing kept: inputs may be anybody's data, and threads do not travel
        return {name: value for name, value in vars(self).items() if name not in ("_kept", "_stepping")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _kept=_Kept(), _stepping=Lock())

    def _keeps(self, backend: Backend) -> bool:
        return not backend.encrypted if self._caching is None else self._caching
