"""What the README and the guides show runs as it stands, and their links lead somewhere."""

import ast
import contextlib
import importlib.util
import inspect
import re
from pathlib import Path

import click
import pytest
from pages import PAGES, ROOT, blocks_of, commands_in, examples_of, read_command

import fhenn

README = ROOT / "README.md"

SLOW = {"training.md", "extending.md"}
"""Guides whose examples take more than two seconds; those with sessions do anyway."""


def marked(example):
    slow = example.is_session() or example.page.name in SLOW
    return pytest.param(example, id=example.name, marks=[pytest.mark.thorough] if slow else [])


@pytest.mark.parametrize("example", [marked(example) for page in PAGES for example in examples_of(page)])
def test_example_runs(example, tmp_path, monkeypatch, capsys):
    if example.missing():
        pytest.skip(f"{example.needs} is not installed")
    monkeypatch.chdir(tmp_path)
    example.run(tmp_path)
    if example.page == README:
        assert capsys.readouterr().out, "it shows nothing"


def test_examples_of_the_readme_are_found_and_short():
    blocks = [block for block in blocks_of(README) if block.language == "python"]
    assert len(blocks) >= 2
    assert {block.mark for block in blocks} == {"example"}, "each stands by itself"
    for block in blocks:
        assert len([line for line in block.code.splitlines() if line.strip()]) <= 11


COMMANDS = [
    pytest.param(words, id=f"{page.name}:{block.line}:{' '.join(words)[:40]}")
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "sh"
    for words in commands_in(block)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_command_is_one_that_there_is(words):
    read_command(words)


def test_what_is_no_command_is_told():
    for line in ("nothing", "plan --nothing", "plan a.fhenn b.fhenn", "keygen --passphrase-file", "plot roc --nothing"):
        with pytest.raises(click.UsageError):
            read_command(line.split())


def test_the_readme_takes_two_screens():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_commands_are_marked_for_the_ci_script():
    text = README.read_text(encoding="utf-8")
    for name in ("demo", "test"):
        assert re.search(rf"<!-- command: {name} -->\n```sh\n[^\n]+\n```", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith(("https://", "http://")) or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_say_what_they_are(page):
    for block in blocks_of(page):
        assert block.language, f"{Path(page).name}:{block.line} names no language"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_within_sentences_take_these_arguments(page):
    """`fhenn.plan(…, witness=True)`: there is such a function, and it has an argument of that name."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`([\w.]+\([^`]*\)[^`]*)`", text):
        try:
            tree = ast.parse(code.replace("…", "..."), mode="eval")
        except SyntaxError:
            continue  # a shorthand, such as one with "|"
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            function = called(ast.unparse(call.func))
            if function is not None:
                places = [
                    each for each in call.args if ast.unparse(each) != "..." and not isinstance(each, ast.Starred)
                ]
                names = {each.arg: ... for each in call.keywords if each.arg is not None}
                try:
                    inspect.signature(function).bind_partial(*places, **names)
                except TypeError as error:
                    pytest.fail(f"{code}: {error}")


def called(path):
    """What a dotted path names: from fhenn on, or from a class in it; None for anything else, as for variables."""
    if path.startswith("fhenn.interop.torch.") and importlib.util.find_spec("torch") is None:
        return None  # there is nothing in it then
    first, *rest = path.split(".")
    of_class = first[:1].isupper() and first in fhenn.__all__
    found = None if "(" in path else fhenn if first == "fhenn" else getattr(fhenn, first) if of_class else None
    for place, name in enumerate(rest):
        if inspect.ismodule(found) and not hasattr(found, name):
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(["fhenn", *rest[: place + 1]]))
        found = None if found is None else getattr(found, name)
    return found
