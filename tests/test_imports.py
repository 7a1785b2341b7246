"""The rooms import one way only."""

import ast
from pathlib import Path

import pytest

import fhenn

ROOT = Path(fhenn.__file__).parent

BASE = {
    "text": (),
    "steps": (),
    "cores": (),
    "missing": (),
    "numerals": (),
    "filelock": (),
    "strict": (),
    "extras": (),
    "errors": ("text", "extras"),
    "finite": ("errors",),
    "uncopied": ("errors",),
    "columns": ("finite", "missing", "numerals", "strict"),
    "protobuf": ("errors",),
    "wire": ("errors", "strict"),
    "versioned": ("wire",),
}
"""What every room may import."""

ROOMS = {
    "approx": (),
    "ckks": ("approx",),
    "backends": ("ckks",),
    "backends.seal": ("backends",),
    "backends.native": ("backends.seal",),
    "nn": ("backends",),
    "ranges": ("nn",),
    "planner": ("ranges", "ckks"),
    "safety": ("planner", "backends"),
    "training": ("nn", "backends"),
    "session": ("safety",),
    "interop": ("session",),
    "sklearn": ("interop",),
    "tabular": ("interop",),
    "artifacts": ("interop",),
    "pool": ("session", "artifacts"),
    "service": ("pool",),
    "comparison": ("interop",),
    "figures": ("comparison",),
    "demo": ("comparison",),
    "cli": ("service", "figures", "demo", "tabular", "backends.native"),
}
"""The house: a room may import the rooms named and what those may reach. Nodes see the protocol of backends alone."""

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
    "sklearn": {"interop", "sklearn", "tabular"},
    "torch": {"interop"},
    "onnx": {"interop"},
    "safetensors": {"artifacts"},
    "cryptography": {"session"},
    "pyarrow": {"cli", "columns"},
}


def _room(module: str) -> str | None:
    parts = module.split(".")[1:]
    for length in (2, 1):
        if ".".join(parts[:length]) in BASE | ROOMS:
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


def _reachable(room: str) -> set[str]:
    """The rooms that a room may import."""
    direct = {*BASE[room]} if room in BASE else {*BASE, *ROOMS[room]}
    return direct.union(*map(_reachable, direct))


FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_down(file):
    room = _room(".".join(["fhenn", *file.with_suffix("").parts]))
    for module in _imports(ROOT / file):
        package = module.partition(".")[0]
        assert room in FOREIGN.get(package, {room}), f"{file} imports {package}"
        target = _room(module) if package == "fhenn" else None
        if room is not None and target not in (None, room):
            assert target in _reachable(room), f"{file}: {room} imports {target}"


def test_every_module_has_its_place():
    found = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found - {"__init__", "__main__"} == {room for room in BASE | ROOMS if "." not in room}


def test_no_room_reaches_itself():
    for room in BASE | ROOMS:  # or the recursion would have no end
        assert room not in _reachable(room)
