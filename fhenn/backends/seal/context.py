"""Keys and parameters of one CKKS key generation, and what the exact-scale evaluator needs of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import tenseal as ts
import tenseal.sealapi as seal

from fhenn.backends.seal.arithmetic import SealArithmetic
from fhenn.backends.seal.forks import keep_in_forks
from fhenn.backends.seal.subchain import LevelKeys, generator_of, seal_context_of
from fhenn.backends.seal.wire import SEAL_REFUSALS, load_object, save_object
from fhenn.ckks.context import Context, require_context
from fhenn.ckks.layout import PACKED
from fhenn.ckks.messages import (
    EvaluationMessage,
    KeysObject,
    TensealMessage,
    context_parts,
    with_relinearisation_keys,
)
from fhenn.ckks.packing import packed_ciphertext, packed_keys
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import relinearisation_missing, rotation_missing
from fhenn.ckks.structure import Chain
from fhenn.errors import (
    ContextMismatch,
    HeadroomExceeded,
    KeyMissing,
    ParameterError,
    ScaleMismatch,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.finite import require_finite
from fhenn.text import an
from fhenn.uncopied import Uncopied

if TYPE_CHECKING:
    from fhenn.ckks.array import CipherArray
    from fhenn.ckks.operator import Operator

_KIND = "evaluation-context"


@dataclass(frozen=True, eq=False, repr=False)
class SealContext(Context, Uncopied):
    """The keys of one key generation, for SEAL.

    tenseal: the `tenseal.Context` that holds them.
    rotation_keys: by the level that they are for; none where TenSEAL's context holds its own, or nobody made any.
    own_relinearisation: keys for fewer levels; None where TenSEAL's context holds its own, or nobody made any.

    Make one with `Context.generate` (holds the secret key: the client's) and hand `context.public()` or
    `context.to_bytes()` (never the secret key) to whoever computes. `Context.from_tenseal` wraps keys made by TenSEAL.

    >>> client = SealContext.generate(Parameters.for_depth(2))
    >>> client.has_secret_key, client.public().has_secret_key
    (True, False)
    """

    tenseal: ts.Context
    rotation_keys: tuple[LevelKeys, ...] = ()
    own_relinearisation: LevelKeys | None = None

    _instead: ClassVar[str] = (
        "Send to_bytes() (Context.from_bytes), which never holds the secret key; a Client keeps that by secret_bytes()."
    )

    def __post_init__(self) -> None:
        keep_in_forks(self.tenseal.data)

    @classmethod
    def generate(cls, parameters: Parameters, rotations: Collection[int] = ()) -> SealContext:
        """New keys: secret, public and relinearisation keys, and those for rotations.

        parameters: ring degree, chain and scale.
        rotations: steps, in slots, that get a key each.

        Returns the context of the client, with the secret key.
        Raises ParameterError where SEAL finds no such primes.
        """
        try:
            context = ts.context(
                ts.SCHEME_TYPE.CKKS,
                parameters.ring_degree,
                coeff_mod_bit_sizes=list(parameters.chain),
                n_threads=1,  # more threads hang after fork, and gain nothing on one ciphertext
            )
        except (ValueError, RuntimeError) as error:
            raise ParameterError(
                f"SEAL refuses {parameters}: {error}.", "Give primes of other sizes, as Parameters.for_depth chooses."
            ) from error
        context.global_scale = parameters.scale
        if not rotations:
            return cls(context)
        seal_context = context.seal_context().data
        keys = seal.GaloisKeys()
        elements = [pow(3, steps, 2 * parameters.ring_degree) for steps in sorted(rotations)]
        seal.KeyGenerator(seal_context, context.secret_key().data).create_galois_keys(elements, keys)
        return cls(context, (LevelKeys(parameters.levels, keys, seal.Evaluator(seal_context)),))

    @classmethod
    def from_tenseal(cls, context: ts.Context) -> SealContext:
        """The keys that TenSEAL made.

        context: a `tenseal.Context` of the CKKS scheme.

        Raises ParameterError for another scheme, UnsupportedValue for another type.
        """
        if not isinstance(context, ts.Context):
            raise UnsupportedValue(an(type(context).__name__), "a tenseal.Context")
        ours = cls(context)
        ours._require_ckks()
        return ours

    def _require_ckks(self) -> None:
        """Raise ParameterError where the scheme is another one."""
        if int(self._key_parameters.scheme()) != int(seal.SCHEME_TYPE.CKKS):
            raise ParameterError(
                "the tenseal.Context must be of the CKKS scheme, and is of another.",
                "Create it with tenseal.SCHEME_TYPE.CKKS.",
            )

    @cached_property
    def seal_context(self) -> Any:
        """SEAL's context."""
        return self.tenseal.seal_context().data

    @cached_property
    def _key_parameters(self) -> Any:
        """SEAL's parameters, with all primes."""
        return self.seal_context.key_context_data().parms()

    @cached_property
    def ring_degree(self) -> int:
        """N."""
        return int(self._key_parameters.poly_modulus_degree())

    @cached_property
    def primes(self) -> tuple[int, ...]:
        """The primes under ciphertexts, first prime first; a ciphertext at level l has the first l + 1 of them."""
        return self.all_primes[: len(self._parms_ids)]

    @cached_property
    def all_primes(self) -> tuple[int, ...]:
        """The primes of the chain, first prime first, the special one last."""
        return tuple(int(prime.value()) for prime in self._key_parameters.coeff_modulus())

    @property
    def scale(self) -> float:
        """The scale of fresh ciphertexts. Raises ParameterError where TenSEAL's context has none."""
        try:
            return float(self.tenseal.global_scale)
        except ValueError as error:
            suggestion = "Set context.global_scale, for instance 2**40."
            raise ParameterError("the context has no scale.", suggestion) from error

    @cached_property
    def evaluator(self) -> Any:
        """SEAL's evaluator."""
        return seal.Evaluator(self.seal_context)

    @cached_property
    def encoder(self) -> Any:
        """SEAL's CKKS encoder."""
        return seal.CKKSEncoder(self.seal_context)

    @cached_property
    def _parms_ids(self) -> tuple[list[int], ...]:
        """SEAL's parameter id of every level, level 0 first."""
        ids = []
        data = self.seal_context.first_context_data()
        while data is not None:
            ids.append(data.parms_id())
            data = data.next_context_data()
        return tuple(reversed(ids))

    def parms_id(self, level: int) -> list[int]:
        """SEAL's parameter id of a level."""
        return self._parms_ids[level]

    def level_of(self, *ciphertexts: Any) -> int:
        """The level of SEAL ciphertexts.

        ciphertexts: one or more.

        Raises ContextMismatch where they have other parameters, UnsupportedValue where their levels differ.
        """
        levels = {self._levels_by_id.get(tuple(ciphertext.parms_id())) for ciphertext in ciphertexts}
        level = levels.pop()
        if level is None or None in levels:
            raise ContextMismatch(self.fingerprint, "one with other parameters")
        if levels:
            raise UnsupportedValue("ciphertexts of several levels", "ciphertexts of one level")
        return level

    @cached_property
    def _levels_by_id(self) -> dict[tuple[int, ...], int]:
        """The level of each parameter id."""
        return {tuple(parms_id): level for level, parms_id in enumerate(self._parms_ids)}

    @property
    def has_secret_key(self) -> bool:
        """Whether this context can decrypt."""
        return bool(self.tenseal.has_secret_key())

    @property
    def has_public_key(self) -> bool:
        """Whether this context can encrypt with a public key (symmetric contexts of TenSEAL have none)."""
        try:
            return bool(self.tenseal.has_public_key())
        except ValueError:
            return False

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell one key generation from another; it guards against mix-ups, not malice."""
        digest = sha256(repr((self.ring_degree, self.all_primes)).encode())
        if self.has_public_key:
            key = self.tenseal.public_key().data.data()
            digest.update(repr((key.data(0), key.data(1))).encode())
        elif self.tenseal.has_relin_keys():
            key = self.tenseal.relin_keys().data.data()[0][0].data()
            digest.update(repr((key.data(0), key.data(1))).encode())
        return digest.hexdigest()[:16]

    def relinearisation_keys(self, operation: str, level: int = 0) -> LevelKeys:
        """SEAL's relinearisation keys.

        operation: that wants them, for the error.
        level: of the ciphertext.

        Raises KeyMissing where no key is for that level.
        """
        found = self.own_relinearisation
        if found is None and self.tenseal.has_relin_keys():
            found = LevelKeys(self.levels, self.tenseal.relin_keys().data, self.evaluator)
        if found is None or found.level < level:
            raise relinearisation_missing(operation, level, None if found is None else found.level)
        return found

    def can_relinearise(self, level: int) -> bool:
        """Whether there is a key to relinearise with.

        level: of the ciphertext.
        """
        own = self.own_relinearisation
        return level <= own.level if own is not None else bool(self.tenseal.has_relin_keys())

    def secret_key(self, operation: str) -> Any:
        """SEAL's secret key. Raises KeyMissing, naming the operation that wants it."""
        if not self.has_secret_key:
            raise KeyMissing("secret", operation, "Only the client's context, which made the keys, can do this.")
        return self.tenseal.secret_key().data

    @cached_property
    def _rotation_keys(self) -> tuple[LevelKeys, ...]:
        """The rotation keys, wherever they are."""
        if self.rotation_keys or not self.tenseal.has_galois_keys():
            return self.rotation_keys
        return (LevelKeys(self.levels, self.tenseal.galois_keys().data, self.evaluator),)

    def _keys_for(self, steps: int, level: int) -> tuple[int, LevelKeys | None]:
        """The element of the Galois group that a rotation is, and what has a key for it."""
        element = pow(3, steps, 2 * self.ring_degree)
        return element, next((each for each in self._rotation_keys if each.can_rotate(element, level)), None)

    def can_rotate(self, steps: int, level: int) -> bool:
        """Whether there is a key for a rotation.

        steps: in slots.
        level: of the ciphertext.
        """
        return self._keys_for(steps, level)[1] is not None

    def rotate(self, ciphertext: Any, steps: int, level: int) -> Any:
        """A rotated ciphertext: its slot i holds what slot i + steps held.

        ciphertext: SEAL's.
        steps: in slots, above 0.
        level: of the ciphertext.

        Returns a new SEAL ciphertext.
        Raises KeyMissing.
        """
        element, found = self._keys_for(steps, level)
        if found is None:
            raise rotation_missing(steps, level)
        rotated = seal.Ciphertext()
        found.evaluator.apply_galois(ciphertext, element, found.keys, rotated)
        return rotated

    @cached_property
    def _by_secret_key(self) -> Any:
        """SEAL's encryption under the secret key. Raises KeyMissing."""
        return seal.Encryptor(self.seal_context, self.secret_key("encrypt")).encrypt_symmetric

    @cached_property
    def _by_public_key(self) -> Any:
        """SEAL's encryption under the public key."""
        return seal.Encryptor(self.seal_context, self.tenseal.public_key().data).encrypt

    def _encrypt(self, plaintext: Any, ciphertext: Any) -> None:
        """SEAL's encryption: under the secret key where it is at hand, at a sixth of the noise. Raises KeyMissing."""
        if self.has_secret_key:
            self._by_secret_key(plaintext, ciphertext)
        elif self.has_public_key:
            self._by_public_key(plaintext, ciphertext)
        else:
            raise KeyMissing("public", "encrypt", "Encrypt with the client's context.")

    def encode(self, values: float | list[float], level: int, scale: float) -> Any:
        """A SEAL plaintext.

        values: one number for every slot, or a list of slot values.
        level: that it is for.
        scale: that it is encoded at.

        Raises NonFiniteValue, HeadroomExceeded.
        """
        plaintext = seal.Plaintext()
        try:
            self.encoder.encode(values, self.parms_id(level), scale, plaintext)
        except ValueError as error:
            sizes = [abs(value) for value in (values if isinstance(values, list) else [values])]
            require_finite("encode", sizes, "CKKS cannot encode them: drop or impute them first.")
            raise HeadroomExceeded(max(sizes), self.modulus(level) / 4 / scale, "encode") from error
        return plaintext

    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Any:
        """A SEAL ciphertext.

        values: one number for every slot, or a list of slot values.
        level: that it is at.
        scale: that it is encoded at.

        Raises KeyMissing, NonFiniteValue, HeadroomExceeded.
        """
        ciphertext = seal.Ciphertext()
        self._encrypt(self.encode(values, level, scale), ciphertext)
        return ciphertext

    def encrypt_seeded(self, values: float | list[float], level: int, scale: float) -> bytes:
        """The bytes of what `encrypt_slots` makes, with a seed in the place of the random half.

        values: one number for every slot, or a list of slot values.
        level: that the ciphertext is at.
        scale: that it is encoded at.

        Raises KeyMissing without the secret key, NonFiniteValue, HeadroomExceeded.
        """
        encryptor = self._by_secret_key  # given no ciphertext to write to, it returns one that knows its seed
        return packed_ciphertext(self._chain, save_object(encryptor(self.encode(values, level, scale))))

    def decrypt_slots(self, ciphertext: Any, secret: Any = None) -> list[float]:
        """The real parts of all slots of a SEAL ciphertext.

        ciphertext: SEAL's.
        secret: a context with the secret key, TenSEAL's or fhenn's, or TenSEAL's secret key; this context where None.

        Raises KeyMissing, ContextMismatch, UnsupportedValue, WireFormatError where its scale is beyond the modulus.
        """
        return list(_decoded(self.encoder.decode_double, self._decrypt(ciphertext, secret)))

    def decrypt_complex(self, ciphertext: Any, secret: Any = None) -> list[complex]:
        """All slots of a SEAL ciphertext, as complex numbers.

        ciphertext: SEAL's.
        secret: as for `decrypt_slots`.

        Raises what `decrypt_slots` raises.
        """
        return list(_decoded(self.encoder.decode_complex, self._decrypt(ciphertext, secret)))

    def _decrypt(self, ciphertext: Any, secret: Any) -> Any:
        """The SEAL plaintext of a ciphertext. Raises what `decrypt_slots` raises."""
        plaintext = seal.Plaintext()
        key = secret_key_of(secret, self, "decrypt")
        seal.Decryptor(self.seal_context, key).decrypt(ciphertext, plaintext)
        return plaintext

    def save(self, ciphertext: Any) -> bytes:
        """A SEAL ciphertext, packed."""
        return packed_ciphertext(self._chain, save_object(ciphertext))

    def load(self, data: bytes, level: int, scale: float) -> Any:
        """The SEAL ciphertext in bytes.

        data: of `save` or `encrypt_seeded`, from a stranger.
        level: that it must be at.
        scale: that it must have.

        Raises WireFormatError where it is no ciphertext, or at another level or scale.
        """
        ciphertext = load_object(seal.Ciphertext(), self.seal_context, data)
        if (ciphertext.parms_id(), ciphertext.scale, ciphertext.size()) != (self.parms_id(level), scale, 2):
            raise WireFormatError("ciphertexts", "a ciphertext is not at the level and scale that the header states")
        return ciphertext

    @property
    def arithmetic(self) -> SealArithmetic:
        """SEAL's evaluator."""
        return SealArithmetic(self)  # not kept: it holds the context, whose keys must go when the context goes

    @cached_property
    def encoded(self) -> WeakKeyDictionary[Operator, dict[Any, Any]]:
        """Affine maps that are encoded already, while their operators live (`Operations.encoded`)."""
        return WeakKeyDictionary()

    def vector_of(self, array: CipherArray) -> ts.CKKSVector:
        """A `tenseal.CKKSVector` of an array.

        array: in layout "packed", at the context's scale.

        Raises ParameterError for another layout, ScaleMismatch for another scale.
        """
        if array.layout != PACKED:
            raise ParameterError(f"layout {array.layout.name!r} has no counterpart in TenSEAL.", "Use layout 'packed'.")
        if abs(array.scale / self.scale - 1) > 1e-12:
            raise ScaleMismatch(
                array.scale, round(self.scale), "Stay with CipherArray, or pass a CKKSVector to the node itself."
            )
        full, rest = divmod(array.size, self.slots)
        sizes = (*[self.slots] * full, *([rest] if rest else []))
        message = TensealMessage(sizes, tuple(map(save_object, array.ciphertexts)), self.scale).encode()
        return ts.ckks_vector_from(self.tenseal, message)

    def to_bytes(self) -> bytes:
        """Parameters, public, relinearisation and Galois keys as a message. Never the secret key."""
        body = self.tenseal.serialize(save_public_key=self.has_public_key, save_secret_key=False)
        keys, own = [self._packed(each.level, save_object(each.keys)) for each in self.rotation_keys], None
        if self.own_relinearisation is not None:
            own = self._packed(self.own_relinearisation.level, save_object(self.own_relinearisation.keys))
        return self._message(body, own, keys)

    def evaluation_bytes(self, rotations: Mapping[int, int] | None = None, relinearisation: int | None = None) -> bytes:
        """What `to_bytes` gives, at half the bytes, with new relinearisation and rotation keys.

        rotations: the level of the ciphertexts, at most, for each step in slots that gets a key; None for no keys.
        relinearisation: the level of the products, at most; None for any.

        Their random halves travel as the seeds that they were made of. Keys of another call fit the same ciphertexts.

        Raises KeyMissing without the secret key, ParameterError for a level that the chain does not have.
        """
        generator = seal.KeyGenerator(self.seal_context, self.secret_key("keys for a server"))
        secret, rotations = self.secret_message(), rotations or {}

        @cache
        def at(level: int) -> Any:
            if not 0 <= level <= self.levels:
                raise ParameterError(
                    f"there is no level {level} for keys: ciphertexts have levels 0 to {self.levels}.",
                    "Give the level of the ciphertexts that they are for.",
                )
            return generator if level == self.levels else generator_of(secret, self._chain, level)

        body = self.tenseal.serialize(save_relin_keys=False, save_galois_keys=False, save_secret_key=False)
        squares = None
        # the fingerprint is taken of the relinearisation keys where there is no public one: they must be in `body` then
        if self.has_public_key:
            level = self.levels if relinearisation is None else relinearisation
            squares = self._packed(level, save_object(at(level).create_relin_keys()))
        else:
            body = with_relinearisation_keys(body, save_object(generator.create_relin_keys()))
        turning: dict[int, list[int]] = {}
        for steps, level in sorted(rotations.items()):
            turning.setdefault(level, []).append(pow(3, steps, 2 * self.ring_degree))
        made = [
            self._packed(level, save_object(at(level).create_galois_keys(elements)))
            for level, elements in sorted(turning.items())
        ]
        return self._message(body, squares, made)

    def _packed(self, level: int, saved: bytes) -> KeysObject:
        """Keys for ciphertexts up to a level, as a message holds them; SEAL's own are gone by now."""
        return KeysObject(level, packed_keys(self._chain.up_to(level), saved))

    @cached_property
    def _chain(self) -> Chain:
        """The parameters, as structure is checked by."""
        return Chain(self.ring_degree, self.all_primes)

    def _message(self, body: bytes, squares: KeysObject | None, rotations: Sequence[KeysObject]) -> bytes:
        """A message of TenSEAL's context, and of keys beside it for relinearisation and rotation."""
        prints = self.fingerprint, self.parameters_fingerprint
        return EvaluationMessage(*prints, body, squares, tuple(rotations)).encode()

    def secret_message(self) -> bytes:
        """TenSEAL's message of parameters, secret and public key, made in memory. Raises KeyMissing."""
        self.secret_key("save")
        data: bytes = self.tenseal.serialize(save_secret_key=True, save_relin_keys=False, save_galois_keys=False)
        return data

    @classmethod
    def from_secret_message(cls, body: bytes) -> SealContext:
        """The context of a `secret_message`, which decrypts and encrypts.

        body: of `secret_message`.

        Raises WireFormatError where it is something else.
        """
        what = "secret-key"
        context = cls._load_message(what, context_parts(body, secret=True).for_seal())
        if not context.has_secret_key:
            raise WireFormatError(what, "there is no secret key in it")
        return context

    @classmethod
    def _load_message(cls, what: str, body: bytes) -> SealContext:
        """The context in a message of TenSEAL's. Raises WireFormatError."""
        try:
            tenseal = ts.Context.load(body, n_threads=1)
        except SEAL_REFUSALS as error:
            raise WireFormatError(what, f"SEAL refuses it ({error})") from error
        context = cls(tenseal)
        try:
            context._require_ckks()
        except ParameterError as error:
            raise WireFormatError(what, str(error)) from error
        return context

    @classmethod
    def from_bytes(cls, data: bytes) -> SealContext:
        """The context in a message, for computing without the secret key.

        data: of `to_bytes` or `evaluation_bytes`, from a stranger.

        Raises WireFormatError where it is not such a message, was altered, or carries a secret key.
        """
        message, parts = EvaluationMessage.decode(data)
        context = cls._load_message(_KIND, parts.for_seal())
        squares = message.relinearisation
        context = replace(
            context,
            rotation_keys=tuple(context._loaded(seal.GaloisKeys(), each) for each in message.rotations),
            own_relinearisation=None if squares is None else context._loaded(seal.RelinKeys(), squares),
        )
        if context.fingerprint != message.fingerprint:
            raise WireFormatError(_KIND, "its keys are not those that its header names")
        return context

    def _loaded(self, empty: Any, keys: KeysObject) -> LevelKeys:
        """Keys of a message, whose type is that of `empty`. Raises WireFormatError."""
        whole = keys.level == self.levels
        seal_context = self.seal_context if whole else seal_context_of(self._chain.up_to(keys.level))
        found = load_object(empty, seal_context, keys.data)
        return LevelKeys(keys.level, found, seal.Evaluator(seal_context))

    def __repr__(self) -> str:
        secret = "with" if self.has_secret_key else "without"
        return f"Context(N={self.ring_degree}, chain={list(self.chain)}, {secret} secret key, {self.fingerprint})"


def secret_key_of(secret: Any, own: SealContext, operation: str) -> Any:
    """SEAL's secret key.

    secret: a `Context`, a TenSEAL context or secret key that holds it; None for `own`.
    own: the context of what is to be decrypted.
    operation: that wants it, for the error.

    Raises KeyMissing, ContextMismatch, UnsupportedValue.
    """
    if isinstance(secret, ts.enc_context.SecretKey):
        return secret.data
    if isinstance(secret, ts.Context):
        secret = SealContext.from_tenseal(secret)
    holder = own if secret is None else _require_seal(secret)
    key = holder.secret_key(operation)
    if holder.fingerprint != own.fingerprint:
        raise ContextMismatch(holder.fingerprint, own.fingerprint)
    return key


def _require_seal(value: Any) -> SealContext:
    """`value`, which must be a context of SEAL's keys. Raises UnsupportedValue, ContextMismatch."""
    context = require_context(value)
    if not isinstance(context, SealContext):
        raise ContextMismatch("keys of SEAL", context.fingerprint)
    return context


def _decoded(decode: Callable[[Any], Any], plaintext: Any) -> Any:
    """The slots of a SEAL plaintext. Raises WireFormatError where it has none, as at a scale beyond the modulus."""
    try:
        return decode(plaintext)
    except SEAL_REFUSALS as error:
        raise WireFormatError(
            "ciphertext", f"nothing can be read of it at a scale of {plaintext.scale:.3g} ({error})"
        ) from error
