"""A pool on two Ray nodes, one of which is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

from ray_nodes import Nodes, refusal

TESTS = Path(__file__).parents[1]
PARTS = 200


@pytest.fixture(scope="module")
def nodes():
    if why := refusal():
        pytest.skip(f"no network namespaces: {why}")
    with Nodes([TESTS, TESTS.parent]) as nodes:
        yield nodes


def batch(nodes, at_half):
    """What came of a batch that a program on the first node has done; `at_half` is called once half of it is."""
    words = [sys.executable, str(TESTS / "ray_batch.py"), nodes.address, str(PARTS)]
    with nodes.popen(
        0, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "half\n", run.stderr.read()
        at_half()
        out, err = run.communicate("\n", timeout=300)
    assert (run.returncode, err) == (0, "")
    return json.loads(out)


def test_a_node_is_lost_in_the_middle_of_a_batch(nodes):
    result = batch(nodes, lambda: nodes.lose(1))
    assert (result["workers"], result["answers"], result["right"]) == (2, PARTS, PARTS)
    nodes.start(1)


def test_both_nodes_compute(nodes):
    result = batch(nodes, lambda: None)
    assert (result["workers"], result["answers"], result["right"]) == (2, PARTS, PARTS)
