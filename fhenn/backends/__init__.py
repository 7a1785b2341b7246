"""What a node computes through: a small protocol, for NumPy, for CKKS, and for TenSEAL's own values.

`backend_of` finds the implementation by the type of the values, and imports TenSEAL's only when such a value is at
hand. The one for CKKS (`CIPHER`) serves every `CipherArray`: it computes by the arithmetic of the array's context. An
evaluator is registered by `register`; plans name it, `evaluator` and `context_class` find it by that name.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Polynomial
from fhenn.backends.cipher import CIPHER
from fhenn.backends.plain import PLAIN
from fhenn.ckks import CipherArray, Context
from fhenn.ckks.evaluator import NATIVE, SEAL, Evaluator
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.operator import Operator
from fhenn.errors import ParameterError, UnsupportedValue

__all__ = [
    "CIPHER",
    "PLAIN",
    "Backend",
    "CipherOperations",
    "backend_of",
    "context_class",
    "default_evaluator",
    "evaluator",
    "is_available",
    "register",
    "runs_on",
    "threads_here",
    "use_threads",
]


class Backend(Protocol):
    """How values of one kind are computed on. `value` is whatever type the implementation serves."""

    encrypted: bool
    """Whether values of this kind are ciphertexts."""

    def value(self, x: Any) -> Any:
        """`x`, checked, in the form that the other methods take.

        x: a value of this kind, whatever a user gives.

        Raises UnsupportedValue where it is of another kind.
        """

    def keep(self, x: Any) -> Any:
        """`x` in a form that later changes by its owner do not reach."""

    def polynomial(self, polynomial: Polynomial, x: Any) -> Any:
        """p(x), element by element.

        polynomial: p.
        x: a value of this kind, of any shape.
        """

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> Any:
        """p(x)·factor, element by element: what goes backward through an activation.

        polynomial: p, the derivative.
        x: the activation's input, plaintext or ciphertext.
        factor: the gradient at its output, plaintext or ciphertext, of the shape of `x`.
        """

    def affine(
        self,
        x: Any,
        operator: Operator,
        bias: NDArray[np.float64] | None,
        idle: float = 0.0,
        target: WholeSamples | None = None,
    ) -> Any:
        """A x + b over the last axis.

        x: samples, (..., inputs).
        operator: A, (outputs, inputs).
        bias: b, (outputs,), or None for zero.
        idle: what positions of a ciphertext hold that hold no output.
        target: where outputs go in ciphertexts of whole samples; None for one after another.
        """

    def headroom(self, polynomial: Polynomial, x: Any) -> float:
        """The largest |x| for which p(x) fits the modulus; infinite for plaintext.

        polynomial: p.
        x: a value of this kind.
        """

    def reveal(self, x: Any, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`.

        x: a value of this kind.
        secret: what holds the secret key, None for the context of `x` itself.
        """


class CipherOperations(Backend, Protocol):
    """What witnesses need besides; its values are `CipherArray`s."""

    def polynomial_and_square(self, polynomial: Polynomial, x: CipherArray) -> tuple[CipherArray, CipherArray]:
        """p(x), and the t² that its circuit makes, for t = (x - middle)/half of p's domain.

        polynomial: p.
        x: an encrypted array.
        """

    def square(self, domain: tuple[float, float], x: CipherArray) -> CipherArray:
        """t², for t = (x - middle)/half of a domain.

        domain: (low, high).
        x: an encrypted array.
        """

    def chebyshev_power(self, domain: tuple[float, float], times: int, x: CipherArray) -> CipherArray:
        """The Chebyshev polynomial Tₙ(t), for t = (x - middle)/half of a domain.

        domain: (low, high).
        times: n = 2^times.
        x: an encrypted array.
        """

    def add(self, x: CipherArray, y: CipherArray) -> CipherArray:
        """x + y, at the lower level of the two and the scale that is there.

        x, y: encrypted arrays of one shape and layout.
        """

    def drop_to(self, x: CipherArray, level: int) -> CipherArray:
        """The same values at a lower level.

        x: an encrypted array.
        level: that is wanted.
        """

    def sum_features(self, x: CipherArray) -> CipherArray:
        """The sum over all features of each sample, (samples, 1)."""


@dataclass(frozen=True)
class _Registered:
    """What was registered under a name.

    evaluator: what plans take from it.
    load: returns the class of its contexts.
    available: tells whether its library is there.
    """

    evaluator: Evaluator
    load: Callable[[], type[Context]]
    available: Callable[[], bool]


_EVALUATORS: dict[str, _Registered] = {}


def register(
    evaluator: Evaluator, load: Callable[[], type[Context]], available: Callable[[], bool] = lambda: True
) -> None:
    """Make an evaluator known by its name; one of the same name is replaced.

    evaluator: what plans take from it.
    load: returns the class of its contexts; called each time that it is asked for, and not before.
    available: tells whether its library is there. Where it is not, SEAL runs its plans: its keys and messages must then
    be SEAL's.
    """
    _EVALUATORS[evaluator.name] = _Registered(evaluator, load, available)


register(SEAL, lambda: cast("type[Context]", import_module("fhenn.backends.seal").SealContext))
register(
    NATIVE,
    lambda: cast("type[Context]", import_module("fhenn.backends.native.context").NativeContext),
    lambda: bool(import_module("fhenn.backends.native.library").available()),
)


def evaluator(name: str) -> Evaluator:
    """What plans take from an evaluator; its library is not loaded.

    name: of the evaluator, as it was registered.

    Raises ParameterError for an unknown name.

    >>> evaluator("seal").name
    'seal'
    """
    return _registered(name).evaluator


def is_available(name: str) -> bool:
    """Whether an evaluator can compute here: its library is there, and not turned off.

    name: of the evaluator, as it was registered.

    Raises ParameterError for an unknown name.

    >>> is_available("seal")
    True
    """
    return _registered(name).available()


def runs_on(name: str) -> str:
    """What computes here for plans of an evaluator: itself, or SEAL where its library is missing.

    name: of the evaluator, as it was registered.

    Raises ParameterError for an unknown name.

    >>> runs_on("seal")
    'seal'
    """
    return name if is_available(name) else SEAL.name


def default_evaluator() -> str:
    """The evaluator that plans are made for where none is named: the native one, or SEAL where that is missing."""
    return runs_on(NATIVE.name)


def use_threads(count: int | None) -> None:
    """Let each operation of what is loaded from now on use that many threads, where the evaluator has any.

    count: at least 1; None for as many as this process may use cores, which the native evaluator does at first. SEAL
    uses one.

    Where processes share a machine, their threads together should not be more than its cores.

    Raises ParameterError.
    """
    import_module("fhenn.backends.native.ring").use_threads(count)


def threads_here(count: int) -> AbstractContextManager[None]:
    """The same as `use_threads` for this thread alone, in a `with` block: what it loads there keeps to it.

    count: at least 1.
    """
    here: AbstractContextManager[None] = import_module("fhenn.backends.native.ring").threads_here(count)
    return here


def context_class(name: str) -> type[Context]:
    """The class of an evaluator's contexts.

    name: of the evaluator, as it was registered.

    Raises ParameterError for an unknown name.

    >>> context_class("seal").__name__
    'SealContext'
    """
    return _registered(name).load()


def _registered(name: str) -> _Registered:
    """What was registered under a name. Raises ParameterError."""
    if not isinstance(name, str) or name not in _EVALUATORS:
        known = ", ".join(map(repr, sorted(_EVALUATORS)))
        raise ParameterError(
            f"the evaluator must be one of {known}, not {name!r:.40}.",
            "Make another known with fhenn.backends.register.",
        )
    return _EVALUATORS[name]


def _backend_of_one(value: ArrayLike | Any) -> Backend:
    """The backend that serves the type of `value`. Raises UnsupportedValue for other types of TenSEAL."""
    if isinstance(value, CipherArray | Context):
        return CIPHER
    if type(value).__module__.partition(".")[0] == "tenseal":
        return cast(Backend, import_module("fhenn.backends.seal").backend_for(value))
    return PLAIN


def backend_of(*values: Any) -> Backend:
    """The backend that computes on all of `values` together.

    values: plaintext and ciphertexts; where they mix, the backend is that of the ciphertexts.

    Raises UnsupportedValue for two kinds of ciphertext at once.

    >>> backend_of(1.5).encrypted
    False
    """
    backends = {id(backend): backend for backend in map(_backend_of_one, values) if backend.encrypted}
    if len(backends) > 1:
        names = " with ".join(type(value).__name__ for value in values)
        raise UnsupportedValue(names, "ciphertexts of one kind (convert with CipherArray.from_tenseal)")
    return next(iter(backends.values()), PLAIN)
