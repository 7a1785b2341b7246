"""Passphrases of secret keys: asked for, from a file or FHENN_PASSPHRASE; never an argument, which others can see."""

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
        "--passphrase-file", type=FILE, help=f"Its first line is the passphrase; {_VARIABLE} is taken too."
    )(command)


def new_passphrase(ask: bool, path: Path | None) -> str | None:
    """What a new key is to be locked with, None for nothing. Raises OSError."""
    known = _known(path)
    if known is None and ask:
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    return known


def passphrase_of(secret: bytes, path: Path | None) -> str | None:
    """What opens a secret key, asked for on a terminal. Raises SecretLocked, WireFormatError, OSError."""
    header = header_of(secret)
    if header.kind != "secret-key" or header.meta.get("lock") is None:
        return None
    known = _known(path)
    if known is None and at_a_terminal():
        return str(click.prompt("Passphrase", hide_input=True, err=True))
    if known is None:
        raise SecretLocked("it needs its passphrase.", f"Give --passphrase-file, or set {_VARIABLE}.")
    return known


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def _known(path: Path | None) -> str | None:
    if path is not None:
        return first_line(path, "passphrase")
    return os.environ.get(_VARIABLE)
