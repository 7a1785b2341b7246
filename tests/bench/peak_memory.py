"""Peak resident memory of a server alone. Run as a script, it is a fhenn server; what it needs comes in pickled."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from math import nan
from pathlib import Path
from typing import Any


def peak() -> float:
    """This process's peak resident memory, GB; nan where the system does not say.

    Not getrusage's ru_maxrss: on Linux a child inherits that of the process that started it.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii")) if status.exists() else None
    return int(found[1]) * 1024 / 1e9 if found else nan


def of_server(model: Any, plan: Any, keys: bytes, message: bytes) -> float:
    """The peak of a process that holds a `fhenn.Server` and answers one message."""
    needed = pickle.dumps((model, plan, keys, message))
    return float(subprocess.run([sys.executable, __file__], input=needed, capture_output=True, check=True).stdout)


def main() -> None:
    import fhenn  # noqa: PLC0415  (OpenFHE's Python imports this file and has no fhenn)

    model, plan, keys, message = pickle.load(sys.stdin.buffer)  # noqa: S301  (from the process that started this one)
    fhenn.Server(model, plan, keys).predict(message)
    print(peak())  # noqa: T201


if __name__ == "__main__":
    main()
