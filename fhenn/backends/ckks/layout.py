"""How the values of an array sit in the slots of ciphertexts."""

from __future__ import annotations

from math import ceil, prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError, ShapeMismatch

Layout = Literal["packed", "features"]
"""packed: values of any shape in C order, as many as fit in each ciphertext.
features: samples × features, one feature of as many samples as fit in each ciphertext, all features of a block of
samples side by side; what a linear layer computes on without a rotation."""

LAYOUTS: tuple[Layout, ...] = ("packed", "features")


def pack(values: NDArray[np.float64], layout: Layout, slots: int) -> list[list[float]]:
    """The slot values of every ciphertext, `slots` each, spare slots 0. Raises ParameterError, ShapeMismatch."""
    if layout == "packed":
        rows = _blocks(values.reshape(1, -1), slots)
    elif layout == "features":
        if values.ndim != 2:
            raise ShapeMismatch("layout 'features'", values.shape, "(samples, features)")
        rows = _blocks(values.T, slots)
    else:
        raise ParameterError(f"layout {layout!r} is unknown.", f"Choose one of {list(LAYOUTS)}.")
    return [row.tolist() for row in rows]


def _blocks(rows: NDArray[np.float64], slots: int) -> NDArray[np.float64]:
    """Rows of any length as rows of `slots`, block by block: (blocks · rows, slots), padded with zeros."""
    count, length = rows.shape
    blocks = ceil(length / slots)
    padded = np.zeros((count, blocks * slots))
    padded[:, :length] = rows
    return padded.reshape(count, blocks, slots).swapaxes(0, 1).reshape(blocks * count, slots)


def ciphertexts_of(shape: tuple[int, ...], layout: Layout, slots: int) -> int:
    """How many ciphertexts an array of `shape` takes."""
    if layout == "features":
        return ceil(shape[0] / slots) * shape[1]
    return ceil(prod(shape) / slots)


def unpack(rows: list[list[float]], shape: tuple[int, ...], layout: Layout) -> NDArray[np.float64]:
    """The array of `shape` whose slot values `pack` made `rows` of."""
    slots = np.array(rows)
    if layout == "packed":
        return slots.reshape(-1)[: prod(shape)].reshape(shape)
    samples, features = shape
    blocks = slots.reshape(-1, features, slots.shape[1])
    return blocks.swapaxes(0, 1).reshape(features, -1)[:, :samples].T.copy()
