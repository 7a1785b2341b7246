"""What a plan says that it costs: from counted steps, timings and sizes."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fhenn
from fhenn.errors import MachineWarning, ParameterError, PlanError, WireFormatError
from fhenn.planner.cost import BANDWIDTH, UPLOADS, bytes_text, cost_of, seconds_text
from fhenn.planner.demands import memory_of_client, memory_of_server, rows_within
from fhenn.planner.machine import PRIMITIVES, Machine, Timing
from fhenn.planner.steps import Steps

rng = np.random.default_rng(7)


def dense(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / inputs, rng.normal(size=outputs))


MODEL = fhenn.Sequential([dense(4, 12), fhenn.Square(), dense(2, 4)])
LATENCY = fhenn.plan(MODEL, bounds=[-1, 1], accuracy=0.1, layout="latency", samples=8, witness=True)
THROUGHPUT = fhenn.plan(MODEL, bounds=[-1, 1], accuracy=0.1, layout="throughput")
PLANS = pytest.mark.parametrize("plan", [LATENCY, THROUGHPUT], ids=["latency", "throughput"])


def machine_of(**seconds):
    """A machine on which only some primitives take time, as long whatever N and the primes are: at this plan's."""
    return lambda plan: Machine(
        "made up",
        tuple(
            Timing("seal", each, plan.parameters.ring_degree, primes, seconds.get(each.replace(" ", "_"), 1e-30))
            for each in PRIMITIVES
            for primes in range(1, len(plan.parameters.chain) + 1)
        ),
    )


@PLANS
def test_each_part_is_what_is_counted_times_what_it_takes(plan):
    rows = 3 * plan.samples_per_ciphertext - 1
    for kind in ("rotation", "plain product", "product", "relinearisation", "rescale", "addition", "number"):
        count = sum(each.count for each in plan.steps if each.kind == kind)
        cost = cost_of(plan, rows, machine_of(**{kind.replace(" ", "_"): 2.0})(plan))
        assert cost.server == pytest.approx(3 * 2.0 * count)
        assert cost.client == pytest.approx(0.0)
    answers = (2 if plan is THROUGHPUT else 1) + len(plan.witnesses)
    sent = plan.ciphertexts_per_sample
    expected = {
        "encrypt": ("client", 3 * sent),
        "decrypt": ("client", 3 * answers),
        "load": ("client", 3 * answers),
        "load_upload": ("server", 3 * sent),
        "save": ("server", 3 * answers),
        "make_key": ("setup", len(plan.rotations)),
        "load_key": ("setup", len(plan.rotations)),
        "make_context": ("setup", 1),
        "vector": ("setup", sum(each.count for each in plan.steps if each.kind == "vector")),
    }
    for name, (side, count) in expected.items():
        assert getattr(cost_of(plan, rows, machine_of(**{name: 0.5})(plan)), side) == pytest.approx(0.5 * count)


@PLANS
def test_levels_with_more_primes_take_longer(plan):
    top = plan.parameters.levels
    low, high = (replace(plan, steps=(Steps("rotation", level, 100),)) for level in (0, top))
    assert cost_of(high, 1).server > 1.5 * cost_of(low, 1).server


@PLANS
def test_bytes_are_those_of_messages(plan):
    rows = plan.samples_per_ciphertext + 1
    cost = plan.cost(rows)
    client = fhenn.Client(plan)
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    upload = client.encrypt(rng.uniform(-0.1, 0.1, (rows, 12)))
    assert cost.up == pytest.approx(len(upload), rel=0.3)
    assert cost.down == pytest.approx(len(server.predict(upload)), rel=0.3)
    assert cost.keys == pytest.approx(len(client.evaluation_keys()), rel=0.3)


@PLANS
def test_more_samples_take_more_of_everything_but_keys(plan):
    few, many = plan.cost(1), plan.cost(1000 * plan.samples_per_ciphertext)
    for name in ("client", "server", "up", "down", "client_memory", "server_memory", "seconds"):
        assert getattr(many, name) > getattr(few, name) > 0
    assert (few.setup, few.keys) == (many.setup, many.keys)
    assert many.memory == max(many.client_memory, many.server_memory)
    spread = (many.setup + many.keys / BANDWIDTH) / UPLOADS
    assert many.seconds == pytest.approx(many.client + many.server + (many.up + many.down) / BANDWIDTH + spread)


@pytest.mark.parametrize(
    ("evaluator", "count", "kept"),
    [
        ("native", 2000, 4 * 8192 * 2000 * 3),  # 197 MB: as they are multiplied, halves, the special prime's too
        ("native", 3000, 4 * 8192 * 3000),  # 295 MB: as coefficients
        ("seal", 6000, 8 * 8192 * 6000 * 2),
    ],
)
def test_the_memory_for_plaintexts_is_what_an_evaluator_keeps(evaluator, count, kept):
    parameters = fhenn.Parameters(8192, (50, 40, 50), 2.0**40)
    plan = replace(LATENCY, evaluator=evaluator, parameters=parameters, steps=(Steps("vector", 1, count),))
    weights = memory_of_server(plan, 1) - memory_of_server(replace(plan, steps=(Steps("vector", 1, 1),)), 1)
    assert weights == pytest.approx(2 * kept, rel=1e-2)


def test_plaintexts_that_are_made_at_each_use_take_their_time_then():
    parameters = fhenn.Parameters(8192, (50, 40, 50), 2.0**40)
    few, many = (
        replace(LATENCY, evaluator="native", parameters=parameters, steps=(Steps("vector", 1, count),))
        for count in (2000, 4000)
    )
    machine = Machine.shipped()
    assert cost_of(few, 1, machine).server == cost_of(replace(few, steps=(Steps("vector", 1, 1),)), 1, machine).server
    made = cost_of(many, 1, machine).server - cost_of(few, 1, machine).server
    assert made == pytest.approx(4000 * 0.4 * machine.seconds("rescale", 8192, 2, "native"))
    assert cost_of(replace(many, evaluator="seal"), 1, machine).server == pytest.approx(
        cost_of(replace(few, evaluator="seal"), 1, machine).server
    )


@PLANS
def test_samples_that_fit_an_allowance_fit_it(plan):
    keys = memory_of_client(plan, 1) + memory_of_server(plan, 1)
    for memory in (1e8, 1e9):
        rows = rows_within(plan, memory)
        assert rows % plan.samples_per_ciphertext == 0
        assert memory_of_client(plan, rows) + memory_of_server(plan, rows) <= keys + 1.01 * memory
        assert memory_of_client(plan, 2 * rows) + memory_of_server(plan, 2 * rows) > memory
    assert rows_within(plan, 1.0) == plan.samples_per_ciphertext


@PLANS
def test_client_and_server_can_both_tell(plan):
    public = fhenn.Plan.from_json(plan.public().to_json())
    assert public.cost(100) == plan.cost(100)
    assert public.steps == plan.steps
    assert "cost" in str(public)


def test_an_older_plan_does_not_know():
    fields = json.loads(LATENCY.to_json())
    del fields["steps"], fields["rows"], fields["scaled"]
    older = fhenn.Plan.from_json(json.dumps(fields))
    assert older.rows == 1
    assert "cost" not in str(older)
    with pytest.raises(PlanError, match="Plan again"):
        older.cost()


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "sleep", "level": 0, "count": 1},
        {"kind": "rotation", "level": -1, "count": 1},
        {"kind": "rotation", "level": 99, "count": 1},
        {"kind": "rotation", "level": 0, "count": 0},
        {"kind": "rotation", "level": 0, "count": 1 << 41},
        {"kind": "rotation", "level": 0},
    ],
)
def test_impossible_steps_are_refused(step):
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(json.dumps(json.loads(LATENCY.to_json()) | {"steps": [step]}))


@pytest.mark.parametrize("rows", [0, -1, 1.5, "many", True, 1 << 41])
def test_rows_are_a_number_of_samples(rows):
    with pytest.raises(ParameterError, match="rows"):
        LATENCY.cost(rows)
    with pytest.raises(ParameterError, match="rows"):
        fhenn.plan(MODEL, bounds=[-1, 1], rows=rows)
    if not isinstance(rows, str):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(json.dumps(json.loads(LATENCY.to_json()) | {"rows": rows}))


def test_the_machine_that_was_measured_is_taken(tmp_path, monkeypatch):
    slow = Machine("slow", tuple(replace(each, seconds=10 * each.seconds) for each in Machine.shipped().timings))
    (tmp_path / "slow.json").write_text(slow.to_json())
    quick = THROUGHPUT.cost(1)
    monkeypatch.setenv("FHENN_MACHINE", str(tmp_path / "slow.json"))
    assert THROUGHPUT.cost(1).server == pytest.approx(10 * quick.server)
    assert THROUGHPUT.cost(1).machine == "slow"
    (tmp_path / "slow.json").write_text("{")
    with pytest.warns(MachineWarning):
        assert THROUGHPUT.cost(1) == quick


def test_texts():
    assert [seconds_text(each) for each in (0.0, 1.23e-4, 0.0994, 0.0996, 1.26, 99.4, 12345.0)] == [
        "0 ms", "0.12 ms", "99 ms", "0.1 s", "1.3 s", "99 s", "12,345 s",
    ]  # fmt: skip
    assert [bytes_text(each) for each in (1e4, 1.26e6, 99.4e6, 1.2345e9)] == ["0.01 MB", "1.3 MB", "99 MB", "1,234 MB"]
    assert "8 samples: server" in str(LATENCY.cost(8))
