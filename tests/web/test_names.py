"""The errors of the TypeScript client have names of Python's, and its modules stay out of Node."""

from __future__ import annotations

import re
from pathlib import Path

from fhenn import errors

CLIENT = Path(__file__).parents[2] / "fhenn" / "web" / "src" / "client"
OF_TABLES = ("TableError", "ParameterError")
"""Goes by the name of its base, which Python's tables raise."""


def test_errors_have_the_names_of_python() -> None:
    names = re.findall(r"^export class (\w+) extends (\w+)", (CLIENT / "errors.ts").read_text(), re.MULTILINE)
    assert OF_TABLES in names
    for name, base in names:
        kind = getattr(errors, base if (name, base) == OF_TABLES else name)
        assert base == "Error" or issubclass(kind, getattr(errors, base)), name


def test_the_client_uses_nothing_of_node() -> None:
    for path in CLIENT.rglob("*.ts"):
        found = re.search(r"from \"node:|\bBuffer\b|\bprocess\.|\brequire\([\"']", path.read_text())
        assert found is None, f"{path.name}: {found and found.group()}"
