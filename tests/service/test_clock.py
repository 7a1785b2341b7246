"""The system's clock is set back and forth: no token is revived, no key is lost."""

import asyncio
import random
from collections import deque
from datetime import timedelta

import pytest
from store_life import DIGESTS, KEYS, body, good

from fhenn.service.clock import Clock
from fhenn.service.disk import Disk
from fhenn.service.problems import Problem
from fhenn.service.store import Store
from fhenn.service.tokens import Tokens
from fhenn.service.uploads import Uploads

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
    assert machine.tokens.authenticate(text) == kept
    machine.pass_time(0.1)
    assert machine.tokens.authenticate(text) is None
    for _ in range(4):
        machine.set_clock(-2)
        if restart:
            machine.boot()
        assert machine.tokens.authenticate(text) is None
        assert machine.tokens.has_expired(kept)


def test_a_token_lasts_as_long_as_it_says_under_a_clock_set_back(machine):
    text, _ = machine.tokens.create("hospital", days=1 / 24)
    machine.set_clock(-2)
    machine.pass_time(0.99)
    assert machine.tokens.authenticate(text)
    machine.pass_time(0.01)
    assert machine.tokens.authenticate(text) is None


def test_a_token_that_is_made_under_a_clock_set_back_lasts_too(machine):
    machine.clock.keep()
    machine.set_clock(-2)
    machine.boot()
    text, kept = machine.tokens.create("hospital", days=1)
    assert machine.clock.date() + timedelta(days=1) - timedelta(seconds=2) < machine.clock.date().fromisoformat(
        kept.expires
    )
    machine.pass_time(23.9)
    assert machine.tokens.authenticate(text) == kept


def test_a_refusal_counts_where_the_time_cannot_be_kept(machine, monkeypatch):
    text, _ = machine.tokens.create("hospital", days=1 / 24)
    machine.pass_time(1)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fhenn.service.clock.write", full)
    assert machine.tokens.authenticate(text) is None


def test_how_far_the_clock_is_behind(machine):
    assert machine.clock.lag() == 0
    machine.clock.now()
    machine.set_clock(-2)
    assert machine.clock.lag() == 7200


class Life:
    """A store that is used, with what must be true of it, on a machine whose clock is set at any moment."""

    MOST = 3

    def __init__(self, folder, rng):
        self.machine, self.rng, self.folder = Machine(folder), rng, folder
        self.kept, self.tokens, self.refused = deque(), {}, set()
        self.disturbances = 0
        self.open()

    def open(self):
        self.machine.boot()
        self.store = Store(self.folder, keys_per_owner=self.MOST, clock=self.machine.clock)
        self.uploads = Uploads(self.store.keys, Disk(1), good)

    def disturb(self):
        """Two hours forth or back, or none; and time passes."""
        hours = self.rng.choice((-2, 0, 2))
        self.disturbances += hours != 0
        self.machine.set_clock(hours)
        self.machine.pass_time(self.rng.uniform(0, 0.02))

    def put(self, number):
        """In two pieces, and the clock is set in between."""
        digest, data = DIGESTS[number], KEYS[number]
        half = len(data) // 2

        async def story():
            async def broken():
                yield data[:half]
                self.disturb()
                raise Problem(408, "too-slow", "")

            with pytest.raises(Problem):
                await self.uploads.receive("hospital", digest, 0, len(data), broken())
            assert self.store.keys.count_arrived("hospital", digest) == half
            self.disturb()
            await self.uploads.receive("hospital", digest, half, len(data), body(data[half:]))

        asyncio.run(story())
        self.kept.appendleft(digest)
        while len(self.kept) > self.MOST:
            self.kept.pop()

    def step(self):
        stored = set(self.kept)
        what = self.rng.choice(("put", "put", "touch", "delete", "token", "restart", "wait"))
        absent = [number for number, digest in enumerate(DIGESTS) if digest not in stored]
        if what == "put":
            self.put(self.rng.choice(absent))
        elif what == "touch" and self.kept:
            digest = self.rng.choice(list(self.kept))
            self.store.keys.touch("hospital", digest)
            self.kept.remove(digest)
            self.kept.appendleft(digest)
        elif what == "delete" and self.kept:
            digest = self.rng.choice(list(self.kept))
            assert asyncio.run(self.uploads.delete("hospital", digest))
            self.kept.remove(digest)
        elif what == "token":
            text, token = self.store.tokens.create("hospital", days=self.rng.choice((0.01, 0.1, 1)))
            self.tokens[text] = token
            assert self.store.tokens.authenticate(text) == token
        elif what == "restart":
            self.store.close()
            self.open()
        else:
            self.machine.pass_time(self.rng.uniform(0, 1))
        self.disturb()
        self.check(what)

    def check(self, what):
        found = [keys.digest for keys in self.store.keys.all("hospital")]
        assert found == list(self.kept), f"after {what}"
        for text, token in self.tokens.items():
            if self.store.tokens.authenticate(text) is None:
                self.refused.add(text)
            else:
                assert text not in self.refused, f"a token of {token.expires} was revived after {what}"


@pytest.mark.parametrize("steps", [60, pytest.param(400, marks=pytest.mark.thorough)])
def test_two_hours_forth_and_back_at_every_phase(tmp_path, steps, monkeypatch):
    """No key is lost that was used later than those that stay, no token is revived."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # what survives a power cut is another test's matter
    lives = [Life(tmp_path / str(seed), random.Random(seed)) for seed in range(2)]
    for life in lives:
        for _ in range(steps):
            life.step()
        life.store.close()
    numbers = [(life.disturbances, len(life.tokens), len(life.refused)) for life in lives]
    print(f"\nclock set, tokens, refused: {numbers}; no key lost, no token revived")
    assert all(refused > steps / 60 for _, _, refused in numbers)


def test_a_clock_that_was_set_back_does_not_evict_new_keys(tmp_path):
    """As it was found: two hours back, and what was stored then was the oldest."""
    life = Life(tmp_path, random.Random(0))
    for number in range(3):
        life.put(number)
    life.machine.set_clock(-2)
    life.put(3)
    life.check("put")
    life.store.close()
    life.open()
    life.check("restart")
    life.store.close()


def test_the_time_is_noted_when_a_store_is_closed(tmp_path):
    life = Life(tmp_path, random.Random(0))
    life.machine.pass_time(5)
    before = life.store.clock.now()
    life.store.close()
    life.machine.set_clock(-5)
    life.open()
    assert life.store.clock.now() >= before
    life.store.close()
