"""Maps of whole rows: `Matrix`, `Sketch` and `Kernel`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fhenn.errors import ParameterError
from fhenn.interop.preparation.frame import Field, Fields, Floats, Frame
from fhenn.interop.preparation.step import SHOWN, Step

_MOST = 1 << 17
"""Components of a sketch."""


@dataclass(frozen=True, repr=False)
class Matrix(Step):
    """x Wᵀ + b of each row x.

    weights: W, a row for each feature that comes out.
    bias: b; empty for none.
    Raises ParameterError where rows have different lengths.

    >>> from fhenn.interop.preparation import Preparation
    >>> step = Matrix(((1.0, 2.0),), (0.5,))
    >>> Preparation.of_numbers(2).then(step, features=["a"]).prepare([[1.0, 1.0]]).tolist()
    [[3.5]]
    """

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_matrix("Matrix", self.weights)
        if self.bias and len(self.bias) != len(self.weights):
            raise ParameterError("a step Matrix must have a bias for each of its rows, or none.", "Give as many.")

    def after(self, before: Fields) -> Fields:
        """A feature for each row of W. Raises ParameterError where there are other columns."""
        self._require_width(before, self.weights[0])
        return (Field(),) * len(self.weights)

    def apply(self, frame: Frame) -> Frame:
        """The products."""
        found = frame.values @ self._weights.T
        return frame.numbers(found + np.array(self.bias) if self.bias else found, self.after(frame.fields))

    def work(self, count: int) -> int:
        """The weights."""
        return len(self.weights) * len(self.weights[0])

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The shape of the weights."""
        yield f"the {len(self.weights)} × {len(self.weights[0])} weights of a linear map, as components are"

    @cached_property
    def _weights(self) -> Floats:
        return np.array(self.weights, dtype=np.float64)


@dataclass(frozen=True, repr=False)
class Sketch(Step):
    """The tensor sketch of each row, whose inner products are about (γ x·y + c)ᵈ.

    places: for each of d factors, the component that each column is added to.
    signs: with which sign, 1 or -1.
    components: how many come out.
    gamma: γ, 0 or more.
    coef0: c, 0 or more; where it is not 0, a column of 1 joins the others, last.
    Raises ParameterError where these do not go together.

    Source: Pham and Pagh, KDD 2013; scikit-learn's PolynomialCountSketch.
    """

    places: tuple[tuple[int, ...], ...]
    signs: tuple[tuple[int, ...], ...]
    components: int
    gamma: float
    coef0: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_matrix("Sketch", self.places)
        widths = {*map(len, self.places), *map(len, self.signs)}
        if len(self.places) != len(self.signs) or len(widths) != 1 or not 1 <= self.components <= _MOST:
            raise ParameterError("places and signs of a Sketch differ in shape.", "Give a sign for each place.")
        if any(not 0 <= place < self.components for each in self.places for place in each) or any(
            sign not in (-1, 1) for each in self.signs for sign in each
        ):
            raise ParameterError("a Sketch has a place or sign that is none.", "Places count from 0; signs are 1, -1.")
        if not (0 <= self.gamma < np.inf and 0 <= self.coef0 < np.inf):
            raise ParameterError("gamma and coef0 of a Sketch must be 0 or more.", "Give for instance 1.0 and 0.0.")

    def after(self, before: Fields) -> Fields:
        """The components. Raises ParameterError where there are other columns."""
        width = len(self.places[0]) - (self.coef0 != 0)
        if len(before) != width:
            raise ParameterError(f"a step Sketch is for {width} columns, and {len(before)} come in.", "Give as many.")
        return (Field(),) * self.components

    def apply(self, frame: Frame) -> Frame:
        """The sketches: their circular convolution, by Fourier transforms."""
        values = np.sqrt(self.gamma) * frame.values
        if self.coef0 != 0:
            values = np.hstack([values, np.full((frame.rows, 1), np.sqrt(self.coef0))])
        product = np.ones((frame.rows, self.components), dtype=np.complex128)
        for places, signs in zip(self.places, self.signs, strict=True):
            sketch = np.zeros((frame.rows, self.components))
            for column, (place, sign) in enumerate(zip(places, signs, strict=True)):
                sketch[:, place] += sign * values[:, column]
            product *= np.fft.fft(sketch, axis=1)
        return frame.numbers(np.real(np.fft.ifft(product, axis=1)), self.after(frame.fields))

    def work(self, count: int) -> int:
        """A transform for each factor, and one back."""
        return (len(self.places) + 1) * (count + 8 * self.components * self.components.bit_length())


@dataclass(frozen=True, repr=False)
class Kernel(Step):
    """A kernel of each row x and each of some rows y of the training data, which it so shows.

    kind: "linear", x·y; "poly", (γ x·y + c)ᵈ; "sigmoid", tanh(γ x·y + c); "rbf", exp(-γ |x - y|²).
    rows: of the training data.
    gamma, coef0, degree: γ, c and d.
    Raises ParameterError where rows have different lengths.

    >>> from fhenn.interop.preparation import Preparation
    >>> step = Kernel("linear", ((1.0, 2.0),))
    >>> Preparation.of_numbers(2).then(step, features=["a"]).prepare([[3.0, 4.0]]).tolist()
    [[11.0]]
    """

    kind: Literal["linear", "poly", "sigmoid", "rbf"]
    rows: tuple[tuple[float, ...], ...]
    gamma: float = 1.0
    coef0: float = 0.0
    degree: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_matrix("Kernel", self.rows)

    def after(self, before: Fields) -> Fields:
        """A feature for each row. Raises ParameterError where there are other columns."""
        self._require_width(before, self.rows[0])
        return (Field(),) * len(self.rows)

    def apply(self, frame: Frame) -> Frame:
        """The kernels."""
        rows = np.array(self.rows, dtype=np.float64)
        if self.kind == "rbf":
            # differences first: squares of large numbers would cancel
            distances = [np.square(frame.values - row).sum(axis=1) for row in rows]
            found = np.exp(-self.gamma * np.stack(distances, axis=1))
        else:
            found = frame.values @ rows.T
            if self.kind == "poly":
                found = (self.gamma * found + self.coef0) ** self.degree
            elif self.kind == "sigmoid":
                found = np.tanh(self.gamma * found + self.coef0)
        return frame.numbers(found, self.after(frame.fields))

    def work(self, count: int) -> int:
        """The numbers of the rows."""
        return len(self.rows) * (2 * len(self.rows[0]) + 20)

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """That these are rows of the training data."""
        yield f"{len(self.rows)} rows of the training data, as they are after the steps before"


def _require_matrix(step: str, rows: Sequence[Sequence[object]]) -> None:
    """Raise ParameterError where rows are none, or of different lengths."""
    if len({*map(len, rows)}) != 1 or not rows[0]:
        raise ParameterError(f"a step {step} must have rows of one length.", "Give at least one row.")
