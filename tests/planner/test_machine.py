"""Timings of a machine: laws between what was measured, files, and what is wrong with them."""

import json
import warnings

import pytest

from fhenn.backends import is_available
from fhenn.errors import FhennError, MachineWarning, ParameterError, WireFormatError
from fhenn.planner import timing
from fhenn.planner.machine import PRIMITIVES, Machine, Timing, machine_file


def flat(seconds=1e-3, ring_degree=8192, primes=4, evaluator="seal"):
    return tuple(Timing(evaluator, each, ring_degree, primes, seconds) for each in PRIMITIVES)


def test_what_was_measured_comes_back():
    machine = Machine.shipped()
    for each in machine.timings:
        found = machine.seconds(each.primitive, each.ring_degree, each.primes, each.evaluator)
        assert found == pytest.approx(each.seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("primitive", "ring_degree", "primes", "factor"),
    [
        ("addition", 16384, 4, 2),
        ("addition", 8192, 8, 2),
        ("rescale", 16384, 4, 2 * 14 / 13),
        ("rescale", 8192, 2, 1 / 2),
        ("rotation", 16384, 4, 2 * 14 / 13),
        ("rotation", 8192, 8, 72 / 20),
        ("make key", 8192, 9, 90 / 20),
        ("message", 32768, 20, 1),
    ],
)
def test_laws_lead_from_one_measurement_to_all_others(primitive, ring_degree, primes, factor):
    assert Machine("one", flat()).seconds(primitive, ring_degree, primes) == pytest.approx(1e-3 * factor)


def test_between_two_numbers_of_primes_it_is_between_them():
    machine = Machine("two", (*flat(1e-3, primes=2), *flat(4e-3, primes=6)))
    per_prime = [machine.seconds("addition", 8192, primes) / primes for primes in (1, 2, 3, 4, 6, 9)]
    assert per_prime == pytest.approx([5e-4, 5e-4, 5e-4 + 1 / 24e3, 5e-4 + 1 / 12e3, 4e-3 / 6, 4e-3 / 6])


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_more_work_takes_longer_on_the_shipped_machine(primitive):
    machine = Machine.shipped()
    if primitive != "message":
        assert machine.seconds(primitive, 8192, 6) > machine.seconds(primitive, 8192, 3) > 0
        assert machine.seconds(primitive, 32768, 3) > 1.5 * machine.seconds(primitive, 8192, 3)


def test_another_evaluator_has_its_own():
    machine = Machine("two", (*flat(), *flat(5e-3, evaluator="native")))
    assert machine.evaluators == ("native", "seal")
    assert machine.seconds("rotation", 8192, 4, "native") == pytest.approx(5e-3)
    assert machine.evaluator("unheard of") == "seal"
    assert machine.seconds("rotation", 8192, 4, "unheard of") == machine.seconds("rotation", 8192, 4)


def test_where_nothing_is_hoisted_every_rotation_is_a_whole_one():
    hoisting = tuple(each for each in flat(evaluator="native") if each.primitive != "hoisted rotation")
    machine = Machine("two", (*flat(4e-3), *hoisting, Timing("native", "hoisted rotation", 8192, 4, 2.5e-4)))
    assert machine.seconds("hoisted rotation", 8192, 4, "native") == pytest.approx(2.5e-4)
    assert machine.seconds("hoisted rotation", 16384, 8, "native") == pytest.approx(2.5e-4 * 2 * 72 / 20)
    older = Machine("one", tuple(each for each in flat(4e-3) if each.primitive != "hoisted rotation"))
    assert older.seconds("hoisted rotation", 8192, 4) == older.seconds("rotation", 8192, 4) == pytest.approx(4e-3)


def test_json_brings_it_back():
    machine = Machine("mine", (*flat(), *flat(1 / 3, evaluator="native")))
    assert Machine.from_json(machine.to_json()) == machine
    assert Machine.from_json(Machine.shipped().to_json()) == Machine.shipped()


def test_a_machine_without_a_primitive_is_none():
    with pytest.raises(ParameterError, match="'product'"):
        Machine("poor", tuple(each for each in flat() if each.primitive != "product"))
    with pytest.raises(ParameterError, match="seal"):
        Machine("without SEAL", flat(evaluator="native"))


GOOD = json.loads(Machine("mine", flat()).to_json())
ROW = GOOD["timings"][0]
BROKEN = {
    "no JSON": "{",
    "nothing": "",
    "another kind": json.dumps(GOOD | {"kind": "fhenn-plan"}),
    "a later version": json.dumps(GOOD | {"version": 2}),
    "no timings": json.dumps({name: each for name, each in GOOD.items() if name != "timings"}),
    "timings of another form": json.dumps(GOOD | {"timings": {"seal": 1}}),
    "an unknown field": json.dumps(GOOD | {"more": 1}),
    "a primitive too few": json.dumps(GOOD | {"timings": GOOD["timings"][1:]}),
    "a short row": json.dumps(GOOD | {"timings": [*GOOD["timings"], ROW[:4]]}),
    "an unknown primitive": json.dumps(GOOD | {"timings": [*GOOD["timings"], ["seal", "sleep", 8192, 4, 1.0]]}),
    "no time at all": json.dumps(GOOD | {"timings": [*GOOD["timings"], [*ROW[:4], 0.0]]}),
    "a year": json.dumps(GOOD | {"timings": [*GOOD["timings"], [*ROW[:4], 3e7]]}),
    "no ring": json.dumps(GOOD | {"timings": [*GOOD["timings"], [*ROW[:2], 1000, 4, 1.0]]}),
    "no primes": json.dumps(GOOD | {"timings": [*GOOD["timings"], [*ROW[:3], 0, 1.0]]}),
    "a machine without end": json.dumps(GOOD | {"name": "x" * (1 << 20)}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_and_passed_over_with_a_warning(name, tmp_path, monkeypatch):
    with pytest.raises(WireFormatError, match="machine"):
        Machine.from_json(BROKEN[name])
    path = tmp_path / "machine.json"
    path.write_text(BROKEN[name])
    monkeypatch.setenv("FHENN_MACHINE", str(path))
    with pytest.warns(MachineWarning, match="fhenn calibrate-machine") as caught:
        assert Machine.known() == Machine.shipped()
    assert caught[0].message.path == str(path)


class TestPlaces:
    def test_a_file_that_was_named_is_missed(self, tmp_path, monkeypatch):
        monkeypatch.setenv("FHENN_MACHINE", str(tmp_path / "none.json"))
        with pytest.warns(MachineWarning, match="none.json"):
            assert Machine.known() == Machine.shipped()

    def test_the_one_among_the_data_is_not_missed_and_taken_where_it_is(self, tmp_path, monkeypatch):
        monkeypatch.delenv("FHENN_MACHINE")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.setattr("sys.platform", "linux")
        assert machine_file() == tmp_path / "fhenn" / "machine.json"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Machine.known() == Machine.shipped()
        machine_file().parent.mkdir()
        machine_file().write_text(Machine("mine", flat()).to_json())
        assert Machine.known().name == "mine"
        machine_file().write_text(Machine("mine, later", flat(2e-3)).to_json())
        assert Machine.known().name == "mine, later"

    def test_shipped_stands_for_the_package(self, monkeypatch):
        monkeypatch.setenv("FHENN_MACHINE", "shipped")
        assert machine_file() is None
        assert Machine.known() == Machine.shipped()

    @pytest.mark.parametrize(
        ("platform", "variable", "part"),
        [("darwin", None, "Application Support"), ("win32", "LOCALAPPDATA", "local"), ("linux", None, "share")],
    )
    def test_platforms_have_places_of_their_own(self, platform, variable, part, tmp_path, monkeypatch):
        for name in ("FHENN_MACHINE", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("sys.platform", platform)
        if variable:
            monkeypatch.setenv(variable, str(tmp_path / part))
        assert machine_file().parent.parent.name == part

    def test_no_home_is_no_place(self, monkeypatch):
        for name in ("FHENN_MACHINE", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)

        def homeless():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr("pathlib.Path.home", homeless)
        assert machine_file() is None


def test_measuring_times_every_primitive(monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 1e-4)
    monkeypatch.setattr(timing, "_MOST_SECONDS", 1e-4)
    seen = []
    machine = timing.measure("here", progress=lambda *step: seen.append(step), primes={2048: (1, 2)})
    names = [name for name in ("seal", "native") if is_available(name)]
    assert machine.evaluators == tuple(sorted(names))
    for name in names:
        found = {each.primitive for each in machine.timings if each.evaluator == name}
        assert found == set(PRIMITIVES) - ({"hoisted rotation"} if name == "seal" else set())
    assert all(each.seconds > 0 for each in machine.timings)
    assert seen[0] == ("seal, N=2048", 0, 2 * len(names))
    assert seen[-1] == ("done", 2 * len(names), 2 * len(names))
    with pytest.raises(FhennError):
        timing.measure("here", ["unheard of"])


def test_a_clock_that_counts_in_steps_tells_short_runs_from_none(monkeypatch):
    """As that of Windows does, in 64ths of a second: one run takes 0 or a step."""
    now = 0.0

    def run():
        nonlocal now
        now += 3e-6

    monkeypatch.setattr(timing, "process_time", lambda: now // (1 / 64) / 64)
    assert timing.fastest(run) == pytest.approx(3e-6, rel=0.5)


def test_timings_of_seal_stand_beside_those_of_another_that_was_measured_alone(monkeypatch):
    monkeypatch.setattr(timing, "_LEAST_SECONDS", 1e-4)
    monkeypatch.setattr(timing, "_MOST_SECONDS", 1e-4)
    if not is_available("native"):
        pytest.skip("there is no native library")
    machine = timing.measure("here", ["native"], primes={2048: (1, 2)})
    assert machine.evaluators == ("native", "seal")
    assert machine.seconds("rotation", 8192, 4) == Machine.shipped().seconds("rotation", 8192, 4)
