"""ReLU by a composite sign: x·(1 + sign(x))/2, the sign as odd polynomials one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from fhenn.approx import RELU, Composite, Polynomial, composite_sign
from fhenn.approx.polynomial import require_domain
from fhenn.backends import PLAIN, Backend, backend_of
from fhenn.errors import ParameterError, UnsupportedOperation
from fhenn.nn.activation import Activation, Domain
from fhenn.nn.guard import Policy


class SignReLU(Activation):
    """max(0, x) as x·(1 + sign(x))/2, the sign a composition of minimax polynomials (`fhenn.approx.composite_sign`).

    domain: symmetric round 0.
    degrees: of the sign's stages; (7, 7) is off by 0.11 at most on [-4, 4] with 7 levels, (15, 15) by 0.035 with 9,
    (7, 7, 13) by 0.018 with 11.
    on_violation, debug_secret: as for every `Activation`.
    Raises ParameterError where the domain is not symmetric, or the degrees are no odd numbers.

    The sign is sought down to the |x| that its own error equals. `backward` is the derivative of what runs, 0.5 at 0,
    on plaintext; on ciphertexts it raises UnsupportedOperation.

    >>> node = SignReLU(domain=(-4, 4), degrees=(7, 7))
    >>> node.cost, float(round(node.forward(2.0), 1))
    (7, 2.0)
    """

    def __init__(
        self,
        domain: Domain = (-4.0, 4.0),
        degrees: Sequence[int] = (7, 7),
        *,
        on_violation: Policy = "warn",
        debug_secret: Any = None,
    ) -> None:
        if not isinstance(degrees, Sequence) or isinstance(degrees, str):
            raise ParameterError(
                f"degrees must be a tuple of odd numbers, not {degrees!r}.", "Give for instance (7, 7)."
            )
        self._arrange(balanced_sign(tuple(degrees)), domain, on_violation, debug_secret)

    @classmethod
    def of(cls, sign: Composite, domain: Domain = (-4.0, 4.0), *, on_violation: Policy = "warn") -> Self:
        """A node with a sign of your own, as one that was kept. Raises ParameterError."""
        node = cls.__new__(cls)
        node._arrange(sign, domain, on_violation, None)
        return node

    def _arrange(self, sign: Composite, domain: Domain, on_violation: Policy, debug_secret: Any) -> None:
        domain = require_domain(domain)
        if domain[0] != -domain[1] or domain[1] > 1e100:
            raise ParameterError(f"domain must be symmetric round 0, within ±1e100, not {domain}.", "Give (-b, b).")
        self._sign = sign
        first, *others = sign.stages
        # the sign is sought on [-1, 1]: read through a domain `half` as wide, which is free
        reach = domain[1] * first.domain[1]
        stages = [replace(first.to_chebyshev(), domain=(-reach, reach), function=None), *others]
        last = stages[-1].to_chebyshev()
        halved = tuple(c / 2 for c in last.coefficients)
        stages[-1] = replace(last, coefficients=(0.5 + halved[0], *halved[1:]), function=None)
        self._polynomials = tuple(stages)
        whole = Polynomial((0.0, 1.0), domain, function=RELU)
        super().__init__(whole, on_violation=on_violation, debug_secret=debug_secret)

    @property
    def sign(self) -> Composite:
        """What stands for the sign, on [-1, 1]."""
        return self._sign

    @property
    def polynomials(self) -> tuple[Polynomial, ...]:
        """The polynomials that x goes through; x times the last one's value is the result."""
        return self._polynomials

    @property
    def times_input(self) -> bool:
        """True."""
        return True

    def with_polynomial(self, polynomial: Polynomial) -> Self:
        """Raises UnsupportedOperation: what runs is several polynomials; `with_sign` changes those."""
        raise UnsupportedOperation("with_polynomial of SignReLU", "Use with_sign.")

    def with_sign(self, domain: Domain, degrees: Sequence[int]) -> Self:
        """A node of the same policy with another domain or degrees, with nothing kept. Raises ParameterError."""
        node = self.fresh()
        SignReLU.__init__(node, domain, degrees, on_violation=self.on_violation, debug_secret=self._debug_secret)
        node._caching = self._caching
        return node

    def evaluate(self, backend: Backend, x: Any) -> Any:
        """The sign's polynomials one after another, then the product with `x`, through a backend, unwatched."""
        value = x
        for polynomial in self._polynomials[:-1]:
            value = backend.polynomial(polynomial, value)
        return backend.polynomial_times(self._polynomials[-1], value, x)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, None]:
        if backend_of(x, gradient).encrypted:
            raise UnsupportedOperation("backward of SignReLU on ciphertexts", "Train on plaintext, or with ReLU.")
        value = PLAIN.value(x)
        slope = np.ones_like(value)
        for polynomial in self._polynomials:
            value, slope = polynomial(value), slope * polynomial.derivative()(value)
        return gradient * (value + x * slope), None

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext: those of the sign, and one for the product with x."""
        return sum(polynomial.depth for polynomial in self._polynomials) + 1

    @property
    def backward_cost(self) -> int:
        """0: `backward` is for plaintext."""
        return 0

    def headroom(self, x: Any) -> float:
        """The edge of the domain, beyond which the sign's polynomials grow without bound; infinite for plaintext."""
        return super().headroom(x) if not backend_of(x).encrypted else self.domain[1]

    def sup_error(self) -> float:
        """The largest |forward - ReLU| on the domain.

        Beyond epsilon at most |x|/2 times the sign's error; below it, where the sign is between 0 and itself, |x|/2.
        """
        return self.domain[1] / 2 * max(self._sign.sup_error(), self._sign.epsilon)


@lru_cache(maxsize=32)
def balanced_sign(degrees: tuple[int, ...]) -> Composite:
    """The sign of those degrees for the epsilon that its error equals: ReLU's least error.

    A wider epsilon makes the sign closer beyond it, and leaves more of ReLU out below it.
    """
    low, high = 2.0**-24, 0.5
    for _ in range(12):
        middle = (low * high) ** 0.5
        if composite_sign(0.0, middle, degrees).sup_error() > middle:
            low = middle
        else:
            high = middle
    return composite_sign(0.0, high, degrees)
