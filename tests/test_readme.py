"""The README's examples run as they stand."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- example -->\n```python\n(.*?)```", README, re.DOTALL)


def test_all_examples_are_found_and_short():
    assert len(EXAMPLES) == 5
    for example in EXAMPLES:
        assert len([line for line in example.splitlines() if line.strip()]) <= 11


@pytest.mark.parametrize("example", EXAMPLES, ids=["pipeline", "own", "network", "scikit-learn", "ranges"])
def test_example_runs(example, capsys):
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  (our own text)
    assert capsys.readouterr().out


def test_commands_are_marked_for_the_ci_script():
    for name in ("demo", "test"):
        assert re.search(rf"<!-- command: {name} -->\n```sh\n[^\n]+\n```", README)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (Path(__file__).parents[1] / target).exists(), target
