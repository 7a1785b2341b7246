"""`Arithmetic`: what any evaluator of CKKS can do. Everything that runs on ciphertexts is written once over it.

It is implemented by SEAL (`fhenn.backends.seal`) and by `fhenn.ckks.trace.Trace`, which computes levels, scales, noise
and counts in the place of ciphertexts, so that what is planned is what is done.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from fhenn.approx import Polynomial
from fhenn.ckks import circuits, maps
from fhenn.ckks.limits import LARGEST_NOISE
from fhenn.ckks.noise import NoiseModel
from fhenn.ckks.operations import Operations, P, V
from fhenn.ckks.outlook import Outlook, outlook
from fhenn.errors import ScaleMismatch


class Drowned(ScaleMismatch):
    """Noise would drown a polynomial at that scale. A larger modulus does not help."""


class Arithmetic(Operations[V, P]):
    """The small steps, and two large pieces over them, which an evaluator may do better whole."""

    @property
    @abstractmethod
    def noise(self) -> NoiseModel:
        """The model of the noise that it makes."""

    @abstractmethod
    def wrap(self, ciphertext: Any, level: int, scale: float) -> V:
        """A handle on a ciphertext.

        ciphertext: of the evaluator's library, which is not to be changed.
        level: that it is at.
        scale: that it is read at.
        """

    @abstractmethod
    def unwrap(self, x: V) -> Any:
        """The ciphertext of a handle, with the handle's level and scale written on it where it has a place for them."""

    def apply_map(self, xs: Sequence[V], affine: maps.AffineMap) -> list[V]:
        """An affine map of one group of samples.

        xs: ciphertexts that hold the group, in the layout that the map is for, at one level and scale.
        affine: the map.

        Returns the ciphertexts of the results, in the map's `result_layout`.
        Raises LevelExhausted, ScaleMismatch, KeyMissing.
        """
        return maps.apply(self, xs, affine)

    def evaluate_polynomial(self, x: V, polynomial: Polynomial, squares: list[V] | None = None) -> V:
        """p(x), element by element.

        x: a ciphertext.
        polynomial: p, not a constant.
        squares: a list that the first square that is made on the way is appended to, None for none.

        Returns p(x), `polynomial.depth` levels down (an odd cubic one level on a wide prime).
        Raises LevelExhausted, ScaleMismatch, KeyMissing; UnsupportedOperation for a constant polynomial.
        """
        require_clear(self, polynomial, self.level(x), self.scale(x))
        return circuits.evaluate(polynomial, x, self, squares)


def require_clear(on: Arithmetic[Any, Any], polynomial: Polynomial, level: int, scale: float) -> Outlook:
    """What p(x) will be like, where noise does not drown it.

    on: the arithmetic.
    polynomial: p.
    level: of x.
    scale: of x.

    Raises LevelExhausted, and ScaleMismatch where noise drowns the result: six standard deviations may not exceed
    2⁻⁷ of the largest value, since what is silently off by a percent is worse than an error.
    """
    needed = circuits.levels_of(polynomial, scale, on.primes[: level + 1])
    on.require_levels(f"a polynomial of degree {polynomial.degree}", needed, level)
    if polynomial.depth:
        on.require_relinearisation(f"a polynomial of degree {polynomial.degree}")
    ahead = outlook(polynomial, scale, on.noise, level)
    if 6 * ahead.noise.deviation > LARGEST_NOISE * circuits.largest_of(polynomial):
        raise Drowned(*circuits.mismatch(polynomial, scale, on.primes[level]).args)
    return ahead
