"""The secret key as a message, plain or locked with a passphrase: scrypt (RFC 7914) and AES-256-GCM (SP 800-38D)."""

from __future__ import annotations

import json
from math import inf
from os import urandom
from typing import Any

from fhenn.ckks import Context
from fhenn.errors import ExtraMissing, SecretLocked, WireFormatError
from fhenn.wire import frame, unframe

_KIND = "secret-key"

_COST, _BLOCK, _LANES = 1 << 17, 8, 1
"""scrypt's n, r and p: 128 MiB and about half a second (OWASP Password Storage Cheat Sheet)."""

_LARGEST_COST = 1 << 20
_SALT, _NONCE = 16, 12


def secret_to_bytes(context: Context, spent: float, passphrase: str | None) -> bytes:
    """The secret key of a context as a message.

    context: with the secret key.
    spent: the fraction of the key's sharing budget that is spent.
    passphrase: encrypts the key; None leaves it in the clear.

    Raises KeyMissing, SecretLocked for an empty passphrase, ExtraMissing without `cryptography`, UnsupportedOperation
    where the context's evaluator keeps no secret keys.
    """
    meta: dict[str, Any] = {
        "fingerprint": context.fingerprint,
        "parameters": context.parameters_fingerprint,
        "spent": spent,
    }
    if passphrase is None:
        return frame(_KIND, meta | {"lock": None}, context.secret_message())
    if not passphrase:
        raise SecretLocked(
            "the passphrase is empty.", "Give one of a character or more, or leave it out to keep the key in the clear."
        )
    salt, nonce = urandom(_SALT), urandom(_NONCE)
    meta["lock"] = {
        "cipher": "aes-256-gcm",
        "derivation": "scrypt",
        "cost": _COST,
        "block": _BLOCK,
        "lanes": _LANES,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
    }
    cipher = _cipher(passphrase, salt, _COST)
    return frame(_KIND, meta, cipher.encrypt(nonce, context.secret_message(), _associated_data(meta)))


def secret_from_bytes(kind: type[Context], data: bytes, passphrase: str | None) -> tuple[Context, float]:
    """The secret key in a message of `secret_to_bytes`.

    kind: the class of the context.
    data: the message.
    passphrase: that the key was encrypted with; not looked at where it was not.

    Returns (context, spent): the context with the key, and the fraction of its sharing budget that was spent.
    Raises SecretLocked for a passphrase that is missing or wrong, WireFormatError, ExtraMissing, UnsupportedOperation.
    """
    meta, body = unframe(_KIND, data)
    lock = meta.get("lock")
    if lock is not None:
        body = _unlock(meta, lock, body, passphrase)
    context = kind.from_secret_message(body)
    if context.fingerprint != meta.get("fingerprint"):
        raise WireFormatError(_KIND, "its key is not the one that its header names")
    spent = meta.get("spent")
    if not isinstance(spent, float) or not 0 <= spent < inf:
        raise WireFormatError(_KIND, "its header does not say how much of the sharing budget is spent")
    return context, spent


def _unlock(meta: dict[str, Any], lock: Any, body: bytes, passphrase: str | None) -> bytes:
    """The key that a passphrase encrypts. Raises SecretLocked, WireFormatError, ExtraMissing."""
    try:
        cost, salt, nonce = lock["cost"], bytes.fromhex(lock["salt"]), bytes.fromhex(lock["nonce"])
        known = (lock["cipher"], lock["derivation"], lock["block"], lock["lanes"])
    except (KeyError, TypeError, ValueError) as error:
        raise WireFormatError(_KIND, "its header does not say how it is locked") from error
    sizes = (len(salt), len(nonce))
    if known != ("aes-256-gcm", "scrypt", _BLOCK, _LANES) or sizes != (_SALT, _NONCE):
        raise WireFormatError(_KIND, "it is locked in a way that this fhenn does not know")
    if type(cost) is not int or not 1 << 14 <= cost <= _LARGEST_COST or cost & (cost - 1):
        raise WireFormatError(
            _KIND, f"its scrypt cost must be a power of two from {1 << 14} to {_LARGEST_COST}, not {cost!r}"
        )
    if not passphrase:
        raise SecretLocked("it needs its passphrase.", "Give the one that it was encrypted with.")
    cipher = _cipher(passphrase, salt, cost)
    try:
        return bytes(cipher.decrypt(nonce, body, _associated_data(meta)))
    except _invalid_tag() as error:
        raise SecretLocked(
            "the passphrase is wrong, or the file was altered.", "Type it again, or use a copy of the file."
        ) from error


def _associated_data(meta: dict[str, Any]) -> bytes:
    """What AES-GCM authenticates beside the key: the kind and all meta data."""
    return json.dumps([_KIND, meta], sort_keys=True).encode()


def _cipher(passphrase: str, salt: bytes, cost: int) -> Any:
    """AES-256-GCM under the key that scrypt derives from a passphrase. Raises ExtraMissing."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ModuleNotFoundError as error:
        raise ExtraMissing("crypto", "cryptography") from error
    key = Scrypt(salt=salt, length=32, n=cost, r=_BLOCK, p=_LANES).derive(passphrase.encode())
    return AESGCM(key)


def _invalid_tag() -> type[Exception]:
    """What `cryptography` raises where a passphrase is wrong."""
    from cryptography.exceptions import InvalidTag

    return InvalidTag
