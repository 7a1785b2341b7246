"""The simulation of `bench/scaling.py`, on cases that are computed by hand."""

import json
import subprocess
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
import scaling
from scaling import Costs, simulate

FREE = Costs("free", 1, 0, 0, (1.0,), 0.0, 0.0)
"""A part that takes a second of a worker, and nothing else of anything."""


def run(costs, workers, parts, gigabits=inf, delay=0.0):
    return simulate(costs, workers, gigabits, parts, delay=delay)


@pytest.mark.parametrize(("workers", "parts", "seconds"), [(1, 7, 7), (2, 8, 4), (2, 7, 4), (4, 9, 3), (16, 3, 1)])
def test_workers_alone(workers, parts, seconds):
    outcome = run(FREE, workers, parts)
    assert outcome.seconds == seconds
    assert outcome.efficiency == outcome.busy["worker"] == pytest.approx(parts / workers / seconds)
    assert (outcome.limit, outcome.busy["network"], outcome.busy["front end"]) == ("worker", 0, 0)


def test_the_front_end_limits():
    """Parts leave it every 2 s; the last one then takes a second of a worker."""
    outcome = run(replace(FREE, front_in=2.0), 4, 10)
    assert outcome.seconds == 10 * 2 + 1
    assert outcome.limit == "front end"
    assert outcome.busy == {"front end": 20 / 21, "network": 0, "worker": 10 / 4 / 21}
    assert outcome.efficiency == 10 / 4 / 21


def test_the_front_end_takes_answers_too():
    """By turns with parts: on one worker, with two parts under way, each comes to 3 s, but the first two."""
    assert run(replace(FREE, front_in=1.0, front_out=2.0), 1, 1).seconds == 1 + 1 + 2
    assert run(replace(FREE, front_in=1.0, front_out=2.0), 64, 100).seconds == 100 * 3


def test_the_link_limits_on_the_way_there():
    """A gigabyte at 4 Gbit/s takes 2 s."""
    outcome = run(replace(FREE, part=10**9, answer=10**8), 8, 5, gigabits=4)
    assert outcome.seconds == pytest.approx(5 * 2 + 1 + 0.2)
    assert (outcome.limit, outcome.busy["network"]) == ("network", pytest.approx(10 / 11.2))


def test_the_link_limits_on_the_way_back():
    """Parts and answers do not wait for each other."""
    outcome = run(replace(FREE, part=10**9, answer=2 * 10**9), 8, 5, gigabits=4)
    assert outcome.seconds == pytest.approx(2 + 1 + 5 * 4)
    assert (outcome.limit, outcome.busy["network"]) == ("network", pytest.approx(20 / 23))


def test_a_message_is_on_its_way_for_a_while():
    assert run(FREE, 1, 1, delay=0.25).seconds == 1.5
    assert run(FREE, 1, 4, delay=0.25).seconds == 4.5  # the next part waits at the worker meanwhile


def test_while_a_worker_computes_its_next_part_comes():
    """A second on the link and a second of the worker, at the same time."""
    assert run(replace(FREE, part=10**9), 1, 6, gigabits=8).seconds == 1 + 6


class Times:
    """In the place of a generator: the times that are drawn."""

    def __init__(self, *times):
        self._times = np.array(times, dtype=float)

    def choice(self, _, count):
        return self._times[:count]


def test_answers_are_given_in_order_and_few_parts_are_taken_before(monkeypatch):
    """Two workers, and four parts at most: while the first part takes 9 s, only the second and the fourth are done.

    By then the third waits behind the first. From 9 s on: the third and the fifth, the sixth and the seventh, the last.
    With six parts at most it would be 11 s, as the sixth would be done meanwhile.
    """
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Times(9, 1, 1, 1, 1, 1, 1, 1))
    outcome = run(FREE, 2, 8)
    assert outcome.seconds == 12
    assert outcome.busy["worker"] == 16 / 2 / 12


def test_a_part_goes_to_the_worker_that_has_fewest(monkeypatch):
    """The fifth to the second worker, which is idle at 4 s; the first still has the third part."""
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Times(4, 1, 1, 1, 1))
    assert run(FREE, 2, 5).seconds == 5


def test_times_are_those_that_were_measured_and_the_same_for_a_seed():
    costs = replace(FREE, seconds=(0.5, 1.0, 3.0))
    one, same, other = (simulate(costs, 3, 10, 200, seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert 200 * 0.5 / 3 < one.seconds < 200 * 3


def test_more_workers_are_never_less_efficient_by_luck_alone():
    """The share falls as the link is divided among more: where it limits, by half with twice as many."""
    costs = replace(FREE, part=10**8, seconds=(0.9, 1.0, 1.1))
    found = [run(costs, workers, 3000, gigabits=8).efficiency for workers in (1, 2, 4, 8, 16, 32, 64)]
    assert found[:3] == sorted(found[:3], reverse=True) and found[2] > 0.95
    assert found[5] / found[6] == pytest.approx(2, rel=0.05)
    assert found[6] == pytest.approx(10 / 64, rel=0.05)  # ten parts a second


def test_a_store_takes_the_place_of_the_pipe():
    costs = replace(FREE, part=2 * 10**6, answer=10**6, front_in=5.0, front_out=6.0)
    assert scaling.with_store(costs, 0.25, None) == replace(costs, front_in=0.5)
    assert scaling.with_store(costs, None, 0.25) == replace(costs, front_out=0.25)


@pytest.mark.thorough
def test_a_table_and_a_picture_of_what_was_measured(tmp_path):
    measured, picture = tmp_path / "measured.json", tmp_path / "scaling.svg"
    row = {"name": "n", "samples": 9, "part": 10**6, "answer": 10**5, "seconds": [0.01, 0.02], "front_in": 1e-3}
    measured.write_text(json.dumps([row | {"front_out": 1e-4, "steps": [["digest", 1e-3]]}]))
    command = [sys.executable, scaling.__file__, "--measured", measured, "--plot", picture, "--parts", "300"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    lines = done.stdout.splitlines()
    assert lines[0].startswith("n: a part has 9 samples, 1.00 MB, its answer 0.10 MB; a worker takes ")
    assert [line.split(" | ")[0] for line in lines[4:13]] == [f"| {workers}" for workers in scaling.WORKERS]
    assert "front end" in lines[12] and "worker" in lines[4]
    assert picture.read_text().startswith("<?xml")
