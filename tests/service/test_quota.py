"""Samples that a token may have predicted a day: what is counted, and when it begins anew."""

from types import SimpleNamespace

import pytest

from fhenn.ckks.messages import TensealMessage
from fhenn.service.problems import Problem
from fhenn.service.quota import Quotas, samples_in
from fhenn.wire import frame

DAY = 86_400 * 10**9
EMPTY = bytes.fromhex("5ea1100404000000") + (16).to_bytes(8, "little")
"""A SEAL object of no content: a header of 16 bytes."""


CLOCK = SimpleNamespace(nanoseconds=0)


@pytest.fixture
def quotas(tmp_path):
    CLOCK.nanoseconds = 100 * DAY
    tmp_path.chmod(0o700)
    return Quotas(tmp_path / "quotas", SimpleNamespace(now=lambda: CLOCK.nanoseconds))


@pytest.mark.parametrize(
    ("ciphertexts", "each", "samples"), [(1, 1, 2048), (3, 1, 3 * 2048), (3, 2, 2 * 2048), (6, 3, 2 * 2048)]
)
def test_what_shares_ciphertexts_counts_as_its_slots(ciphertexts, each, samples):
    """Whatever the header says: a crafted upload gets a number for every slot of it."""
    body = TensealMessage((), (EMPTY,) * ciphertexts, 1.0).encode()
    plan = SimpleNamespace(ciphertexts_per_sample=each, parameters=SimpleNamespace(slots=2048))
    assert samples_in(frame("ciphertexts", {"shape": [1, 8]}, body), plan) == samples


def test_no_upload_takes_more_than_is_left(quotas):
    assert quotas.charge("a", 10_000, 4096) == 100
    quotas.charge("a", 10_000, 4096)
    with pytest.raises(Problem) as caught:
        quotas.charge("a", 10_000, 4096)
    assert (caught.value.status, caught.value.kind) == (429, "quota")
    assert quotas.used_today("a") == 8192
    quotas.charge("a", 10_000, 1808)  # what is left, to the last
    assert quotas.used_today("a") == 10_000
    quotas.charge("b", 10_000, 10_000)


def test_it_begins_anew_at_midnight_and_a_restart_forgets_nothing(quotas, tmp_path):
    quotas.charge("a", 5000, 4096)
    CLOCK.nanoseconds += DAY - 1
    again = Quotas(tmp_path / "quotas", SimpleNamespace(now=lambda: CLOCK.nanoseconds))
    with pytest.raises(Problem) as caught:
        again.charge("a", 5000, 4096)
    assert caught.value.all_headers()["Retry-After"] == "1"
    CLOCK.nanoseconds += 1
    assert again.used_today("a") == 0
    assert again.charge("a", 5000, 4096) == 101


def test_what_was_not_answered_is_given_back_on_its_day_alone(quotas):
    day = quotas.charge("a", 5000, 4096)
    quotas.refund("a", day, 4096)
    assert quotas.used_today("a") == 0
    day = quotas.charge("a", 5000, 4096)
    CLOCK.nanoseconds += DAY
    quotas.charge("a", 5000, 4096)
    quotas.refund("a", day, 4096)
    assert quotas.used_today("a") == 4096


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[100, -]", b"\xff"])
def test_a_count_that_is_not_readable_grants_nothing(quotas, tmp_path, content):
    quotas.charge("a", 5000, 1)
    (tmp_path / "quotas" / "a").write_bytes(content)
    with pytest.raises(OSError, match="not readable"):
        quotas.charge("a", 5000, 1)
