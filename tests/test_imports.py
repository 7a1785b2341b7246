"""The rooms import one way only."""

import ast
from pathlib import Path

import pytest

import fhenn

ROOT = Path(fhenn.__file__).parent

RANK = {
    "text": -1,
    "steps": -1,
    "errors": 0,
    "strict": 0,
    "finite": 0.5,
    "filelock": 0,
    "uncopied": 1,
    "missing": 0,
    "columns": 1,
    "wire": 1,
    "protobuf": 1,
    "versioned": 2,
    "approx": 1,
    "ckks": 2,
    "backends": 3,
    "backends.seal": 4,
    "nn": 4,
    "ranges": 5,
    "figures": 6,
    "planner": 6,
    "safety": 7,
    "training": 6,
    "session": 8,
    "demo": 9,
    "interop": 9,
    "artifacts": 10,
    "tabular": 10,
    "service": 11,
    "cli": 12,
    "sklearn": 10,
}
"""A room may import rooms of lower rank."""

FOREIGN = {
    "tenseal": {"backends.seal"},
    "scipy": {"approx"},
    "matplotlib": {"figures"},
    "httpx": {"service"},
    "httpcore": {"service"},
    "fastapi": {"service"},
    "starlette": {"service"},
    "uvicorn": {"service"},
    "h11": {"service"},
    "pydantic": {"service"},
    "prometheus_client": {"service"},
    "click": {"cli"},
    "rich": {"cli"},
    "sklearn": {"interop", "sklearn"},
    "torch": {"interop"},
    "onnx": {"interop"},
    "safetensors": {"artifacts"},
    "cryptography": {"session"},
    "pyarrow": {"cli", "columns"},
}


def _room(module: str) -> str | None:
    parts = module.split(".")[1:]
    for length in (2, 1):
        if ".".join(parts[:length]) in RANK:
            return ".".join(parts[:length])
    return None


def _imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_down(file):
    room = _room(".".join(["fhenn", *file.with_suffix("").parts]))
    for module in _imports(ROOT / file):
        package = module.partition(".")[0]
        assert room in FOREIGN.get(package, {room}), f"{file} imports {package}"
        target = _room(module) if package == "fhenn" else None
        if room is not None and target not in (None, room):
            assert RANK[target] < RANK[room], f"{file}: {room} imports {target}"


def test_every_room_has_a_rank():
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= set(RANK)
