"""A library that is missing, damaged, of another version or platform: SEAL takes over, with one warning."""

import ctypes
import json
import shutil
import subprocess
import sys
from hashlib import sha256

import pytest

from fhenn.backends.native import build, library
from fhenn.errors import NativeUnavailable, UnsupportedOperation


@pytest.fixture
def placed(tmp_path, monkeypatch):
    """Put a file, and what is said of it, where the library is looked for; the real one is not touched."""

    def place(content, **said):
        path = tmp_path / build.LIBRARY.name
        if content is not None:
            path.write_bytes(content)
            passport = {"abi": build.ABI, "system": build.system(), "sha256": sha256(content).hexdigest()} | said
            build.passport_of(path).write_text(json.dumps(passport))
        monkeypatch.setattr(library, "LIBRARY", path)
        monkeypatch.delenv("FHENN_NATIVE", raising=False)
        library._status.cache_clear()
        return path

    yield place
    library._status.cache_clear()


def test_a_missing_library_is_no_warning(placed, recwarn):
    placed(None)
    assert not library.available()
    assert "not built" in library.status().reason
    assert not recwarn.list
    with pytest.raises(UnsupportedOperation, match="evaluator='seal'"):
        library.require_library({})


@pytest.mark.parametrize(
    ("content", "said", "reason"),
    [
        (b"", {}, "does not load"),
        (b"\x7fELF", {}, "does not load"),
        (b"a library", {"sha256": "0" * 64}, "damaged"),
        (b"a library", {"sha256": None}, "damaged"),
        (b"a library", {"abi": "0"}, "of version '0'"),
        (b"a library", {"system": "aarch64-macos"}, "built for aarch64-macos"),
        (b"a library", {"system": ["Linux"]}, "built for"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named_once(placed, content, said, reason):
    path = placed(content, **said)
    with pytest.warns(NativeUnavailable, match=reason) as caught:
        assert not library.available()
        assert not library.available()
    assert len(caught) == 1
    assert caught[0].message.path == str(path)
    assert "Build it anew" in str(caught[0].message)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"abi": "1", "abi": "1"}', "\ufffd"], ids=str)
def test_a_library_that_nothing_is_said_of_is_not_loaded(placed, text):
    build.passport_of(placed(b"a library")).write_text(text)
    with pytest.warns(NativeUnavailable, match="does not say what it is"):
        assert not library.available()


def test_a_library_that_cannot_be_read_is_named(placed):
    path = placed(b"a library")
    path.unlink()
    path.mkdir()
    with pytest.warns(NativeUnavailable, match="cannot be read"):
        assert not library.available()


@pytest.mark.skipif(not build.LIBRARY.exists(), reason="the native library was not built")
def test_what_was_loaded_is_used_when_its_file_is_replaced(placed):
    """By another version, that is installed while processes run."""
    path = placed(build.LIBRARY.read_bytes())
    version = {"fhenn_version": (ctypes.c_char_p, ())}
    assert library.require_library(version).fhenn_version() == build.ABI.encode()
    path.unlink()
    path.write_bytes(b"another")
    assert library.require_library(version).fhenn_version() == build.ABI.encode()
    assert library.available()


@pytest.mark.skipif(not build.LIBRARY.exists(), reason="the native library was not built")
def test_a_truncated_library_is_named(placed):
    """The system would map what is not there, and end the process."""
    whole = build.LIBRARY.read_bytes()
    placed(whole[:20_000], sha256=sha256(whole).hexdigest())
    with pytest.warns(NativeUnavailable, match="damaged"):
        assert not library.available()


@pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ('const char* fhenn_version(void) { return "0"; }', "says that it is of version b'0'"),
        ("int other(void) { return 1; }", "does not load"),
    ],
    ids=["another version", "another library"],
)
def test_a_library_of_another_kind_is_named(placed, tmp_path, source, reason):
    path, shared = tmp_path / "other.c", tmp_path / "other.so"
    path.write_text(source)
    subprocess.run([*build.compiler(), "-shared", "-fPIC", path, "-o", shared], check=True)
    placed(shared.read_bytes())
    with pytest.warns(NativeUnavailable, match=reason):
        assert not library.available()


def test_it_can_be_turned_off(monkeypatch):
    monkeypatch.setenv("FHENN_NATIVE", "0")
    assert not library.available()
    assert "FHENN_NATIVE=0" in library.status().reason


def test_nothing_is_loaded_by_being_imported():
    code = (
        "import sys, fhenn.backends.native.library as l; print('tenseal' in sys.modules, l._status.cache_info().misses)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.thorough
def test_it_is_built_by_a_command(tmp_path):
    path = tmp_path / "built.so"
    command = [sys.executable, "-m", "fhenn.backends.native.build", "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(path)
    assert path.stat().st_size > 50_000
    assert json.loads(build.passport_of(path).read_text())["abi"] == build.ABI


def test_without_a_compiler_the_command_says_so(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build, "zig", lambda: None)
    monkeypatch.setattr(sys, "argv", ["build"])
    assert build.main() == 1
    assert "ziglang" in capsys.readouterr().err


def test_a_compiler_that_refuses_is_quoted(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", f"{sys.executable} -c 'raise SystemExit(\"no C today\")'")
    with pytest.raises(build.BuildError, match="no C today"):
        build.build(tmp_path / "never.so")
    assert not list(tmp_path.iterdir())
