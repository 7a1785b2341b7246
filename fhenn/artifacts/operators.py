"""Operators of affine layers in a model's message: their kind as plain data, their numbers as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import UnsupportedValue
from fhenn.nn import Dense, Operator, Scaling, Sparse

Tensor = NDArray[Any]

_MOST_INPUTS = 1 << 20
"""Inputs or outputs of a sparse operator, whose file need not hold a number for each."""


def operator_to_data(operator: Operator) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """An operator as plain data and arrays.

    operator: of `fhenn.nn`.

    Returns (data, arrays): its kind with what is not an array, and its arrays by name.
    Raises UnsupportedValue for an operator of your own.
    """
    kind = {"kind": operator.name}
    if type(operator) is Dense:
        return kind, {"weight": operator.dense()}
    if type(operator) is Scaling:
        return kind, {"factors": operator.factors}
    if type(operator) is Sparse:
        tensors = {"rows": operator.rows, "columns": operator.columns, "values": operator.values}
        return {**kind, "inputs": operator.inputs, "outputs": operator.outputs}, tensors
    raise UnsupportedValue(f"a {operator.name} operator in a file", "operators of fhenn.nn")


def operator_from_data(data: Any, tensor: Callable[[str, type[np.number[Any]]], Tensor]) -> Operator:
    """The operator that `operator_to_data` took apart.

    data: its kind with what is not an array.
    tensor: called with a name and a dtype; returns the array.

    Raises ValueError, TypeError, KeyError or a FhennError where they make no operator.
    """
    fields = dict(data)
    kind = fields.pop("kind")
    if kind == "Sparse":
        outputs, inputs = (_size(fields.pop(name)) for name in ("outputs", "inputs"))
        rows, columns = (tensor(name, np.int64) for name in ("rows", "columns"))
        operator: Operator = Sparse(rows, columns, tensor("values", np.float64), (outputs, inputs))
    elif kind == "Scaling":
        operator = Scaling(tensor("factors", np.float64))
    elif kind == "Dense":
        operator = Dense(tensor("weight", np.float64))
    else:
        raise ValueError(f"unknown operator {str(kind)[:40]!r}")
    if fields:
        raise ValueError(f"unknown field {next(iter(fields))[:40]!r}")
    return operator


def _size(value: Any) -> int:
    """`value`, where it is a valid number of inputs or outputs. Raises ValueError."""
    if type(value) is not int or not 0 < value <= _MOST_INPUTS:
        raise ValueError(f"a size must be a whole number from 1 to {_MOST_INPUTS}, not {value!r:.40}")
    return value
