"""The command line. Needs the extra `cli`."""

from fhenn.cli.main import cli

__all__ = ["cli"]
