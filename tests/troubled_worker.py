"""What is done to the processes of a pool by tests: they die, or wait, when a part comes.

`prepare` stands in the place of what a pool has its processes do first. What shall happen is in the environment, as the
parent leaves it to a process.
"""

from __future__ import annotations

import json
import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

VARIABLE = "FHENN_TROUBLE"


def trouble(folder: Path, part: int, times: int = 99, how: str = "crash") -> dict[str, str]:
    """The environment for processes that meet trouble.

    folder: where they count it.
    part: the place of the part that brings it; -1 for any.
    times: how often it does so, in all processes together.
    how: "crash" as a message crashes SEAL, "exit", "wait" until there is a file `go` in the folder, "memory", "seal" as
        SEAL raises.
    """
    return {VARIABLE: json.dumps({"folder": str(folder), "part": part, "times": times, "how": how})}


def prepare() -> None:
    """Let `Server.predict` meet the trouble, in this process."""
    warnings.simplefilter("ignore")
    from fhenn.session import Server  # noqa: PLC0415
    from fhenn.session.receipt import UploadHeader  # noqa: PLC0415

    told: dict[str, Any] = json.loads(os.environ[VARIABLE])
    predict = Server.predict

    def troubled(server: Server, upload: bytes, range_check: bool = True) -> bytes:
        if told["part"] in (-1, UploadHeader.of(upload).part) and _counted(Path(told["folder"]), told["times"]):
            _meet(told["how"], Path(told["folder"]))
        return predict(server, upload, range_check)

    Server.predict = troubled


def die_at_once() -> None:
    """Stands for an installation that is broken."""
    os._exit(3)


def die_as_it_loads() -> None:
    """The same, later: the model or its keys end every process that loads them."""
    from fhenn.session import Server  # noqa: PLC0415

    Server.__init__ = lambda *_: os._exit(4)


def _counted(folder: Path, most: int) -> bool:
    """Whether this is among the first `most` times; each leaves a file, which no other process can have made."""
    for place in range(most):
        try:
            (folder / f"met-{place}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


def _meet(how: str, folder: Path) -> None:
    if how == "crash":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's own handler would tell of it at length
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(9)
    if how == "memory":
        raise MemoryError
    if how == "seal":
        raise RuntimeError("the words of what was sent")
    while not (folder / "go").exists():
        time.sleep(0.01)
