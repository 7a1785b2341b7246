"""`python -m fhenn` and the command `fhenn`."""

from __future__ import annotations

import sys

from fhenn.errors import ExtraMissing


def main() -> None:
    """Run the command line, and end with its exit code; `fhenn --help` says what they mean."""
    try:
        from fhenn.cli import run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("click", "rich"):
            raise
        sys.stderr.write(f"fhenn: {ExtraMissing('cli', package)}\n")
        sys.exit(2)
    sys.exit(run())


if __name__ == "__main__":
    main()
