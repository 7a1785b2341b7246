"""Peak resident memory of a server alone. Run as a script, it is one of fhenn, told what it needs on its input."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from math import nan
from pathlib import Path
from typing import Any

from messages import receive, send


def peak() -> float:
    """This process's peak resident memory, GB; nan where the system does not say.

    Not getrusage's ru_maxrss: on Linux a child inherits that of the process that started it.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii")) if status.exists() else None
    return int(found[1]) * 1024 / 1e9 if found else nan


def of_server(model: Any, plan: Any, keys: bytes, message: bytes) -> float:
    """The peak of a process that holds a `fhenn.Server` and answers one message."""
    layers = [[node.weight, node.bias] if hasattr(node, "weight") else type(node).__name__ for node in model.nodes]
    needed = io.BytesIO()
    send(needed, [layers, model.finish, plan.to_json(), keys, message])
    command = [sys.executable, __file__]
    return float(subprocess.run(command, input=needed.getvalue(), capture_output=True, check=True).stdout)


def main() -> None:
    import fhenn  # noqa: PLC0415  (OpenFHE's Python imports this file and has no fhenn)

    layers, finish, plan, keys, message = receive(sys.stdin.buffer)
    nodes = [getattr(fhenn, layer)() if isinstance(layer, str) else fhenn.Linear(*layer) for layer in layers]
    fhenn.Server(fhenn.Sequential(nodes, finish=finish), fhenn.Plan.from_json(plan), keys).predict(message)
    print(peak())  # noqa: T201


if __name__ == "__main__":
    main()
