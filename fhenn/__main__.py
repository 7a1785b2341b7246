"""`python -m fhenn` and the command `fhenn`."""

from __future__ import annotations

import sys

from fhenn.errors import ExtraMissing, FhennError


def main() -> None:
    """Run the command line; a mistake of the user's ends in one line and exit code 1."""
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
        sys.stderr.write(f"fhenn: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
