"""The secret key as a message, plain or locked with a passphrase: scrypt (RFC 7914) and AES-256-GCM (SP 800-38D)."""

from __future__ import annotations

import json
from math import inf
from os import urandom
from typing import Any

from fhenn.backends.seal import Context
from fhenn.errors import ExtraMissing, SecretLocked, WireFormatError
from fhenn.wire import frame, unframe

_KIND = "secret-key"

_COST, _BLOCK, _LANES = 1 << 17, 8, 1
"""scrypt's n, r and p: 128 MiB and about half a second (OWASP Password Storage Cheat Sheet)."""

_LARGEST_COST = 1 << 20
_SALT, _NONCE = 16, 12


def secret_bytes_of(context: Context, spent: float, passphrase: str | None) -> bytes:
    """The secret key in `context` as a message. Raises KeyMissing, ExtraMissing, SecretLocked where it is empty."""
    meta: dict[str, Any] = {
        "fingerprint": context.fingerprint,
        "parameters": context.parameters_fingerprint,
        "spent": spent,
    }
    if passphrase is None:
        return frame(_KIND, meta | {"lock": None}, context.secret_message())
    if not passphrase:
        raise SecretLocked("the passphrase is empty.", "Give one, or none at all.")
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
    return frame(_KIND, meta, cipher.encrypt(nonce, context.secret_message(), _authenticated(meta)))


def restored(data: bytes, passphrase: str | None) -> tuple[Context, float]:
    """The context with the secret key in a message, and what was spent of its budget.

    Raises SecretLocked, WireFormatError, ExtraMissing.
    """
    meta, body = unframe(_KIND, data)
    lock = meta.get("lock")
    if lock is not None:
        body = _unlocked(meta, lock, body, passphrase)
    context = Context.from_secret_message(body)
    if context.fingerprint != meta.get("fingerprint"):
        raise WireFormatError(_KIND, "its key is not the one that its header names")
    spent = meta.get("spent")
    if not isinstance(spent, float) or not 0 <= spent < inf:
        raise WireFormatError(_KIND, "its header is not readable")
    return context, spent


def _unlocked(meta: dict[str, Any], lock: Any, body: bytes, passphrase: str | None) -> bytes:
    try:
        cost, salt, nonce = lock["cost"], bytes.fromhex(lock["salt"]), bytes.fromhex(lock["nonce"])
        known = (lock["cipher"], lock["derivation"], lock["block"], lock["lanes"])
    except (KeyError, TypeError, ValueError) as error:
        raise WireFormatError(_KIND, "its header is not readable") from error
    sizes = (len(salt), len(nonce))
    if known != ("aes-256-gcm", "scrypt", _BLOCK, _LANES) or sizes != (_SALT, _NONCE):
        raise WireFormatError(_KIND, "it is locked in a way that this fhenn does not know")
    if type(cost) is not int or not 1 << 14 <= cost <= _LARGEST_COST or cost & (cost - 1):
        raise WireFormatError(_KIND, f"a cost of {cost!r} is out of range")
    if not passphrase:
        raise SecretLocked("it needs its passphrase.", "Give the one that it was locked with.")
    cipher = _cipher(passphrase, salt, cost)
    try:
        return bytes(cipher.decrypt(nonce, body, _authenticated(meta)))
    except _invalid_tag() as error:
        raise SecretLocked(
            "the passphrase is wrong, or the file was altered.", "Try again, or take a copy of the file."
        ) from error


def _authenticated(meta: dict[str, Any]) -> bytes:
    """What is authenticated beside the key itself: the kind and all meta data."""
    return json.dumps([_KIND, meta], sort_keys=True).encode()


def _cipher(passphrase: str, salt: bytes, cost: int) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ModuleNotFoundError as error:
        raise ExtraMissing("crypto", "cryptography") from error
    key = Scrypt(salt=salt, length=32, n=cost, r=_BLOCK, p=_LANES).derive(passphrase.encode())
    return AESGCM(key)


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag
