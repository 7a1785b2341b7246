"""How the tests of the client for browsers are run, in Node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

WEB = Path(__file__).parents[2] / "fhenn" / "web"
"""The sources of the client and the page."""


def run_vitest(folder: Path, *files: str) -> None:
    """Run tests of the TypeScript client, in `fhenn/web/test`, on the vectors in a folder.

    Raises AssertionError with what they print where one fails, or Node or its packages are not there.
    """
    node, program = shutil.which("node"), WEB / "node_modules" / "vitest" / "vitest.mjs"
    assert node, "these tests need Node 22 or newer"
    assert program.exists(), f"these tests need the packages of {WEB}: run npm ci there"
    command = [node, str(program), "run", *files]
    environment = os.environ | {"FHENN_VECTORS": str(folder), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
