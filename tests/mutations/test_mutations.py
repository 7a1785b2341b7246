"""One change at a time to a copy of the code: its tests must go red.

pytest tests/mutations -m mutation            all of them, some minutes
pytest tests/mutations -m mutation -k NAME    those of a name
pytest tests/mutations -m mutation --go-on    after a run that was broken off
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from mutations.mutants import MUTANTS, Mutant
from mutations.runner import run

ROOT = Path(__file__).parents[2]
COPIED = ("fhenn", "tests", "README.md", "pyproject.toml")
LONGEST = 300
"""Seconds for the tests of one mutant."""


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


def test_every_mutant_is_of_text_that_is_there_once():
    wrong = [
        f"{mutant.name}: {found} times in {mutant.file}"
        for mutant in MUTANTS
        if (found := text_of(mutant.file).count(mutant.old)) != 1
    ]
    assert not wrong, "mend these in tests/mutations/mutants.py:\n" + "\n".join(wrong)


def test_every_mutant_has_a_name_of_its_own_and_tests_that_are_there():
    assert not [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1]
    for mutant in MUTANTS:
        assert mutant.old != mutant.new
        assert mutant.tests
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert not name or f"def {name}(" in text_of(file), f"{mutant.name}: {test}"


@pytest.fixture(scope="session")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants") / "tree"
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns(".*"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def state_of(mutant: Mutant) -> str:
    """A digest of the change, its file and its tests: while it is the same, so is what becomes of the mutant."""
    files = dict.fromkeys([mutant.file, *(test.partition("::")[0] for test in mutant.tests)])
    return sha256(repr(mutant).encode() + b"".join((ROOT / file).read_bytes() for file in files)).hexdigest()


@pytest.mark.mutation
def test_without_a_mutant_all_pass(copy):
    """Red without a change says nothing about one."""
    tests = dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests)
    code, said = run(ROOT, copy, tuple(tests), 10 * LONGEST)
    assert code == 0, said[-3000:]


@pytest.mark.mutation
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant, copy, request, record_property):
    kept, state = f"mutants/{sha256(mutant.name.encode()).hexdigest()[:16]}", state_of(mutant)
    known = request.config.cache.get(kept, None)
    if request.config.getoption("--go-on") and known is not None and known[0] == state:
        outcome, seconds, by, said = "killed", *known[1:], ""
    else:
        outcome, seconds, said = tried(mutant, copy)
        by = red.group(1) if (red := re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.M)) else ""
    for name, value in (("mutant", mutant.name), ("outcome", outcome), ("seconds", seconds), ("by", by)):
        record_property(name, value)
    assert outcome == "killed", f"{outcome}\n{said}"
    request.config.cache.set(kept, [state, seconds, by])


def tried(mutant: Mutant, copy: Path) -> tuple[str, float, str]:
    """What becomes of a mutant, after how many seconds, and what its tests said."""
    file, start = copy / mutant.file, time.perf_counter()
    before, source = file.stat(), file.read_bytes()
    text = source.decode()
    assert text.count(mutant.old) == 1, "the list is out of date"
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, mutant.name, "exec")
    file.write_text(changed, "utf-8")
    try:
        code, said = run(ROOT, copy, mutant.tests, LONGEST)
    finally:
        file.write_bytes(source)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    # another code says that the tests did not run: nothing was tested
    outcome = {0: "SURVIVED", 1: "killed"}.get(code, "BROKEN")
    return outcome, time.perf_counter() - start, said[-3000:]
