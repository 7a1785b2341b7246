"""What one owner may take of the service, and what all together may."""

import asyncio
from types import SimpleNamespace

import pytest

from fhenn.service import bodies
from fhenn.service.bodies import KEYS, PREDICTION, Admission, chunks, declared_length
from fhenn.service.limits import Limits
from fhenn.service.problems import Problem


@pytest.fixture
def clock(monkeypatch):
    """A clock to be set."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(bodies, "monotonic", lambda: now.seconds)
    return now


def test_an_owner_has_so_many_requests_at_once_and_others_have_theirs():
    admission = Admission(Limits(per_owner=2))
    with admission.request("a"):
        with admission.request("a"):
            with pytest.raises(Problem) as caught, admission.request("a"):
                pytest.fail("a third one")
            assert (caught.value.status, caught.value.kind) == (429, "too-many-requests")
            with admission.request("b"):
                pass
        with admission.request("a"):  # the second is over
            pass


def test_a_request_that_fails_is_over():
    admission = Admission(Limits(per_owner=1))
    with pytest.raises(ZeroDivisionError), admission.request("a"):
        raise ZeroDivisionError
    with admission.request("a"):
        pass


def test_who_has_ended_workers_waits_for_a_minute_and_nobody_else_does(clock):
    admission = Admission(Limits(crashes=3))
    for _ in range(3):
        with admission.request("a"):
            pass
        admission.blame("a")
        clock.seconds += 10
    with pytest.raises(Problem) as caught, admission.request("a"):
        pytest.fail("after three crashes")
    assert (caught.value.status, caught.value.kind) == (429, "too-many-crashes")
    assert caught.value.all_headers()["Retry-After"] == "30"  # the first was 30 seconds ago
    with admission.request("b"):
        pass
    clock.seconds += 30.5
    with admission.request("a"):  # two of them in the last minute
        pass
    admission.blame("a")
    with pytest.raises(Problem), admission.request("a"):
        pytest.fail("three in a minute again")


def test_bytes_of_all_bodies_together_are_bounded_until_they_are_released():
    admission = Admission(Limits(held=10))
    with admission.body() as one:
        admission.hold(one, b"123456")
        with admission.body() as other:
            admission.hold(other, b"1234")
            with pytest.raises(Problem) as caught:
                admission.hold(other, b"5")
            assert (caught.value.status, caught.value.kind) == (503, "busy")
            admission.release(one)
            assert admission.held_bytes == 4
            admission.hold(other, b"567890")
        assert admission.held_bytes == 0
        assert bytes(other) == b"1234567890"
    assert admission.held_bytes == 0


def request(**headers):
    return SimpleNamespace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_lengths_are_bounded_before_a_byte_is_read():
    assert declared_length(request(), 10, PREDICTION) is None
    assert declared_length(request(content_length="10"), 10, PREDICTION) == 10
    with pytest.raises(Problem) as caught:
        declared_length(request(content_length="11"), 10, PREDICTION)
    assert caught.value.status == 413
    assert caught.value.detail.startswith("A prediction may have at most 10 bytes here. Send fewer samples at once")
    with pytest.raises(Problem, match="Make keys for a smaller plan"):
        declared_length(request(content_length="11"), 10, KEYS)


def test_compressed_bodies_are_not_taken():
    with pytest.raises(Problem) as caught:
        declared_length(request(content_encoding="gzip", content_length="1"), 10, PREDICTION)
    assert caught.value.status == 415
    assert declared_length(request(content_encoding="identity", content_length="1"), 10, PREDICTION) == 1


@pytest.mark.parametrize("limits", [{"idle": 0.05, "transfer": 60.0}, {"idle": 60.0, "transfer": 0.05}], ids=str)
def test_a_body_that_does_not_come_is_given_up(limits):
    async def stream():
        yield b"first"
        await asyncio.sleep(30)
        yield b"never"

    async def read():
        return [chunk async for chunk in chunks(SimpleNamespace(stream=stream), Limits(**limits))]

    with pytest.raises(Problem) as caught:
        asyncio.run(read())
    assert caught.value.status == 408
