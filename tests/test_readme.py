"""The README's examples, and those of the guide to models, run as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = (ROOT / "notebooks" / "models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- example(?:: (\w+))? -->\n```python\n(.*?)```", README, re.DOTALL)
"""What an example needs beyond the test extra, and the example."""


def test_all_examples_are_found_and_short():
    assert len(EXAMPLES) == 7
    for _, example in EXAMPLES:
        assert len([line for line in example.splitlines() if line.strip()]) <= 11


@pytest.mark.parametrize(
    ("needs", "example"),
    [*EXAMPLES, *re.findall(r"<!-- example: (skl2onnx) -->\n```python\n(.*?)```", MODELS, re.DOTALL)],
    ids=["pipeline", "own", "network", "images", "scikit-learn", "torch", "ranges", "onnx"],
)
def test_example_runs(needs, example, capsys):
    if needs:
        pytest.importorskip(needs)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  (our own text)
    assert capsys.readouterr().out


def test_commands_are_marked_for_the_ci_script():
    for name in ("demo", "test"):
        assert re.search(rf"<!-- command: {name} -->\n```sh\n[^\n]+\n```", README)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
