"""The client as a package: JavaScript that Node imports by the package's name."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from vitest import WEB

pytestmark = pytest.mark.web

PROGRAM = """
const { Client, Service, WireFormatError, loadSeal } = await import("fhenn-client");
const made = await loadSeal();
console.log([Client, Service, WireFormatError].map((each) => each.name).join(" "), typeof made);
"""


def test_node_imports_what_is_built() -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    assert npm, "this test needs npm"
    assert node, "this test needs Node 22 or newer"
    subprocess.run([npm, "run", "--silent", "build:client"], cwd=WEB, check=True, capture_output=True)
    command = [node, "--input-type=module", "--eval", PROGRAM]
    done = subprocess.run(command, cwd=WEB, check=True, capture_output=True, text=True)
    assert done.stdout == "Client Service WireFormatError object\n"
