"""Passphrases of secret keys: from a terminal, a file or FHENN_PASSPHRASE; not an argument, which others can see."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fhenn.cli.show import FILE, first_line
from fhenn.errors import SecretLocked
from fhenn.wire import header_of

_VARIABLE = "FHENN_PASSPHRASE"


def passphrase_file_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--passphrase-file."""
    return click.option(
        "--passphrase-file", type=FILE, help=f"File with the passphrase on its first line.  [default: {_VARIABLE}]"
    )(command)


def choose_passphrase(ask: bool, path: Path | None) -> str | None:
    """The passphrase for a new key, None to leave it unlocked.

    ask: whether to ask on the terminal where neither a file nor the variable gives one.
    path: of a file with the passphrase.

    Raises OSError.
    """
    given = _given_passphrase(path)
    if given is None and ask:
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    return given


def read_passphrase(secret: bytes, path: Path | None) -> str | None:
    """The passphrase that unlocks a secret key, None where the key is not locked.

    secret: the bytes of the key's file.
    path: of a file with the passphrase; without one and without the variable, a terminal is asked.

    Raises SecretLocked, WireFormatError, OSError.
    """
    header = header_of(secret)
    if header.kind != "secret-key" or header.meta.get("lock") is None:
        return None
    given = _given_passphrase(path)
    if given is None and at_a_terminal():
        return str(click.prompt("Passphrase", hide_input=True, err=True))
    if given is None:
        raise SecretLocked("it needs its passphrase.", f"Give --passphrase-file, or set {_VARIABLE}.")
    return given


def at_a_terminal() -> bool:
    """Whether standard input is a terminal, so that somebody can be asked."""
    return sys.stdin.isatty()


def _given_passphrase(path: Path | None) -> str | None:
    if path is not None:
        return first_line(path, "passphrase")
    return os.environ.get(_VARIABLE)
