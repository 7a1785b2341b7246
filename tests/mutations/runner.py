"""Runs tests in a copy of the tree, in a fork of a process that has imported what they need but the tree itself.

Nine tenths of a short run are imports.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context
from pathlib import Path

IMPORTED = ["pytest", "hypothesis", "numpy", "tenseal.sealapi", "httpx", "fastapi", "uvicorn", "prometheus_client"]
OPTIONS = ["-x", "-q", "-o", "addopts=", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:doctest"]
CHOSEN = "not (notebook or soak or mutation)"


def run(root: Path, folder: Path, tests: tuple[str, ...], seconds: float) -> tuple[int | None, str]:
    """Pytest's exit code, negative for a signal, and what it said. root: of the tree that `folder` is a copy of."""
    context, said = get_context("forkserver"), folder.with_name("said")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_run, args=(root, folder, tests, said))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode, said.read_text("utf-8", "replace")


def _run(root: Path, folder: Path, tests: tuple[str, ...], said: Path) -> None:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if not Path(path).resolve().is_relative_to(root))]
    # what Python has compiled of the file before must not be taken for it: no mutant leaves anything
    sys.dont_write_bytecode = True
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    import pytest  # noqa: PLC0415  (it reads the environment)

    code = pytest.main([*OPTIONS, "-m", CHOSEN, *tests])
    import fhenn  # noqa: PLC0415

    if not Path(fhenn.__file__).is_relative_to(folder):
        code = 99
    sys.stdout.flush()
    os._exit(int(code))
