"""`NativeContext`: the keys of SEAL, and the native evaluator on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

from fhenn.backends.native.arithmetic import Ciphertext, NativeArithmetic
from fhenn.backends.native.keys import Keys
from fhenn.backends.native.messages import ContextMessage, read_ciphertexts, read_context, write_ciphertext
from fhenn.backends.native.ring import Ring
from fhenn.ckks.context import Context
from fhenn.ckks.evaluator import NATIVE
from fhenn.ckks.noise import NoiseModel
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import Rotations, relinearisation_missing
from fhenn.errors import ParameterError, WireFormatError
from fhenn.uncopied import Uncopied
from fhenn.wire import as_bytes

if TYPE_CHECKING:
    from fhenn.backends.seal import SealContext
    from fhenn.ckks.array import CipherArray
    from fhenn.ckks.operator import Operator


class NativeContext(Context, Uncopied):
    """The keys of one key generation, for the native evaluator.

    Its ciphertexts are residues. Keys are made, and values encrypted and decrypted, by SEAL, which is loaded when that
    is asked for: computing takes none of it.

    seal: SEAL's context of the same keys; None where only a message is at hand.
    message: of `SealContext.to_bytes` or `evaluation_bytes`; None where SEAL's context is.
    rotations: how several rotations of one ciphertext are made, for which there must be keys.

    >>> client = NativeContext.generate(Parameters.for_depth(2))
    >>> NativeContext.from_bytes(client.to_bytes()).has_secret_key
    False
    """

    _instead: ClassVar[str] = (
        "Send to_bytes() (Context.from_bytes), which never holds the secret key; a Client keeps that by secret_bytes()."
    )

    def __init__(
        self,
        seal: SealContext | None = None,
        message: bytes | None = None,
        rotations: Rotations = NATIVE.rotations,
    ) -> None:
        self._own_seal, self._own_message, self.rotations = seal, message, rotations
        self.encoded: WeakKeyDictionary[Operator, dict[Any, Any]] = WeakKeyDictionary()

    @classmethod
    def generate(cls, parameters: Parameters, rotations: Collection[int] = ()) -> Self:
        return cls(_seal_context_class().generate(parameters, rotations))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        context = cls(message=as_bytes("evaluation keys", data))
        _ = context.keys  # a stranger's bytes are read before anything is made of them
        return context

    @cached_property
    def seal(self) -> SealContext:
        """SEAL's context of the same keys."""
        return self._own_seal or _seal_context_class().from_bytes(self.to_bytes())

    @cached_property
    def _message(self) -> bytes:
        """What computing takes, as SEAL's context writes it."""
        return self.seal.to_bytes() if self._own_message is None else self._own_message

    @cached_property
    def _content(self) -> ContextMessage:
        """What is in the message."""
        return read_context(self._message)

    @cached_property
    def keys(self) -> Keys:
        """The switching keys."""
        return self._content.keys

    @cached_property
    def ring(self) -> Ring:
        """The tables of its primes."""
        return Ring.of(self.ring_degree, self.all_primes)

    @cached_property
    def ring_degree(self) -> int:
        return self._own_seal.ring_degree if self._own_seal else self._content.ring.ring_degree

    @cached_property
    def all_primes(self) -> tuple[int, ...]:
        return self._own_seal.all_primes if self._own_seal else self._content.ring.primes

    @cached_property
    def scale(self) -> float:
        scale = self._own_seal.scale if self._own_seal else self._content.scale
        if scale is None:
            raise ParameterError("the context has no scale.", "Set context.global_scale, for instance 2**40.")
        return scale

    @cached_property
    def fingerprint(self) -> str:
        return self._own_seal.fingerprint if self._own_seal else self._content.fingerprint

    @cached_property
    def noise(self) -> NoiseModel:
        return NATIVE.noise_of(self.ring_degree, self.all_primes)

    @property
    def arithmetic(self) -> NativeArithmetic:
        return NativeArithmetic(self)  # not kept: it holds the context, whose keys must go when the context goes

    @property
    def has_secret_key(self) -> bool:
        return self._own_seal is not None and self._own_seal.has_secret_key

    def can_rotate(self, steps: int, level: int) -> bool:
        return self.keys.can_rotate(steps, level)

    def can_relinearise(self, level: int) -> bool:
        return self.keys.can_relinearise(level)

    def require_relinearisation(self, operation: str, level: int = 0) -> None:
        """Raise KeyMissing where there is no key to relinearise with.

        operation: that wants it, for the error.
        level: of the ciphertext.
        """
        if not self.can_relinearise(level):
            raise relinearisation_missing(operation, level, self.keys.relinearised)

    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Ciphertext:
        return self.load(self.seal.save(self.seal.encrypt_slots(values, level, scale)), level, scale)

    def decrypt_complex(self, ciphertext: Ciphertext, secret: Any = None) -> list[complex]:
        return self.seal.decrypt_complex(self._for_seal(ciphertext), _seal_of(secret))

    def decrypt_slots(self, ciphertext: Ciphertext, secret: Any = None) -> list[float]:
        return self.seal.decrypt_slots(self._for_seal(ciphertext), _seal_of(secret))

    def _for_seal(self, ciphertext: Ciphertext) -> Any:
        """SEAL's ciphertext."""
        data = write_ciphertext(self.ring, ciphertext.residues, ciphertext.scale, packed=False)
        return self.seal.load(data, ciphertext.level, ciphertext.scale)

    def save(self, ciphertext: Ciphertext) -> bytes:
        return write_ciphertext(self.ring, ciphertext.residues, ciphertext.scale)

    def encrypt_seeded(self, values: float | list[float], level: int, scale: float) -> bytes:
        return self.seal.encrypt_seeded(values, level, scale)

    def load(self, data: bytes, level: int, scale: float) -> Ciphertext:
        return self.load_all([data], level, scale)[0]

    def load_all(self, bodies: Sequence[bytes], level: int, scale: float) -> list[Ciphertext]:
        found = read_ciphertexts(self.ring, "Ciphertext", bodies)
        if any((read.level, read.scale) != (level, scale) for read in found):
            raise WireFormatError("ciphertexts", "a ciphertext is not at the level and scale that the header states")
        return [Ciphertext(read.residues, scale) for read in found]

    def to_bytes(self) -> bytes:
        return self._message

    def evaluation_bytes(self, rotations: Mapping[int, int] | None = None, relinearisation: int | None = None) -> bytes:
        return self.seal.evaluation_bytes(rotations, relinearisation)

    def secret_message(self) -> bytes:
        return self.seal.secret_message()

    @classmethod
    def from_secret_message(cls, body: bytes) -> Self:
        return cls(_seal_context_class().from_secret_message(body))

    def vector_of(self, array: CipherArray) -> Any:
        ciphertexts = tuple(map(self._for_seal, array.ciphertexts))
        return self.seal.vector_of(replace(array, context=self.seal, ciphertexts=ciphertexts))

    def __repr__(self) -> str:
        secret = "with" if self.has_secret_key else "without"
        return f"NativeContext(N={self.ring_degree}, chain={list(self.chain)}, {secret} secret key, {self.fingerprint})"


def _seal_context_class() -> type[SealContext]:
    """The class of SEAL's contexts, which loads TenSEAL."""
    kind: type[SealContext] = import_module("fhenn.backends.seal").SealContext
    return kind


def _seal_of(secret: Any) -> Any:
    """What holds a secret key, as SEAL's side takes it."""
    return secret.seal if isinstance(secret, NativeContext) else secret
