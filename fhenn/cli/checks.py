"""What `fhenn doctor` looks at: how things are, and the way out where they are not as they should be."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np

import fhenn
from fhenn import extras
from fhenn.backends.native.library import status
from fhenn.cli.show import megabytes
from fhenn.cores import cores, memory_of_machine
from fhenn.planner.machine import VARIABLE, machine_file
from fhenn.text import first_line

State = Literal["ok", "note", "fault"]

_LEAST_MEMORY = 2e9
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_CPU = Path("/proc/cpuinfo")
_FEATURES = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512ifma": "AVX-512 IFMA"}
"""As Linux names them, and as fhenn does: kernels are chosen by them."""

_OFFERED = {
    "cli": "these commands",
    "files": "files of models",
    "crypto": "locked secret keys",
    "parquet": "tables in Parquet",
    "sklearn": "scikit-learn's models, and `fhenn train --model trees`",
    "torch": "PyTorch's models",
    "onnx": "ONNX models",
    "fit": "polynomials that stay safe in their tails",
    "plot": "pictures",
    "client": "`fhenn fetch` and `fhenn predict`",
    "serve": "`fhenn serve`",
    "ray": "clusters",
}
"""The extras for those who use fhenn, and what each is for."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    area: what.
    state: "ok"; "note", which may be meant so; "fault", which has to be mended.
    says: how it is.
    way_out: what to do; empty where there is nothing to do.
    """

    area: str
    state: State
    says: str
    way_out: str = ""


def check_machine(environment: Mapping[str, str]) -> Iterator[Check]:
    """Versions, system, cores, memory, evaluator, libraries, variables.

    environment: the variables of this process; of those that hold secrets only whether they are set is said.
    """
    yield _fhenn()
    yield _python()
    yield _system()
    yield from _libraries()
    yield from _evaluator()
    yield _cores()
    yield _memory()
    yield _timings()
    yield from _extras()
    yield from _variables(environment)


def self_test() -> Check:
    """Encrypt two numbers, evaluate a sigmoid on them, decrypt, and compare with the twin."""
    samples = np.array([[0.5, 0.25], [-1.0, 1.0]])
    try:
        model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid()])
        plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3)
        client = fhenn.Client(plan)
        server = fhenn.Server(model, plan, client.evaluation_keys())
        found = client.decrypt(server.predict(client.encrypt(samples)))
        error = float(np.abs(found - model.forward(samples)).max())
    except Exception as failure:  # whatever it is, it is what the test is for
        return Check("self test", "fault", f"{type(failure).__name__}: {first_line(failure)}", _REPORT)
    says = f"encrypt, sigmoid, decrypt: off by {error:.1e}, where the plan allows {plan.error:.1e}"
    right = isfinite(error) and error <= plan.error
    return Check("self test", "ok" if right else "fault", says, "" if right else _REPORT)


_REPORT = "Install fhenn anew; if that does not help, report it with the output of `fhenn doctor --json`."


def _fhenn() -> Check:
    folder = extras.installed_from()
    return Check("fhenn", "ok", fhenn.__version__ + (f", installed from {folder}" if folder else ""))


def _python() -> Check:
    version = platform.python_version()
    if (3, 11) <= sys.version_info[:2] < (3, 15):
        return Check("Python", "ok", version)
    return Check("Python", "fault", f"{version}, which fhenn does not support", "Take Python 3.11 to 3.14.")


def _system() -> Check:
    machine = platform.machine()
    here = f"{platform.system()}, {machine}"
    if platform.system() == "Linux" and machine.lower() in ("x86_64", "amd64"):
        return Check("system", "ok", here)
    posix = "" if os.name == "posix" else "; `fhenn serve` needs a POSIX system"
    return Check("system", "note", f"{here}, on which fhenn was not tried: it was on Linux, x86-64{posix}")


def _libraries() -> Iterator[Check]:
    missing = extras.not_installed("")
    if missing:
        way_out = f"Run {extras.install_line('')}"
        yield Check("libraries", "fault", f"{', '.join(missing)}: not installed", way_out)
    else:
        found = [f"{name} {version}" for name, version in versions().items() if name not in ("fhenn", "python")]
        yield Check("libraries", "ok", ", ".join(found))


def versions() -> dict[str, str]:
    """Versions of fhenn, Python, and the libraries that it always needs, as far as they are installed."""
    found = {"fhenn": fhenn.__version__, "python": platform.python_version()}
    for name in ("numpy", "tenseal", "backports.zstd"):  # the last is part of newer Pythons
        version = extras.version_of(name)
        if version is not None:
            found[name] = version
    return found


def _evaluator() -> Iterator[Check]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is said below
        native = status()
    if native.usable:
        features = ", ".join(native.features) or "none that kernels are chosen by"
        yield Check("evaluator", "ok", f"native; kernels {', '.join(native.kernels)}; of this CPU: {features}")
        return
    would = _cpu_features()
    features = f"; its kernels would use {', '.join(would)} of this CPU" if would else ""
    says = f"SEAL, which is slower: of the native evaluator, {native.reason}{features}"
    if os.environ.get("FHENN_NATIVE") == "0":
        yield Check("evaluator", "note", says, "Unset FHENN_NATIVE.")
        return
    way_out = "Build it, with a C compiler or ziglang of pip: python -m fhenn.backends.native.build"
    absent = not Path(native.path).exists()
    yield Check("evaluator", "note" if absent else "fault", says, way_out)


def _cpu_features() -> list[str]:
    """Features of this CPU that kernels are chosen by, as Linux tells; none elsewhere."""
    with suppress(OSError, StopIteration):
        lines = _CPU.read_text(encoding="utf-8", errors="replace").splitlines()
        flags = next(line for line in lines if line.startswith("flags")).split()
        return [name for flag, name in _FEATURES.items() if flag in flags]
    return []


def _cores() -> Check:
    count = cores()
    says = f"{count} of {os.cpu_count() or count} processors"
    quota = _quota()
    if quota is not None and quota < count:
        way_out = f"Give --workers {max(1, round(quota))} to commands on many samples."
        return Check("cores", "note", f"{says}, but time for {quota:.2g} of them (cgroup)", way_out)
    return Check("cores", "ok", says)


def _quota() -> float | None:
    """Processors whose time a container may take; None where nothing bounds it."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        most, period = _QUOTA.read_text(encoding="ascii").split()[:2]
        return None if most == "max" else int(most) / int(period)
    return None


def _memory() -> Check:
    size = memory_of_machine()
    if not isfinite(size):
        return Check("memory", "note", "the system does not say how much there is")
    says = f"{megabytes(int(size))} that this process may take"
    if size < _LEAST_MEMORY:
        return Check("memory", "note", says, "Give --max-memory-mb to `fhenn plan`, so that plans fit.")
    return Check("memory", "ok", says)


def _timings() -> Check:
    path = machine_file()
    if path is not None and path.is_file():
        return Check("timings", "ok", f"of this machine, in {path}")
    named = os.environ.get(VARIABLE)
    if named == "shipped":
        return Check("timings", "ok", f"those that come with fhenn, as {VARIABLE} says")
    way_out = "Run `fhenn calibrate-machine`, about a minute, for costs of this one."
    return Check("timings", "note", "plans state the costs of another machine", way_out)


def _extras() -> Iterator[Check]:
    missing = {name: extras.not_installed(name) for name in _OFFERED}
    there = [name for name, libraries in missing.items() if not libraries]
    if there:
        yield Check("extras", "ok", f"installed: {', '.join(there)}")
    for name, libraries in missing.items():
        if libraries:
            says = f"{name} not installed ({_OFFERED[name]}): lacks {', '.join(libraries)}"
            if name == "cli":  # this is one of its commands, so that they run
                says = f"cli installed in part: lacks {', '.join(_use_of(library) for library in libraries)}"
            yield Check("extras", "note", says, f"Run {extras.install_line(name)}")


def _use_of(library: str) -> str:
    """A library of the extra cli, and what it is for."""
    return f"{library}, for keys under a passphrase" if library == "cryptography" else library


def _variables(environment: Mapping[str, str]) -> Iterator[Check]:
    url, token = (bool(environment.get(name)) for name in ("FHENN_URL", "FHENN_TOKEN"))
    says = f"FHENN_URL {'set' if url else 'not set'}, FHENN_TOKEN {'set' if token else 'not set'}"
    if url == token:
        yield Check("service", "ok", says)
    else:
        option = "--token-file" if url else "--url"
        yield Check("service", "note", says, f"`fhenn fetch` and `fhenn predict` need both, or {option}.")
    if environment.get("FHENN_PASSPHRASE"):
        says = "FHENN_PASSPHRASE set: programs that this one starts can read it"
        yield Check("passphrase", "note", says, "Give --passphrase-file where that matters.")
