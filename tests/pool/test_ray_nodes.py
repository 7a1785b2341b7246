"""A pool on two Ray nodes, one of which is lost."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

from ray_nodes import Nodes, refusal

TESTS = Path(__file__).parents[1]
PARTS = 200
OF_RAY = re.compile(r"\[\d{4}-\d\d-\d\d [^]]*\] \w+\.cc:\d+: ")
"""A line of Ray's own, which it writes at times when a node is lost."""


@pytest.fixture(scope="module")
def nodes():
    if why := refusal():
        pytest.skip(f"no network namespaces: {why}")
    with Nodes([TESTS, TESTS.parent]) as nodes:
        yield nodes


def run(nodes, at_half, program, *words):
    """What came of a program on the first node; `at_half` is called once half of its work is done."""
    words = [sys.executable, str(TESTS / program), *words]
    with nodes.popen(
        0, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "half\n", run.stderr.read()
        at_half()
        out, err = run.communicate("\n", timeout=300)
    said = [line for line in err.splitlines() if not OF_RAY.match(line)]
    assert (run.returncode, said) == (0, [])
    return json.loads(out)


def batch(nodes, at_half):
    return run(nodes, at_half, "ray_batch.py", nodes.address, str(PARTS))


def test_a_node_is_lost_in_the_middle_of_a_batch(nodes):
    result = batch(nodes, lambda: nodes.lose(1))
    assert (result["workers"], result["answers"], result["right"]) == (2, PARTS, PARTS)
    nodes.start(1)


def test_both_nodes_compute(nodes):
    result = batch(nodes, lambda: None)
    assert (result["workers"], result["answers"], result["right"]) == (2, PARTS, PARTS)


def test_a_node_and_the_front_end_of_a_service_are_lost(nodes, tmp_path):
    """Eight clients go on: none gets a wrong answer, and each gets all."""
    pytest.importorskip("fastapi")
    nodes.environment["FHENN_TEST_CLUSTER"] = nodes.address
    result = run(nodes, lambda: nodes.lose(1), "ray_clients.py", str(tmp_path), "20")
    assert (result["answers"], result["right"]) == (160, 160)
