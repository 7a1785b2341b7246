"""`python -m fhenn` and the command `fhenn`."""

from __future__ import annotations

import sys
import warnings
from typing import NoReturn, TextIO

from fhenn.errors import ExtraMissing, FhennError


def main() -> None:
    """Run the command line. Exit codes: 1 where a result says no, 2 for a mistake of the user's, told in one line."""
    warnings.showwarning = _in_one_line
    try:
        try:
            from fhenn.cli import cli
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in ("click", "rich"):
                raise
            raise ExtraMissing("cli", package) from error
        cli(prog_name="fhenn")
    except FhennError as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}." if error.filename else str(error))


def _stop(message: str) -> NoReturn:
    sys.stderr.write(f"fhenn: {' '.join(message.splitlines())}\n")
    sys.exit(2)


def _in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    (file or sys.stderr).write(f"fhenn: warning: {message}\n")


if __name__ == "__main__":
    main()
