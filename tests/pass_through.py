"""A test double of CKKS on plain NumPy: levels, exact scales and rotation keys are kept, and nothing is encrypted.

`PassThroughContext` stands where a `fhenn.Context` does, so that whole models run without keys. What it calls a
ciphertext are the numbers themselves; every operation that an evaluator would refuse is refused here too, and so is
reading values that the modulus does not hold. On the way they may wrap around it: what CKKS computes is computed modulo
the modulus, and a sum that fits is right whatever its terms are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import ceil, log2, prod
from secrets import token_hex
from struct import Struct
from typing import Any, ClassVar

import numpy as np

import fhenn
from fhenn.backends import register
from fhenn.ckks import CHAINED, HOISTED, Arithmetic, Context, Evaluator, NoiseModel, Parameters, noise_model
from fhenn.errors import HeadroomExceeded, KeyMissing, WireFormatError

_HEADER = Struct("<HBBBBHQ")
"""Of SEAL's objects, which messages are made of: magic, its size, major and minor version, compression, 0, bytes."""

PASS_THROUGH = Evaluator("pass-through", CHAINED, noise_model)
HOISTING = Evaluator("pass-through-hoisting", HOISTED, partial(noise_model, centred=True))


@dataclass(frozen=True, eq=False)
class Numbers:
    """What stands for a ciphertext: its slot values, level and parts.

    scale: at which the values are read.
    written: the scale that a library would have noted on it, which it checks whatever is read.
    """

    values: np.ndarray
    level: int
    scale: float
    written: float
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
        self.rotations = context.evaluator.rotations

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
        return replace(x, written=x.scale)

    def level(self, x):
        return x.level

    def scale(self, x):
        return x.scale

    def plaintext(self, values, level, scale):
        assert 0 <= level < len(self.primes)
        assert int(log2(scale)) + 1 < self._bits(level), "SEAL: scale out of bounds"
        slots = np.broadcast_to(np.asarray(values, dtype=np.float64), self.slots)
        largest = max(np.abs(slots).max() * scale, 1.0)
        assert ceil(log2(largest)) + 1 < self._bits(level), "SEAL: encoded values are too large"
        return Constant(np.round(slots * scale) / scale, level, scale)

    def is_zero(self, plaintext):
        return not plaintext.values.any()

    def zero(self, level, scale):
        return Numbers(np.zeros(self.slots), level, scale, scale)

    def read(self, x, scale):
        return replace(x, values=x.values * (x.scale / scale), scale=scale)

    def negate(self, x):
        return replace(x, values=-x.values)

    def drop(self, x, level):
        assert level <= x.level
        return self._in_bounds(replace(x, level=level))

    def plus(self, x, addend):
        if not isinstance(addend, Constant):
            addend = self.plaintext(addend, x.level, x.scale)
        assert addend.level == x.level
        assert np.isclose(addend.scale, x.scale, rtol=1e-12)
        return replace(x, values=x.values + addend.values, written=x.scale)

    def times(self, x, factor):
        assert factor.level == x.level
        assert factor.values.any(), "a product that anybody could read"
        product = replace(x, values=x.values * factor.values, scale=x.scale * factor.scale)
        return self._in_bounds(replace(product, written=self._factor(x, factor.scale).written * factor.scale))

    def add(self, x, y):
        assert x.level == y.level
        assert np.isclose(x.scale, y.scale, rtol=1e-9)
        return replace(x, values=x.values + y.values, written=x.scale, parts=max(x.parts, y.parts))

    def multiply(self, x, y):
        assert x.level == y.level
        assert x.parts == y.parts == 2
        left = self._factor(x, y.written).written
        written = left * self._factor(y, left).written
        return self._in_bounds(Numbers(x.values * y.values, x.level, x.scale * y.scale, written, 3))

    def _factor(self, x, other):
        """x with a smaller scale written on it where a product with what has another scale would be refused."""
        fits = x.written * other < self.modulus(x.level) / 2
        return x if fits or x.written <= x.scale else self.unwrap(x)

    def relinearise(self, x):
        return replace(x, parts=2)

    def rescale(self, x):
        assert x.level > 0
        prime = self.primes[x.level]
        return replace(x, level=x.level - 1, scale=x.scale / prime, written=x.written / prime)

    def rescale_and_add(self, x, constant, *, scale=None, negative=False):
        result = super().rescale_and_add(x, constant, scale=scale, negative=negative)
        return self.unwrap(result)

    def can_rotate(self, steps, level):
        return self._context.can_rotate(steps, level)

    def rotated(self, x, steps, rotations=CHAINED):
        assert x.parts == 2
        for step in sorted(rotations.keys(steps)):
            self._context.require_rotation(step, x.level)
        return rotations.make(x, steps, lambda y, step: replace(y, values=np.roll(y.values, -step)))

    def require_levels(self, operation, needed, left):
        self._context.require_levels(operation, needed, left)

    def require_held(self, x, operation):
        """Raise HeadroomExceeded where the modulus does not hold the values: they would be garbage."""
        largest, limit = float(np.abs(x.values).max()), self.modulus(x.level) / 2 / x.scale
        if largest > limit:
            raise HeadroomExceeded(largest, limit, operation)

    def _bits(self, level):
        return prod(map(int, self.primes[: level + 1])).bit_length()

    def _in_bounds(self, x):
        """SEAL refuses a scale that is written on a ciphertext and exceeds its modulus, whatever it is read at."""
        assert int(log2(x.written)) < self._bits(x.level), "SEAL: scale out of bounds"
        return x


class PassThroughContext(Context):
    """Parameters and the rotations that there are "keys" for, to some level or to all. It protects nothing."""

    evaluator: ClassVar[Evaluator] = PASS_THROUGH

    def __init__(
        self,
        parameters: Parameters,
        rotations: Collection[int] | Mapping[int, int] = (),
        fingerprint: str = "",
        secret: bool = True,
    ) -> None:
        levels = rotations if isinstance(rotations, Mapping) else dict.fromkeys(rotations, parameters.levels)
        self._parameters, self._rotations = parameters, dict(levels)
        self._fingerprint, self._secret = fingerprint or token_hex(8), secret

    @classmethod
    def generate(cls, parameters, rotations=()):
        return cls(parameters, rotations)

    @property
    def fingerprint(self):
        return self._fingerprint

    @property
    def has_secret_key(self):
        return self._secret

    @property
    def ring_degree(self):
        return self._parameters.ring_degree

    @cached_property
    def all_primes(self):
        return self._parameters.primes

    @cached_property
    def noise(self) -> NoiseModel:
        return self.evaluator.noise(self._parameters)

    @property
    def scale(self):
        return self._parameters.scale

    @cached_property
    def arithmetic(self):
        return PassThrough(self)

    def can_rotate(self, steps, level):
        return level <= self._rotations.get(steps, -1)

    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Numbers:
        return Numbers(self.arithmetic.plaintext(values, level, scale).values, level, scale, scale)

    def decrypt_complex(self, ciphertext: Numbers, secret: Any = None) -> Sequence[complex]:
        if not self._secret:
            raise KeyMissing("secret", "decrypt", "Only the client's context, which made the keys, can do this.")
        self.arithmetic.require_held(ciphertext, "decrypt")
        return [complex(value) for value in ciphertext.values]

    def save(self, ciphertext: Numbers) -> bytes:
        head = [ciphertext.level, ciphertext.written, ciphertext.parts]
        body = np.array([*head, *ciphertext.values]).tobytes()
        return _HEADER.pack(0xA15E, _HEADER.size, 4, 1, 0, 0, _HEADER.size + len(body)) + body

    def encrypt_seeded(self, values, level, scale):
        return self.save(self.encrypt_slots(values, level, scale))

    def load(self, data, level, scale):
        found = np.frombuffer(data[_HEADER.size :])
        if len(found) != 3 + self.slots or found[:3].tolist() != [level, scale, 2]:
            raise WireFormatError("ciphertexts", "a ciphertext is not at the level and scale that the header states")
        return Numbers(found[3:], level, scale, scale)

    def to_bytes(self):
        return self.evaluation_bytes(self._rotations)

    def evaluation_bytes(self, rotations=None, relinearisation=None):
        fields = {name: getattr(self._parameters, name) for name in ("ring_degree", "chain", "scale")}
        return json.dumps(
            fields | {"rotations": sorted((rotations or {}).items()), "fingerprint": self._fingerprint}
        ).encode()

    @classmethod
    def from_bytes(cls, data):
        try:
            fields = json.loads(data)
        except ValueError as error:
            raise WireFormatError("evaluation-context", "it is no JSON") from error
        parameters = Parameters(fields["ring_degree"], tuple(fields["chain"]), fields["scale"])
        return cls(parameters, dict(fields["rotations"]), fields["fingerprint"], secret=False)


class HoistingContext(PassThroughContext):
    """The same, of an evaluator that wants a key for every step, and centres digits."""

    evaluator = HOISTING


register(PASS_THROUGH, lambda: PassThroughContext)
register(HOISTING, lambda: HoistingContext)


def planned(model: fhenn.Node, **options: Any) -> tuple[fhenn.Plan, PassThroughContext]:
    """A plan of a model, and the context that its client would have, whose rotations are chained."""
    plan = fhenn.plan(model, **{"evaluator": "seal"} | options)
    return plan, PassThroughContext(plan.parameters, plan.rotation_keys)
