"""How the values of an array sit in the slots of ciphertexts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil, prod
from typing import Any, Literal
from zlib import compress, decompressobj
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.strict import built

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Layout(ABC):
    """Where each value sits. Immutable."""

    @abstractmethod
    def pack(self, values: NDArray[np.float64], slots: int) -> Floats:
        """The slot values of every ciphertext.

        values: of a shape that the layout takes.
        slots: of a ciphertext.

        Returns (ciphertexts, slots).
        Raises ShapeMismatch.
        """

    @abstractmethod
    def unpack(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The array whose slot values `pack` put into rows.

        rows: (ciphertexts, slots).
        shape: of the array.
        """

    @abstractmethod
    def ciphertexts(self, shape: tuple[int, ...], slots: int) -> int:
        """How many ciphertexts an array takes.

        shape: of the array.
        slots: of a ciphertext.

        Raises ShapeMismatch where the layout does not take that shape.
        """

    @abstractmethod
    def largest_by_sample(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> Floats:
        """The largest magnitude in the slots of each sample. Slots of no sample count for all in their ciphertext.

        rows: (ciphertexts, slots).
        shape: of the array.

        Returns (samples,).
        """

    @property
    def name(self) -> str:
        """Its name in messages."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Packed(Layout):
    """Values of any shape in C order, as many as fit in each ciphertext, repeated over its spare slots.

    That is how TenSEAL fills a vector, and what its matrix product relies on.
    """

    def pack(self, values: NDArray[np.float64], slots: int) -> Floats:
        flat = values.reshape(-1)
        rows = [np.resize(flat[start : start + slots], slots) for start in range(0, len(flat), slots)]
        return np.array(rows).reshape(-1, slots)

    def unpack(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return np.array(rows).reshape(-1)[: prod(shape)].reshape(shape)

    def largest_by_sample(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> Floats:
        # values of several samples, and copies, stand in any slot
        return np.full(shape[:1], np.abs(rows).max(initial=0.0))

    def ciphertexts(self, shape: tuple[int, ...], slots: int) -> int:
        return -(-prod(shape) // slots)


@dataclass(frozen=True)
class Features(Layout):
    """Samples × features: one feature of as many samples as fit in each ciphertext.

    All features of a block of samples stand side by side: a linear layer needs no rotation. The features of an array
    with more axes, as of images, are those of its axes after the first, in C order.
    """

    def pack(self, values: NDArray[np.float64], slots: int) -> Floats:
        _require_samples(self, values.shape)
        return _blocks(values.reshape(len(values), -1).T, slots)

    def unpack(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> NDArray[np.float64]:
        samples, features = shape[0], prod(shape[1:])
        blocks = np.array(rows).reshape(-1, features, len(rows[0]))
        return blocks.swapaxes(0, 1).reshape(features, -1)[:, :samples].T.copy().reshape(shape)

    def largest_by_sample(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> Floats:
        samples, features = shape[0], prod(shape[1:])
        return _by_sample(np.abs(rows).reshape(-1, features, len(rows[0])).max(axis=1), samples)

    def ciphertexts(self, shape: tuple[int, ...], slots: int) -> int:
        _require_samples(self, shape)
        return -(-shape[0] // slots) * prod(shape[1:])


class WholeSamples(Layout):
    """Samples × features: whole samples in a ciphertext, or in a few, so that one sample takes few.

    period: how many positions hold different features, a power of two.
    samples: how many samples are interleaved in a ciphertext, a power of two.
    tiles: ciphertexts of a sample.

    Value p of sample s sits in slot p·samples + s, so that a rotation by k·samples moves every sample by k positions
    round a ring of slots/samples.
    """

    period: int
    samples: int
    tiles: int

    @property
    @abstractmethod
    def is_plain(self) -> bool:
        """Whether a period of its ciphertexts holds every feature once."""

    @abstractmethod
    def content(self, width: int, slots: int) -> Places:
        """The feature that each position holds.

        width: features of a sample.
        slots: of a ciphertext.

        Returns (tiles, slots/samples), -1 where a position holds none.
        """

    @abstractmethod
    def holds(self, width: int, slots: int) -> bool:
        """Whether every feature has a position.

        width: features of a sample.
        slots: of a ciphertext.
        """

    @abstractmethod
    def places(self, features: Places) -> tuple[Places, Places]:
        """The tile of each feature, and a position there, up to multiples of what its copies lie apart."""

    def pack(self, values: NDArray[np.float64], slots: int) -> Floats:
        _require_samples(self, values.shape)
        values = values.reshape(len(values), -1)
        samples, width = values.shape
        groups = ceil(samples / self.samples)
        padded = np.zeros((groups * self.samples, width + 1))  # the last column stands for "none"
        padded[:samples, :width] = values
        held = self.content(width, slots)
        rows = padded.reshape(groups, self.samples, width + 1)[:, :, held]  # group, sample, tile, position
        return rows.transpose(0, 2, 3, 1).reshape(groups * self.tiles, -1)

    def unpack(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """The array in rows; each value is the mean of its copies, whose errors are nearly independent.

        rows: (ciphertexts, slots).
        shape: (samples, features) of the array, or (samples, ...) with its features in C order.
        """
        samples, width = shape[0], prod(shape[1:])
        slots = len(rows[0])
        held = self.content(width, slots).reshape(-1)
        groups = np.array(rows).reshape(-1, self.tiles, slots // self.samples, self.samples)
        values = groups.transpose(0, 3, 1, 2).reshape(-1, len(held))
        by_feature = np.argsort(held, kind="stable")
        starts = np.searchsorted(held[by_feature], np.arange(width))
        copies = np.diff(starts, append=len(held))
        return (np.add.reduceat(values[:, by_feature], starts, axis=1) / copies)[:samples].reshape(shape)

    def largest_by_sample(self, rows: Sequence[Sequence[float]] | Floats, shape: tuple[int, ...]) -> Floats:
        groups = np.abs(rows).reshape(-1, self.tiles * len(rows[0]) // self.samples, self.samples)
        return _by_sample(groups.max(axis=1), shape[0])

    def ciphertexts(self, shape: tuple[int, ...], slots: int) -> int:
        _require_samples(self, shape)
        return -(-shape[0] // self.samples) * self.tiles


Form = Literal["replicated", "blocks", "tiles"]


@dataclass(frozen=True)
class Vectors(WholeSamples):
    """Features in order.

    form: what a position holds, as below.
    period: how many positions hold different features, a power of two.
    samples: how many samples are interleaved in a ciphertext, a power of two.
    step: by how much blocks differ, or how long runs are, a power of two.
    tiles: ciphertexts of a sample; 1 where the form is "replicated".

    By their form, positions of the ring hold:
    - "replicated": position p holds feature p mod period.
    - "blocks": the ring is blocks of `period` positions (or of as many as the matrix has outputs, if that is more);
      block i holds the features rotated by i·step, so that each block serves other diagonals of the first matrix.
      With several tiles, ciphertext t holds features t·period … in that way.
    - "tiles": several ciphertexts a sample; ciphertext t holds features t·period … in runs of `step` equal values,
      position p holding feature t·period + (p // step) mod period.

    >>> Vectors("replicated", 2).pack(np.array([[1.0, 2.0]]), 4).tolist()
    [[1.0, 2.0, 1.0, 2.0]]
    """

    form: Form
    period: int
    samples: int = 1
    step: int = 1
    tiles: int = 1

    @property
    def is_plain(self) -> bool:
        return self.form == "replicated"

    def content(self, width: int, slots: int) -> Places:
        held = self._within(slots) + self.period * np.arange(self.tiles)[:, None]
        return np.where(held < width, held, -1)

    def _within(self, slots: int) -> Places:
        """Which of the features of its ciphertext each position holds, (slots/samples,)."""
        positions = np.arange(slots // self.samples)
        if self.form == "tiles":
            return positions // self.step % self.period
        if self.form == "blocks":
            outputs = self.step * len(positions) // self.period
            positions = positions + positions // max(self.period, outputs) * self.step
        return positions % self.period

    def holds(self, width: int, slots: int) -> bool:
        if not _powers_of_two(self.period, self.samples, self.step) or self.period * self.samples > slots:
            return False
        # counted, not laid out: the count may be a stranger's
        if self.tiles != -(-width // self.period) or (self.form == "replicated" and self.tiles > 1):
            return False
        return len(np.unique(self._within(slots))) >= min(width, self.period)

    def places(self, features: Places) -> tuple[Places, Places]:
        if self.tiles == 1:
            return np.zeros_like(features), features
        return features // self.period, features


@dataclass(frozen=True)
class Placement(WholeSamples):
    """Every feature at a place of its own, or at several.

    table: the feature of each position of each tile, -1 for none: little-endian 32-bit integers, tile by tile.
    period: positions of a tile, a power of two; they repeat round the ring.
    samples: how many samples are interleaved in a ciphertext, a power of two.
    tiles: ciphertexts of a sample.

    >>> spread = Placement.of(np.array([[0, -1, 1, -1]]))
    >>> spread.pack(np.array([[1.0, 2.0]]), 8).tolist()
    [[1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 2.0, 0.0]]
    """

    table: bytes
    period: int
    samples: int = 1
    tiles: int = 1

    @classmethod
    def of(cls, held: NDArray[np.integer[Any]], samples: int = 1) -> Placement:
        """The placement of a table.

        held: the feature of each position, (tiles, period), -1 for none.
        samples: that are interleaved.
        """
        tiles, period = held.shape
        return cls(np.ascontiguousarray(held, "<i4").tobytes(), period, samples, tiles)

    @property
    def held(self) -> Places:
        """The feature of each position, (tiles, period), -1 for none."""
        return np.frombuffer(self.table, "<i4").reshape(self.tiles, self.period).astype(np.int64)

    @property
    def is_plain(self) -> bool:
        return _count_copies(self.table) == 1

    def content(self, width: int, slots: int) -> Places:
        return np.tile(self.held, slots // self.samples // self.period)

    def holds(self, width: int, slots: int) -> bool:
        if not _powers_of_two(self.period, self.samples) or self.period * self.samples > slots:
            return False
        if len(self.table) != 4 * self.tiles * self.period:
            return False
        features = np.frombuffer(self.table, "<i4")
        found = features != -1
        known = np.unique(features[found])
        # counted, not laid out: the width may be a stranger's
        every = len(known) == width and (width == 0 or (known[0], known[-1]) == (0, width - 1))
        return every and bool(found.reshape(self.tiles, -1).any(axis=1).all())  # no ciphertext for nothing

    def places(self, features: Places) -> tuple[Places, Places]:
        """The tile of each feature, and its position there: the last one of several."""
        at = _places_in(self.table)[features]
        return at // self.period, at % self.period

    def __repr__(self) -> str:
        return f"Placement(period={self.period}, samples={self.samples}, tiles={self.tiles})"


PACKED, FEATURES = Packed(), Features()

_MOST = 1 << 17
"""Slots, or ciphertexts of a sample, that a layout from elsewhere may name."""

_LARGEST_TABLE = 1 << 20
"""Bytes of a placement's table from elsewhere: of 16 ciphertexts in the largest ring."""

_NAMED: dict[str, Layout] = {"packed": PACKED, "features": FEATURES}


def layout_of(name: str | Layout) -> Layout:
    """The layout of a name.

    name: "packed" or "features"; a layout stands for itself.

    Raises ParameterError for another name.
    """
    if isinstance(name, Layout):
        return name
    if name not in _NAMED:
        raise ParameterError(
            f"layout must be one of {', '.join(map(repr, _NAMED))}, not {name!r}.", "Give for instance 'features'."
        )
    return _NAMED[name]


def layout_to_json(layout: Layout) -> dict[str, Any]:
    """The layout as plain data."""
    data = {"name": layout.name, **asdict(layout)}  # type: ignore[call-overload]
    if isinstance(layout, Placement):
        # of neighbours the differences, which are mostly alike: messages say their layout before all else, in few bytes
        steps = np.diff(np.frombuffer(layout.table, "<i4"), prepend=np.int32(0)).astype("<i4")
        data["table"] = b64encode(compress(steps.tobytes(), 9)).decode()
    return data


def layout_from_json(data: Any) -> Layout:
    """The layout that `layout_to_json` wrote.

    data: from a stranger.

    Raises ValueError, TypeError or KeyError where it is not a layout.
    """
    fields = dict(data)
    name = fields.pop("name")
    if name == "vectors":
        layout: Vectors = built(Vectors, fields)
        _require_modest(layout.period, layout.samples, layout.step, layout.tiles)
        return layout
    if name == "placement":
        counts = [fields[each] for each in ("period", "samples", "tiles")]
        if not all(type(count) is int for count in counts):
            raise ValueError("a placement's period, samples and tiles must be whole numbers")
        _require_modest(*counts)
        steps = np.frombuffer(_inflated(fields.pop("table"), 4 * counts[0] * counts[2]), "<i4")
        return Placement(np.cumsum(steps, dtype=np.int64).astype("<i4").tobytes(), **fields)
    if name not in _NAMED:
        raise ValueError(f"a layout's name must be 'packed', 'features', 'vectors' or 'placement', not {name!r:.40}")
    if fields:
        raise ValueError(f"layout {name!r} has no fields besides its name")
    return _NAMED[name]


def _require_modest(*counts: int) -> None:
    """Raise ValueError where a layout from elsewhere names too much."""
    if not all(0 < count <= _MOST for count in counts):
        raise ValueError(f"a layout's period, samples, step and tiles must be from 1 to {_MOST}, not {counts}")


def _inflated(text: Any, size: int) -> bytes:
    """A table of so many bytes. Raises ValueError for another, TypeError for no text."""
    if size > _LARGEST_TABLE:
        raise ValueError(f"a placement has at most {_LARGEST_TABLE // 4} positions")
    inflater = decompressobj()
    try:
        table = inflater.decompress(b64decode(text, validate=True), size + 1)
    except zlib_error as error:
        raise ValueError("a placement's table cannot be read") from error
    if len(table) != size or not inflater.eof or inflater.unused_data:
        raise ValueError(f"a placement's table must have {size} bytes")
    return table


def _powers_of_two(*sizes: int) -> bool:
    """Whether all sizes are powers of two."""
    return all(size > 0 and size & (size - 1) == 0 for size in sizes)


@lru_cache(maxsize=64)
def _count_copies(table: bytes) -> int:
    """At how many places a feature of a table of `Placement` is, at most."""
    held = np.frombuffer(table, "<i4")
    return int(np.bincount(held[held >= 0], minlength=1).max())


@lru_cache(maxsize=64)
def _places_in(table: bytes) -> Places:
    """Where each feature is in a table of `Placement`, (features,)."""
    held = np.frombuffer(table, "<i4")
    at = np.flatnonzero(held >= 0)
    places = np.empty(held.max(initial=-1) + 1, np.int64)
    places[held[at]] = at
    return places


def _require_samples(layout: Layout, shape: tuple[int, ...]) -> None:
    """Raise ShapeMismatch where a shape is not (samples, features) or (samples, ...) with more axes."""
    if len(shape) < 2:
        raise ShapeMismatch(f"layout {layout.name!r}", shape, "(samples, features)")


def _by_sample(groups: Floats, samples: int) -> Floats:
    """The numbers of samples, of which each counts those of the places beside it that hold none too.

    groups: (groups of samples, places).
    samples: that there are, in order.

    Returns (samples,).
    """
    empty = (np.arange(groups.size) >= samples).reshape(groups.shape)
    beside = np.where(empty, groups, 0.0).max(axis=1, keepdims=True)
    largest: Floats = np.maximum(groups, beside).reshape(-1)[:samples]
    return largest


def _blocks(rows: Floats, slots: int) -> Floats:
    """Rows of any length as rows of `slots`, block by block, padded with zeros."""
    count, length = rows.shape
    blocks = ceil(length / slots)
    padded = np.zeros((count, blocks * slots))
    padded[:, :length] = rows
    return padded.reshape(count, blocks, slots).swapaxes(0, 1).reshape(blocks * count, slots)
