"""Inputs in [-1, 1] and outputs in units of their own: the server's first and last affine layer take the factors.

CKKS's encoder works in double precision relative to the largest value of a plaintext, so that a feature of 1e-6 beside
one of 1e12 would be lost. A plan knows the bounds of every feature, and so do client and server: with the middle c and
the half width h of a feature's box, the client encrypts u = (x - c)/h, and A x + b = A·diag(h) u + (b + A c). That
costs nothing under encryption.

The outputs of a regression are quantities of any unit. The server divides its last affine layer by a power of two for
each output, which is exact, so that outputs of 1e-9 and of 1e9 are computed alike; the client multiplies by it after
decryption, last of all. An accuracy in these units is one relative to how the outputs vary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import frexp, isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import CIPHER, Backend
from fhenn.ckks import CipherArray
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.operator import Operator, Scaling
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.nn import Activation, Affine, Grid, Node, Step, circuit, plus, trail
from fhenn.ranges import Reach, box_of
from fhenn.ranges.data import outputs_of

if TYPE_CHECKING:
    from fhenn.planner.plan import Plan

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_LARGEST_EXPONENT = 1000
"""Units are from 2⁻¹⁰⁰⁰ to 2¹⁰⁰⁰, so that one over them is a float too."""

_NO_SPREAD = 2.0**-40
"""Outputs that vary by less than that, of their size, are constants with rounding."""

_TRIED = 257
"""Values of a domain that are tried for positions that hold no output."""


class ServedLayer(Affine):
    """An affine layer as a server runs it; it goes by the name of the layer that it stands for.

    layer: that it stands for.
    operator: of the map that the server runs; that of the layer where None.
    bias: of the same.
    sums: what the layer itself adds up for each output, Σⱼ|aᵢⱼ·xⱼ| + |bᵢ| for the largest inputs within bounds, which
    the twin rounds by a share of, where scaled inputs may show nothing of that size. (outputs,); None where they are
    not scaled.
    idle: what positions hold that hold no output.
    target: where outputs go in ciphertexts of whole samples; None for one after another.
    spare: levels of its inputs that it leaves out (`with_spare`).

    Where `layer` is a ServedLayer, what is None is as there.
    """

    def __init__(
        self,
        layer: Affine,
        operator: Operator | None = None,
        bias: Floats | None = None,
        sums: Floats | None = None,
        idle: float | None = None,
        target: WholeSamples | None = None,
        spare: int | None = None,
    ) -> None:
        self._name, self._grid = layer.name, layer.grid
        super().__init__(layer.operator if operator is None else operator, layer.bias if bias is None else bias)
        self.sums: Floats | None = layer.sums if sums is None and isinstance(layer, ServedLayer) else sums
        self._idle = layer.idle if idle is None else idle
        self._target = layer.target if target is None else target
        self.spare: int = layer.spare if spare is None and isinstance(layer, ServedLayer) else spare or 0

    def evaluate(self, backend: Backend, x: Any) -> Any:
        """A x + b through a backend, of ciphertexts at a level that is lower by what is spare."""
        if self.spare and isinstance(x, CipherArray):
            x = CIPHER.drop_to(x, x.level - self.spare)
        return super().evaluate(backend, x)

    @property
    def idle(self) -> float:
        """What positions hold that hold no output."""
        return self._idle

    @property
    def target(self) -> WholeSamples | None:
        """Where outputs go in ciphertexts of whole samples; None for one after another."""
        return self._target

    @property
    def grid(self) -> Grid | None:
        """The images that it takes and makes."""
        return self._grid

    @property
    def name(self) -> str:
        """That of the layer."""
        return self._name

    @classmethod
    def of_scaled(cls, layer: Affine, middle: Floats, half: Floats) -> ServedLayer:
        """The layer for scaled inputs.

        layer: for inputs as they are.
        middle: of every feature's box, (features,).
        half: of its width, (features,).
        """
        sums = layer.operator.abs_row_sums(np.abs(middle) + half) + np.abs(layer.bias)
        return cls(layer, layer.operator @ Scaling(half), layer.operator @ middle + layer.bias, sums)

    @classmethod
    def in_units(cls, layer: Affine, units: Sequence[float]) -> ServedLayer:
        """The layer with every output divided by its unit.

        layer: with outputs as they are.
        units: powers of two, (outputs,).
        """
        inverse = Scaling(1 / np.array(units))
        sums = layer.sums if isinstance(layer, ServedLayer) else None
        return cls(
            layer,
            inverse @ layer.operator,
            layer.bias * inverse.factors,
            None if sums is None else sums * inverse.factors,
        )


def with_idle_values(nodes: Sequence[Step]) -> list[Step]:
    """Nodes whose idle positions hold a value that the activations after them take.

    nodes: of a model, as they are served.

    A layer's outputs are padded to a power of two. What a polynomial makes of a 0 that is not in its domain can be
    larger than the modulus, and would spoil every slot of the ciphertext.

    >>> import fhenn
    >>> root = fhenn.PolynomialActivation([1.0, 0.5], domain=(1.0, 3.0))
    >>> [node.idle for node in with_idle_values([fhenn.Linear([[1.0]]), root, fhenn.Linear([[1.0]])])[::2]]
    [2.0, 0.0]
    """
    served = list(nodes)
    chosen: dict[int, float] = {}
    for place, node in enumerate(nodes):
        if isinstance(node, Affine):
            chosen[place] = idle = _idle_of(nodes, place, chosen)
            if idle:
                served[place] = ServedLayer(node, idle=idle)
    return served


def with_targets(nodes: Sequence[Step], targets: Sequence[WholeSamples | None]) -> list[Step]:
    """Nodes whose outputs go to given places.

    nodes: of a model.
    targets: of each affine node, in order; None for outputs one after another. None at all for all of them so.

    Raises ShapeMismatch where there are others.
    """
    affine = [place for place, node in enumerate(nodes) if isinstance(node, Affine)]
    if len(targets) not in (0, len(affine)):
        raise ShapeMismatch("targets", (len(targets),), f"{len(affine)}, one for each affine layer")
    served = list(nodes)
    for place, target in zip(affine, targets, strict=False):
        node = served[place]
        if target is not None and isinstance(node, Affine):
            served[place] = ServedLayer(node, target=target)
    return served


def with_spare(nodes: Sequence[Step], spare: int) -> list[Step]:
    """Nodes under more levels than they take: what comes to the last affine one is brought to the level that it needs.

    Before that there are so many levels more, in which witnesses of high degree have room.

    nodes: of a model.
    spare: levels more.
    """
    served = list(nodes)
    place = max((place for place, node in enumerate(nodes) if isinstance(node, Affine)), default=0)
    node = served[place]
    if spare and isinstance(node, Affine):
        served[place] = ServedLayer(node, spare=spare)
    return served


def starting(nodes: Sequence[Step], arrays: Iterable[CipherArray]) -> Iterator[CipherArray]:
    """What each node starts from.

    nodes: of a model, as they are served.
    arrays: what comes to each.
    """
    for node, x in zip(nodes, arrays, strict=True):
        spare = node.spare if isinstance(node, ServedLayer) else 0
        yield CIPHER.drop_to(x, x.level - spare)


def _idle_of(nodes: Sequence[Step], place: int, chosen: Mapping[int, float]) -> float:
    """A value for the idle positions of an affine node that the activations which it reaches take: 0 where they do.

    Else what brings the first of them to the middle of its domain, or another value there that the others take too;
    where none of those tried does, what fewest refuse.

    nodes: of a model.
    place: of the affine node.
    chosen: what was chosen for those before it, by their places.
    """
    decided = list(rests(nodes, chosen))

    def reached(idle: float) -> list[tuple[float, Interval]]:
        """What a value brings to each activation that depends on it, and what that takes."""
        return [
            (x, node.polynomials[0].domain)
            for node, x, known in zip(nodes, rests(nodes, {**chosen, place: idle}), decided, strict=False)
            if isinstance(node, Activation) and isnan(known) and not isnan(x)
        ]

    from_zero = reached(0.0)
    if not from_zero:
        return 0.0
    at, (low, high) = from_zero[0]  # what another branch adds may be in it
    usual = 0.0 if low <= at <= high else low / 2 + high / 2 - at
    fewest, found = len(nodes), usual
    for idle in (usual, *(np.linspace(low, high, _TRIED) - at).tolist()):
        refused = sum(not least <= x <= most for x, (least, most) in reached(idle))
        if refused < fewest:
            fewest, found = refused, float(idle)
        if not fewest:
            break
    return found


def rests(nodes: Sequence[Step], idles: Mapping[int, float] | None = None) -> Iterator[float]:
    """What positions that hold no output hold before each node of a model, and behind the last.

    nodes: of the model.
    idles: of affine nodes by their places, NaN follows from others; their own (`Affine.idle`) where None.

    >>> import fhenn
    >>> list(rests([fhenn.Linear([[1.0]]), fhenn.PolynomialActivation([0.5, 1.0], domain=(-1, 1))]))
    [0.0, 0.0, 0.5]
    """

    def step(place: int, node: Affine | Activation, x: float) -> float:
        """What a node makes of one value."""
        if isinstance(node, Affine):
            return node.idle if idles is None else idles.get(place, nan)
        return x if isnan(x) else image_of(node, x)

    return trail(nodes, 0.0, step, plus)


def image_of(node: Activation, x: float) -> float:
    """What an activation's polynomials make of one value.

    node: the activation.
    x: the value.
    """
    y = x
    for polynomial in node.polynomials:
        y = float(polynomial(y))
    return y * x if node.times_input else y


def scaled_nodes(nodes: Sequence[Step], low: Floats, high: Floats) -> list[Step]:
    """A model's nodes for inputs that the client scaled.

    nodes: of the model, an affine one first.
    low, high: the declared bounds, (features,) each.

    >>> import fhenn
    >>> first = scaled_nodes([fhenn.Linear([[1.0, 1e6]])], np.array([0.0, 0.0]), np.array([2.0, 4e-6]))[0]
    >>> first.operator.dense().round(3), first.bias.round(3)
    (array([[1., 2.]]), array([3.]))
    """
    first, *others = nodes
    if not isinstance(first, Affine):
        raise TypeError("the first node is not affine")
    return [ServedLayer.of_scaled(first, *_middle_and_half(low, high)), *others]


def nodes_in_units(nodes: Sequence[Step], units: Sequence[float]) -> list[Step]:
    """A model's nodes with outputs in units.

    nodes: of the model.
    units: powers of two, (outputs,); none for outputs as they are.

    Raises ShapeMismatch where the model has another number of outputs, or ends in an activation.

    >>> import fhenn
    >>> nodes_in_units([fhenn.Linear([[3e9]])], [2.0**31])[0].operator.dense().round(2)
    array([[1.4]])
    """
    *others, last = nodes
    if not units:
        return list(nodes)
    if not isinstance(last, Affine):
        raise ShapeMismatch("units", (len(units),), "none, where an activation is the last node")
    return [*others, ServedLayer.in_units(last, units)]


_FEWEST = 10
"""Samples whose standard deviation says how outputs vary: of ten normal ones it is below a quarter of the true one for
one set in 13,000, of two for more than one in four."""


def units_of(nodes: Sequence[Step], samples: Floats | None, reach: Reach) -> tuple[float, ...]:
    """The unit of every output: the largest power of two that is no more than how much the output varies.

    nodes: of the model, as it is, an affine one last.
    samples: (samples, features), whose outputs' standard deviation counts; None, or fewer than ten, for half of the
    interval that inputs within bounds can reach.
    reach: that interval for each output, with the model's outputs as they are.

    Returns (outputs,), 1 for an output that does not vary; nothing where every unit is 1.

    >>> import fhenn
    >>> nodes = [fhenn.Linear([[3e9], [0.0]])]
    >>> units_of(nodes, None, Reach(np.array([-3e9, 0.0]), np.array([3e9, 0.0]))) == (2.0**31, 1.0)
    True
    """
    if samples is not None and len(samples) >= _FEWEST:
        values = outputs_of(nodes, samples)
        largest = np.abs(values).max(axis=0)
        spread = largest * (values / np.where(largest > 0, largest, 1.0)).std(axis=0)
    else:
        largest, spread = np.maximum(np.abs(reach.low), np.abs(reach.high)), reach.high / 2 - reach.low / 2
    varies = (spread > _NO_SPREAD * largest) & np.isfinite(spread)
    exponents = np.frexp(np.where(varies, spread, 1.0))[1] - 1
    units = tuple(np.ldexp(1.0, np.clip(exponents, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)).tolist())
    return units if any(unit != 1.0 for unit in units) else ()


def is_unit(value: float) -> bool:
    """Whether a number can be the unit of an output: a power of two, from 2⁻¹⁰⁰⁰ to 2¹⁰⁰⁰.

    >>> is_unit(2.0**-30), is_unit(3.0)
    (True, False)
    """
    mantissa, exponent = frexp(value)
    return mantissa == 0.5 and abs(exponent - 1) <= _LARGEST_EXPONENT


def takes_units(model: Node, relative: bool | None) -> bool:
    """Whether a model's accuracy is relative to how its outputs vary.

    model: any node.
    relative: what the user says; None for what the model is (`Node.is_regression`).

    Raises ParameterError where the user says so, and the model ends in an activation.
    """
    affine = isinstance(circuit(model)[-1], Affine)
    if relative and not affine:
        raise ParameterError(
            "accuracy can be relative to the outputs only where an affine layer is the last.",
            "Leave relative= out, and give the accuracy in units of the outputs.",
        )
    return affine and (model.is_regression if relative is None else relative)


def served_nodes(plan: Plan, model: Node) -> list[Step]:
    """The nodes that a server runs for a model: for inputs as clients of the plan encrypt them.

    plan: of the model.
    model: whose nodes they are.

    Raises ShapeMismatch where the plan has units for other outputs.
    """
    nodes = circuit(model)
    nodes = nodes_in_units(scaled_nodes(nodes, *plan.bounds) if plan.scaled else nodes, plan.units)
    return with_spare(with_targets(with_idle_values(nodes), plan.targets), plan.spare)


def scaled_bounds(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The bounds of scaled inputs: -1 and 1, or 0 twice for a feature that is the constant 0.

    low, high: the declared bounds, (features,) each.
    """
    ends = (_middle_and_half(low, high)[1] > 0).astype(np.float64)
    return -ends, ends


def scale(values: Floats, low: Floats, high: Floats) -> Floats:
    """What a client encrypts.

    values: (samples, features).
    low, high: the declared bounds, (features,) each.

    Returns (samples, features), in [-1, 1] where the values lie within the box of the bounds; 0 for a feature that is
    the constant 0.

    >>> scale(np.array([[0.0], [1.0], [2.0]]), np.array([0.0]), np.array([2.0])).round(3).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """
    middle, half = _middle_and_half(low, high)
    scaled: Floats = np.divide(values - middle, half, out=np.zeros_like(values), where=half > 0)
    return scaled


def _middle_and_half(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The middle and the half width of every feature's box."""
    floor, ceiling = box_of(low, high)
    return floor / 2 + ceiling / 2, ceiling / 2 - floor / 2
