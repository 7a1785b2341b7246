"""The system's clock is set back and forth: no token is revived, no key is lost."""

from datetime import timedelta

import pytest

from fhenn.service.clock import Clock
from fhenn.service.tokens import Tokens

HOUR = 3600 * 10**9
START = 1_800_000_000 * 10**9


class Machine:
    """A machine whose clock can be set, and that can be started anew."""

    def __init__(self, folder):
        self.folder, self.wall, self.steady = folder, START, 0
        self.boot()

    def boot(self):
        """A new process: its steady clock starts anywhere."""
        self.steady += 12345
        self.clock = Clock(self.folder / "clock", lambda: self.wall, lambda: self.steady)
        self.tokens = Tokens(self.folder / "tokens", self.clock)

    def pass_time(self, hours):
        self.wall += int(hours * HOUR)
        self.steady += int(hours * HOUR)

    def set_clock(self, hours):
        self.wall += int(hours * HOUR)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_time_goes_on_when_the_clock_is_set_back(machine):
    first = machine.clock.now()
    machine.set_clock(-2)
    machine.pass_time(1)
    assert machine.clock.now() - first == HOUR
    machine.pass_time(1.5)
    assert machine.clock.now() - first == 2.5 * HOUR


def test_the_latest_time_survives_a_restart_and_other_processes_do_not_take_it_back(machine):
    machine.pass_time(2)
    machine.clock.keep()
    late = machine.clock.now()
    machine.set_clock(-2)
    machine.boot()
    assert machine.clock.now() == late
    other = Clock(machine.folder / "clock", lambda: START, lambda: 0)
    other._latest = 0  # it was started before the time was kept
    other.keep()
    machine.boot()
    assert machine.clock.now() >= late


@pytest.mark.parametrize("content", [b"", b"no number", b"\xff"])
def test_a_broken_file_counts_as_none(tmp_path, content):
    (tmp_path / "clock").write_bytes(content)
    assert Clock(tmp_path / "clock", lambda: START, lambda: 0).now() == START


@pytest.mark.parametrize("restart", [False, True])
def test_no_token_is_revived(machine, restart):
    """It is refused once, the clock is set back, the machine is perhaps started anew: it stays refused."""
    text, kept = machine.tokens.create("hospital", days=1 / 24)
    machine.pass_time(0.9)
    assert machine.tokens.holder(text) == kept
    machine.pass_time(0.1)
    assert machine.tokens.holder(text) is None
    for _ in range(4):
        machine.set_clock(-2)
        if restart:
            machine.boot()
        assert machine.tokens.holder(text) is None
        assert machine.tokens.expired(kept)


def test_a_token_lasts_as_long_as_it_says_under_a_clock_set_back(machine):
    text, _ = machine.tokens.create("hospital", days=1 / 24)
    machine.set_clock(-2)
    machine.pass_time(0.99)
    assert machine.tokens.holder(text)
    machine.pass_time(0.01)
    assert machine.tokens.holder(text) is None


def test_a_token_that_is_made_under_a_clock_set_back_lasts_too(machine):
    machine.clock.keep()
    machine.set_clock(-2)
    machine.boot()
    text, kept = machine.tokens.create("hospital", days=1)
    assert machine.clock.date() + timedelta(days=1) - timedelta(seconds=2) < machine.clock.date().fromisoformat(
        kept.expires
    )
    machine.pass_time(23.9)
    assert machine.tokens.holder(text) == kept


def test_a_refusal_counts_where_the_time_cannot_be_kept(machine, monkeypatch):
    text, _ = machine.tokens.create("hospital", days=1 / 24)
    machine.pass_time(1)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fhenn.service.clock.write", full)
    assert machine.tokens.holder(text) is None
