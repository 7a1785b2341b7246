"""`Evaluator`: what a plan takes from whatever will compute, without loading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import CHAINED, Rotations


@dataclass(frozen=True)
class Evaluator:
    """What plans are made with: names, keys and noise, and no library.

    name: by which plans name it.
    rotations: how it makes the rotations of one ciphertext, and with which keys. Its `Arithmetic` has the same.
    noise: the model of the noise that it makes under parameters.

    >>> SEAL.name, SEAL.rotations.keys([0, 1, 2])
    ('seal', {1})
    """

    name: str
    rotations: Rotations
    noise: Callable[[Parameters], NoiseModel]

    def without_roundoff(self) -> Evaluator:
        """The same without the errors of double precision, as it was before these counted."""
        return replace(self, noise=lambda parameters: replace(self.noise(parameters), transform=0.0, roundoff=0.0))


SEAL = Evaluator("seal", CHAINED, noise_model)
"""Microsoft SEAL, through TenSEAL: what plans are for unless they name another."""
