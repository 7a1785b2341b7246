"""The client for browsers runs in Node here: the vectors that it is held to."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for vectors."""
    return tmp_path_factory.mktemp("vectors")
