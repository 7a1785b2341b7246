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


class Arithmetic(Operations[V, P]):
    """The small steps, and two large pieces over them, which an evaluator may do better whole."""

    @property
    @abstractmethod
    def noise(self) -> NoiseModel:
        """The model of the noise that it makes."""

    @abstractmethod
    def wrap(self, ciphertext: Any, level: int, scale: float) -> V:
        """A handle on a ciphertext, which is at that level, read at that scale."""

    @abstractmethod
    def unwrap(self, x: V) -> Any:
        """The ciphertext of a handle, with the handle's level and scale written on it where it has a place for them."""

    def apply_map(self, xs: Sequence[V], affine: maps.AffineMap) -> list[V]:
        """An affine map of the ciphertexts that hold one group of samples, in the layout that the map is for.

        Returns the ciphertexts of the results, in the map's `result_layout`. Raises LevelExhausted, ScaleMismatch,
        KeyMissing.
        """
        return maps.apply(self, xs, affine)

    def evaluate_polynomial(self, x: V, polynomial: Polynomial, squares: list[V] | None = None) -> V:
        """p(x), element by element, `polynomial.depth` levels down (an odd cubic one level on a wide prime).

        squares: takes the first square that is made on the way, if given. Raises ScaleMismatch, KeyMissing,
        UnsupportedOperation for a constant polynomial.
        """
        require_clear(self, polynomial, self.level(x), self.scale(x))
        return circuits.evaluate(polynomial, x, self, squares)


def require_clear(on: Arithmetic[Any, Any], polynomial: Polynomial, level: int, scale: float) -> Outlook:
    """What p(x) will be like. Raises LevelExhausted, and ScaleMismatch where noise drowns it.

    Six standard deviations may not exceed 2⁻⁷ of the largest value: what is silently off by a percent is worse than an
    error.
    """
    needed = circuits.levels_of(polynomial, scale, on.primes[: level + 1])
    on.require_levels(f"a polynomial of degree {polynomial.degree}", needed, level)
    ahead = outlook(polynomial, scale, on.noise, level)
    if 6 * ahead.noise.deviation > LARGEST_NOISE * circuits.largest_of(polynomial):
        raise circuits.mismatch(polynomial, scale, on.primes[level])
    return ahead
