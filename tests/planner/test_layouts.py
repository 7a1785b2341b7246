"""The planner's choice of a layout."""

import json
import re

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn.ckks.operator import Sparse
from fhenn.errors import ParameterError, PlanError
from fhenn.nn import Affine
from fhenn.planner.machine import Machine

rng = np.random.default_rng(11)


def dense(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / inputs, rng.normal(size=outputs) / 5)


WIDE = dense(2, 63)
DIGITS = fhenn.Sequential([dense(32, 64), fhenn.Sigmoid(), dense(10, 32)])
SMALL = dense(1, 4)


def test_thousands_of_samples_go_a_feature_in_a_ciphertext():
    plan = fhenn.plan(WIDE, bounds=[0, 1], rows=5000)
    assert plan.layout_name == "throughput"
    assert plan.cost().up < 10e6
    assert plan.cost().client + plan.cost().server < 10
    assert plan.cost(60_000).memory < 1e9


def test_one_sample_of_many_features_goes_whole():
    plan = fhenn.plan(dense(1, 10_000), bounds=[0, 1])
    assert plan.layout_name == "latency"
    assert plan.cost().server + plan.cost().client < 0.3
    assert plan.comparison.alternatives[-1].layout == "throughput"
    assert plan.comparison.alternatives[-1].cost.seconds > 30


def test_a_few_samples_share_ciphertexts():
    plan = fhenn.plan(DIGITS, bounds=[0, 1], accuracy=1e-2, rows=64)
    assert (plan.layout_name, plan.samples_per_ciphertext) == ("latency", 64)
    alone = fhenn.plan(DIGITS, bounds=[0, 1], accuracy=1e-2, layout="latency", samples=1, upload=1)
    assert plan.cost(64).seconds < alone.cost(64).seconds / 10


@pytest.mark.parametrize("rows", [1, 30, 3000])
def test_no_layout_that_can_be_asked_for_is_cheaper(rows):
    plan = fhenn.plan(WIDE, bounds=[0, 1], rows=rows)
    wishes = [{"layout": "throughput"}]
    wishes += [{"layout": "latency", "samples": 4**power, "upload": upload} for power in range(5) for upload in (1, 4)]
    for wish in wishes:
        other = fhenn.plan(WIDE, bounds=[0, 1], rows=rows, **wish)
        # more samples than were asked for can save a fold and its key
        assert plan.cost().seconds <= 1.1 * other.cost().seconds, wish


def test_what_is_asked_for_stays():
    assert fhenn.plan(WIDE, bounds=[0, 1], layout="throughput").layout_name == "throughput"
    whole = fhenn.plan(WIDE, bounds=[0, 1], layout="latency", rows=5000)
    assert whole.layout_name == "latency"
    assert whole.samples_per_ciphertext > 1
    for wish in ({"samples": 4}, {"samples": 4, "layout": "latency"}):
        assert fhenn.plan(WIDE, bounds=[0, 1], rows=5000, **wish).samples_per_ciphertext == 4
    assert fhenn.plan(WIDE, bounds=[0, 1], rows=5000, upload=8).ciphertexts_per_sample == 8


def test_rows_are_those_of_the_samples_unless_they_are_given():
    data = rng.uniform(0, 1, (300, 63))
    assert fhenn.plan(WIDE, inputs=data).rows == 300
    assert fhenn.plan(WIDE, inputs=data, rows=2).rows == 2
    assert fhenn.plan(WIDE, bounds=[0, 1]).rows == 1


def test_zeros_of_a_matrix_count():
    places, weights = np.arange(64), np.ones(64)
    sparse, full = Affine(Sparse(places, places, weights, (64, 64))), dense(64, 64)
    for layout in ("latency", "throughput"):
        cheap, dear = (fhenn.plan(each, bounds=[-1, 1], layout=layout, rows=4096) for each in (sparse, full))
        assert cheap.cost().server < dear.cost().server / 2
    plan = fhenn.plan(sparse, bounds=[-1, 1], rows=4096)
    assert plan.cost().seconds <= min(
        cheap.cost().seconds, fhenn.plan(sparse, bounds=[-1, 1], samples=32).cost(4096).seconds
    )


def test_the_same_every_time_and_by_another_machine_another():
    first, again = (fhenn.plan(WIDE, bounds=[0, 1], rows=40) for _ in range(2))
    assert first == again
    assert first.comparison == again.comparison
    assert first.fingerprint == again.fingerprint


def test_a_machine_of_fast_rotations_takes_the_layout_that_rotates(tmp_path, monkeypatch):
    def timed(factor):
        shipped = Machine.shipped().timings
        rotating = ("rotation", "make key", "load key")
        changed = [each.__class__(*(
            (*list(vars(each).values())[:4], each.seconds * (factor if each.primitive in rotating else 1))
        )) for each in shipped]  # fmt: skip
        return Machine("made up", tuple(changed))

    found = {}
    for name, factor in (("fast", 1e-3), ("slow", 1e3)):
        (tmp_path / name).write_text(timed(factor).to_json())
        monkeypatch.setenv("FHENN_MACHINE", str(tmp_path / name))
        found[name] = len(fhenn.plan(DIGITS, bounds=[0, 1], accuracy=1e-2, rows=64).rotations)
    assert found["slow"] == 0 < found["fast"]


class TestComparison:
    plan = fhenn.plan(WIDE, bounds=[0, 1], rows=5000)

    def test_the_first_is_the_plan_and_the_cheapest(self):
        first, *others = self.plan.comparison.alternatives
        assert (first.layout, first.samples, first.cost) == ("throughput", 2048, self.plan.cost())
        assert first.planned
        assert 1 <= len(others) <= 2
        assert all(first.cost.seconds <= other.cost.seconds for other in others)
        assert {each.layout for each in self.plan.comparison.alternatives} == {"latency", "throughput"}

    @pytest.mark.thorough
    def test_the_other_kind_costs_what_it_does_when_it_is_asked_for(self):
        model = fhenn.Sequential([dense(16, 30), fhenn.Sigmoid(), dense(3, 16)])
        asked = {"bounds": [-1, 1], "accuracy": 1e-3, "rows": 5000}
        first, other = fhenn.plan(model, **asked).comparison.alternatives
        assert (first.layout, other.layout, other.planned) == ("throughput", "latency", True)
        assert fhenn.plan(model, **asked, layout="latency").cost() == other.cost

    def test_what_was_not_searched_is_marked(self):
        near = fhenn.plan(WIDE, bounds=[0, 1], rows=100).comparison
        marks = ["~" in line for line in str(near).splitlines()[2:5]]
        assert marks == [not each.planned for each in near.alternatives]
        assert True in marks

    def test_it_reads_as_a_table_with_a_reason(self):
        text = str(self.plan.comparison)
        assert "5,000 samples" in text
        assert "taken: throughput, 2,048 samples in 63 ciphertexts" in " ".join(text.split())
        assert "most of it saved on" in " ".join(text.split())
        assert "memory" in text
        assert max(map(len, text.splitlines()[1:])) <= 104
        assert [line[:44].strip() for line in text.splitlines()[2:4]] == [
            str(each) for each in self.plan.comparison.alternatives[:2]
        ]

    def test_one_layout_is_compared_with_none(self):
        only = fhenn.plan(WIDE, bounds=[0, 1], layout="throughput").comparison
        assert len(only.alternatives) == 1
        assert "the only one" in only.reason

    def test_it_is_no_part_of_the_plan(self):
        read = fhenn.Plan.from_json(self.plan.to_json())
        assert read == self.plan
        assert read.comparison is None
        assert self.plan.public().comparison is None
        assert "alternatives" not in json.loads(self.plan.to_json())
        assert self.plan.own


class TestLimits:
    def test_a_smaller_upload_is_taken_where_there_is_one(self):
        free = fhenn.plan(WIDE, bounds=[0, 1], rows=5000)
        held = fhenn.plan(WIDE, bounds=[0, 1], rows=5000, max_upload=0.9 * free.cost().up)
        assert held.layout_name == "latency"
        assert held.cost().up <= 0.9 * free.cost().up

    @pytest.mark.parametrize(("rows", "accuracy"), mostly_thorough([(1, 1e-2), (5000, 1e-3)], (0,)))
    def test_what_just_fits_is_taken_whatever_a_sketch_says(self, rows, accuracy):
        asked = {"bounds": [0, 1], "accuracy": accuracy, "rows": rows}
        free = fhenn.plan(DIGITS, **asked)
        cost = free.cost()
        for limits in ({"max_upload": cost.up}, {"max_memory": cost.memory}, {"max_keys": cost.keys}):
            assert fhenn.plan(DIGITS, **asked, **limits) == free

    def test_the_samples_that_would_fit_are_as_many_as_do(self):
        with pytest.raises(PlanError) as caught:
            fhenn.plan(SMALL, bounds=[0, 1], rows=5000, layout="latency", samples=1, max_upload=1e6)
        rows = int(caught.value.suggestion.rstrip(".").rpartition("=")[2])
        plan = fhenn.plan(SMALL, bounds=[0, 1], rows=rows, layout="latency", samples=1, max_upload=1e6)
        assert plan.cost(rows).up <= 1e6 < plan.cost(rows + 1).up

    @pytest.mark.parametrize(
        ("wish", "what"), [({"max_upload": 1e6}, "upload"), ({"max_memory": 90e6, "rows": 60_000}, "memory")]
    )
    def test_what_fits_nowhere_is_refused_with_what_would_fit(self, wish, what):
        with pytest.raises(PlanError, match=rf"Allow more: max_{what}=\d+e6, or send fewer samples") as caught:
            fhenn.plan(WIDE, bounds=[0, 1], **({"rows": 5000} | wish))
        more, fewer = caught.value.suggestion.split(", or ")
        enough = float(more.rpartition("=")[2])
        rows = int(fewer.rstrip(".").rpartition("=")[2])
        remedies = ({f"max_{what}": enough}, {"rows": rows})
        for remedy in remedies:
            plan = fhenn.plan(WIDE, bounds=[0, 1], **({"rows": 5000} | wish | remedy))
            found = plan.cost().up if what == "upload" else plan.cost().memory
            assert found <= ({"max_upload": 1e6, "max_memory": 90e6} | wish | remedy)[f"max_{what}"]

    def test_what_one_sample_does_not_fit_has_one_remedy(self):
        with pytest.raises(PlanError, match=r"max_memory=\d+e6\.$"):
            fhenn.plan(SMALL, bounds=[0, 1], max_memory=1e6)

    def test_smaller_keys_are_taken_where_there_are_some(self):
        free = fhenn.plan(WIDE, bounds=[0, 1], layout="latency")
        held = fhenn.plan(WIDE, bounds=[0, 1], layout="latency", max_keys=0.8 * free.cost().keys)
        assert held.bytes_of_keys <= 0.8 * free.bytes_of_keys
        assert held.cost().seconds > free.cost().seconds
        with pytest.raises(PlanError, match=r"the evaluation keys take .* where 0\.01 MB are allowed") as caught:
            fhenn.plan(WIDE, bounds=[0, 1], max_keys=1e4)
        assert re.fullmatch(r"Allow more: max_keys=\d+e6\.", caught.value.suggestion)

    @pytest.mark.parametrize("limit", [0, -1.0, "much", float("nan")])
    @pytest.mark.parametrize("name", ["max_upload", "max_memory", "max_keys"])
    def test_limits_are_numbers_of_bytes(self, name, limit):
        with pytest.raises(ParameterError, match=name):
            fhenn.plan(SMALL, bounds=[0, 1], **{name: limit})


@pytest.mark.parametrize("wish", [{"layout": "fast"}, {"layout": None}, {"samples": 0}, {"upload": 1.5}])
def test_wishes_are_checked(wish):
    with pytest.raises(ParameterError):
        fhenn.plan(SMALL, bounds=[0, 1], **wish)


def test_a_refusal_is_that_of_the_accuracy():
    with pytest.raises(PlanError, match="the best reaches"):
        fhenn.plan(SMALL, bounds=[0, 1], accuracy=1e-15)


@pytest.mark.thorough
def test_no_layout_is_compared_with_itself():
    draw = np.random.default_rng(0)
    nodes = [fhenn.Linear(draw.normal(size=(24, 64)) / 30), fhenn.Sigmoid(), fhenn.Linear(draw.normal(size=(10, 24)))]
    shown = fhenn.plan(fhenn.Sequential(nodes), bounds=[0, 1], accuracy=1e-2, rows=360).comparison.alternatives
    assert len(shown) == len(set(map(str, shown))) == 3
