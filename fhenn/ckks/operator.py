"""Linear maps as objects: what they do, and what planning and schedules ask of them. Pure NumPy.

An affine layer is y = A x + b. The operator A knows its shape, multiplies samples, columns and other operators,
bounds what it does to errors, and names single entries, which is how a schedule of diagonals reads it. A kind that is
not dense stores what it needs and no matrix of outputs × inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from math import sqrt
from operator import index
from typing import Any, Self, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import floating
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.finite import require_finite

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Samples = NDArray[np.floating[Any]]

_DENSE = 1 << 22
"""Entries, zeros included, of a matrix whose spectral norm is computed: in a second, at most."""

_ROUNDING = 2.0**-20
"""What the rounding of that may be, and more."""

_PIECE = 1 << 20
"""Entries that are looked at together: what they take beside the matrix is 8 MB for each number of an entry."""

_MANY, _FILLED = 1 << 22, 32
"""Products of its entries with columns from which on a sparse matrix is written in full for them, zeros included, and
how many entries there may then be for each that is stored: a product of matrices takes a fiftieth of the time."""


class Operator(ABC):
    """A linear map from `inputs` numbers to `outputs` numbers. Immutable; equal only to itself.

    >>> average = Dense([[0.5, 0.5]])
    >>> double = Scaling([2.0, 2.0])
    >>> (average @ double).dense()
    array([[1., 1.]])
    """

    __array_ufunc__ = None  # so that NumPy leaves `array @ operator` alone, which means nothing

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""

    @property
    @final
    def outputs(self) -> int:
        """Numbers that come out for a sample."""
        return self.shape[0]

    @property
    @final
    def inputs(self) -> int:
        """Numbers of a sample that go in."""
        return self.shape[1]

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers are stored."""

    @property
    def most_entries(self) -> int:
        """At most so many entries are not 0, as is known without looking at them: the products that a server makes."""
        return self.size

    @property
    def name(self) -> str:
        """What kind it is."""
        return type(self).__name__

    @abstractmethod
    def apply(self, x: Samples) -> Samples:
        """A x of every sample.

        x: samples, (..., inputs).
        Returns (..., outputs), in the precision of `x`.
        Raises ShapeMismatch where the last axis of `x` does not have `inputs` numbers.
        """

    @property
    @abstractmethod
    def transpose(self) -> Operator:
        """The transpose, of shape (inputs, outputs): what gradients go through."""

    @property
    @final
    def T(self) -> Operator:  # noqa: N802  (NumPy's name)
        """The transpose, by its short name."""
        return self.transpose

    @abstractmethod
    def abs(self) -> Operator:
        """The operator with the magnitude of every entry."""

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest magnitude of an entry."""

    @abstractmethod
    def row_norms(self, norm: int) -> Floats:
        """(Σⱼ |wᵢⱼ|^norm)^(1/norm) of every row i.

        norm: 1 or 2, as errors add up at worst or like independent ones.
        Returns (outputs,).
        """

    def most_alike(self) -> int:
        """How many rows are the same but for their sign, zeros left out: 1 where all differ."""
        seen = Counter[bytes]()
        for rows, columns, values in self.pieces():
            starts = np.flatnonzero(np.diff(rows, prepend=-1))
            signed = values * np.repeat(np.sign(values[starts]), np.diff(starts, append=len(rows)))
            for start, end in pairwise((*starts.tolist(), len(rows))):
                seen[sha256(columns[start:end].tobytes() + signed[start:end].tobytes()).digest()] += 1
        return max(seen.values(), default=1)

    @cached_property
    def spectral_norm(self) -> float:
        """An upper bound of the largest ‖A x‖₂ for ‖x‖₂ = 1; that itself, but for rounding, for up to 2²² entries.

        Of larger ones √(‖A‖₁·‖A‖_∞), or the root of the sum of all squares where that is less (Golub & Van Loan,
        "Matrix Computations", 2013, section 2.3).
        """
        if not self.largest:
            return 0.0
        squares = float(np.linalg.norm(self.row_norms(2)))
        if min(self.shape) == 1:
            return squares
        if self.outputs * self.inputs > _DENSE:
            sums = self.row_norms(1).max(), self.transpose.row_norms(1).max()
            return min(squares, float(sqrt(sums[0]) * sqrt(sums[1])))
        matrix = self.dense() / self.largest  # so that no square overflows
        gram = matrix @ matrix.T if self.outputs <= self.inputs else matrix.T @ matrix
        return self.largest * float(np.sqrt(np.linalg.eigvalsh(gram)[-1])) * (1 + _ROUNDING)

    def known_to_be(self, spectral_norm: float) -> Self:
        """The operator itself, of which a bound on the spectral norm is known that may be less than its own.

        spectral_norm: the bound; where it is less, it counts from now on.
        """
        if spectral_norm < self.spectral_norm:
            vars(self)["spectral_norm"] = spectral_norm
        return self

    @final
    def row_sizes(self) -> Places:
        """How many entries of every row are not zero, (outputs,)."""
        sizes = np.zeros(self.outputs, np.int64)
        for rows, _, _ in self.pieces():
            sizes += np.bincount(rows, minlength=self.outputs)
        return sizes

    @final
    def abs_row_sums(self, largest: Floats | None = None) -> Floats:
        """Σⱼ |wᵢⱼ|·largestⱼ of every row i: what inputs of those magnitudes can come to.

        largest: magnitudes of the inputs, (inputs,); 1 each where None.
        Returns (outputs,).
        """
        return self.abs() @ (np.ones(self.inputs) if largest is None else largest)

    @final
    def entries(self, rows: NDArray[np.integer[Any]], columns: NDArray[np.integer[Any]]) -> Floats:
        """Entries at places, and 0 where a place lies outside: what a schedule of diagonals reads.

        rows: integers that broadcast with `columns`; -1, or beyond the last output, is outside.
        columns: integers; -1, or beyond the last input, is outside.
        Returns an array of the shape that both broadcast to.

        >>> Dense([[1.0, 2.0]]).entries(np.array([0, 0, 1]), np.array([1, -1, 0])).tolist()
        [2.0, 0.0, 0.0]
        """
        inside = (rows >= 0) & (rows < self.outputs) & (columns >= 0) & (columns < self.inputs)
        return np.where(inside, self._entries(np.where(inside, rows, 0), np.where(inside, columns, 0)), 0.0)

    @abstractmethod
    def _entries(self, rows: Places, columns: Places) -> Floats:
        """Entries at places that all lie inside."""

    @abstractmethod
    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        """The entries that are not zero, some rows at a time: their rows, their columns and their values.

        >>> [tuple(map(np.ndarray.tolist, piece)) for piece in Scaling([2.0, 0.0, 3.0]).pieces()]
        [([0, 2], [0, 2], [2.0, 3.0])]
        """

    @abstractmethod
    def largest_sums(self, count: int) -> Floats:
        """The sum of the `count` largest magnitudes of every row.

        count: 1 to `inputs`.
        Returns (outputs,).
        """

    def dense(self) -> Floats:
        """All entries, (outputs, inputs), read-only. A `Dense` hands out the same array each time."""
        matrix = np.zeros(self.shape)
        for rows, columns, values in self.pieces():
            matrix[rows, columns] = values
        return freeze(matrix)

    def sparse(self) -> Sparse:
        """The same map by its entries that are not zero, all of which are then stored.

        >>> Scaling([2.0, 0.0, 3.0]).sparse().values.tolist()
        [2.0, 3.0]
        """
        return Sparse._of(
            self.shape, ((rows * self.inputs + columns, values) for rows, columns, values in self.pieces())
        )

    @property
    @abstractmethod
    def content(self) -> bytes:
        """What is stored, as bytes: with the kind and the shape, it tells one operator from another."""

    @overload
    def __matmul__(self, other: Operator) -> Operator: ...

    @overload
    def __matmul__(self, other: Floats) -> Floats: ...

    def __matmul__(self, other: Operator | Floats) -> Operator | Floats:
        """The product with another operator, which acts first, or with columns.

        other: an operator with as many outputs as this one has inputs, or an array (inputs, ...).
        Returns an operator, as sparse as both allow; or an array (outputs, ...).
        Raises ShapeMismatch where the shapes do not fit.
        Raises NonFiniteValue where an entry of the product of two operators overflows.
        """
        if isinstance(other, Operator):
            if other.outputs != self.inputs:
                raise ShapeMismatch("operator", other.shape, f"{self.inputs} outputs, which the next map takes")
            with np.errstate(over="ignore", invalid="ignore"):  # refused where the product is made
                return self._after(other)
        if other.ndim == 0 or other.shape[0] != self.inputs:
            raise ShapeMismatch("operator", other.shape, f"({self.inputs}, ...)")
        return self._columns(other)

    def _after(self, first: Operator) -> Operator:
        """The product self · first, of shapes that fit: a matrix where one of them is."""
        if isinstance(first, Dense):
            return Dense(freeze(self._columns(first.dense())))
        return self.sparse()._after(first.sparse())

    def _before(self, last: Scaling) -> Operator | None:
        """The product last · self with a scaling of as many features, None where it is not of this kind."""
        return None

    def _columns(self, columns: Floats) -> Floats:
        """A times columns of as many rows as there are inputs."""
        product = self.apply(np.moveaxis(columns, 0, -1)).astype(np.float64, copy=False)
        return np.moveaxis(product, -1, 0)

    def _require(self, x: Samples) -> None:
        """Raise ShapeMismatch where samples do not have as many numbers as there are inputs."""
        if x.ndim == 0 or x.shape[-1] != self.inputs:
            raise ShapeMismatch("operator", x.shape, f"(..., {self.inputs})")

    def __repr__(self) -> str:
        return f"{self.name}(inputs={self.inputs}, outputs={self.outputs})"


class Dense(Operator):
    """A matrix.

    weight: (outputs, inputs), not empty; kept as it is where it is float64 and nobody can write to it.
    Raises ShapeMismatch where it is no matrix, or empty.
    Raises NonFiniteValue where it holds NaN or infinity.
    """

    def __init__(self, weight: ArrayLike) -> None:
        self._weight = constants_of("operator", weight)
        if self._weight.ndim != 2 or 0 in self._weight.shape:
            raise ShapeMismatch("operator", self._weight.shape, "(outputs, inputs), not empty")

    @classmethod
    def _of(cls, weight: Floats) -> Dense:
        """Of a matrix that is ours, and needs no check."""
        weight.flags.writeable = False
        operator = cls.__new__(cls)
        operator._weight = weight
        return operator

    @property
    def shape(self) -> tuple[int, int]:
        outputs, inputs = self._weight.shape
        return outputs, inputs

    @property
    def size(self) -> int:
        return self._weight.size

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        product: Samples = x @ self._weight.T.astype(x.dtype, copy=False)
        return product

    @property
    def transpose(self) -> Dense:
        return Dense._of(self._weight.T)

    def abs(self) -> Dense:
        return Dense._of(np.abs(self._weight))

    @property
    def largest(self) -> float:
        return float(np.abs(self._weight).max())

    def row_norms(self, norm: int) -> Floats:
        norms: Floats = (np.abs(self._weight) ** norm).sum(axis=1) ** (1 / norm)
        return norms

    def _entries(self, rows: Places, columns: Places) -> Floats:
        return self._weight[rows, columns]

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        for start, some in self._some_rows():
            rows, columns = np.nonzero(some)
            yield rows + start, columns, some[rows, columns]

    def largest_sums(self, count: int) -> Floats:
        first = self.inputs - count
        parts = (np.partition(np.abs(some), first, axis=1)[:, first:].sum(axis=1) for _, some in self._some_rows())
        return np.concatenate(list(parts))

    def _some_rows(self) -> Iterator[tuple[int, Floats]]:
        """Some rows at a time, each time with the first one's number."""
        step = max(1, _PIECE // self.inputs)
        for start in range(0, self.outputs, step):
            yield start, self._weight[start : start + step]

    def dense(self) -> Floats:
        return self._weight

    @property
    def content(self) -> bytes:
        return self._weight.tobytes()

    def _after(self, first: Operator) -> Operator:
        # through the rows of the matrix, so that what is sparse costs what it stores
        return Dense(freeze(first.T.apply(self._weight).astype(np.float64, copy=False)))

    def _columns(self, columns: Floats) -> Floats:
        product: Floats = self._weight @ columns if columns.ndim <= 2 else np.tensordot(self._weight, columns, 1)
        return product


class Scaling(Operator):
    """A factor for each feature: a diagonal matrix, as standardisation is.

    factors: (features,), not empty.
    Raises ShapeMismatch where it is no vector, or empty.
    Raises NonFiniteValue where it holds NaN or infinity.
    """

    def __init__(self, factors: ArrayLike) -> None:
        self._factors = constants_of("operator", factors)
        if self._factors.ndim != 1 or not self._factors.size:
            raise ShapeMismatch("operator", self._factors.shape, "(features,), not empty")

    @property
    def factors(self) -> Floats:
        """The factor of each feature, (features,), read-only."""
        return self._factors

    @property
    def shape(self) -> tuple[int, int]:
        return self._factors.size, self._factors.size

    @property
    def size(self) -> int:
        return self._factors.size

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        product: Samples = x * self._factors.astype(x.dtype, copy=False)
        return product

    @property
    def transpose(self) -> Scaling:
        return self

    def abs(self) -> Scaling:
        return Scaling(np.abs(self._factors))

    @property
    def largest(self) -> float:
        return float(np.abs(self._factors).max())

    def row_norms(self, norm: int) -> Floats:
        return np.abs(self._factors)

    def _entries(self, rows: Places, columns: Places) -> Floats:
        return np.where(rows == columns, self._factors[rows], 0.0)

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        places = np.flatnonzero(self._factors)
        yield places, places, self._factors[places]

    def largest_sums(self, count: int) -> Floats:
        return np.abs(self._factors)

    def dense(self) -> Floats:
        return freeze(np.diag(self._factors))

    @property
    def content(self) -> bytes:
        return self._factors.tobytes()

    def _columns(self, columns: Floats) -> Floats:
        product: Floats = self._factors.reshape(-1, *[1] * (columns.ndim - 1)) * columns
        return product

    def _after(self, first: Operator) -> Operator:
        if isinstance(first, Scaling):
            return Scaling(freeze(self._factors * first.factors))
        scaled = first._before(self)
        return super()._after(first) if scaled is None else scaled


class Sparse(Operator):
    """The entries that are not zero, as of a pruned layer, a permutation, a selection, a convolution.

    rows: row of each entry, whole numbers (entries,).
    columns: column of each entry (entries,).
    values: the entries (entries,); those of one place add up.
    shape: (outputs, inputs), at least 1 each.
    Raises ShapeMismatch where the arrays are not of one length, a place lies outside the shape, or the shape is empty.
    Raises ParameterError where the shape is no pair of whole numbers.
    Raises NonFiniteValue where a value is NaN or infinite.

    >>> swap = Sparse([0, 1], [1, 0], [1.0, 1.0], (2, 2))
    >>> swap.apply(np.array([3.0, 5.0])).tolist(), (swap @ swap).dense().tolist()
    ([5.0, 3.0], [[1.0, 0.0], [0.0, 1.0]])
    """

    def __init__(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike, shape: tuple[int, int]) -> None:
        across, down, numbers = _places(rows), _places(columns), constants_of("operator", values)
        if not (across.ndim == 1 and across.shape == down.shape == numbers.shape):
            raise ShapeMismatch("operator", numbers.shape, "(entries,), with a row and a column each")
        try:
            outputs, inputs = map(index, shape)
        except (TypeError, ValueError):
            raise ParameterError(
                f"shape must be two whole numbers, not {shape!r}.", "Give (outputs, inputs), for instance (2, 3)."
            ) from None
        outside = np.any((across < 0) | (across >= outputs) | (down < 0) | (down >= inputs))
        if outputs < 1 or inputs < 1 or outside:
            raise ShapeMismatch("operator", (outputs, inputs), "not empty, and one that holds every place")
        self._shape = (outputs, inputs)
        self._keys, summed = np.unique(across * inputs + down, return_inverse=True)  # row by row
        self._values = constants_of("operator", freeze(np.bincount(summed, numbers, len(self._keys))))
        self._keys.flags.writeable = False

    @cached_property
    def rows(self) -> Places:
        """The row of each entry, in order, read-only."""
        return freeze(self._keys // self.inputs)

    @cached_property
    def columns(self) -> Places:
        """The column of each entry, in order within its row, read-only."""
        return freeze(self._keys % self.inputs)

    @property
    def values(self) -> Floats:
        """The entries, read-only."""
        return self._values

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def size(self) -> int:
        return self._values.size

    def apply(self, x: Samples) -> Samples:
        self._require(x)
        result = np.zeros((*x.shape[:-1], self.outputs), x.dtype)
        if self.size:
            values = self._values.astype(x.dtype, copy=False)
            rows, starts = np.unique(self.rows, return_index=True)
            flat, sums = x.reshape(-1, self.inputs), result.reshape(-1, self.outputs)
            step = max(1, _PIECE // self.size)
            for start in range(0, len(flat), step):
                products = flat[start : start + step, self.columns] * values
                sums[start : start + step, rows] = np.add.reduceat(products, starts, axis=-1)
        return result

    def _columns(self, columns: Floats) -> Floats:
        full, products = self.outputs * self.inputs, columns.size // self.inputs * self.size
        # a zero times what is not finite would spread that over all outputs
        if products <= _MANY or full > _FILLED * self.size or not np.isfinite(columns).all():
            return super()._columns(columns)
        flat, result = columns.reshape(self.inputs, -1), np.empty((self.outputs, columns[0].size))
        step = max(1, _PIECE // self.inputs)
        for first in range(0, self.outputs, step):
            rows = result[first : first + step]
            start, stop = np.searchsorted(self._keys, (first * self.inputs, (first + step) * self.inputs))
            block = np.zeros((len(rows), self.inputs))
            block.reshape(-1)[self._keys[start:stop] - first * self.inputs] = self._values[start:stop]
            np.matmul(block, flat, out=rows)
        return result.reshape(self.outputs, *columns.shape[1:])

    @cached_property  # it is sorted anew
    def transpose(self) -> Sparse:
        return Sparse(self.columns, self.rows, self._values, (self.inputs, self.outputs))

    def abs(self) -> Sparse:
        return self._with(np.abs(self._values))

    @property
    def largest(self) -> float:
        return float(np.abs(self._values).max(initial=0.0))

    def row_norms(self, norm: int) -> Floats:
        sums = np.bincount(self.rows, np.abs(self._values) ** norm, self.outputs).astype(np.float64, copy=False)
        norms: Floats = sums ** (1 / norm)
        return norms

    def pieces(self) -> Iterator[tuple[Places, Places, Floats]]:
        used = np.flatnonzero(self._values)
        yield self.rows[used], self.columns[used], self._values[used]

    def largest_sums(self, count: int) -> Floats:
        sizes = np.abs(self._values)
        order = np.lexsort((-sizes, self.rows))
        rows = self.rows  # in order already
        rank = np.arange(self.size) - np.searchsorted(rows, rows)
        kept = np.where(rank < count, sizes[order], 0.0)
        return np.bincount(rows, kept, self.outputs).astype(np.float64, copy=False)

    def _entries(self, rows: Places, columns: Places) -> Floats:
        if not self.size:
            return np.zeros(rows.shape)
        wanted = rows * self.inputs + columns
        found = np.minimum(np.searchsorted(self._keys, wanted), self.size - 1)
        return np.where(self._keys[found] == wanted, self._values[found], 0.0)

    def sparse(self) -> Sparse:
        return self

    @property
    def content(self) -> bytes:
        keys: bytes = self._keys.tobytes()
        return keys + self._values.tobytes()

    @classmethod
    def _of(cls, shape: tuple[int, int], pieces: Iterable[tuple[Places, Floats]]) -> Sparse:
        """Of keys in ascending order, each once, and the entries at them, in pieces. Raises NonFiniteValue."""
        keys, values = zip((np.zeros(0, np.int64), np.zeros(0)), *pieces, strict=True)
        operator = cls.__new__(cls)
        operator._shape = shape
        operator._keys = freeze(np.concatenate(keys))
        operator._values = constants_of("operator", freeze(np.concatenate(values)))
        return operator

    def _with(self, values: Floats) -> Sparse:
        """The same places with other entries."""
        return Sparse._of(self._shape, [(self._keys, values)])

    def _before(self, last: Scaling) -> Sparse:
        return self._with(self._values * last.factors[self.rows])

    def _after(self, first: Operator) -> Operator:
        if isinstance(first, Scaling):
            return self._with(self._values * first.factors[self.columns])
        if isinstance(first, Dense):
            return super()._after(first)
        return Sparse._of((self.outputs, first.inputs), self._products(first.sparse()))

    def _products(self, first: Sparse) -> Iterator[tuple[Places, Floats]]:
        """The keys and entries of the product with another one, some rows at a time.

        Each entry meets the entries of the row that it takes; what falls on one place adds up.
        """
        starts = np.searchsorted(first.rows, np.arange(first.outputs + 1))
        counts = np.diff(starts)[self.columns]
        before = np.concatenate(([0], np.cumsum(counts)))  # products before each entry
        ends = np.searchsorted(self.rows, np.arange(self.outputs), side="right")
        entry = 0
        while entry < self.size:
            # as many whole rows as come to few products, but at least one
            row = max(
                int(np.searchsorted(before[ends], before[entry] + _PIECE, side="right")) - 1, int(self.rows[entry])
            )
            end = int(ends[row])
            some, columns = counts[entry:end], self.columns[entry:end]
            mine = np.repeat(np.arange(entry, end), some)
            theirs = np.arange(len(mine)) - np.repeat(np.cumsum(some) - some, some) + np.repeat(starts[columns], some)
            places = self.rows[mine] * first.inputs + first.columns[theirs]
            keys, summed = np.unique(places, return_inverse=True)
            products = self._values[mine] * first.values[theirs]
            yield keys, np.bincount(summed.reshape(-1), products, len(keys)).astype(np.float64, copy=False)
            entry = end


def at_once(entries: int, most: int = _PIECE) -> int:
    """How many rows or samples are computed on together.

    entries: that each has.
    most: entries of all together.

    >>> at_once(1 << 18), at_once(1 << 30)
    (4, 1)
    """
    return max(1, most // max(1, entries))


def freeze(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself, read-only from now on."""
    array.flags.writeable = False
    return array


def constants_of(what: str, values: ArrayLike) -> Floats:
    """Read-only float64: the array itself where nobody can write to it, else a copy.

    Raises NonFiniteValue, UnsupportedValue.
    """
    array = floating(values).astype(np.float64, copy=False)
    base = array.base
    if array.flags.writeable or not (base is None or (isinstance(base, np.ndarray) and not base.flags.writeable)):
        array = array.copy(order="K")  # as it lies, so that products are the same to the last bit
    require_finite(what, array, "Look for a division by zero, or an overflow, where they come from.")
    return freeze(array)


def _places(values: ArrayLike) -> Places:
    """Whole numbers as int64. Raises ShapeMismatch for others."""
    places = np.asarray(values)
    if places.dtype.kind not in "iu" and places.size:
        raise ShapeMismatch("operator", places.shape, "whole numbers for rows and columns")
    return places.astype(np.int64)
