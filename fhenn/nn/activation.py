"""What activations share: a polynomial in the place of a function, on plaintext and on ciphertexts, and its guard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import Function, Polynomial, own_function
from fhenn.approx.fits import require_degree
from fhenn.approx.functions import SQUARE
from fhenn.approx.polynomial import require_domain
from fhenn.approx.presets import choose
from fhenn.approx.weighted import weighted
from fhenn.backends import PLAIN, Backend, backend_of
from fhenn.errors import HeadroomExceeded, ParameterError, RangeReport, ShapeMismatch, UnsupportedValue
from fhenn.finite import require_finite
from fhenn.nn.guard import Policy, RangeGuard
from fhenn.nn.node import Layer
from fhenn.text import an

Domain = tuple[float, float]

_ROUNDING = 1e-12
"""Coefficients that close, relative to the values they make, differ by rounding."""

_NARROWEST = 1e-9
"""A domain that is narrower, relative to where it lies, has no digits to fit with."""


class Activation(Layer):
    """A polynomial, element by element, on plaintext and on ciphertexts.

    `forward` takes numbers, arrays of any shape, `tenseal.CKKSVector`, `tenseal.CKKSTensor` or `CipherArray`, and
    returns the same. On plaintext it is the twin of the encrypted computation.

    polynomial: what is computed, good on its domain.
    on_violation: what happens when plaintext inputs leave the domain: "warn", "raise" or "ignore"; nothing where the
    activation is exact (`is_exact`).
    debug_secret: a context with the secret key, or a tenseal secret key; ciphertext inputs are decrypted with it and
    checked too. For debugging only.
    Raises ParameterError where on_violation is another word.

    On ciphertexts `forward` raises LevelExhausted, KeyMissing, ScaleMismatch and ContextMismatch; its operand stays as
    it was. TenSEAL's values come out at the scale that they went in, which takes one level more than `cost` for every
    polynomial but an odd cubic.

    >>> from fhenn.approx import preset
    >>> node = Activation(preset("tanh-minimax-4-7"), on_violation="raise")
    >>> node.cost, node.domain, float(round(node.forward(1.0), 2))
    (3, (-4.0, 4.0), 0.76)
    """

    def __init__(self, polynomial: Polynomial, *, on_violation: Policy = "warn", debug_secret: Any = None) -> None:
        super().__init__()
        self._polynomial = polynomial
        self._derivative = polynomial.derivative()
        self._guard = RangeGuard(self.name, polynomial.domain, self._consequence(polynomial), on_violation)
        self._debug_secret = debug_secret

    @staticmethod
    def fit(
        function: Function | Callable[[Any], Any],
        domain: Domain,
        degree: int | None = None,
        accuracy: float | None = None,
        *,
        samples: ArrayLike | None = None,
        on_violation: Policy = "warn",
    ) -> Activation:
        """A node for any function of numbers.

        function: a `fhenn.approx.Function`, or a callable that takes an array and returns one of its shape, element by
        element, as NumPy's do. In a file a callable's polynomial is kept and the callable is not: what was read stands
        for the polynomial itself, watched on the same domain, and `calibrate` says that its function is unknown.
        domain: (low, high), where the polynomial is good.
        degree: of the polynomial, or
        accuracy: the largest error on the domain, by the least degree that reaches it.
        samples: values of what comes to the node, of any shape, on whose distribution a polynomial of `degree` is
        fitted (`fhenn.approx.weighted`); None for the least error in the worst case.
        on_violation: as for every `Activation`.
        Raises ParameterError where both or neither of degree and accuracy are given, or an accuracy with samples, and
        what `fhenn.approx.fit` does.
        Raises NonFiniteValue where the function is not finite on the domain, UnsupportedValue where it is no callable.

        >>> node = Activation.fit(lambda x: x / (1 + x * x), (-3, 3), degree=9)
        >>> float(node.forward(1.0).round(1)), node.cost
        (0.5, 4)
        """
        from fhenn.nn.activations import PolynomialActivation

        low, high = require_domain(domain)
        if not isinstance(function, Function):
            if not callable(function):
                raise UnsupportedValue(an(type(function).__name__), "a function of arrays, or a fhenn.approx.Function")
            function = own_function(function)
        values = np.asarray(function.value(np.linspace(low, high, 257)))
        require_finite(f"{function.name} on ({low:g}, {high:g})", values, "Choose a domain on which it is finite.")
        if (degree is None) == (accuracy is None):
            given = "neither degree nor accuracy is given." if degree is None else "degree and accuracy are both given."
            raise ParameterError(given, "Give one of them: each alone decides how close the polynomial is.")
        if samples is None:
            polynomial = polynomial_for(function, (low, high), degree, accuracy, None, default=((low, high), 1))
        elif degree is None:
            raise ParameterError(
                "an accuracy is of the worst case, and samples say nothing of it.", "Give a degree with samples."
            )
        else:
            polynomial = weighted(function, degree, (low, high), samples)
        return PolynomialActivation(polynomial, on_violation=on_violation)

    @staticmethod
    def _consequence(polynomial: Polynomial) -> str:
        """What can go wrong outside the domain, in a sentence."""
        what = f"the {polynomial.function.name}" if polynomial.function else "its function"
        flip = flip_of(polynomial)
        outside = (
            f"past |x| = {flip:.2f} it crosses {polynomial.coefficients[0]:g}, and a confident prediction silently "
            "flips class"
            if flip is not None
            else "outside, its values grow with the highest power and mean nothing"
        )
        return (
            f"The polynomial is a stand-in for {what} inside only: {outside}. Scale the inputs or weights, add weight "
            "decay, or take a wider domain."
        )

    @property
    def polynomial(self) -> Polynomial:
        """What stands in for the function."""
        return self._polynomial

    @property
    def domain(self) -> Domain:
        """The interval on which it is a good one."""
        return self._polynomial.domain

    @property
    def function(self) -> Function | None:
        """The exact function, if the polynomial stands for one."""
        return self._polynomial.function

    @property
    def is_exact(self) -> bool:
        """Whether the polynomial is the function itself and stands for no other, so that it is right for every input.

        No input then leaves a domain: the polynomial's domain only says where its circuit has the most digits.

        >>> from fhenn.nn import Sigmoid, Square
        >>> Square().is_exact, Sigmoid().is_exact
        (True, False)
        """
        return self.function is None or (self.function == SQUARE and _is_square(self._polynomial))

    @property
    def on_violation(self) -> Policy:
        """What happens when inputs leave the domain."""
        return self._guard.policy

    def with_policy(self, on_violation: Policy) -> Self:
        """A node of the same kind under another policy, with nothing kept. Raises ParameterError."""
        node = self.fresh()
        node._guard = replace(self._guard, policy=on_violation)
        return node

    def with_polynomial(self, polynomial: Polynomial) -> Self:
        """A node of the same kind and policy with another polynomial, with nothing kept.

        >>> from fhenn.approx import preset
        >>> from fhenn.nn import Sigmoid
        >>> Sigmoid().with_polynomial(preset("sigmoid-minimax-8-7")).domain
        (-8.0, 8.0)
        """
        node = self.fresh()
        Activation.__init__(node, polynomial, on_violation=self.on_violation, debug_secret=self._debug_secret)
        node._caching = self._caching
        return node

    def sup_error(self) -> float:
        """The largest |forward - exact| on the domain. Raises ParameterError where it stands for no function."""
        return self._polynomial.sup_error()

    @property
    def polynomials(self) -> tuple[Polynomial, ...]:
        """The polynomials that the input goes through, one after another."""
        return (self._polynomial,)

    @property
    def times_input(self) -> bool:
        """Whether the last of them is multiplied by the input."""
        return False

    def _watch(self, backend: Backend, x: Any) -> None:
        """Let the guard see a plaintext, or a ciphertext where a secret was given for it."""
        if not backend.encrypted and not self.is_exact:
            self._guard.check(x)
        elif backend.encrypted and self._debug_secret is not None:
            self.check(x, self._debug_secret)

    def _forward(self, backend: Backend, x: Any) -> Any:
        self._watch(backend, x)
        return self.evaluate(backend, x)

    def evaluate(self, backend: Backend, x: Any) -> Any:
        """The polynomials of `x` through a backend: what `forward` computes, unwatched."""
        return backend.polynomial(self._polynomial, x)

    def _backward(self, x: Any, gradient: Any) -> tuple[Any, None]:
        return backend_of(x, gradient).polynomial_times(self._derivative, x, gradient), None

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes on a ciphertext.

        `fhenn.plan` may put one wide prime in the place of the two of an odd cubic, which is then divided by at once.
        """
        return self._polynomial.depth

    def __repr__(self) -> str:
        low, high = self.domain
        degrees = tuple(stage.degree for stage in self.polynomials)
        degree = f"degree={degrees[0]}" if len(degrees) == 1 else f"degrees={degrees}"
        return f"{self.name}(domain=({low:g}, {high:g}), {degree}, cost={self.cost})"

    @property
    def backward_cost(self) -> int:
        """Levels of a ciphertext input that `backward` consumes; of a ciphertext gradient at a plaintext input, 1.

        The derivative is that of the polynomial that runs.
        """
        return self._derivative.depth + 1

    def exact(self, x: ArrayLike) -> Any:
        """The exact function at every element of `x`. Raises ParameterError where the polynomial stands for none."""
        if self.function is None:
            raise ParameterError(f"{self._polynomial!r} stands for no function.", "Give the polynomial a function.")
        return self.function.value(x)

    def check(self, x: Any, secret: Any = None) -> RangeReport | None:
        """Check `x` against the domain as `forward` does on plaintext, and against the headroom.

        For debugging: a server cannot do this.
        x: plaintext or ciphertext.
        secret: a context with the secret key, or a tenseal secret key, that decrypts a ciphertext; by default the one
        in the ciphertext's own context.
        Returns the report; None where all is well, or the activation is exact. Warns where the policy is "warn".
        Raises RangeViolation where the policy is "raise" and values leave the domain.
        Raises HeadroomExceeded where values are larger than scale and modulus hold.
        Raises KeyMissing where nothing can decrypt `x`.
        """
        backend = backend_of(x)
        x = backend.value(x)
        values = backend.reveal(x, secret)
        headroom = backend.headroom(self._polynomial, x)
        largest = float(np.max(np.abs(values), initial=0.0))
        if largest > headroom:
            raise HeadroomExceeded(largest, headroom, self.name)
        report = None if self.is_exact else self._guard.report(values)
        if report is not None:
            self._guard.act(report)
        return report

    def headroom(self, x: Any) -> float:
        """The largest |x| for which scale and modulus surely hold the whole evaluation.

        Beyond it the modulus can wrap, and then every slot of the ciphertext is garbage. Slots that are all alike wrap
        just there; a single large slot among small ones wraps later.
        x: a ciphertext, or a `Context` for what it encrypts afresh and gives to this node first; after other nodes less
        may fit.
        Returns the largest |x|; infinity for plaintext.
        Raises LevelExhausted, ScaleMismatch.
        """
        return backend_of(x).headroom(self._polynomial, x)

    def propose_weights(
        self, data: ArrayLike, units: int = 1, rng: np.random.Generator | int | None = None
    ) -> NDArray[np.float64]:
        """Initial weights for the layer before this node that keep its pre-activations in the domain.

        data: typical inputs, (samples, features).
        units: outputs of the layer.
        rng: generator or seed.
        Returns (units, features). With a zero bias, every pre-activation on `data` lies in the domain.
        Raises ParameterError where 0 is not inside the domain.
        Raises ShapeMismatch, UnsupportedValue, NonFiniteValue where the data are no finite samples × features.

        Weights are normal, with the standard deviation half/(4·rms‖x‖), which makes that of a pre-activation a quarter
        of the domain's half width, so that 4 sigma reach its edge; rms‖x‖ is the fan-in's root times the data's scale
        (after Glorot & Bengio 2010, who assume unit scale). A row that leaves the domain all the same is shrunk to fit.

        >>> from fhenn.nn import Sigmoid
        >>> Sigmoid().propose_weights([[1.0, 2.0], [3.0, 4.0]], units=3, rng=0).shape
        (3, 2)
        """
        x = PLAIN.value(data).astype(np.float64)
        if x.ndim != 2 or 0 in x.shape:
            raise ShapeMismatch("propose_weights", x.shape, "(samples, features), not empty")
        if units < 1:
            raise ShapeMismatch("propose_weights", (units, x.shape[1]), "at least one unit")
        require_finite("propose_weights", x, "Drop or impute them first.")
        # a hair inside, so that rounding in the product cannot cross the edge
        half = min(-self.domain[0], self.domain[1]) * (1 - 2**-40)
        if half <= 0:
            raise ParameterError(f"0 must lie inside the domain, which is {self.domain}.", "Take a domain round 0.")
        norm = float(np.sqrt(np.mean(np.sum(x * x, axis=1)))) or 1.0
        weight = np.random.default_rng(rng).normal(0.0, half / (4 * norm), (units, x.shape[1]))
        largest = np.abs(x @ weight.T).max(axis=0)
        weight *= np.minimum(1.0, half / np.maximum(largest, half))[:, None]
        return weight


class Fitted(Activation):
    """An activation whose polynomial is chosen by domain and degree or accuracy; without any, the standard one."""

    _function: ClassVar[Function]
    _default: ClassVar[tuple[Domain, int]]
    _standard: ClassVar[Polynomial | None] = None

    @property
    def is_exact(self) -> bool:
        """False: it is named after a function that no polynomial is, whatever polynomial it was given."""
        return False

    def __init__(
        self,
        domain: Domain | None = None,
        degree: int | None = None,
        accuracy: float | None = None,
        *,
        polynomial: Polynomial | None = None,
        on_violation: Policy = "warn",
        debug_secret: Any = None,
    ) -> None:
        if domain is None and degree is None and accuracy is None and polynomial is None:
            polynomial = self._standard
        polynomial = polynomial_for(self._function, domain, degree, accuracy, polynomial, default=self._default)
        super().__init__(polynomial, on_violation=on_violation, debug_secret=debug_secret)


def polynomial_for(
    function: Function,
    domain: Domain | None,
    degree: int | None,
    accuracy: float | None,
    polynomial: Polynomial | None,
    *,
    default: tuple[Domain, int],
) -> Polynomial:
    """The polynomial that an activation's arguments ask for.

    function: what it stands for.
    domain, degree, accuracy, polynomial: as the activation takes them.
    default: the domain, and the degree where neither degree nor accuracy is given.
    Raises ParameterError where arguments contradict one another.
    Raises what `fhenn.approx.fit` does.
    """
    if polynomial is not None:
        if not isinstance(polynomial, Polynomial):
            raise ParameterError(
                f"polynomial must be a fhenn.Polynomial, not {an(type(polynomial).__name__)}.",
                "Polynomial.from_numpy(p) makes one of NumPy's.",
            )
        if not (domain is None and degree is None and accuracy is None):
            raise ParameterError(
                "a polynomial was given together with a domain, degree or accuracy.",
                "Give the polynomial alone, or the others without it.",
            )
        return polynomial
    if degree is None and accuracy is None:
        degree = default[1]
    low, high = default[0] if domain is None else require_domain(domain)
    if not high - low > max(_NARROWEST * max(abs(low), abs(high)), 1e-100):
        raise ParameterError(f"domain ({low:g}, {high:g}) is too narrow to fit a polynomial on.", "Give a wider one.")
    if degree is not None:
        degree = require_degree(degree)
    if accuracy is not None and not isinstance(accuracy, Real):
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")
    return choose(function, (low, high), degree, None if accuracy is None else float(accuracy))


def flip_of(polynomial: Polynomial) -> float | None:
    """The least |x| beyond the domain where an odd polynomial crosses its middle value again, None if nowhere."""
    if polynomial.symmetry != "odd" or polynomial.degree < 3:
        return None
    roots = (polynomial.to_numpy() - polynomial.coefficients[0]).roots()
    edge = polynomial.domain[1]
    beyond = [abs(root.real) for root in map(complex, roots) if abs(root.imag) <= 1e-7 * abs(root) > 0]
    return min((at for at in beyond if at > edge), default=None)


def _is_square(polynomial: Polynomial) -> bool:
    """Whether a polynomial is x² but for rounding."""
    edge = max(map(abs, polynomial.domain))
    constant, *others = polynomial.to_monomial().coefficients
    return len(others) == 2 and max(abs(constant) / edge**2, abs(others[0]) / edge, abs(others[1] - 1)) < _ROUNDING
