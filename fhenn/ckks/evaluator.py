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
    coefficients, which take as many bytes as one prime's share.

    >>> SEAL.name, SEAL.rotations.keys([0, 1, 2])
    ('seal', {1})
    """

    name: str
    rotations: Rotations
    noise_of: Callable[[int, Sequence[int]], NoiseModel]
    fast_prime_bits: int | None = None
    kept: float = inf

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

NATIVE = Evaluator("native", HOISTED, partial(noise_model, centred=True), fast_prime_bits=50, kept=256e6)
"""The evaluator in C that comes with fhenn, on SEAL's ciphertexts and keys.

Its kernels for AVX2 and for AVX-512 IFMA compute with residues below 2⁵⁰.
"""
