"""Progress of a conversion on a terminal: a bar, and a line for each step that is done."""

from __future__ import annotations

import sys
from shutil import get_terminal_size

from fhenn.text import printable

_WIDTH = 24


class Bar:
    """Writes to standard error; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def show(self, what: str, done: int, total: int) -> None:
        """Where the work is.

        what: is being done.
        done, total: steps of work.
        """
        if self._shown:
            full = _WIDTH * done // max(total, 1)
            text = f"[{'#' * full}{'.' * (_WIDTH - full)}] {printable(what)}"
            self._write(text[: get_terminal_size().columns - 1])

    def line(self, text: str) -> None:
        """Something to keep above the bar."""
        if self._shown:
            self._write(printable(text) + "\n")

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._write("")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
