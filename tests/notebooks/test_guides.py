"""The examples of the guides run as they stand, one after another, and give what the guides say."""

import doctest
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize("name", ["circuits.md"])
def test_examples_give_what_the_guide_says(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    assert all(block.startswith(">>> ") for block in blocks)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, name, name, 0)
    said = []
    results = doctest.DocTestRunner().run(test, out=said.append)
    assert results.attempted > len(blocks)
    assert not results.failed, "".join(said)
    assert not [target for target in LINK.findall(text) if not (FOLDER / target).exists()]
    assert f"]({name})" in (FOLDER / "README.md").read_text(encoding="utf-8")
