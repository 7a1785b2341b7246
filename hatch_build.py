"""The build of the package: with the native library where it can be compiled, without it otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _offered(package: str) -> bool:
    """Whether pip finds a package; True where there is no pip to ask.

    An installation ends where a build requirement is not to be had, and fhenn runs without this one.
    """
    # -I: pip hides itself from builds by PYTHONPATH
    command = [sys.executable, "-I", "-m", "pip", "--retries", "1", "--timeout", "10", "index", "versions", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode == 0 or "No module named pip" in done.stderr


class NativeBuildHook(BuildHookInterface):
    """Compiles `fhenn/backends/native/c` into the wheel, or beside the sources of an editable installation.

    `FHENN_NATIVE=0` leaves it out; `FHENN_TARGET` names another system (`TARGETS` of build.py).
    """

    _folder: str | None = None

    def dependencies(self) -> list[str]:
        """`ziglang`, where nothing else compiles C and the package index has it."""
        target = os.environ.get("FHENN_TARGET")
        if not self._wanted() or not self._builder().needs_zig(target):
            return []
        return ["ziglang>=0.13"] if target or _offered("ziglang") else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library; go on without it where that fails, since all of fhenn works on SEAL alone."""
        if not self._wanted():
            return
        builder, target = self._builder(), os.environ.get("FHENN_TARGET")
        if target:
            # not beside the sources, where this system's own library may be
            self._folder = mkdtemp()
        place = Path(self._folder) if self._folder else builder.HERE
        try:
            library = builder.build(place / builder.library_name(target), target)
        except builder.BuildError as error:
            if target:
                raise
            self.app.display_warning(f"fhenn is installed without its native evaluator, and computes by SEAL: {error}")
            return
        for path in (library, builder.passport_of(library)):
            name = (builder.HERE / path.name).relative_to(self.root).as_posix()
            if target:
                build_data["force_include"][str(path)] = name
            else:
                build_data["artifacts"].append(name)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{builder.TARGETS[target] if target else self._platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for another system: the wheel has it."""
        if self._folder:
            rmtree(self._folder)

    def _wanted(self) -> bool:
        return self.target_name == "wheel" and os.environ.get("FHENN_NATIVE") != "0"

    @staticmethod
    def _platform() -> str:
        """This platform, as wheels name it."""
        return sysconfig.get_platform().replace("-", "_").replace(".", "_")

    def _builder(self) -> ModuleType:
        """`fhenn/backends/native/build.py`, without the package around it, whose dependencies are not here."""
        path = Path(self.root, "fhenn", "backends", "native", "build.py")
        spec = spec_from_file_location("fhenn_native_build", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded")
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
