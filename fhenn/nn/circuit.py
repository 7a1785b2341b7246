"""A model as it is computed under encryption: affine maps and activations in order, and how branches meet.

Neighbouring maps of images are one, the product of their operators: a pooling before a convolution costs no level. The
two branches of a `Residual` or a `Multiply` come one after the other, with what is put aside between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from fhenn.errors import NonFiniteValue, UnsupportedNode
from fhenn.nn.activation import Activation
from fhenn.nn.affine import Affine
from fhenn.nn.branches import Branches
from fhenn.nn.grid import Grid
from fhenn.nn.layers import layers
from fhenn.nn.multiply import Multiply
from fhenn.nn.node import Node
from fhenn.nn.sequential import Sequential

T = TypeVar("T")

_MOST_ENTRIES = 1 << 23
"""Of the product of two maps, by estimate: larger ones stay two."""


@dataclass(frozen=True)
class Wiring:
    """What is done with the values of branches; it computes nothing but their sum or product.

    name: in messages and signatures.
    cost: levels that it consumes.
    """

    name: str
    cost: int = 0


FORK = Wiring("Fork")
"""Put a copy of the value aside."""

SWAP = Wiring("Swap")
"""Go on with what was put aside last, and put the value there."""

JOIN = Wiring("Join")
"""Add what was put aside last."""

MULTIPLY = Wiring("Multiply", cost=1)
"""Multiply by what was put aside last."""

RESCALE = Wiring("Rescale", cost=1)
"""A level that a sum takes of branches at one level with two scales; it is no step of its own (`deepest`)."""

Step = Affine | Activation | Wiring
"""A step of a circuit."""


class Composed(Affine):
    """Two affine maps, one after the other, as one.

    first, second: of which one takes images at least.
    """

    def __init__(self, first: Affine, second: Affine) -> None:
        self._name = f"{first.name}_{second.name}"
        before, after = first.grid, second.grid
        self._grid = None if before is None or after is None else before.then(after)
        both = first.then(second)
        gains = first.operator.spectral_norm, second.operator.spectral_norm
        super().__init__(both.operator.known_to_be(gains[0] * gains[1]), both.bias)

    @property
    def name(self) -> str:
        """Those of both."""
        return self._name

    @property
    def grid(self) -> Grid | None:
        """The images that it takes and makes; None unless both do."""
        return self._grid


def circuit(model: Node) -> list[Step]:
    """The steps of a model as a server runs them.

    model: a node.
    Raises UnsupportedNode where a node is something else than affine maps, activations, `Sequential`s, `Residual`s and
    `Multiply`s.

    >>> import numpy as np
    >>> from fhenn.nn import AvgPool2d, Conv2d, Square
    >>> convolution = Conv2d(np.ones((2, 1, 3, 3)), stride=2)
    >>> [step.name for step in circuit(Sequential([AvgPool2d(2), convolution, Square()], shape=(1, 16, 16)))]
    ['AvgPool2d_Conv2d', 'Square']
    """
    return joined(wired(model))


def joined(layers: Iterable[Step]) -> list[Step]:
    """Steps, of which neighbouring maps of images are one, as in `circuit`.

    layers: each as it stands in a model, as of `wired`.
    """
    steps: list[Step] = []
    for step in layers:
        before = steps[-1] if steps else None
        both = _as_one(before, step) if isinstance(before, Affine) and isinstance(step, Affine) else None
        if both is None:
            steps.append(step)
        else:
            steps[-1] = both
    return steps


def wired(model: Node) -> Iterator[Step]:
    """Every layer as it stands in a model, and the wiring between branches.

    model: a node.
    Raises UnsupportedNode as `circuit` does.
    """
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from wired(node)
    elif isinstance(model, Branches):
        yield FORK
        yield from wired(model.body)
        if model.second is not None:
            yield SWAP
            yield from wired(model.second)
        yield MULTIPLY if isinstance(model, Multiply) else JOIN
    else:
        yield from layers(model)


_KNOWN: WeakKeyDictionary[object, list[tuple[ref[Affine], ref[Affine], object, object, Affine | None]]] = (
    WeakKeyDictionary()
)
"""Products that were made, or None where there is none, while the first operator lives."""


def _as_one(first: Affine, second: Affine) -> Affine | None:
    """Two maps as one; None where neither takes images, or the product would be far larger than they are."""
    if first.grid is None and second.grid is None:
        return None
    operators = first.operator, second.operator
    known = _KNOWN.setdefault(first.operator, [])
    for mine, theirs, bias, operator, both in known:
        if mine() is first and theirs() is second and bias is first.bias and operator is second.operator:
            return both
    before, after = (operator.most_entries for operator in operators)
    product: Affine | None = None
    if before / first.outputs * after <= _MOST_ENTRIES:
        with suppress(NonFiniteValue):
            product = Composed(first, second)
    known.append((ref(first), ref(second), first.bias, second.operator, product))
    return product


def times(place: int, x: Any, y: Any) -> Any:
    """x·y: the product of two branches, for `trail`."""
    return x * y


def trail(
    steps: Sequence[Step],
    x: T,
    step: Callable[[int, Affine | Activation, T], T],
    join: Callable[[int, T, T], T],
    product: Callable[[int, T, T], T] = times,
) -> Iterator[T]:
    """The value before each step of a circuit, and the last one.

    steps: of the circuit.
    x: the value that comes in.
    step: called with the place of a step that computes, the step and its input; returns its output.
    join: called with the place of a sum and its two values, the one that was put aside first.
    product: the same for a product.

    >>> import numpy as np
    >>> from fhenn.nn import Linear
    >>> steps = [FORK, Linear([[2.0]]), JOIN]
    >>> [float(x[0]) for x in trail(steps, np.ones(1), lambda place, node, x: node.infer(x), plus)]
    [1.0, 1.0, 2.0, 3.0]
    """
    aside: list[T] = []
    yield x
    for place, each in enumerate(steps):
        if each is FORK:
            aside.append(x)
        elif each is SWAP:
            x, aside[-1] = aside[-1], x
        elif each is JOIN:
            x = join(place, aside.pop(), x)
        elif each is MULTIPLY:
            x = product(place, aside.pop(), x)
        elif isinstance(each, Affine | Activation):
            x = step(place, each, x)
        yield x


def plus(place: int, x: Any, y: Any) -> Any:
    """x + y: the sum of two branches, for `trail`."""
    return x + y


@dataclass(frozen=True)
class _Depth:
    """How deep a value lies.

    levels: consumed so far.
    scale: what it depends on: None behind a map, which brings its own.
    """

    levels: int
    scale: object = None


def depths(steps: Sequence[Step], levels: Mapping[int, int] = MappingProxyType({})) -> list[int]:
    """Levels that are consumed before each step of a circuit, and in all, as `deepest` counts them.

    steps: of the circuit.
    levels: of activations whose polynomials are yet to be chosen, by their places.

    >>> from fhenn.nn import Linear, Square
    >>> depths([FORK, Linear([[2.0]]), Square(), SWAP, Linear([[1.0]]), JOIN])
    [0, 0, 1, 2, 0, 1, 2]
    """

    def step(place: int, node: Affine | Activation, x: _Depth) -> _Depth:
        if isinstance(node, Affine):
            return _Depth(x.levels + node.cost)
        if place in levels:
            return _Depth(x.levels + levels[place], (x.scale, place))
        return _Depth(x.levels + node.cost, (x.scale, node.polynomials, node.times_input))

    def join(place: int, x: _Depth, y: _Depth) -> _Depth:
        if x.levels == y.levels and x.scale != y.scale:  # which one of them is brought to, a level down
            return _Depth(x.levels + RESCALE.cost, x.scale)
        return x if x.levels >= y.levels else y

    def product(place: int, x: _Depth, y: _Depth) -> _Depth:
        return _Depth(max(x.levels, y.levels) + MULTIPLY.cost, (x.scale, y.scale))

    return [depth.levels for depth in trail(steps, _Depth(0), step, join, product)]


def deepest(steps: Iterable[Step]) -> list[Step]:
    """The steps along which most levels are consumed: of two branches the deeper one, the body of equals.

    steps: of a circuit.

    Returns affine maps and activations, MULTIPLY after what is multiplied, and RESCALE where a sum takes a level.

    >>> from fhenn.nn import Linear, Square
    >>> [step.name for step in deepest([FORK, Linear([[2.0]]), Square(), SWAP, Linear([[1.0]]), JOIN])]
    ['Linear', 'Square']
    >>> [step.name for step in deepest([FORK, Square(), SWAP, Linear([[1.0]]), JOIN])]
    ['Square', 'Rescale']
    """
    path: list[Step] = []
    starts: list[tuple[int, list[Step]]] = []
    for each in steps:
        if each is FORK:
            starts.append((len(path), []))
        elif each is SWAP:
            start, _ = starts[-1]
            starts[-1] = start, path[start:]
            del path[start:]
        elif each is JOIN or each is MULTIPLY:
            start, other = starts.pop()
            mine, costs = path[start:], [sum(step.cost for step in branch) for branch in (other, path[start:])]
            if costs[0] >= costs[1]:
                path[start:] = other
            if each is MULTIPLY:
                path.append(MULTIPLY)
            elif costs[0] == costs[1] and _ending(other) != _ending(mine):
                path.append(RESCALE)
        elif isinstance(each, Affine | Activation):
            path.append(each)
    return path


def _ending(branch: Sequence[Step]) -> list[object]:
    """What the scale depends on that a branch ends at: what comes after its last affine map, which brings its own."""
    ending: list[object] = []
    for step in reversed(branch):
        if isinstance(step, Affine):
            return [*ending, Affine]
        ending.append((step.polynomials, step.times_input) if isinstance(step, Activation) else step)
    return ending


def require_layers(steps: Iterable[Step], what: str) -> list[Affine | Activation]:
    """The steps of a circuit without branches.

    steps: of a circuit.
    what: cannot do with branches, in the error.
    Raises UnsupportedNode where there are branches.
    """
    found: list[Affine | Activation] = []
    for each in steps:
        if isinstance(each, Wiring):
            kind = "Multiply" if each is MULTIPLY else "Residual"
            raise UnsupportedNode(f"{what} takes no branches.", "Give a model without them.", kind)
        found.append(each)
    return found
