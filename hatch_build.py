"""The build of the package: with the native library where it can be compiled, without it otherwise."""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeBuildHook(BuildHookInterface):
    """Compiles `fhenn/backends/native/c` into the wheel, or beside the sources of an editable installation.

    `FHENN_NATIVE=0` leaves it out; `FHENN_TARGET` names another system (`TARGETS` of build.py).
    """

    def dependencies(self) -> list[str]:
        """`ziglang`, where nothing else compiles C."""
        if not self._wanted():
            return []
        return ["ziglang>=0.13"] if self._builder().needs_zig(os.environ.get("FHENN_TARGET")) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the library; go on without it where that fails, since all of fhenn works on SEAL alone."""
        if not self._wanted():
            return
        builder, target = self._builder(), os.environ.get("FHENN_TARGET")
        name = builder.LIBRARY.name
        if target:
            name = "_kernels" + {"macos": ".dylib", "windows": ".dll"}.get(target.split("-")[1], ".so")
        try:
            library = builder.build(builder.HERE / name, target)
        except builder.BuildError as error:
            if target:
                raise
            self.app.display_warning(f"fhenn is installed without its native evaluator, and computes by SEAL: {error}")
            return
        for path in (library, builder.passport_of(library)):
            build_data["artifacts"].append(path.relative_to(self.root).as_posix())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{builder.TARGETS[target] if target else self._platform()}"

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
