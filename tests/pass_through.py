"""A test double of CKKS on plain NumPy: levels, exact scales and rotation keys are kept, and nothing is encrypted.

`PassThroughContext` stands where a `fhenn.Context` does, so that whole models run without keys. What it calls a
ciphertext are the numbers themselves; every operation that an evaluator would refuse is refused here too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import fhenn
from fhenn.backends import register
from fhenn.ckks import Arithmetic, Context, Parameters
from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.errors import KeyMissing


@dataclass(frozen=True, eq=False)
class Numbers:
    """What stands for a ciphertext: its slot values, level, scale and parts."""

    values: np.ndarray
    level: int
    scale: float
    parts: int = 2


@dataclass(frozen=True, eq=False)
class Constant:
    values: np.ndarray
    level: int
    scale: float


class PassThrough(Arithmetic[Numbers, Constant]):
    """`Arithmetic` on the numbers themselves."""

    def __init__(self, context: PassThroughContext) -> None:
        self._context = context
        self.primes = context.primes

    @property
    def nominal(self):
        return self._context.scale

    @property
    def ring_degree(self):
        return self._context.ring_degree

    @property
    def noise(self):
        return self._context.noise

    def wrap(self, ciphertext, level, scale):
        assert ciphertext.level == level
        return self.read(ciphertext, scale)

    def unwrap(self, x):
        return x

    def level(self, x):
        return x.level

    def scale(self, x):
        return x.scale

    def plaintext(self, values, level, scale):
        assert 0 <= level < len(self.primes)
        slots = np.broadcast_to(np.asarray(values, dtype=np.float64), self.slots)
        return Constant(np.round(slots * scale) / scale, level, scale)

    def is_zero(self, plaintext):
        return not plaintext.values.any()

    def zero(self, level, scale):
        return Numbers(np.zeros(self.slots), level, scale)

    def read(self, x, scale):
        return replace(x, values=x.values * (x.scale / scale), scale=scale)

    def negate(self, x):
        return replace(x, values=-x.values)

    def drop(self, x, level):
        assert level <= x.level
        return replace(x, level=level)

    def plus(self, x, addend):
        if isinstance(addend, Constant):
            assert addend.level == x.level
            assert np.isclose(addend.scale, x.scale, rtol=1e-12)
        return replace(x, values=x.values + (addend.values if isinstance(addend, Constant) else addend))

    def times(self, x, factor):
        assert factor.level == x.level
        assert factor.values.any(), "a product that anybody could read"
        return self._held(replace(x, values=x.values * factor.values, scale=x.scale * factor.scale))

    def add(self, x, y):
        assert x.level == y.level
        assert np.isclose(x.scale, y.scale, rtol=1e-9)
        return replace(x, values=x.values + y.values, parts=max(x.parts, y.parts))

    def multiply(self, x, y):
        assert x.level == y.level
        assert x.parts == y.parts == 2
        return self._held(Numbers(x.values * y.values, x.level, x.scale * y.scale, 3))

    def relinearise(self, x):
        return replace(x, parts=2)

    def rescale(self, x):
        assert x.level > 0
        return replace(x, level=x.level - 1, scale=x.scale / self.primes[x.level])

    def can_rotate(self, steps):
        return self._context.can_rotate(steps)

    def rotated(self, x, steps):
        assert x.parts == 2
        missing = {step for step in self.rotations.keys(steps) if not self.can_rotate(step)}
        if missing:
            raise KeyMissing(f"rotation (by {min(missing)})", "a matrix product", "Make that key.")
        return [replace(x, values=np.roll(x.values, -step)) for step in steps]

    def require_levels(self, operation, needed, left):
        self._context.require_levels(operation, needed, left)

    def _held(self, x):
        """Sums and products are right modulo the modulus: only a scale beyond it is refused, as SEAL does."""
        assert x.scale < self.modulus(x.level)
        return x


class PassThroughContext(Context):
    """Parameters and the rotations that there are "keys" for. It protects nothing."""

    fingerprint = "pass-through"
    has_secret_key = True

    def __init__(self, parameters: Parameters, rotations: Collection[int] = ()) -> None:
        self._parameters, self._rotations = parameters, frozenset(rotations)

    @classmethod
    def generate(cls, parameters, rotations=()):
        return cls(parameters, rotations)

    @property
    def ring_degree(self):
        return self._parameters.ring_degree

    @cached_property
    def all_primes(self):
        return tuple(int(prime) for prime in (*self.noise.primes, self.noise.special))

    @cached_property
    def noise(self) -> NoiseModel:
        return noise_model(self._parameters)

    @property
    def parameters_fingerprint(self):
        return self._parameters.fingerprint

    @property
    def scale(self):
        return self._parameters.scale

    @cached_property
    def arithmetic(self):
        return PassThrough(self)

    def can_rotate(self, steps):
        return steps in self._rotations

    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Numbers:
        return Numbers(np.broadcast_to(np.asarray(values, dtype=np.float64), self.slots), level, scale)

    def decrypt_complex(self, ciphertext: Numbers, secret: Any = None) -> Sequence[complex]:
        return [complex(value) for value in ciphertext.values]

    def save(self, ciphertext: Numbers) -> bytes:
        raise NotImplementedError

    def encrypt_seeded(self, values, level, scale):
        raise NotImplementedError

    def load(self, data, level, scale):
        raise NotImplementedError

    def to_bytes(self):
        names = {"ring_degree", "chain", "scale"}
        fields = {name: getattr(self._parameters, name) for name in names}
        return json.dumps(fields | {"rotations": sorted(self._rotations)}).encode()

    @classmethod
    def from_bytes(cls, data):
        fields = json.loads(data)
        return cls(Parameters(fields["ring_degree"], tuple(fields["chain"]), fields["scale"]), fields["rotations"])


register("pass-through", lambda: PassThroughContext)


def planned(model: fhenn.Node, **options: Any) -> tuple[fhenn.Plan, PassThroughContext]:
    """A plan of a model, and the context that its client would have."""
    plan = fhenn.plan(model, **options)
    return plan, PassThroughContext(plan.parameters, plan.rotations)
