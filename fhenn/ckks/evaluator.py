"""`Evaluator`: what a plan takes from whatever will compute, without loading it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import CHAINED, HOISTED, Rotations


@dataclass(frozen=True)
class Evaluator:
    """What plans are made with: names, keys and noise, and no library.

    name: by which plans name it.
    rotations: how it makes the rotations of one ciphertext where it has the choice, and with which keys. Its
    `Arithmetic` has the same.
    noise_of: the model of the noise that it makes in a ring of a degree N with primes, the special one last.
    fast_prime_bits: of the largest primes that it computes with fast; larger ones are taken where none of these hold a
    model. None where size makes no difference.
    kept: bytes of the plaintexts of one map that it keeps as they are multiplied; of a larger one it keeps the
    coefficients, and makes the plaintexts of them at each use.
    halves: whether it keeps half of each, which tells the other half, as slots are real.

    >>> SEAL.name, SEAL.rotations.keys([0, 1, 2])
    ('seal', {1})
    """

    name: str
    rotations: Rotations
    noise_of: Callable[[int, Sequence[int]], NoiseModel]
    fast_prime_bits: int | None = None
    kept: float = inf
    halves: bool = False

    def bytes_of_weights(self, ring_degree: int, level: int, count: int) -> float:
        """Bytes that it keeps, at most, of the plaintexts that ciphertexts are multiplied by in a map.

        ring_degree: N.
        level: of the ciphertexts.
        count: plaintexts.

        >>> SEAL.bytes_of_weights(8192, 2, 10), NATIVE.bytes_of_weights(8192, 2, 10)
        (1966080.0, 1310720.0)
        """
        coefficients = self._bytes_of_coefficients(ring_degree, count)
        return coefficients if self.makes_weights(ring_degree, level, count) else self._full(coefficients, level)

    def makes_weights(self, ring_degree: int, level: int, count: int) -> bool:
        """Whether it makes these plaintexts at each use.

        ring_degree, level, count: as for `bytes_of_weights`.

        >>> NATIVE.makes_weights(8192, 5, 12288)
        True
        """
        return self._full(self._bytes_of_coefficients(ring_degree, count), level) > self.kept

    def _bytes_of_coefficients(self, ring_degree: int, count: int) -> float:
        """Bytes of the coefficients, of eight each; small ones take half as many."""
        return (4.0 if self.halves else 8.0) * ring_degree * count

    def _full(self, coefficients: float, level: int) -> float:
        """Bytes of plaintexts: a share for each prime, the special one too where products are made over that."""
        return coefficients * (level + (2 if self.rotations is HOISTED else 1))

    def noise(self, parameters: Parameters) -> NoiseModel:
        """The model of the noise that it makes under parameters.

        parameters: ring degree, chain and scale.
        """
        return self.noise_of(parameters.ring_degree, parameters.primes)

    def with_public_key(self) -> Evaluator:
        """The same for samples that may be encrypted under the public key."""
        return replace(self, noise_of=lambda *ring: replace(self.noise_of(*ring), public_key=True))

    def without_roundoff(self) -> Evaluator:
        """The same without the errors of double precision, as it was before these counted."""
        return replace(self, noise_of=lambda *ring: replace(self.noise_of(*ring), transform=0.0, roundoff=0.0))


SEAL = Evaluator("seal", CHAINED, noise_model)
"""Microsoft SEAL, through TenSEAL: what plans are for unless they name another."""

NATIVE = Evaluator("native", HOISTED, partial(noise_model, centred=True), fast_prime_bits=50, kept=256e6, halves=True)
"""The evaluator in C that comes with fhenn, on SEAL's ciphertexts and keys.

Its kernels for AVX2 and for AVX-512 IFMA compute with residues below 2⁵⁰.
"""
