"""`Context`: what the rest of fhenn needs of one key generation, whatever evaluates on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.arithmetic import Arithmetic
from fhenn.ckks.noise import NoiseModel
from fhenn.ckks.parameters import Parameters, chain_for_levels, fingerprint_of_parameters
from fhenn.ckks.rotations import rotation_missing
from fhenn.errors import LevelExhausted, ParameterError, UnsupportedOperation, UnsupportedValue
from fhenn.steps import counted
from fhenn.text import an

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray

Floats = NDArray[np.float64]


class Context(ABC):
    """Parameters and keys of one key generation, an arithmetic on its ciphertexts, and encryption where it can.

    A ciphertext is whatever the arithmetic works on (`Arithmetic.wrap`); it is not to be changed.
    """

    @classmethod
    @abstractmethod
    def generate(cls, parameters: Parameters, rotations: Collection[int] = ()) -> Self:
        """New keys.

        parameters: ring degree, chain and scale.
        rotations: steps, in slots, that get a key each.

        Returns the context of the client, with the secret key.
        Raises ParameterError where the evaluator refuses the parameters.
        """

    @classmethod
    @abstractmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The context in a message, for computing without the secret key.

        data: of `to_bytes` or `evaluation_bytes`, from a stranger.

        Raises WireFormatError where it is not such a message, was altered, or carries a secret key.
        """

    @property
    @abstractmethod
    def ring_degree(self) -> int:
        """N."""

    @property
    @abstractmethod
    def all_primes(self) -> tuple[int, ...]:
        """The primes of the chain, first prime first, the special one last."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """The scale of fresh ciphertexts. Raises ParameterError where none was set."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell one key generation from another; it guards against mix-ups, not malice."""

    @property
    @abstractmethod
    def arithmetic(self) -> Arithmetic[Any, Any]:
        """What computes on its ciphertexts."""

    @property
    @abstractmethod
    def has_secret_key(self) -> bool:
        """Whether this context can decrypt."""

    @abstractmethod
    def can_rotate(self, steps: int, level: int) -> bool:
        """Whether there is a key for a rotation.

        steps: in slots.
        level: of the ciphertext.
        """

    def can_relinearise(self, level: int) -> bool:
        """Whether there is a key to relinearise with.

        level: of the ciphertext.
        """
        return True

    def require_rotation(self, steps: int, level: int) -> None:
        """Raise KeyMissing where there is no key for a rotation.

        steps: in slots.
        level: of the ciphertext.
        """
        if not self.can_rotate(steps, level):
            raise rotation_missing(steps, level)

    @abstractmethod
    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Any:
        """Encrypt the slots of one ciphertext.

        values: one number for every slot, or a list of all slot values.
        level: that the ciphertext is at.
        scale: that it is encoded at.

        Raises KeyMissing, NonFiniteValue, HeadroomExceeded.
        """

    @abstractmethod
    def decrypt_complex(self, ciphertext: Any, secret: Any = None) -> list[complex]:
        """All slots of a ciphertext. Circuits are real: imaginary parts are errors, as large as those of the values.

        ciphertext: under these keys.
        secret: what holds the secret key, this context where None.

        Raises KeyMissing, ContextMismatch.
        """

    @abstractmethod
    def save(self, ciphertext: Any) -> bytes:
        """A ciphertext as bytes."""

    @abstractmethod
    def encrypt_seeded(self, values: float | list[float], level: int, scale: float) -> bytes:
        """The bytes of what `encrypt_slots` makes, with a seed in the place of the random half.

        values: one number for every slot, or a list of all slot values.
        level: that the ciphertext is at.
        scale: that it is encoded at.

        Raises KeyMissing without the secret key.
        """

    @abstractmethod
    def load(self, data: bytes, level: int, scale: float) -> Any:
        """The ciphertext in bytes.

        data: of `save` or `encrypt_seeded`, from a stranger.
        level: that it must be at.
        scale: that it must have.

        Raises WireFormatError where it is no ciphertext, or at another level or scale.
        """

    def load_all(self, bodies: Sequence[bytes], level: int, scale: float) -> list[Any]:
        """Several ciphertexts in bytes.

        bodies: each as for `load`.
        level: as for `load`.
        scale: as for `load`.

        Raises WireFormatError as `load` does.
        """
        return [self.load(body, level, scale) for body in counted(bodies)]

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The keys that computing takes, as a message. Never the secret key."""

    @abstractmethod
    def evaluation_bytes(self, rotations: Mapping[int, int] | None = None, relinearisation: int | None = None) -> bytes:
        """What `to_bytes` gives, with keys made for the purpose.

        rotations: the level of the ciphertexts, at most, for each step in slots that gets a key; None for no keys.
        relinearisation: the level of the products, at most; None for any.

        Raises KeyMissing without the secret key, ParameterError for a level that the chain does not have.
        """

    def public(self) -> Self:
        """This context without the secret key, reloaded from bytes so that no copy of the key stays in it."""
        return self.from_bytes(self.to_bytes())

    def secret_message(self) -> bytes:
        """The secret key, and what belongs to it, as bytes that `from_secret_message` reads.

        Raises UnsupportedOperation where the evaluator does not keep keys in bytes, KeyMissing without the secret key.
        """
        raise self._no_secret_message()

    @classmethod
    def from_secret_message(cls, body: bytes) -> Self:
        """The context of a `secret_message`, which decrypts and encrypts.

        body: of `secret_message`.

        Raises UnsupportedOperation where the evaluator does not keep keys in bytes, WireFormatError.
        """
        raise cls._no_secret_message()

    @classmethod
    def _no_secret_message(cls) -> UnsupportedOperation:
        """The exception of an evaluator that does not keep secret keys in bytes."""
        return UnsupportedOperation(
            f"keeping the secret key of a {cls.__name__} in bytes",
            "Plan with evaluator='seal', whose keys can be kept.",
        )

    def vector_of(self, array: CipherArray) -> Any:
        """An array as a `tenseal.CKKSVector`. Raises UnsupportedOperation where the keys are not TenSEAL's."""
        raise UnsupportedOperation(f"to_tenseal under {an(type(self).__name__)}", "Encrypt with fhenn.Context.")

    def decrypt_slots(self, ciphertext: Any, secret: Any = None) -> list[float]:
        """The real parts of `decrypt_complex`. Raises KeyMissing, ContextMismatch."""
        return [value.real for value in self.decrypt_complex(ciphertext, secret)]

    @cached_property
    def primes(self) -> tuple[int, ...]:
        """The primes under ciphertexts, first prime first; a ciphertext at level l has the first l + 1 of them."""
        return self.all_primes[:-1]

    @property
    def levels(self) -> int:
        """Rescales that a fresh ciphertext has."""
        return len(self.primes) - 1

    @property
    def slots(self) -> int:
        """Values that one ciphertext holds: N/2."""
        return self.ring_degree // 2

    def modulus(self, level: int) -> float:
        """The product of the primes under a ciphertext at a level."""
        return self.arithmetic.modulus(level)

    @cached_property
    def noise(self) -> NoiseModel:
        """The model of the noise under these parameters."""
        return NoiseModel(self.ring_degree, tuple(map(float, self.primes)), float(self.all_primes[-1]))

    @cached_property
    def chain(self) -> tuple[int, ...]:
        """Bits of every prime, first prime first, the special one last."""
        return tuple(prime.bit_length() for prime in self.all_primes)

    @property
    def parameters(self) -> Parameters:
        """Ring degree, chain and scale. Raises ParameterError where they fall below 128-bit security."""
        return Parameters(self.ring_degree, self.chain, self.scale)

    @property
    def parameters_fingerprint(self) -> str:
        """16 hexadecimal digits that tell its parameters from others, secure or not."""
        try:
            return fingerprint_of_parameters(self.ring_degree, self.chain, self.scale)
        except ParameterError:  # TenSEAL's contexts may have no scale
            return fingerprint_of_parameters(self.ring_degree, self.chain, 0.0)

    def require_levels(self, operation: str, needed: int, left: int) -> None:
        """Raise LevelExhausted, with parameters that would do, where levels are missing.

        operation: that needs them.
        needed: levels that it consumes.
        left: levels that there are.
        """
        if left < needed:
            suggestion = chain_for_levels(list(self.chain), self.levels + needed - left)
            raise LevelExhausted(operation, needed, left, suggestion)


def require_context(value: Any) -> Context:
    """`value`, which must be a `Context`. Raises UnsupportedValue."""
    if not isinstance(value, Context):
        tenseal = type(value).__module__.partition(".")[0] == "tenseal"
        hint = ": wrap it with Context.from_tenseal" if tenseal else ""
        raise UnsupportedValue(an(type(value).__name__), f"a fhenn.Context{hint}")
    return value
