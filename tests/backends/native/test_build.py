"""What is compiled for whom, and what the build of the package makes of it."""

import shlex
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from zipfile import ZipFile

import pytest

from fhenn.backends.native import build

CLONE = Path(__file__).parents[3]
NATIVE = "fhenn/backends/native"
CROSS = "aarch64-linux-gnu.2.17"


@pytest.fixture
def hook_class(monkeypatch):
    """The hook of hatch_build.py, over a stand-in for what it takes of hatchling, which only builds have."""
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = SimpleNamespace
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    for package in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    spec = spec_from_file_location("hatch_build_under_test", CLONE / "hatch_build.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NativeBuildHook


@pytest.fixture
def hook(hook_class, monkeypatch):
    """A hook whose compiler notes what it is asked for, and writes nothing."""
    monkeypatch.delenv("FHENN_NATIVE", raising=False)
    monkeypatch.delenv("FHENN_TARGET", raising=False)
    hook = hook_class(root=str(CLONE), target_name="wheel", warned=[])
    hook.app = SimpleNamespace(display_warning=hook.warned.append)
    monkeypatch.setattr(hook, "_builder", lambda: build, raising=False)
    monkeypatch.setattr(build, "build", lambda output, target=None: output)
    return hook


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(build, "compiler", lambda: None)
    monkeypatch.setattr(build.platform, "machine", lambda: "x86_64")


def pip(monkeypatch, status, says=""):
    """Let what the hook asks of pip end so."""
    done = subprocess.CompletedProcess([], status, "", says)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)


def initialized(hook):
    data = {"artifacts": [], "force_include": {}, "pure_python": True}
    hook.initialize("standard", data)
    return data


@pytest.mark.parametrize(
    ("source", "flags"),
    [
        ("kernels_avx2.c", {"-mavx2", "-mfma"}),
        ("kernels_avx512dq.c", {"-mavx512f", "-mavx512dq", "-mavx512vl"}),
        ("kernels_avx512ifma.c", {"-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512ifma"}),
        ("kernels_portable.c", set()),
        ("cpu.c", set()),  # runs on every CPU, to find out which this is
        ("selfcheck.c", set()),
        ("api.c", set()),
    ],
)
def test_a_source_is_compiled_for_what_its_name_says(source, flags):
    path = build.HERE / "c" / source
    assert path.exists()
    assert set(build._flags_of(path, "x86_64")) == flags
    assert not build._flags_of(path, "aarch64")


def test_no_source_is_compiled_for_a_feature_that_its_name_leaves_out():
    named = {path.stem for path in (build.HERE / "c").glob("*.c") if "avx" in path.stem}
    flagged = {path.stem for path in (build.HERE / "c").glob("*.c") if build._flags_of(path, "x86_64")}
    assert flagged == named


def test_the_library_is_named_as_its_system_names_libraries():
    assert build.library_name("aarch64-macos") == "_kernels.dylib"
    assert build.library_name("x86_64-windows-gnu") == "_kernels.dll"
    assert build.library_name("aarch64-linux-musl") == "_kernels.so"
    assert build.library_name() == build.LIBRARY.name


def test_wheels_go_to_every_system_that_is_promised():
    assert set(build.TARGETS.values()) == {
        "manylinux_2_17_x86_64",
        "manylinux_2_17_aarch64",
        "musllinux_1_1_x86_64",
        "musllinux_1_1_aarch64",
        "macosx_11_0_x86_64",
        "macosx_11_0_arm64",
        "win_amd64",
    }


def test_another_system_does_not_replace_the_library_of_this_one(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["build", "--target", CROSS])
    monkeypatch.setattr(build, "build", lambda *arguments: pytest.fail("it was built"))
    with pytest.raises(SystemExit):
        build.main()
    assert "--target needs --output" in capsys.readouterr().err


def test_wheels_are_built_from_a_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "HERE", tmp_path / "fhenn" / "backends" / "native")
    with pytest.raises(build.BuildError, match="no clone of fhenn"):
        build.build_wheels(tmp_path / "dist")


def test_wheels_are_built_one_a_system(monkeypatch, tmp_path):
    settings = []

    def run(command, env, **options):
        settings.append({name: env[name] for name in ("FHENN_NATIVE", "FHENN_TARGET") if name in env})
        Path(command[command.index("--wheel-dir") + 1], f"fhenn-{len(settings)}.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("FHENN_NATIVE", "0")
    monkeypatch.setattr(subprocess, "run", run)
    wheels = build.build_wheels(tmp_path / "dist")
    assert settings == [{"FHENN_NATIVE": "0"}, *({"FHENN_TARGET": target} for target in build.TARGETS)]
    assert sorted(wheels) == sorted((tmp_path / "dist").iterdir())
    assert len(wheels) == len(settings)


def test_a_wheel_that_pip_does_not_build_is_named(monkeypatch, tmp_path):
    pip(monkeypatch, 1, "no room")
    with pytest.raises(build.BuildError, match=r"FHENN_NATIVE.*\n.*no room"):
        build.build_wheels(tmp_path)


def test_zig_is_asked_for_only_without_a_compiler(hook, no_compiler, monkeypatch):
    pip(monkeypatch, 0)
    assert hook.dependencies() == ["ziglang>=0.13"]
    monkeypatch.setattr(build, "compiler", lambda: ["cc"])
    assert hook.dependencies() == []
    monkeypatch.setenv("FHENN_TARGET", CROSS)
    assert hook.dependencies() == ["ziglang>=0.13"]


@pytest.mark.parametrize(
    ("says", "asked"),
    [("ERROR: No matching distribution found for ziglang", []), ("python: No module named pip", ["ziglang>=0.13"])],
)
def test_an_index_without_zig_ends_no_installation(hook, no_compiler, monkeypatch, says, asked):
    pip(monkeypatch, 1, says)
    assert hook.dependencies() == asked


@pytest.mark.parametrize("machine", ["riscv64", "s390x"])
def test_zig_is_not_asked_for_where_pypi_has_none(hook, no_compiler, monkeypatch, machine):
    monkeypatch.setattr(build.platform, "machine", lambda: machine)
    assert hook.dependencies() == []


@pytest.mark.parametrize(("target_name", "native"), [("sdist", "1"), ("wheel", "0")])
def test_nothing_is_compiled_for_who_wants_none(hook, no_compiler, monkeypatch, target_name, native):
    monkeypatch.setenv("FHENN_NATIVE", native)
    hook.target_name = target_name
    assert hook.dependencies() == []
    assert initialized(hook) == {"artifacts": [], "force_include": {}, "pure_python": True}


def test_a_wheel_carries_the_library_and_its_passport(hook, monkeypatch):
    monkeypatch.setattr("sysconfig.get_platform", lambda: "macosx-11.0-arm64")
    data = initialized(hook)
    assert data["artifacts"] == [f"{NATIVE}/{build.LIBRARY.name}", f"{NATIVE}/{build.LIBRARY.name}.json"]
    assert data["tag"] == "py3-none-macosx_11_0_arm64"
    assert not data["pure_python"]
    assert not data["force_include"]


def test_a_wheel_for_another_system_leaves_the_sources_as_they_are(hook, monkeypatch):
    monkeypatch.setenv("FHENN_TARGET", CROSS)
    data = initialized(hook)
    assert data["tag"] == "py3-none-manylinux_2_17_aarch64"
    assert sorted(data["force_include"].values()) == [f"{NATIVE}/_kernels.so", f"{NATIVE}/_kernels.so.json"]
    assert not data["artifacts"]
    folder = Path(min(data["force_include"])).parent
    assert folder.exists()
    assert CLONE not in folder.parents
    hook.finalize("standard", data, "a wheel")
    assert not folder.exists()


def test_without_a_library_there_is_a_warning_and_a_wheel(hook, monkeypatch):
    def fails(*arguments):
        raise build.BuildError("no C today")

    monkeypatch.setattr(build, "build", fails)
    assert initialized(hook) == {"artifacts": [], "force_include": {}, "pure_python": True}
    assert len(hook.warned) == 1
    assert "no C today" in hook.warned[0]
    monkeypatch.setenv("FHENN_TARGET", CROSS)
    with pytest.raises(build.BuildError, match="no C today"):
        initialized(hook)


@pytest.mark.thorough
@pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("native", ["0", "1"])
def test_pip_builds_wheels_with_and_without_the_library(tmp_path, native, monkeypatch):
    monkeypatch.setenv("FHENN_NATIVE", native)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    sources = tmp_path / "sources"  # a copy: other tests have the library beside the sources open
    shutil.copytree(
        CLONE / "fhenn", sources / "fhenn", ignore=shutil.ignore_patterns("__pycache__", "_kernels.*", "node_modules")
    )
    for name in ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CLONE / name, sources)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(sources)]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    held = [name for name in names if "_kernels." in name]
    assert not [name for name in names if name.startswith("fhenn/web/")]  # TypeScript: in the sources alone
    if native == "0":
        assert wheel.name.endswith("-py3-none-any.whl")
        assert not held
    else:
        assert "-py3-none-" in wheel.name
        assert not wheel.name.endswith("-any.whl")
        assert sorted(held) == [f"{NATIVE}/{build.LIBRARY.name}", f"{NATIVE}/{build.LIBRARY.name}.json"]


@pytest.mark.thorough
@pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")
def test_a_compiler_has_nothing_to_warn_of(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", shlex.join([*build.compiler(), "-Werror"]))
    assert build.build(tmp_path / "silent.so").exists()
