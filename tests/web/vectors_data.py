"""What TypeScript's tables, preparations and readings are held to: those of Python, good ones and broken ones.

Run as a program, it writes them into the folder that it is given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vectors_planfiles import plan_files
from vectors_preparations import preparations
from vectors_readings import finishes, readings, strange_readings
from vectors_strangers import strange_preparations
from vectors_tables import tables


def write(folder: Path) -> None:
    """All files, into `folder`/data."""
    target = folder / "data"
    target.mkdir(parents=True, exist_ok=True)
    for name, cases in (
        ("tables", tables),
        ("plan_files", plan_files),
        ("preparations", preparations),
        ("strange_preparations", strange_preparations),
        ("readings", readings),
        ("finishes", finishes),
        ("strange_readings", strange_readings),
    ):
        found = list(cases())
        (target / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
