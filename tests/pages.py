"""The blocks of code in the README and the guides, and how they run.

A page is one example, or several where it says so: `<!-- example -->` above a block opens another one, with a namespace
and a folder of its own; `<!-- example: torch -->` one that needs torch. Blocks of Python run one after another; those
that open with `>>>` give what they say. Blocks of a shell under `<!-- session -->` run among them, in a folder that has
`records.csv`. All other blocks of a shell are read: each `fhenn …` in them is a command that there is.
"""

import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

import click

import fhenn
from fhenn.cli.main import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "notebooks").glob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z]+)(?:: (?P<of>\w+))? -->\n)?^```(?P<language>[\w{}-]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    language: "python", "sh", "text" or "".
    mark: "example", "session", "command", or "" where nothing stands above it.
    of: what the mark names.
    line: where the code begins.
    """

    language: str
    code: str
    mark: str
    of: str
    line: int


@dataclass(frozen=True)
class Example:
    """What runs together.

    page: the file.
    needs: a library beyond the test extra, or "".
    blocks: of Python and of sessions, in order.
    """

    page: Path
    needs: str
    blocks: tuple[Block, ...]

    @property
    def name(self):
        return f"{self.page.name}:{self.blocks[0].line}"

    def is_session(self):
        return any(block.mark == "session" for block in self.blocks)

    def missing(self):
        """The library that is needed and not there, or ""."""
        return self.needs if self.needs and importlib.util.find_spec(self.needs) is None else ""

    def run(self, folder):
        """All blocks, in `folder`, which is the working one already and is empty."""
        copyfile(Path(fhenn.__file__).parent / "demo" / "breast_cancer.csv", folder / "records.csv")
        namespace = {"__name__": "__main__"}
        for block in self.blocks:
            if block.language == "sh":
                _shell(block.code, folder)
            elif block.code.startswith(">>>"):
                _doctest(block, self.page, namespace)
            else:
                # the page's own lines in what goes wrong
                code = "\n" * (block.line - 1) + block.code
                exec(compile(code, self.page.name, "exec"), namespace)  # noqa: S102  (our own text)


def blocks_of(page):
    """Every block of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found["language"],
            found["code"],
            found["mark"] or "",
            found["of"] or "",
            text.count("\n", 0, found.start("code")) + 1,
        )
        for found in _BLOCK.finditer(text)
    ]


def examples_of(page):
    """What runs of a page."""
    together = []
    for block in blocks_of(page):
        if block.mark == "example" or (_runs(block) and not together):
            together.append((block.of if block.mark == "example" else "", []))
        if _runs(block):
            together[-1][1].append(block)
    return [Example(page, needs, tuple(blocks)) for needs, blocks in together]


def _runs(block):
    return block.language == "python" or (block.language == "sh" and block.mark == "session")


def _doctest(block, page, namespace):
    test = doctest.DocTestParser().get_doctest(block.code, namespace, page.name, str(page), block.line - 1)
    said = []
    failed = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False).failed
    assert not failed, "".join(said)
    namespace.update(test.globs)


def _shell(code, folder):
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    program = programs / "fhenn"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fhenn "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    found = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=found,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"


def commands_in(block):
    """The words behind `fhenn` of every command in a block for a shell."""
    for line in block.code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        starts = [0, *(place + 1 for place, word in enumerate(words) if set(word) <= set("();<>|&"))]
        for start, end in zip(starts, [*starts[1:], len(words) + 1], strict=True):
            command = words[start : end - 1]
            while command and re.match(r"\w+=", command[0]):
                command = command[1:]
            if command and Path(command[0]).name == "fhenn":
                yield command[1:]


def read_command(words):
    """Read a command as `fhenn` would, and run nothing: raises click.UsageError for one that there is not."""
    group, context = cli, click.Context(cli, info_name="fhenn", **cli.context_settings)
    words = list(words)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = group.get_command(context, name)
        if command is None:
            raise click.UsageError(f"there is no command {context.command_path} {name}")
        group, context = command, click.Context(command, info_name=name, parent=context)
    given, rest, _ = group.make_parser(context).parse_args(words)
    if rest:
        raise click.UsageError(f"{context.command_path} takes no {rest}")
    for parameter in group.get_params(context):
        value = given.get(parameter.name)
        if isinstance(parameter.type, click.Choice | click.types.IntParamType | click.types.FloatParamType) and value:
            parameter.type_cast_value(context, value)
