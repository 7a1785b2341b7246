"""A node of a graph of ONNX that is read, with the values that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.chain import Chain, Unsuitable, finite
from fhenn.interop.onnx.heads import Above, Column, Index, Labels, Named, Shares, Table, Total, Whole, Zero, as_chain

Constant = NDArray[Any]
Value = Constant | Chain | Whole | Table | Column | Total | Zero | Above | Shares | Index | Labels | Named
"""What stands on an edge of the graph."""


@dataclass(frozen=True)
class Call:
    """An operator with what it is given.

    inputs: None where an optional one is left out.
    batch: the number of samples that the graph is fixed to, 0 for any.
    """

    inputs: tuple[Value | None, ...]
    attributes: Mapping[str, Any]
    outputs: int
    operator_set: int
    batch: int

    def given(self, place: int) -> Value | None:
        """An input, None where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def chain(self, place: int = 0) -> Chain:
        """An input that must be numbers of the samples."""
        value = self.given(place)
        if isinstance(value, Table | Column):
            return as_chain(value)
        if not isinstance(value, Chain):
            raise Unsuitable(f"input {place + 1} is {_name_of(value)}, where numbers of the samples are needed")
        return value

    def chain_of_any(self, place: int = 0) -> Chain:
        """An input that must be numbers of the samples, floats or whole ones, of which floats come out."""
        value = self.given(place)
        return value.of if isinstance(value, Whole) else self.chain(place)

    def comes_from_samples(self, place: int) -> bool:
        """Whether an input is numbers of the samples."""
        return isinstance(self.given(place), Chain | Table | Column)

    def constant(self, place: int) -> Constant:
        """An input that must be constant."""
        value = self.given(place)
        if not isinstance(value, np.ndarray):
            raise Unsuitable(f"input {place + 1} is {_name_of(value)}, where a constant is needed")
        return value

    def integers(self, place: int) -> list[int]:
        """A constant list of integers."""
        values = self.constant(place)
        if values.dtype.kind != "i" or values.ndim != 1:
            raise Unsuitable(f"input {place + 1} is no list of integers")
        return [int(value) for value in values]

    def weights(self, place: int) -> NDArray[np.float64]:
        """A constant of finite floats."""
        values = self.constant(place)
        if values.dtype.kind != "f":
            raise Unsuitable(f"input {place + 1} is of dtype {values.dtype}, where floats are needed")
        return finite(values)

    def get(self, name: str, default: Any) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def text(self, name: str, default: str) -> str:
        """An attribute that is text; what is not UTF-8 in it is escaped."""
        found: bytes = self.get(name, default.encode())
        return found.decode("utf-8", "backslashreplace")


def _name_of(value: Value | None) -> str:
    if value is None:
        return "left out"
    if isinstance(value, np.ndarray):
        return "constant"
    return {
        Chain: "what the samples come to",
        Table: "probabilities or scores of classes",
        Whole: "whole numbers, not floats,",
        Shares: "scores over their sum",
        Index: "a class's number",
    }.get(type(value), "labels")
