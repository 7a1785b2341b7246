"""Residues, and what the native library does with them: every call of it, with arrays in the place of pointers."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from threading import Lock
from typing import Any, ClassVar
from weakref import WeakValueDictionary, finalize

import numpy as np
from numpy.typing import NDArray

from fhenn.backends.native.encoding import coefficients_of, half_of_coefficients
from fhenn.backends.native.library import require_library
from fhenn.backends.native.spare import SpareMemory
from fhenn.ckks.bits import packed_size
from fhenn.cores import cores
from fhenn.errors import ParameterError

Residues = NDArray[np.uint64]
"""(polynomials, primes, N), in NTT form, contiguous; each below its prime. Not to be changed once they are shared."""

Coefficients = NDArray[np.int32 | np.int64 | np.float64]
"""Integers, (terms, N/2): the first half of the coefficients of plaintexts, whose slots are real (`RealModulus`)."""

Floats = NDArray[np.float64]
_POINTER, _INT, _LONG, _DOUBLE = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_double
_TEXT, _WORD = ctypes.c_char_p, ctypes.c_uint64

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "fhenn_ring_new": (_POINTER, (_INT, _INT, _POINTER, _TEXT, _INT)),
    "fhenn_ring_free": (None, (_POINTER,)),
    "fhenn_ring_kernels": (_TEXT, (_POINTER, _INT)),
    "fhenn_permutation": (None, (_POINTER, _WORD, _POINTER)),
    "fhenn_transform": (None, (_POINTER, _INT, _INT, _POINTER)),
    "fhenn_pack_key": (None, (_POINTER, _INT, _INT, _POINTER, _POINTER)),
    "fhenn_pack_plain": (_INT, (_POINTER, _INT, _POINTER, _INT, _INT, _POINTER, _POINTER)),
    "fhenn_encode": (None, (_POINTER, _POINTER, _INT, _POINTER, _POINTER)),
    "fhenn_residues": (None, (_POINTER, _INT, _LONG, _POINTER, _POINTER)),
    "fhenn_expand_seed": (None, (_POINTER, _LONG, _INT, _POINTER, _POINTER)),
    "fhenn_pack": (None, (_POINTER, _LONG, _INT, _POINTER)),
    "fhenn_unpack": (None, (_POINTER, _LONG, _INT, _POINTER)),
    "fhenn_read": (_INT, (_POINTER, _INT, _INT, _INT, _POINTER, _LONG, _LONG, _POINTER)),
    "fhenn_residues_below": (_INT, (_POINTER, _INT, _POINTER, _INT, _POINTER)),
    "fhenn_add": (None, (_POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER)),
    "fhenn_subtract": (None, (_POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER)),
    "fhenn_negate": (None, (_POINTER, _INT, _INT, _POINTER, _POINTER)),
    "fhenn_add_number": (None, (_POINTER, _INT, _POINTER, _DOUBLE, _POINTER)),
    "fhenn_times_number": (None, (_POINTER, _INT, _INT, _POINTER, _DOUBLE, _POINTER)),
    "fhenn_sum_of_products": (None, (_POINTER, _INT, _INT, _INT, _POINTER, _POINTER, _POINTER)),
    "fhenn_multiply": (None, (_POINTER, _INT, _POINTER, _POINTER, _POINTER)),
    "fhenn_relinearise": (_INT, (_POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER)),
    "fhenn_relinearise_and_rescale": (_INT, (_POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER)),
    "fhenn_rescale": (_INT, (_POINTER, _INT, _INT, _POINTER, _POINTER)),
    "fhenn_rotate": (_INT, (_POINTER, _INT, _POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER)),
    "fhenn_apply_map": (_INT, (_POINTER, _POINTER, _POINTER)),
    "fhenn_number_rows": (_INT, (_POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
}
"""What api.c exports: results and arguments."""


class _SwitchingKey(ctypes.Structure):
    """`SwitchingKey` of switching.h."""

    _fields_ = (("words", _POINTER), ("digits", _INT))


class _Rotation(ctypes.Structure):
    """`Rotation` of maps.h."""

    _fields_ = (("permutation", _POINTER), ("key", _SwitchingKey))


class _Fold(ctypes.Structure):
    """`Fold` of maps.h."""

    _fields_ = (("rotations", _INT), ("rotation", _POINTER))


class _Coefficients(ctypes.Structure):
    """`Coefficients` of encoding.h."""

    _fields_ = (("kind", _INT), ("first", _POINTER))


class _Giant(ctypes.Structure):
    """`Giant` of maps.h."""

    _fields_ = (
        ("terms", _INT),
        ("which", _POINTER),
        ("plain", _POINTER),
        ("coefficients", _Coefficients),
        ("turn", _Rotation),
    )


class _Map(ctypes.Structure):
    """`Map` of maps.h."""

    _fields_ = (
        *(
            (name, _INT)
            for name in ("k", "lifted", "babies", "results", "giants", "rescaled", "folds_before", "folds_after")
        ),
        *((name, _POINTER) for name in ("x", "baby", "giant", "fold", "bias")),
    )


@dataclass(frozen=True, eq=False)
class PackedKey:
    """A switching key as the library reads it.

    words: [digits + 1][N/8][digits][2][8].
    digits: the most primes that a ciphertext may have.
    """

    words: Residues
    digits: int

    @cached_property
    def structure(self) -> _SwitchingKey:
        """What the library takes."""
        return _SwitchingKey(self.words.ctypes.data, self.digits)


@dataclass(frozen=True, eq=False)
class Turn:
    """A rotation.

    permutation: of NTT values (`Ring.permutation`).
    key: for it.
    """

    permutation: NDArray[np.uint32]
    key: PackedKey

    @property
    def structure(self) -> _Rotation:
        """What the library takes."""
        return _Rotation(self.permutation.ctypes.data, self.key.structure)


@dataclass(frozen=True, eq=False)
class Products:
    """Products of baby steps with plaintexts, which a giant step sums.

    which: baby steps, by their places; None for all of them.
    plain: packed [primes][N/16][terms][8]; None for no product, and where there are coefficients.
    coefficients: (terms, N/2), from which plaintexts are made at each use, in the place of `plain`.
    """

    which: NDArray[np.uint16] | None
    plain: Residues | None
    terms: int
    coefficients: Coefficients | None = None

    @classmethod
    def none(cls) -> Products:
        """No product."""
        return cls(None, None, 0)


_SHORT, _LONG_BELOW = 2.0**31, 2.0**50
_KINDS = {np.dtype(np.int32): 0, np.dtype(np.int64): 1, np.dtype(np.float64): 2}
"""`CoefficientKind` of encoding.h, and what is below which in magnitude."""

_SEED = 64
"""Bytes of a seed."""

_SPARE = 1 << 26
"""Bytes that a ring keeps for results to come."""

_BRIEF = 1 << 18
"""Words of an operation that takes a hundred microseconds at most, as long as it takes to wake another thread."""

_allowed: int | None = None
_allowed_here: ContextVar[int | None] = ContextVar("fhenn_threads", default=None)


def use_threads(count: int | None) -> None:
    """Let each call of the rings that `Ring.of` gives from now on use that many threads.

    count: at least 1; None for as many as this process may use cores, which it is at first.

    Threads share the primes and digits of one operation; they sleep between calls. Where processes share a machine,
    their threads together should not be more than its cores.

    Raises ParameterError.
    """
    global _allowed  # noqa: PLW0603
    if count is not None and (type(count) is not int or count < 1):
        raise ParameterError(f"the number of threads must be a whole number above 0, not {count!r}.", "Give 1 or more.")
    _allowed = count


@contextmanager
def threads_here(count: int) -> Iterator[None]:
    """The same as `use_threads`, for this thread and until the end of a `with` block: what it loads keeps to it.

    count: at least 1.
    """
    token = _allowed_here.set(count)
    try:
        yield
    finally:
        _allowed_here.reset(token)


def threads_in_use() -> int:
    """Threads that a call may use, as `use_threads` and `threads_here` left it."""
    here = _allowed_here.get()
    if here is not None:
        return here
    if _allowed is not None:
        return _allowed
    return cores()


class Ring:
    """A modulus chain on one ring, for the native library.

    ring_degree: N.
    primes: first prime first, special one last.
    kernels: by their name; None for the fastest that this CPU runs, prime by prime.
    threads: that one call may use.

    `Ring.of` gives the one that others use already.

    Raises MemoryError.
    """

    _SHARED: ClassVar[WeakValueDictionary[tuple[int, tuple[int, ...], int], Ring]] = WeakValueDictionary()
    _LOCK: ClassVar[Lock] = Lock()

    def __init__(self, ring_degree: int, primes: Sequence[int], kernels: str | None = None, threads: int = 1) -> None:
        self.ring_degree, self.primes = ring_degree, tuple(primes)
        self._library, self._brief = require_library(_FUNCTIONS), require_library(_FUNCTIONS, ctypes.PyDLL)
        moduli = np.array(self.primes, np.uint64)
        name = None if kernels is None else kernels.encode()
        pointer = self._library.fhenn_ring_new(
            ring_degree.bit_length() - 1, len(self.primes), moduli.ctypes.data, name, threads
        )
        if not pointer:
            raise MemoryError("no memory for the tables of a ring")
        self._pointer = _POINTER(pointer)
        # not when the interpreter ends: daemon threads may be inside calls then
        finalize(self, self._library.fhenn_ring_free, self._pointer).atexit = False
        self._permutations: dict[int, NDArray[np.uint32]] = {}
        self._spare = SpareMemory(_SPARE)

    @classmethod
    def of(cls, ring_degree: int, primes: Sequence[int]) -> Ring:
        """The ring of these primes; its tables are shared by all who use it at the time.

        ring_degree: N.
        primes: first prime first, special one last.

        Raises MemoryError.
        """
        name = ring_degree, tuple(primes), threads_in_use()
        with cls._LOCK:
            ring = cls._SHARED.get(name)
            if ring is None:
                ring = cls._SHARED[name] = cls(ring_degree, primes, threads=name[2])
        return ring

    def _library_for(self, words: int) -> ctypes.CDLL:
        """The library for a pass over so many words.

        Threads that meet at every brief call wait for one another longer than the calls take.
        """
        return self._brief if words <= _BRIEF else self._library

    @property
    def kernels(self) -> tuple[str, ...]:
        """The kernels in use, prime by prime."""
        return tuple(
            self._library.fhenn_ring_kernels(self._pointer, place).decode() for place in range(len(self.primes))
        )

    def new(self, polynomials: int, primes: int) -> Residues:
        """Residues whose values do not matter."""
        return self._spare.array((polynomials, primes, self.ring_degree))

    def copy(self, x: Residues) -> Residues:
        """Residues that may be changed, of the values of others, which need not be contiguous."""
        result = self.new(*x.shape[:2])
        result[...] = x
        return result

    @staticmethod
    def _checked(status: int) -> None:
        """Raise MemoryError where the library says that there is no memory."""
        if status:
            raise MemoryError("no memory for an operation on ciphertexts")

    def permutation(self, steps: int) -> NDArray[np.uint32]:
        """Where a rotation takes NTT values from.

        steps: in slots.
        """
        found = self._permutations.get(steps)
        if found is None:
            found = np.empty(self.ring_degree, np.uint32)
            element = pow(3, steps, 2 * self.ring_degree)
            self._library.fhenn_permutation(self._pointer, element, found.ctypes.data)
            self._permutations[steps] = found
        return found

    def transform(self, place: int, values: Residues, *, inverse: bool = False) -> Residues:
        """The number-theoretic transform of a polynomial.

        place: of the prime, in the chain.
        values: residues, (N,).
        inverse: from NTT form to coefficients.

        Returns residues, (N,).
        """
        result = values.copy()
        self._library.fhenn_transform(self._pointer, place, int(inverse), result.ctypes.data)
        return result

    def pack_key(self, key: Residues, primes: int) -> PackedKey:
        """What ciphertexts of so many primes need of a key.

        key: (digits, 2, primes, N), of `primes` digits at least; the special prime is the last.
        primes: under the ciphertexts.
        """
        words = np.empty((primes + 1) * primes * 2 * self.ring_degree, np.uint64)
        self._library.fhenn_pack_key(self._pointer, primes, key.shape[2], key.ctypes.data, words.ctypes.data)
        return PackedKey(words, primes)

    def encode(self, slots: Floats, scale: float, places: Sequence[int]) -> Residues:
        """Slot values as a plaintext.

        slots: (N/2,), finite.
        scale: that they are encoded at.
        places: of the primes, in the chain.

        Returns residues, (primes, N).
        """
        return self.residues_of(self.coefficients(slots, scale), places)

    def coefficients(self, slots: Floats, scale: float) -> Floats:
        """The coefficients of a plaintext, not yet rounded, (N,).

        slots: (N/2,), finite.
        scale: that they are encoded at.
        """
        return np.ascontiguousarray(coefficients_of(slots, self.ring_degree) * scale)

    def half_of_coefficients(self, slots: Floats, scale: float) -> Floats:
        """The first half of the coefficients of plaintexts, not yet rounded, (..., N/2); they tell the others.

        slots: (..., N/2), finite.
        scale: that they are encoded at.
        """
        return half_of_coefficients(slots, self.ring_degree) * scale

    def residues_of(self, coefficients: Floats, places: Sequence[int]) -> Residues:
        """The plaintext of coefficients, (primes, N).

        coefficients: (N,), contiguous.
        places: of the primes, in the chain.
        """
        wanted = np.array(places, np.intc)
        result = np.empty((len(places), self.ring_degree), np.uint64)
        self._library.fhenn_encode(
            self._pointer, coefficients.ctypes.data, len(places), wanted.ctypes.data, result.ctypes.data
        )
        return result

    def pack_plain(self, coefficients: Coefficients, places: Sequence[int]) -> Residues:
        """Plaintexts as `Products` has them.

        coefficients: (terms, N/2), contiguous.
        places: of the primes, in the chain.

        Raises MemoryError.
        """
        wanted, terms = np.array(places, np.intc), len(coefficients)
        packed = np.empty(len(places) * terms * self.ring_degree // 2, np.uint64)
        self._checked(
            self._library.fhenn_pack_plain(
                self._pointer,
                len(places),
                wanted.ctypes.data,
                terms,
                _KINDS[coefficients.dtype],
                coefficients.ctypes.data,
                packed.ctypes.data,
            )
        )
        return packed

    def residues(self, place: int, integers: Floats) -> Residues:
        """Integers modulo a prime.

        place: of the prime, in the chain.
        integers: any number of them.

        Returns residues, of the same number.
        """
        integers = np.ascontiguousarray(integers)
        result = np.empty(integers.size, np.uint64)
        library = self._library_for(integers.size)
        library.fhenn_residues(self._pointer, place, integers.size, integers.ctypes.data, result.ctypes.data)
        return result

    def expand_seed(self, seed: bytes, result: Residues, places: Sequence[int]) -> None:
        """The polynomial that SEAL makes of a seed.

        seed: 64 bytes.
        result: (primes, N); is filled.
        places: of the primes, in the chain.
        """
        moduli = np.array([self.primes[place] for place in places], np.uint64)
        words = np.frombuffer(seed, np.uint64)
        self._library.fhenn_expand_seed(
            words.ctypes.data, self.ring_degree, len(result), moduli.ctypes.data, result.ctypes.data
        )

    def pack(self, x: Residues) -> bytearray:
        """Residues in as many bits as their primes have (`fhenn.ckks.bits`), polynomial by polynomial.

        x: (polynomials, primes, N), over the first primes of the chain.
        """
        bits = [prime.bit_length() for prime in self.primes[: x.shape[1]]]
        sizes = [packed_size(self.ring_degree, each) for each in bits] * len(x)
        result, at = bytearray(sum(sizes)), 0
        view, library = np.frombuffer(result, np.uint8), self._library_for(self.ring_degree)
        for place, (residues, size) in enumerate(zip(x.reshape(-1, self.ring_degree), sizes, strict=True)):
            library.fhenn_pack(residues.ctypes.data, self.ring_degree, bits[place % len(bits)], view[at:].ctypes.data)
            at += size
        return result

    def unpack(self, source: memoryview, bits: int, target: memoryview) -> None:
        """Packed residues, each in a word of its own.

        source: as `pack` makes it, of one polynomial and prime.
        bits: of each.
        target: 8 bytes for each.
        """
        count = len(target) // 8
        _require_size(source, packed_size(count, bits))
        self._library_for(count).fhenn_unpack(
            np.frombuffer(source, np.uint8).ctypes.data, count, bits, np.frombuffer(target, np.uint8).ctypes.data
        )

    def read(self, bodies: Sequence[bytes], primes: int, polynomials: int, start: int, seed: int) -> Residues | None:
        """Ciphertexts in bytes that differ in their residues and seeds alone.

        bodies: one or more, of one length.
        primes: how many of the chain's first they are over.
        polynomials: of which there are residues: 2, or 1 where a seed stands for the second.
        start: where the packed residues begin in each.
        seed: where the 64 bytes of the seed do.

        Returns (ciphertexts, 2, primes, N); None where a residue is not below its prime.
        """
        size = sum(packed_size(self.ring_degree, prime.bit_length()) for prime in self.primes[:primes]) * polynomials
        end = start + size if polynomials == 2 else max(start + size, seed + _SEED)
        if any(len(body) < end for body in bodies):
            raise ValueError(f"ciphertexts of fewer than {end} bytes")
        result: Residues = self._spare.array((len(bodies), 2, primes, self.ring_degree))
        pointers = (_TEXT * len(bodies))(*bodies)
        arguments = len(bodies), primes, polynomials, pointers, start, seed, result.ctypes.data
        return result if self._library.fhenn_read(self._pointer, *arguments) else None

    def holds(self, x: Residues, places: Sequence[int]) -> bool:
        """Whether every residue lies below its prime.

        x: (polynomials, primes, N).
        places: of the primes, in the chain.
        """
        polynomials, primes = x.shape[:2]
        wanted = np.array(places, np.intc)
        library = self._library_for(x.size)
        return bool(library.fhenn_residues_below(self._pointer, primes, wanted.ctypes.data, polynomials, x.ctypes.data))

    def add(self, x: Residues, y: Residues) -> Residues:
        """x + y, where y has as many polynomials as x, or more, which are those of the result then."""
        common = len(x)
        result = self.new(*y.shape[:2])
        self._of_two("fhenn_add", x, y[:common], result[:common])
        result[common:] = y[common:]
        return result

    def _of_two(self, name: str, x: Residues, y: Residues, result: Residues) -> None:
        _require_alike(x.shape, [y])
        polynomials, primes = x.shape[:2]
        function = getattr(self._library_for(x.size), name)
        function(self._pointer, primes, polynomials, x.ctypes.data, y.ctypes.data, result.ctypes.data)

    def subtract(self, x: Residues, y: Residues) -> Residues:
        """x - y, of as many polynomials as each has."""
        result = self.new(*x.shape[:2])
        self._of_two("fhenn_subtract", x, y, result)
        return result

    def negate(self, x: Residues) -> Residues:
        """-x."""
        polynomials, primes = x.shape[:2]
        result = self.new(polynomials, primes)
        self._library_for(x.size).fhenn_negate(self._pointer, primes, polynomials, x.ctypes.data, result.ctypes.data)
        return result

    def add_number(self, x: Residues, integer: float) -> Residues:
        """x plus an integer in every slot."""
        result = self.copy(x)
        library = self._library_for(x[0].size)
        library.fhenn_add_number(self._pointer, x.shape[1], x.ctypes.data, integer, result.ctypes.data)
        return result

    def add_plain(self, x: Residues, plaintext: Residues) -> Residues:
        """x plus a plaintext, (primes, N)."""
        result = self.copy(x)
        self._of_two("fhenn_add", x[:1], plaintext[np.newaxis], result[:1])
        return result

    def times_number(self, x: Residues, integer: float) -> Residues:
        """x times an integer in every slot."""
        polynomials, primes = x.shape[:2]
        result = self.new(polynomials, primes)
        library = self._library_for(x.size)
        library.fhenn_times_number(self._pointer, primes, polynomials, x.ctypes.data, integer, result.ctypes.data)
        return result

    def sum_of_products(self, xs: Sequence[Residues], plaintexts: Sequence[Residues]) -> Residues:
        """The sum of ciphertexts times plaintexts, (primes, N) each."""
        polynomials, primes = xs[0].shape[:2]
        _require_alike(xs[0].shape, xs)
        _require_alike(xs[0].shape[1:], plaintexts)
        result = self.new(polynomials, primes)
        self._library.fhenn_sum_of_products(
            self._pointer, primes, polynomials, len(xs), _pointers(xs), _pointers(plaintexts), result.ctypes.data
        )
        return result

    def multiply(self, x: Residues, y: Residues) -> Residues:
        """x·y, of three polynomials."""
        _require_alike((2, *x.shape[1:]), [x, y])
        result = self.new(3, x.shape[1])
        self._library.fhenn_multiply(self._pointer, x.shape[1], x.ctypes.data, y.ctypes.data, result.ctypes.data)
        return result

    def relinearise(self, x: Residues, key: PackedKey, *, centred: bool = True) -> Residues:
        """A ciphertext of three polynomials as one of two.

        x: the ciphertext.
        key: for the secret's square.
        centred: whether digits are; SEAL's are not.
        """
        result = self.new(2, x.shape[1])
        self._checked(
            self._library.fhenn_relinearise(
                self._pointer,
                x.shape[1],
                x.ctypes.data,
                ctypes.byref(key.structure),
                int(centred),
                result.ctypes.data,
            )
        )
        return result

    def relinearise_and_rescale(self, x: Residues, key: PackedKey, *, centred: bool = True) -> Residues:
        """The same, divided by the last prime.

        x: the ciphertext.
        key: for the secret's square.
        centred: whether digits are; SEAL's are not.
        """
        result = self.new(2, x.shape[1] - 1)
        self._checked(
            self._library.fhenn_relinearise_and_rescale(
                self._pointer,
                x.shape[1],
                x.ctypes.data,
                ctypes.byref(key.structure),
                int(centred),
                result.ctypes.data,
            )
        )
        return result

    def rescale(self, x: Residues) -> Residues:
        """x divided by its last prime."""
        polynomials, primes = x.shape[:2]
        result = self.new(polynomials, primes - 1)
        self._checked(
            self._library.fhenn_rescale(self._pointer, primes, polynomials, x.ctypes.data, result.ctypes.data)
        )
        return result

    def rotate(self, x: Residues, turns: Sequence[Turn], *, centred: bool = True) -> list[Residues]:
        """x rotated several times.

        x: a ciphertext.
        turns: one for each rotation.
        centred: whether digits are, which then are made once; SEAL's are not.
        """
        results = [self.new(2, x.shape[1]) for _ in turns]
        keys = (_SwitchingKey * len(turns))(*(turn.key.structure for turn in turns))
        self._checked(
            self._library.fhenn_rotate(
                self._pointer,
                x.shape[1],
                x.ctypes.data,
                len(turns),
                _pointers([turn.permutation for turn in turns]),
                keys,
                int(centred),
                _pointers(results),
            )
        )
        return results

    def apply_map(
        self,
        babies: Sequence[tuple[Residues, Turn | None]],
        giants: Sequence[Sequence[tuple[Products, Turn | None]]],
        folds: tuple[Sequence[Sequence[Turn]], Sequence[Sequence[Turn]]],
        biases: Sequence[Residues | None],
        *,
        rescaled: bool,
    ) -> list[Residues]:
        """An affine map by baby and giant steps (maps.h).

        babies: a ciphertext and how it is rotated, for each baby step; those of one ciphertext follow one another.
        giants: of each result, as many: the products of each giant step and the rotation of the sum after it, the last
        giant step first. Each result has a product at least.
        folds: rotations of a sum that are added to it together, before and after the division by the last prime.
        biases: of each result a plaintext, (primes of the result, N), None for zero.
        rescaled: whether results are divided by their last prime.

        Plaintexts are over the special prime too where a baby step rotates.

        Returns the results.
        """
        primes = babies[0][0].shape[1]
        _require_alike((2, *babies[0][0].shape[1:]), [x for x, _ in babies])
        nowhere = _Rotation(None, _SwitchingKey(None, 0))
        rotations = [nowhere if turn is None else turn.structure for _, turn in babies]
        steps = [
            _Giant(
                products.terms,
                None if products.which is None else products.which.ctypes.data,
                None if products.plain is None else products.plain.ctypes.data,
                _structure_of(products.coefficients),
                nowhere if turn is None else turn.structure,
            )
            for products, turn in chain.from_iterable(giants)
        ]
        groups = [(_Rotation * len(group))(*(turn.structure for turn in group)) for group in (*folds[0], *folds[1])]
        after = [_Fold(len(group), ctypes.addressof(group)) for group in groups]
        xs = _pointers([x for x, _ in babies])
        added = (_POINTER * len(biases))(*(None if bias is None else bias.ctypes.data for bias in biases))
        arrays = [
            (_Rotation * len(rotations))(*rotations),
            (_Giant * len(steps))(*steps),
            (_Fold * len(after))(*after),
        ]
        plan = _Map(
            primes,
            any(turn is not None for _, turn in babies),
            len(babies),
            len(giants),
            len(steps) // len(giants),
            rescaled,
            len(folds[0]),
            len(folds[1]),
            *(ctypes.addressof(each) for each in (xs, *arrays, added)),
        )
        results = [self.new(2, primes - rescaled) for _ in giants]
        self._checked(self._library.fhenn_apply_map(self._pointer, ctypes.byref(plan), _pointers(results)))
        return results

    def number_rows(
        self, xs: Sequence[Residues], starts: NDArray[np.intp], columns: NDArray[np.intp], integers: Floats
    ) -> list[Residues]:
        """Sums of ciphertexts times integers.

        xs: the ciphertexts.
        starts: where each row starts in `columns` and `integers`, and where the last one ends.
        columns: which ciphertext each integer multiplies.
        integers: the factors.

        Returns a ciphertext for each row; of zeros for an empty one.
        """
        primes, rows = xs[0].shape[1], len(starts) - 1
        _require_alike((2, *xs[0].shape[1:]), xs)
        numbers = np.stack([self.residues(place, integers) for place in range(primes)])
        results = [self.new(2, primes) for _ in range(rows)]
        at, which = np.ascontiguousarray(starts, np.dtype("l")), np.ascontiguousarray(columns, np.intc)
        self._checked(
            self._library_for(len(columns) * xs[0].size).fhenn_number_rows(
                self._pointer,
                primes,
                rows,
                at.ctypes.data,
                which.ctypes.data,
                numbers.ctypes.data,
                _pointers(xs),
                _pointers(results),
            )
        )
        return results


def _require_alike(shape: tuple[int, ...], arrays: Iterable[Residues]) -> None:
    """Raise ParameterError unless arrays have a shape: the library would read beyond the ends of others."""
    for array in arrays:
        if array.shape != shape:
            raise ParameterError(
                f"an operand has residues of shape {array.shape}, where {shape} are due.",
                "Bring operands to one level and two polynomials first: Arithmetic.drop and unwrap.",
            )


def _require_size(source: memoryview, size: int) -> None:
    """Raise ParameterError unless packed residues are as many bytes as they should be: the library reads as many."""
    if len(source) != size:
        raise ParameterError(f"packed residues have {len(source)} bytes, where {size} are due.", "Give them whole.")


def _renew_lock() -> None:
    """In the child of a fork: the thread that holds the lock may not live there."""
    Ring._LOCK = Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_lock)


def compact(coefficients: Floats) -> Coefficients:
    """Integers in as few bytes as the library takes them in.

    coefficients: (terms, N/2), integers.

    >>> compact(np.array([[1.0, -2.0]])).dtype, compact(np.array([[2.0**31, 0.0]])).dtype
    (dtype('int32'), dtype('int64'))
    """
    most = float(np.abs(coefficients).max())
    kind: type[np.int32 | np.int64 | np.float64] = np.float64
    if most < _LONG_BELOW:
        kind = np.int32 if most < _SHORT else np.int64
    return np.ascontiguousarray(coefficients, kind)


def _structure_of(coefficients: Coefficients | None) -> _Coefficients:
    """What the library takes."""
    if coefficients is None:
        return _Coefficients(0, None)
    return _Coefficients(_KINDS[coefficients.dtype], coefficients.ctypes.data)


def _pointers(arrays: Sequence[NDArray[Any]]) -> Any:
    """An array of the addresses of arrays."""
    return (_POINTER * len(arrays))(*map(_address, arrays))


def _address(array: NDArray[Any]) -> int:
    """Where an array begins, in less time than `array.ctypes.data` takes, if it may be written to."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    except (TypeError, ValueError, BufferError):
        return int(array.ctypes.data)
