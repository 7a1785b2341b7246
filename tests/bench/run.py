"""Measure, record, and make the page: every bench, or those that are named.

    python tests/bench/run.py --list             # names, how long each takes, what is missing
    python tests/bench/run.py sigmoid networks
    python tests/bench/run.py                    # all, more than an hour

Tables are printed, kept in tests/bench/results, and written into notebooks/benchmarks.md with its pictures. Peers that
are not installed are left out, and what is known of them stays, with its date. Others on the machine disturb: the
record says how many processes wanted a core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benches import BENCHES, PEERS, Bench
from record import RESULTS, read

ROOT = Path(__file__).parents[2]


def listed() -> str:
    """A line a bench: its name, minutes, when it was measured, what it lacks here."""
    lines = []
    for name, bench in BENCHES.items():
        found = read(name)
        day = found.measured if found else "never"
        lacks = [*bench.missing, *(peer for peer in bench.peers if PEERS[peer].found() is None)]
        line = f"{name:<14}{bench.minutes:>5g} min  measured {day:<12}{bench.title}"
        lines.append(f"{line} (without {', '.join(lacks)})" if lacks else line)
    return "\n".join(lines)


def run(name: str, bench: Bench, folder: Path) -> bool:
    """Run one bench. Returns whether it ended well; one that lacks something is left out, which is no failure."""
    write = sys.stderr.write
    if bench.missing:
        write(f"{name}: left out, since {', '.join(bench.missing)} is not installed\n")
        return True
    write(f"{name}: {bench.title}, about {bench.minutes:g} min\n")
    for peer in bench.peers:
        if PEERS[peer].found() is None:
            write(f"{name}: without {peer} ({PEERS[peer].way})\n")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"BENCH_RECORD": str(folder), "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    code = subprocess.run([sys.executable, *bench.command], cwd=ROOT, env=environment, check=False).returncode
    if code:
        write(f"{name}: ended with {code}, its record stays as it was\n")
    return code == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for. Returns 1 where a bench failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benches; all where none is named")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="for the records, in the place of the kept ones")
    options = parser.parse_args(arguments)
    if options.list:
        sys.stdout.write(f"{listed()}\n")
        return 0
    if unknown := [name for name in options.names if name not in BENCHES]:
        parser.error(f"there is no bench {', '.join(unknown)}; --list says which there are")
    folder = options.folder.absolute()
    well = [run(name, BENCHES[name], folder) for name in options.names or BENCHES]
    if folder == RESULTS:
        from report import write_all  # noqa: PLC0415  (needs matplotlib, and what was measured is kept without it)

        write_all()
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
