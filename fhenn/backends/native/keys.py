"""Switching keys: read from messages, and packed for the level that needs them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Lock
from weakref import WeakSet

from fhenn.backends.native.ring import PackedKey, Residues, Ring, Turn
from fhenn.errors import KeyMissing

RELINEARISATION = 0
"""SEAL's index of the key for the square of the secret."""


def galois_index(steps: int, ring_degree: int) -> int:
    """SEAL's index of the key for a rotation.

    steps: in slots.
    ring_degree: N.
    """
    return (pow(3, steps, 2 * ring_degree) - 1) // 2


class Keys:
    """The switching keys of one key generation.

    ring: of the keys.
    relinearisation: by SEAL's index, as `read_switching_keys` gives them; empty without a key.
    galois: the same, for rotations.

    A key is packed for the most primes that anything has asked for so far, and serves ciphertexts of fewer as well. The
    key as it was read goes when it has been packed whole.
    """

    def __init__(self, ring: Ring, relinearisation: Mapping[int, Residues], galois: Mapping[int, Residues]) -> None:
        self._ring = ring
        self._read = {("relinearisation", index): key for index, key in relinearisation.items()}
        self._read |= {("galois", index): key for index, key in galois.items()}
        self._digits = {name: len(key) for name, key in self._read.items()}
        self._packed: dict[tuple[str, int], PackedKey] = {}
        self._lock = Lock()
        _LIVING.add(self)

    @property
    def relinearised(self) -> int | None:
        """The highest level of ciphertexts that there is a key to relinearise with; None without one."""
        digits = self._digits.get(("relinearisation", RELINEARISATION))
        return None if digits is None else digits - 1

    def can_relinearise(self, level: int) -> bool:
        """Whether there is a key to relinearise with.

        level: of the ciphertext.
        """
        return level < self._digits.get(("relinearisation", RELINEARISATION), 0)

    def can_rotate(self, steps: int, level: int) -> bool:
        """Whether there is a key for a rotation.

        steps: in slots.
        level: of the ciphertext.
        """
        return level < self._digits.get(("galois", galois_index(steps, self._ring.ring_degree)), 0)

    def relinearisation(self, primes: int) -> PackedKey:
        """The key for the square of the secret.

        primes: under the ciphertext.

        Raises KeyMissing where it was made for fewer.
        """
        return self._key(("relinearisation", RELINEARISATION), primes)

    def turn(self, steps: int, primes: int) -> Turn:
        """What a rotation takes.

        steps: in slots.
        primes: under the ciphertext.

        Raises KeyMissing where its key was made for fewer.
        """
        key = self._key(("galois", galois_index(steps, self._ring.ring_degree)), primes)
        return Turn(self._ring.permutation(steps), key)

    def _key(self, name: tuple[str, int], primes: int) -> PackedKey:
        """A key, packed for that many primes at least. Raises KeyMissing where it was made for fewer."""
        if self._digits[name] < primes:
            raise KeyMissing(
                f"{name[0]} (for {primes} primes)",
                "a ciphertext at this level",
                f"The one that is there is for {self._digits[name]}: let the client make keys for the plan in use.",
            )
        found = self._packed.get(name)
        if found is None or found.digits < primes:
            with self._lock:
                found = self._packed.get(name)
                if found is None or found.digits < primes:
                    found = self._packed[name] = self._ring.pack_key(self._read[name], primes)
                    if primes == self._digits[name]:
                        del self._read[name]
        return found


_LIVING: WeakSet[Keys] = WeakSet()


def _renew_locks() -> None:
    """In the child of a fork: threads that hold locks may not live there."""
    for keys in _LIVING:
        keys._lock = Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_locks)
