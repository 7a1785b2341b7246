"""API tokens: who may ask, until when.

A token is 256 random bits. Its SHA-256 is kept, no slow hash: nobody can search 2^256 tokens, however fast a guess is,
and a slow hash would make every request an easy way to keep the server busy.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from fhenn.artifacts.files import remove, sweep, write
from fhenn.errors import ParameterError
from fhenn.service.clock import Clock
from fhenn.service.folder import require_private, require_private_inside
from fhenn.service.lock import Lock
from fhenn.service.logs import log
from fhenn.strict import built, read_json

_TOKEN = re.compile(r"fhenn_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)
_OWNER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", re.ASCII)
_FEWEST_SLOTS = 2048
"""Slots of the smallest ring that a plan can have: an upload counts as a multiple of its plan's slots."""
HOW_TO_MEND = "Delete that file, and make its holder a token with `fhenn token create`."
"""The way out where the file of a token is damaged."""
_LARGEST = 1 << 20
"""Bytes of a token's file that are read: it may name many models."""
_WAIT = 10.0
"""Seconds to wait for another process that creates or revokes a token."""


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    id: names it, in 16 hexadecimal digits.
    owner: whose evaluation keys it reaches.
    sha256: digest of its secret, in hexadecimal digits.
    created: when it was made, ISO 8601, UTC.
    expires: when it expires, ISO 8601, UTC.
    models: names of the models that it reaches; None for all.
    samples_per_day: most samples that it may have predicted in a day; None for no bound.
    """

    id: str
    owner: str
    sha256: str
    created: str
    expires: str
    models: tuple[str, ...] | None = None
    samples_per_day: int | None = None

    def reaches(self, model: str) -> bool:
        """Whether it may be used for a model."""
        return self.models is None or model in self.models

    def has_expired(self, now: datetime) -> bool:
        """Whether it has expired at the time `now`."""
        return now >= datetime.fromisoformat(self.expires)


def require_owner(owner: str) -> str:
    """`owner`, where it is a valid name of an owner. Raises ParameterError."""
    if not _OWNER.fullmatch(owner):
        raise ParameterError(
            f"{owner[:80]!r} cannot be an owner.",
            "Use 1 to 64 lower-case letters, digits and, between them, hyphens, as in hospital-7.",
        )
    return owner


class Tokens:
    """The tokens under a folder, a file each: what is created or revoked counts from the next request on.

    folder: of the tokens' files.
    clock: says when a token has expired; None for the clock of the store around the folder.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder = folder
        self._clock = clock or Clock(folder.with_name("clock"))

    def create(
        self, owner: str, days: float = 90.0, models: Sequence[str] = (), samples_per_day: int | None = None
    ) -> tuple[str, Token]:
        """Create a token.

        owner: whose evaluation keys it reaches.
        days: until it expires, more than 0 and at most 3660.
        models: names of the models that it reaches; empty for all.
        samples_per_day: most samples that it may have predicted in a day, counted as `fhenn.service.quota` does, from
            2048 on; None for no bound.

        Returns (text, token): the token itself, to be shown once, and what is kept of it.
        Raises ParameterError, StoreUnsafe, StoreLocked, OSError.
        """
        require_owner(owner)
        if samples_per_day is not None and not _FEWEST_SLOTS <= samples_per_day < 1 << 53:
            raise ParameterError(
                f"the samples a day must be from {_FEWEST_SLOTS:,} to 2^53 - 1, not {samples_per_day}: an upload "
                f"counts as {_FEWEST_SLOTS:,} or more.",
                "Allow a multiple of the slots of the model's plan, or leave it out for no bound.",
            )
        if not 0 < days <= 3660:
            raise ParameterError(
                f"a token must last more than 0 and at most 3660 days, not {days:g}.", "Leave it out for 90 days."
            )
        identity, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        now = self._clock.date().replace(microsecond=0)
        expires = (now + timedelta(days=days)).isoformat()
        named = tuple(models) or None
        token = Token(identity, owner, _digest(secret), now.isoformat(), expires, named, samples_per_day)
        with self._lock_for_writing():
            write(self._path(identity), json.dumps(asdict(token)).encode(), private=True, overwrite=True)
        return f"fhenn_{identity}_{secret}", token

    def all(self) -> list[Token]:
        """What is kept of every token, the oldest first."""
        tokens = (self._read(path.stem) for path in self._folder.glob("*.json"))
        return sorted((token for token in tokens if token), key=lambda token: (token.created, token.id))

    def damaged(self) -> list[Path]:
        """The files among the tokens that cannot be read as one: whoever holds such a token is refused."""
        return sorted(path for path in self._folder.glob("*.json") if not self._read(path.stem) and path.exists())

    def has_expired(self, token: Token) -> bool:
        """Whether a token has expired, by the store's clock."""
        return token.has_expired(self._clock.date())

    def revoke(self, identity: str) -> None:
        """Revoke a token.

        identity: its id, in 16 hexadecimal digits.

        Raises ParameterError where there is no such token, StoreUnsafe, StoreLocked, OSError.
        """
        if self._read(identity) is None:
            raise ParameterError(
                f"there is no token {identity[:80]!r}.", "`fhenn token list` lists the tokens and their ids."
            )
        with self._lock_for_writing():
            remove(self._path(identity))

    def authenticate(self, text: str) -> Token | None:
        """What is kept of a token; None where it is unknown, wrong or expired.

        text: the token as `create` returned it.
        """
        match = _TOKEN.fullmatch(text)
        if match is None:
            return None
        token = self._read(match[1])
        # an unknown id takes the same comparison as a wrong secret
        expected = token.sha256 if token else "0" * 64
        same = compare_digest(_digest(match[2]).encode(), expected.encode())
        if token is None or not same:
            return None
        if not self.has_expired(token):
            return token
        try:  # once refused, always refused: also after a restart under a clock that was set back
            self._clock.keep_past(datetime.fromisoformat(token.expires))
        except OSError as error:
            log(logging.WARNING, "latest time could not be written", exception=type(error).__name__)
        return None

    def _lock_for_writing(self) -> Lock:
        """Lock the folder, made private and swept, for writing. Raises StoreUnsafe, StoreLocked, OSError."""
        require_private(self._folder.parent)
        require_private_inside(self._folder)
        lock = Lock(self._folder.with_name("tokens.lock"), "Try again when it is done.", wait=_WAIT)
        sweep(self._folder)
        return lock

    def _path(self, identity: str) -> Path:
        """The file of a token."""
        return self._folder / f"{identity}.json"

    def _read(self, identity: str) -> Token | None:
        """What is kept of a token by its id; None where there is none."""
        if not re.fullmatch(r"[0-9a-f]{16}", identity, re.ASCII):
            return None
        try:
            descriptor = os.open(self._path(identity), os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                return _token(os.read(descriptor, _LARGEST))  # `open` asks the system for more, for each request
            finally:
                os.close(descriptor)
        except (FileNotFoundError, ValueError):  # revoked meanwhile, or not a file of ours
            return None


@lru_cache(maxsize=1024)
def _token(text: bytes) -> Token:
    """What is kept of a token, from its file. Raises ValueError where it is not a file of ours."""
    token: Token = built(Token, read_json(text))
    for moment in (token.created, token.expires):
        if datetime.fromisoformat(moment).tzinfo is None:  # it cannot be compared with the clock's
            raise ValueError(f"{moment} does not say of which time zone it is")
    return token


def _digest(secret: str) -> str:
    """SHA-256 of a token's secret, in hexadecimal digits."""
    return sha256(secret.encode()).hexdigest()
