"""Builds the native library: `python -m fhenn.backends.native.build`.

It takes the C compiler in `CC`, or `cc`, `gcc` or `clang` of the PATH, or `python -m ziglang cc` where `ziglang` is
installed, which also builds for other systems (`--target`). It imports nothing of fhenn: the build of the package loads
it as a file of its own.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
_SUFFIXES = {"darwin": ".dylib", "macos": ".dylib", "windows": ".dll"}


def library_name(target: str | None = None) -> str:
    """The name of the library's file.

    target: of zig's, None for this system.
    """
    return "_kernels" + _SUFFIXES.get(target.split("-")[1] if target else platform.system().lower(), ".so")


LIBRARY = HERE / library_name()

ABI = "6"
"""Grows with every change of what the library exports."""

_FLAGS = (
    "-O3",
    "-std=c11",
    "-D_DEFAULT_SOURCE",  # madvise
    "-fvisibility=hidden",
    "-ffp-contract=off",  # kernels in doubles say themselves where a product is fused
    f'-DFHENN_ABI="{ABI}"',
    "-Wall",
    "-Wextra",
)
_X86 = ("x86_64", "amd64")
_FLAGS_OF = {
    "avx2": ("-mavx2", "-mfma"),
    "avx512dq": ("-mavx512f", "-mavx512dq", "-mavx512vl"),
    "avx512ifma": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512ifma"),
}
"""By what a file's name ends with: nothing of it runs where the CPU lacks a feature (cpu.c)."""

_ZIG_MACHINES = ("x86_64", "amd64", "aarch64", "arm64")
"""For which PyPI has ziglang on every system that fhenn runs on."""

_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")

TARGETS = {
    "x86_64-linux-gnu.2.17": "manylinux_2_17_x86_64",
    "aarch64-linux-gnu.2.17": "manylinux_2_17_aarch64",
    "x86_64-linux-musl": "musllinux_1_1_x86_64",
    "aarch64-linux-musl": "musllinux_1_1_aarch64",
    "x86_64-macos": "macosx_11_0_x86_64",
    "aarch64-macos": "macosx_11_0_arm64",
    "x86_64-windows-gnu": "win_amd64",
}
"""Zig's targets, with the platforms that wheels name them by."""


def passport_of(library: Path) -> Path:
    """The file beside a library that says what it is, before it is loaded: a damaged one would take the process along.

    library: the library.
    """
    return library.with_name(f"{library.name}.json")


def system() -> str:
    """This system, as passports name it."""
    return f"{platform.system()} on {platform.machine()}"


class BuildError(Exception):
    """Why the library was not built."""


def compiler() -> list[str] | None:
    """The command of a C compiler on this machine, None without one."""
    import shlex
    import shutil

    if named := os.environ.get("CC"):
        return shlex.split(named)
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    return None


def needs_zig(target: str | None = None) -> bool:
    """Whether a build should ask for `ziglang`: nothing else compiles C here, or it is for another system.

    target: of zig's, None for this system.
    """
    return target is not None or (compiler() is None and platform.machine().lower() in _ZIG_MACHINES)


def zig() -> list[str] | None:
    """The command of zig's C compiler, None where `ziglang` is not installed."""
    from importlib.util import find_spec

    return [sys.executable, "-m", "ziglang", "cc"] if find_spec("ziglang") else None


def build(
    output: Path = LIBRARY, target: str | None = None, sanitize: bool = False, emulation: Path | None = None
) -> Path:
    """Compile all sources and link the library.

    output: the file to write.
    target: of zig's, for another system; None for this one.
    sanitize: whether to watch memory and undefined behaviour (AddressSanitizer, UBSan).
    emulation: for tests, a folder with `avx512_emulated.h`: AVX-512 kernels in plain C, which any CPU runs.

    Returns `output`.
    Raises BuildError where there is no compiler, or it refuses something.
    """
    import json
    import shutil
    import subprocess
    import tempfile
    from concurrent.futures import ThreadPoolExecutor
    from hashlib import sha256

    command = zig() if target else compiler() or zig()
    if command is None:
        raise BuildError("there is no C compiler: install one, or ziglang from PyPI")
    machine = (target or platform.machine()).split("-")[0].lower()
    aim = ["-target", target] if target else []
    windows = (target or platform.system()).lower().find("windows") >= 0
    flags = [*aim, *_FLAGS, *(() if windows else ("-fPIC",)), *(_SANITIZERS if sanitize else ())]
    if emulation:
        flags += ["-DFHENN_EMULATED_AVX512", f"-I{emulation}"]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), f"{folder}/zig")

        def run(*arguments: str) -> None:
            done = subprocess.run(  # noqa: S603
                [*command, *arguments], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise BuildError(f"{' '.join(command)} fails:\n{done.stderr}")

        def compile_one(source: Path) -> str:
            result = f"{folder}/{source.stem}.o"
            own = () if emulation and source.stem.startswith("kernels_avx512") else _flags_of(source, machine)
            run(*flags, *own, "-c", str(source), "-o", result)
            return result

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, sorted((HERE / "c").glob("*.c"))))
        libraries = () if windows else ("-lm", "-pthread")
        # in a folder that goes: for Windows the linker leaves files beside its result
        linked = Path(folder, "linked", output.name)
        linked.parent.mkdir()
        run(*flags, *(() if sanitize else ("-s",)), "-shared", "-o", str(linked), *objects, *libraries)
        digest = sha256(linked.read_bytes()).hexdigest()
        # copied beside the result and moved there: nobody loads half a library
        copy = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            shutil.copy(linked, copy)
            passport = {"abi": ABI, "system": target or system(), "sha256": digest}
            passport_of(output).write_text(json.dumps(passport, indent=2) + "\n", encoding="utf-8")
            copy.replace(output)
        finally:
            copy.unlink(missing_ok=True)
    return output


def build_wheels(folder: Path) -> list[Path]:
    """Build a wheel for every one of TARGETS, and one without the library for all other systems, from a clone.

    folder: where they go.

    Returns the wheels.
    Raises BuildError where this is no clone, or pip does not build one.
    """
    import shutil
    import subprocess
    import tempfile

    clone = HERE.parents[2]
    if not Path(clone, "hatch_build.py").exists():
        raise BuildError(f"{clone} holds no clone of fhenn, from whose sources wheels are built")
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in {"FHENN_NATIVE", "FHENN_TARGET"}}
    wheels = []
    for setting in ({"FHENN_NATIVE": "0"}, *({"FHENN_TARGET": target} for target in TARGETS)):
        with tempfile.TemporaryDirectory() as built:
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, str(clone)]
            done = subprocess.run(command, env=inherited | setting, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                raise BuildError(f"pip builds no wheel with {setting}:\n{done.stderr}")
            wheels += [Path(shutil.copy(wheel, folder)) for wheel in Path(built).glob("*.whl")]
    return wheels


def _flags_of(source: Path, machine: str) -> Sequence[str]:
    """The flags of one source beside those of all."""
    return _FLAGS_OF.get(source.stem.rpartition("_")[2], ()) if machine in _X86 else ()


def main() -> int:
    """The command. Returns 0, or 1 where the library was not built."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m fhenn.backends.native.build", description=__doc__)
    parser.add_argument("--output", type=Path, help="the file to write")
    parser.add_argument("--target", choices=TARGETS, help="another system, by ziglang; needs --output")
    parser.add_argument("--sanitize", action="store_true", help="watch memory and undefined behaviour")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="build wheels for all systems instead")
    arguments = parser.parse_args()
    if arguments.target and not arguments.output:
        parser.error("--target needs --output: without it, it would replace the library of this system")
    try:
        if arguments.wheels:
            print(*build_wheels(arguments.wheels), sep="\n")  # noqa: T201
        else:
            print(build(arguments.output or LIBRARY, arguments.target, arguments.sanitize))  # noqa: T201
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
