import json

import pytest
from click.testing import CliRunner

from fhenn.backends.native.library import available
from fhenn.cli.main import cli


def shown(*arguments):
    result = CliRunner().invoke(cli, ["info", *arguments])
    assert result.exit_code == 0
    return result.output


@pytest.mark.skipif(not available(), reason="the native library was not built")
def test_it_names_the_evaluator_and_its_kernels():
    found = json.loads(shown("--json"))
    assert found["evaluator"] == "native"
    assert found["kernels"][0] == "portable"
    assert not found["reason"]
    assert {"fhenn", "python", "numpy", "tenseal"} <= set(found["versions"])
    for word in ("native", "portable", found["library"][:20], found["versions"]["tenseal"]):
        assert word in shown()


def test_it_says_why_seal_computes(monkeypatch):
    monkeypatch.setenv("FHENN_NATIVE", "0")
    found = json.loads(shown("--json"))
    assert found["evaluator"] == "seal"
    assert "FHENN_NATIVE=0" in found["reason"]
    assert "FHENN_NATIVE=0" in shown()
