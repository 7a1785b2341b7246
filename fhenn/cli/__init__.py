"""The command line. Needs the extra `cli`."""

from fhenn.cli.main import cli
from fhenn.cli.run import run

__all__ = ["cli", "run"]
