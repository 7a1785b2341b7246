"""What the machine has."""

import sys
from math import inf

import pytest

from fhenn import cores

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")


@pytest.fixture
def container(monkeypatch, tmp_path):
    """The file in which a container says how much memory it may take."""
    path = tmp_path / "memory.max"
    monkeypatch.setattr(cores, "_LIMIT", path)
    return path


def test_a_container_may_allow_less_than_there_is(container):
    whole = cores.memory_of_machine()
    container.write_text("1048576\n")
    assert cores.memory_of_machine() == 1048576 < whole < inf
    container.write_text("max\n")
    assert cores.memory_of_machine() == whole


def test_a_limit_of_the_process_counts(container, monkeypatch):
    monkeypatch.setattr(cores.resource, "getrlimit", lambda _: (4096, 8192))
    assert cores.memory_of_machine() == 4096


def test_where_nothing_tells_there_is_no_limit(container, monkeypatch):
    monkeypatch.setattr(cores, "resource", None)
    monkeypatch.setattr(cores.os, "sysconf", int)  # raises ValueError for a name
    assert cores.memory_of_machine() == inf
