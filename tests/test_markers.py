"""What is marked in two ways runs where it should."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import mostly_thorough

ASKED = [("thorough", False), ("thorough or soak", True), ("soak", True)]
WEB = [("not thorough and not web", False), ("thorough", False), ("web", True)]


@pytest.mark.thorough
@pytest.mark.parametrize(("asked", "soaks"), mostly_thorough(ASKED, (2,)))
def test_what_soaks_runs_where_it_is_asked_for_alone(asked, soaks):
    """Of a module that is thorough as a whole, and of a parameter that is."""
    files = ["tests/service/test_hostile.py", "tests/safety/test_overflow.py"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-m", asked, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    for name in ("test_500_attacks", "in_a_thousand_runs[seal-"):
        assert (name in done.stdout) == soaks
    assert ("test_it_is_refused" in done.stdout) == ("thorough" in asked)


@pytest.mark.parametrize(("asked", "runs"), mostly_thorough(WEB, (1,)))
def test_the_client_for_browsers_is_tested_where_it_is_asked_for_alone(asked, runs):
    """Its tests need Node, and the packages of npm; some are thorough."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-m", asked, "tests/web"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    for name in ("test_equal_plans_give_equal_slots", "test_whatever_a_service_does_is_refused"):
        assert (name in done.stdout) == runs
