"""What Python's and NumPy's notation asks of an encrypted array: which numbers, which samples, which function."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from operator import index
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import floating
from fhenn.ckks import algebra, samples
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.finite import require_finite

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray

_OPERATORS: Mapping[Any, tuple[str, str]] = MappingProxyType(
    {
        np.add: ("__add__", "__radd__"),
        np.subtract: ("__sub__", "__rsub__"),
        np.multiply: ("__mul__", "__rmul__"),
        np.true_divide: ("__truediv__", "__rtruediv__"),
        np.matmul: ("__matmul__", "__rmatmul__"),
        np.power: ("__pow__", "__rpow__"),
        np.negative: ("__neg__", ""),
        np.positive: ("__pos__", ""),
        np.square: ("square", ""),
        np.absolute: ("__abs__", ""),
        np.less: ("__lt__", "__gt__"),
        np.less_equal: ("__le__", "__ge__"),
        np.greater: ("__gt__", "__lt__"),
        np.greater_equal: ("__ge__", "__le__"),
        np.equal: ("__eq__", "__eq__"),
        np.not_equal: ("__ne__", "__ne__"),
    }
)
"""The method for each ufunc of NumPy, with the array first and second."""

A_POLYNOMIAL = (
    "CKKS adds and multiplies: take a polynomial that is close to it where the values lie, as fhenn.Activation.fit and "
    "fhenn.PolynomialActivation do, or decrypt first."
)

_HIGHEST = 2**63
"""Of powers: no chain has the levels, and no message the room, for one as high."""

_UNSEEN = (
    "Nobody sees encrypted values, so that no program can branch on them: decrypt first, or compute with both cases."
)


_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("dot", "inner", "einsum", "tensordot"), "Write x @ W, or (x * y).sum(axis=1) for two of them."
        ),
        **dict.fromkeys(
            ("vstack", "hstack", "column_stack", "stack", "append"),
            "Write fhenn.concatenate([x, y]) for samples of both, or with axis=1 for their features.",
        ),
        **dict.fromkeys(("reshape", "ravel", "squeeze", "expand_dims"), "Write x.reshape(shape), which keeps samples."),
    }
)
"""What to write in the place of functions that an array could do something like."""


def ufunc(x: CipherArray, function: Any, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """A ufunc of NumPy with an encrypted array among its inputs: what the operator does.

    x: that array.
    function: the ufunc.
    method: of it: "__call__", "reduce" and others.
    inputs: of the call.
    options: of the call, as `out`.

    Raises UnsupportedOperation where no operator stands for it, or for what else NumPy can do with it.
    """
    name = f"np.{function.__name__}"
    if method != "__call__" or options:
        said = f"{name}.{method}" if method != "__call__" else f"{name} with {', '.join(options)}="
        raise UnsupportedOperation(
            f"{said} on a CipherArray", "Write x + y, x * y, x.sum(axis=1) and so on: operations return new arrays."
        )
    if function not in _OPERATORS:
        raise refusal(name, A_POLYNOMIAL)
    first, second = _OPERATORS[function]
    if inputs[0] is x:
        return getattr(x, first)(*inputs[1:])
    return getattr(x, second)(inputs[0])


def function(name: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """A function of NumPy with an encrypted array among its arguments.

    name: of the function.
    arguments, options: of the call.

    Raises UnsupportedOperation for any but those that an array does in the same way.
    """
    if name in ("shape", "ndim", "size") and len(arguments) == 1 and not options:
        return getattr(arguments[0], name)
    if name in ("sum", "mean"):
        raise UnsupportedOperation(
            f"np.{name} of a CipherArray", f"Write x.{name}(axis=0) or x.{name}(axis=1), which keep the axis."
        )
    raise refusal(f"np.{name}", _INSTEAD.get(name, A_POLYNOMIAL))


def total(x: CipherArray, axis: int | None, *, mean: bool = False, keepdims: bool = True) -> CipherArray:
    """The sum, or the mean, along an axis, which stays, of length 1.

    x: (samples, features).
    axis: 0 over samples, 1 over features, None over both.
    keepdims: True, as it is written for NumPy's arrays; an encrypted array does not lose an axis.

    Raises UnsupportedOperation for another axis, and what `sum_of_samples` and `sum_of_features` raise.
    """
    if keepdims is not True:
        raise UnsupportedOperation("a sum that loses its axis", "Leave keepdims out, or give True.")
    if axis not in (None, 0, 1, -1, -2) or isinstance(axis, bool):
        raise UnsupportedOperation(f"a sum over axis {axis!r}", "Give 0 for samples, 1 for features, None for both.")
    if axis is None or axis % 2:
        x = algebra.sum_of_features(x, mean=mean)
    return x if axis in (1, -1) else samples.sum_of_samples(x, mean=mean)


def reciprocal(values: ArrayLike) -> Any:
    """1/values, which an array is divided by. Raises NonFiniteValue where one is zero, UnsupportedValue."""
    plain = floating(values).astype(np.float64, copy=False)
    require_finite("a quotient", plain, "CKKS cannot encode them: drop or impute them first.")
    with np.errstate(divide="ignore", over="ignore"):
        result = 1 / plain
    require_finite("a quotient", result, "Divide by numbers that are not zero.")
    return result


def whole_exponent(exponent: Any) -> int:
    """The exponent of a power, 1 or more. Raises UnsupportedOperation for another."""
    high = isinstance(exponent, Integral) and abs(int(exponent)) >= _HIGHEST
    value = float(exponent) if isinstance(exponent, Real) and not high else 0.0
    if not value.is_integer() or value < 1:
        shown = "that size" if high else f"{exponent!r:.40}"
        raise UnsupportedOperation(f"a power of {shown}", f"Give a whole number, 1 or more. {A_POLYNOMIAL}")
    return int(value)


def item(x: CipherArray, key: Any) -> CipherArray:
    """x[key]: a slice of samples, and of features where each has ciphertexts of its own.

    x: an encrypted array.
    key: a slice of neighbouring samples, with a slice or a list of features after it.

    Raises UnsupportedOperation for anything else, ShapeMismatch where nothing is left.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if keys and keys[0] is Ellipsis:
        keys[0] = slice(None)
    if not keys:
        return x
    rows, *others = keys
    if not isinstance(rows, slice):
        raise refusal(f"x[{_said(rows)}]", "Take neighbouring samples, x[i:j] or x[i:i + 1], which keeps the axis.")
    start, stop, step = rows.indices(x.shape[0] if x.shape else 0)
    if step != 1:
        raise refusal(f"x[::{step}]", "Take neighbouring samples, x[i:j], and put several with fhenn.concatenate.")
    if start >= stop:
        raise ShapeMismatch("a slice", (0, *x.shape[1:]), "at least one sample")
    if not others:
        return samples.take(x, start, stop)
    if len(others) > 1 or len(x.shape) != 2:
        raise refusal(f"indexing {len(keys)} axes of shape {x.shape}", "Take samples of it: x[i:j].")
    (columns,) = others
    if isinstance(columns, slice) and columns == slice(None):
        return samples.take(x, start, stop)
    return samples.take_features(samples.take(x, start, stop), _feature_places(columns, x.shape[1]))


def _feature_places(columns: Any, features: int) -> list[int]:
    """The features that an index names, from 0. Raises UnsupportedOperation, ShapeMismatch."""
    if isinstance(columns, slice):
        places = list(range(*columns.indices(features)))
    elif isinstance(columns, list | np.ndarray) and _are_places(np.asarray(columns)):
        places = [index(place) for place in columns]
    else:
        raise refusal(f"x[:, {_said(columns)}]", "Take x[:, j:j + 1], which keeps the axis, or a list of features.")
    if not places or not all(-features <= place < features for place in places):
        raise ShapeMismatch("taking features", (len(places),), f"at least one, of the {features} that there are")
    return [place % features for place in places]


def _are_places(columns: NDArray[Any]) -> bool:
    """Whether an index of features is a list of whole numbers."""
    return columns.ndim == 1 and (columns.dtype.kind in "iu" or not columns.size)


def _said(key: Any) -> str:
    """An index in words."""
    return f"{key!r:.30}" if isinstance(key, int) else type(key).__name__


def refusal(operation: str, suggestion: str = _UNSEEN) -> UnsupportedOperation:
    """The error for what encrypted arrays do not do.

    operation: that is refused.
    suggestion: what to do instead.
    """
    return UnsupportedOperation(f"{operation} of a CipherArray", suggestion)
