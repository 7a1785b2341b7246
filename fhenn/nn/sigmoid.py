"""The sigmoid as a node: exact beside it, a cubic on plaintext and on ciphertexts, a guard on its range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second
from fhenn.backends import PLAIN, Backend, backend_of
from fhenn.errors import HeadroomExceeded, NonFiniteValue, RangeReport, ShapeMismatch
from fhenn.nn.guard import Policy, RangeGuard
from fhenn.nn.node import Layer

_DERIVATIVE = SIGMOID_CUBIC.derivative()

FLIP = (SIGMOID_CUBIC.coefficient(1) / -SIGMOID_CUBIC.coefficient(3)) ** 0.5
"""Where the cubic crosses 0.5 again: 7.02, the root of 0.197x - 0.004x³."""

_CONSEQUENCE = (
    f"The cubic is a stand-in for the sigmoid inside only: past |x| = {FLIP:.2f} it crosses 0.5, and a confident "
    "prediction silently flips class. Scale the inputs or weights, or add weight decay."
)


class Sigmoid(Layer):
    """σ as the cubic 0.5 + 0.197x - 0.004x³ on [-4, 4], element by element, on plaintext and on ciphertexts.

    `forward` takes numbers, arrays of any shape, `tenseal.CKKSVector`, `tenseal.CKKSTensor` or `CipherArray`, and
    returns the same. On plaintext it is the twin of the encrypted computation, and says by `on_violation` ("warn",
    "raise", "ignore") when inputs leave the domain. debug_secret: a context with the secret key (or a tenseal secret
    key); when given, ciphertext inputs are decrypted with it and checked too. For debugging only.

    On ciphertexts `forward` raises LevelExhausted, KeyMissing, ScaleMismatch and ContextMismatch; its operand is as it
    was.

    >>> node = Sigmoid()
    >>> float(round(node.forward(1.0), 3)), node.cost
    (0.693, 2)
    """

    domain = SIGMOID_CUBIC.domain
    polynomial = SIGMOID_CUBIC

    def __init__(self, *, on_violation: Policy = "warn", debug_secret: Any = None) -> None:
        super().__init__()
        self._guard = RangeGuard(self.name, self.domain, _CONSEQUENCE, on_violation)
        self._debug_secret = debug_secret

    def _forward(self, backend: Backend, x: Any) -> Any:
        if not backend.encrypted:
            self._guard.check(x)
        elif self._debug_secret is not None:
            self.check(x, self._debug_secret)
        return backend.polynomial(SIGMOID_CUBIC, x)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, None]:
        return backend_of(x, gradient).polynomial_times(_DERIVATIVE, x, gradient), None

    def _step(self, gradients: list[Any]) -> None:
        """Nothing: there are no parameters."""

    @property
    def has_parameters(self) -> bool:
        """False."""
        return False

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: 2.

        `fhenn.plan` may put one wide prime in the place of two, which the evaluation then divides by at once.
        """
        return SIGMOID_CUBIC.depth

    @property
    def backward_cost(self) -> int:
        """Levels of a ciphertext input that `backward` consumes: 2; of a ciphertext gradient at a plaintext input, 1.

        The derivative is that of the cubic, (0.197 - 0.012x²)·gradient.
        """
        return 2

    def check(self, x: Any, secret: Any = None) -> RangeReport | None:
        """Check `x` against the domain as `forward` does on plaintext, and against the headroom.

        x: plaintext or ciphertext; a ciphertext is decrypted, with `secret` (a context with the secret key, or a
        tenseal secret key) or with the secret key in its own context. For debugging: a server cannot do this.
        Returns the report, None where all is well. Warns or raises RangeViolation by policy; raises HeadroomExceeded
        and KeyMissing.
        """
        backend = backend_of(x)
        x = backend.value(x)
        values = backend.reveal(x, secret)
        headroom = backend.headroom(SIGMOID_CUBIC, x)
        largest = float(np.max(np.abs(values), initial=0.0))
        if largest > headroom:
            raise HeadroomExceeded(largest, headroom, self.name)
        report = self._guard.report(values)
        if report is not None:
            self._guard.act(report)
        return report

    def headroom(self, x: Any) -> float:
        """The largest |x| for which scale and modulus surely hold the whole evaluation.

        Beyond it the modulus can wrap, and then every slot of the ciphertext is garbage. Slots that are all alike wrap
        just there; a single large slot among small ones wraps later. x: a ciphertext, or a `Context` for what it
        encrypts afresh and gives to this node first; after other nodes less may fit. Infinite for plaintext.
        Raises LevelExhausted, ScaleMismatch.
        """
        return backend_of(x).headroom(SIGMOID_CUBIC, x)

    def propose_weights(
        self, data: ArrayLike, units: int = 1, rng: np.random.Generator | int | None = None
    ) -> NDArray[np.float64]:
        """Initial weights for the layer before this node that keep its pre-activations in the domain.

        data: (samples, features) of typical inputs; units: outputs of the layer; rng: generator or seed.
        Returns (units, features), normal, with a standard deviation at which a pre-activation's own is a quarter of
        the domain's half width (4 sigma reach its edge): half/(4·rms‖x‖), where rms‖x‖ is the fan-in's root times the
        data's scale (after Glorot & Bengio 2010, who assume unit scale). A row that leaves the domain on `data` all
        the same is shrunk to fit. With a zero bias, every pre-activation on `data` lies in the domain.
        Raises ShapeMismatch, UnsupportedValue, and NonFiniteValue for NaN or infinite data.

        >>> Sigmoid().propose_weights([[1.0, 2.0], [3.0, 4.0]], units=3, rng=0).shape
        (3, 2)
        """
        x = PLAIN.value(data).astype(np.float64)
        if x.ndim != 2 or 0 in x.shape:
            raise ShapeMismatch("propose_weights", x.shape, "(samples, features), not empty")
        if units < 1:
            raise ShapeMismatch("propose_weights", (units, x.shape[1]), "at least one unit")
        nonfinite = int(np.count_nonzero(~np.isfinite(x)))
        if nonfinite:
            raise NonFiniteValue("propose_weights", nonfinite, "Drop or impute them first.")
        # a hair inside, so that rounding in the product cannot cross the edge
        half = min(-self.domain[0], self.domain[1]) * (1 - 2**-40)
        norm = float(np.sqrt(np.mean(np.sum(x * x, axis=1)))) or 1.0
        weight = np.random.default_rng(rng).normal(0.0, half / (4 * norm), (units, x.shape[1]))
        largest = np.abs(x @ weight.T).max(axis=0)
        weight *= np.minimum(1.0, half / np.maximum(largest, half))[:, None]
        return weight

    @staticmethod
    def sigmoid(x: ArrayLike) -> Any:
        """The exact σ(x), stable for any float."""
        return sigmoid(x)

    @staticmethod
    def sigmoid_prime(x: ArrayLike) -> Any:
        """The exact σ′(x) = σ(1 - σ)."""
        return sigmoid_prime(x)

    @staticmethod
    def sigmoid_second(x: ArrayLike) -> Any:
        """The exact σ″(x) = σ′(1 - 2σ)."""
        return sigmoid_second(x)
