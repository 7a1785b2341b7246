"""Keys are slow to make: one context of each shape serves the whole run."""

from __future__ import annotations

import gc
import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tenseal as ts
from _pytest.doctest import DoctestModule
from hypothesis import settings
from support import FEATURES, PACKED, Kind, on_evaluator, tenseal_context

import fhenn
from fhenn.backends import is_available
from fhenn.backends.native import library

collect_ignore = ["backends/native/fuzz_target.py"]  # a program, which needs libFuzzer

os.environ["FHENN_MACHINE"] = "shipped"  # plans do not depend on the machine that tests them

if "FHENN_TEST_LIBRARY" in os.environ:  # another build of the native evaluator, for all of fhenn
    library.LIBRARY = Path(os.environ["FHENN_TEST_LIBRARY"])

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; programs started here inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fhenn", deadline=None)  # machines are shared: a slow example is no failure
settings.load_profile("fhenn")


@pytest.fixture(scope="session")
def small() -> ts.Context:
    """Two levels, N=8192."""
    return tenseal_context(8192, [60, 40, 40, 60], 40)


@pytest.fixture(scope="session")
def deep() -> ts.Context:
    """Four levels, N=16384, rotation keys."""
    return tenseal_context(16384, [60, 40, 40, 40, 40, 60], 40, galois=True)


@pytest.fixture(scope="session")
def tiny() -> ts.Context:
    """Two levels of 23 bits, N=4096: a valid 109-bit chain."""
    return tenseal_context(4096, [33, 23, 23, 30], 23)


@pytest.fixture(scope="session")
def client() -> fhenn.Context:
    """A client's own keys for three levels."""
    return fhenn.Context.generate(fhenn.Parameters.for_depth(3))


@pytest.fixture
def refused_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remedies of a refusal are sought for a tenth of a second, not for seconds: for tests that look at none."""
    monkeypatch.setattr("fhenn.planner.refusal.SECONDS", 0.1)


@pytest.fixture(scope="session", params=["native", pytest.param("seal", marks=pytest.mark.thorough)])
def evaluator(request: pytest.FixtureRequest) -> str:
    """The name of what computes, here and in processes started here: a test that takes this runs on each.

    Folders whose tests all do say so in their conftest.py.
    """
    _require(request.param)
    return str(request.param)


def _require(evaluator: str) -> None:
    if not is_available(evaluator):
        pytest.skip(f"the {evaluator} evaluator is not there")


@pytest.fixture(scope="session")
def on(evaluator: str) -> Callable[[ts.Context | fhenn.Context], fhenn.Context]:
    """What brings keys that SEAL made to the evaluator: a context that computes there."""
    return partial(on_evaluator, evaluator=evaluator)


@pytest.fixture(scope="session")
def packed(evaluator: str) -> Kind:
    """`CipherArray`s in layout "packed", on the evaluator."""
    return PACKED[evaluator]


@pytest.fixture(scope="session")
def features(evaluator: str) -> Kind:
    """`CipherArray`s in layout "features", on the evaluator."""
    return FEATURES[evaluator]


_HIDDEN = pytest.MonkeyPatch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hide the native evaluator from a test for SEAL, before its fixtures are made; skip one for what is not there.

    What a test is for, its fixture `evaluator` says, or a kind of ciphertext that `support.kinds` gives it. One for the
    native evaluator is skipped where that is not there, whichever module's fixture says so.
    """
    callspec = getattr(item, "callspec", None)
    params = {} if callspec is None else callspec.params
    kind = params.get("kind")
    of_kind = kind.evaluator if isinstance(kind, Kind) else None
    if "seal" in (params.get("evaluator"), of_kind):
        _HIDDEN.setenv("FHENN_NATIVE", "0")
        _HIDDEN.setattr(library, "available", lambda: False)
        return
    for needed in (params.get("evaluator"), of_kind):
        if needed == "native":
            _require(needed)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Show it to the tests to come."""
    _HIDDEN.undo()


def pytest_make_collect_report(collector: pytest.Collector) -> pytest.CollectReport | None:
    """Look for doctests in the package alone.

    Where doctests are looked for in a test file that cannot be imported, its half-made module is then taken for the
    file's tests: none, without a word.
    """
    if isinstance(collector, DoctestModule):
        return pytest.CollectReport(collector.nodeid, "passed", None, [])
    return None


def pytest_collection() -> None:
    """Leave off looking for garbage while thousands of tests are found, none of which is any."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Look for it again, but among the tests themselves: that would take a fifth of their time."""
    gc.enable()
    gc.collect()
    gc.freeze()


_DRAWS: dict[str, Any] = {}
"""The state of each module's `rng` once it was imported."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what soaks, and what needs Node, unless `-m` names it: some of that is marked thorough as well.

    A name with an address in it differs from process to process, and no process then runs any test.
    """
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"give these tests names without addresses: {unstable[:3]}")
    asked = config.option.markexpr
    for name in ("soak", "web") if asked else ():
        named = [item for item in items if item.get_closest_marker(name)] if name not in asked else []
        if named:
            config.hook.pytest_deselected(items=named)
            items[:] = [item for item in items if not item.get_closest_marker(name)]
    for item in items:
        rng = getattr(getattr(item, "module", None), "rng", None)
        if isinstance(rng, np.random.Generator):
            _DRAWS.setdefault(item.module.__name__, rng.bit_generator.state)


@pytest.fixture(autouse=True)
def _the_same_numbers(request: pytest.FixtureRequest) -> None:
    """A test draws the same numbers from its module's `rng` whatever ran before: workers take tests in any order."""
    module = getattr(request, "module", None)
    if module is not None and module.__name__ in _DRAWS:
        module.rng.bit_generator.state = _DRAWS[module.__name__]


@pytest.fixture
def peak() -> Callable[[], AbstractContextManager[Callable[[], int]]]:
    """A block whose largest memory is told, in bytes."""

    @contextmanager
    def measure() -> Iterator[Callable[[], int]]:
        tracemalloc.start()
        try:
            yield lambda: most[0]
        finally:
            most.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    most: list[int] = []
    return measure
