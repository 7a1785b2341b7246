"""What operators of ONNX do to constants alone: exporters compute shapes and padding with them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import onnx

from fhenn.interop.chain import Unsuitable
from fhenn.interop.maps import MOST_FEATURES, MOST_WEIGHTS
from fhenn.interop.onnx.call import Call, Constant
from fhenn.interop.onnx.load import array_of

_LARGEST = 2**31
"""What sizes are computed with; that of the axis of samples is larger, and is no number to compute with."""


def computed(operator: Callable[[Call], Constant], call: Call) -> Constant:
    """What an operator of `CONSTANTS` makes of constants. Raises Unsuitable."""
    try:
        return np.asarray(operator(call))
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise Unsuitable(f"it fails on constants ({reason})") from None


def _require_modest(numbers: int, most: int = MOST_FEATURES) -> None:
    if numbers > most:
        raise Unsuitable(f"it makes a constant of more than {most:,} numbers")


def _cast(call: Call) -> Constant:
    kinds = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT32, onnx.TensorProto.INT64
    if call.get("to", 0) not in kinds:
        raise Unsuitable("it makes neither floats nor integers of 32 or 64 bits")
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused where it is used
        return call.constant(0).astype(onnx.helper.tensor_dtype_to_np_dtype(call.get("to", 0)))


def _concat(call: Call) -> Constant:
    return np.concatenate([call.constant(place) for place in range(len(call.inputs))], axis=call.get("axis", 0))


def _constant_of_shape(call: Call) -> Constant:
    shape = call.integers(0)
    if any(size < 0 for size in shape):
        raise Unsuitable(f"{shape} is no shape")
    _require_modest(prod(shape))
    value = array_of(call.attributes["value"]) if "value" in call.attributes else np.zeros(1, np.float32)
    return np.full(shape, value.item(), dtype=value.dtype)


def _gather(call: Call) -> Constant:
    values, places, axis = call.constant(0), call.constant(1), call.get("axis", 0)
    _require_modest(values.size * places.size, MOST_WEIGHTS)
    return np.asarray(np.take(values, places, axis=axis))


def _reshape(call: Call) -> Constant:
    values, keep = call.constant(0), call.get("allowzero", 0)
    sizes = [values.shape[place] if not size and not keep else size for place, size in enumerate(call.integers(1))]
    return values.reshape(sizes)


def _slice(call: Call) -> Constant:
    values = call.constant(0)
    listed = [
        call.integers(place) if call.given(place) is not None else call.get(name, None)
        for place, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    ]
    starts, ends, axes, steps = listed
    cuts = [slice(None)] * values.ndim
    for axis, start, end, step in zip(
        range(len(starts)) if axes is None else axes, starts, ends, steps or [1] * len(starts), strict=True
    ):
        cuts[axis] = slice(start, end, step)
    return values[tuple(cuts)]


def _axes(call: Call) -> tuple[int, ...] | None:
    axes: Any = call.integers(1) if call.given(1) is not None else call.get("axes", None)
    return None if axes is None else tuple(axes)


def _squeeze(call: Call) -> Constant:
    return np.squeeze(call.constant(0), _axes(call))


def _transpose(call: Call) -> Constant:
    return np.transpose(call.constant(0), call.get("perm", None))


def _unsqueeze(call: Call) -> Constant:
    return np.expand_dims(call.constant(0), _axes(call) or ())


def _of_sizes(operation: Callable[[Any, Any], Any]) -> Callable[[Call], Constant]:
    """Arithmetic with sizes."""

    def compute(call: Call) -> Constant:
        first, second = call.constant(0), call.constant(1)
        if any(each.dtype.kind != "i" or np.any(np.abs(each) >= _LARGEST) for each in (first, second)):
            raise Unsuitable("of constants, it is known for sizes only, but not for the number of samples")
        _require_modest(first.size * second.size)
        return np.asarray(operation(first.astype(np.int64), second.astype(np.int64)))

    return compute


CONSTANTS: dict[tuple[str, str], Callable[[Call], Constant]] = {
    ("", "Add"): _of_sizes(np.add),
    ("", "Cast"): _cast,
    ("", "Concat"): _concat,
    ("", "ConstantOfShape"): _constant_of_shape,
    ("", "Gather"): _gather,
    ("", "Mul"): _of_sizes(np.multiply),
    ("", "Reshape"): _reshape,
    ("", "Slice"): _slice,
    ("", "Squeeze"): _squeeze,
    ("", "Sub"): _of_sizes(np.subtract),
    ("", "Transpose"): _transpose,
    ("", "Unsqueeze"): _unsqueeze,
}
"""By domain and name, where every input is constant."""
