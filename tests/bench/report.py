"""Makes the page of benchmarks, its pictures and the README's table of the records in tests/bench/results.

    python tests/bench/report.py

`run.py` does it after measuring. Nothing is measured here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill, indent

from benches import BENCHES, PEERS, Bench
from plots import PICTURES, drawn, row_of, table_of, value
from record import RESULTS, Record, read, text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "notebooks" / "benchmarks.md"
IMAGES = ROOT / "notebooks" / "images"
README = ROOT / "README.md"
BETWEEN = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)
"""Where the README's table stands."""

HEAD = """# Benchmarks

<!-- Made by tests/bench/report.py of the records in tests/bench/results: change these, or the words in benches.py. -->

How long encrypted models take, how exact they are and what they send, beside other libraries where these can do the
same. Every table is made of a record that the bench wrote, with its machine and its day; nothing is typed by hand,
except where a record says where it was copied from. The commands:

```sh
.venv/bin/pip install --quiet '.[bench]' && .venv/bin/python tests/bench/run.py --list
.venv/bin/python tests/bench/run.py sigmoid networks     # these two; all where none is named
```

How to read them:

- **Time is CPU time of one thread**, if nothing else is said: the median of rounds in which all contestants take turns,
  so that a machine that slows down slows them alike. Ratios to a peer in the same run say more than milliseconds.
- **native** is fhenn's evaluator in C, **SEAL** what computes without it ([evaluators](evaluators.md)).
- **Error** is the largest difference between what is decrypted and the same network on plaintext. It does not say how
  well a polynomial stands in for its function; tables of accuracy do.
- **Keys** go to a server once, an **upload** each time. All parameters have 128 bits of security.
- *Load* is how many processes wanted one of the cores when the record was written: above the number of cores the
  machine was shared, and times are somewhat longer than alone.
- **What no table shows:** other processors, GPUs, and what a peer's own experts would make of it. A peer that is
  missing here was not tried, which says nothing about it.

The peers:

"""


def records(folder: Path = RESULTS) -> dict[str, Record]:
    """All records that there are, by the names of their benches."""
    found = {name: read(name, folder) for name in BENCHES}
    return {name: record for name, record in found.items() if record is not None}


def page(found: Mapping[str, Record]) -> str:
    """The page, in Markdown."""
    parts = [_part(name, BENCHES[name], record) for name, record in found.items()]
    return HEAD + _peers(found) + "\n" + "\n".join(parts)


def _peers(found: Mapping[str, Record]) -> str:
    """A line a peer, with the versions that were measured."""
    lines = []
    for name, peer in PEERS.items():
        versions = sorted({record.versions[name] for record in found.values() if name in record.versions})
        if versions:
            lines.append(_item(f"{peer.what}; {' and '.join(versions)}."))
    return "\n".join(lines) + "\n"


def _part(name: str, bench: Bench, record: Record) -> str:
    lines = [f"## {bench.title}", "", _filled(bench.what), ""]
    stem, shows = bench.picture
    if stem:
        lines += [f"![{shows}](images/{stem}.svg)", ""]
    for table in record.tables:
        lines += [table.markdown(), ""]
    versions = ", ".join(f"{package} {version}" for package, version in record.versions.items())
    load = "" if record.load is None else f" Load {record.load:g}."
    source = f" Copied from {record.source}." if record.source else ""
    again = f"`python tests/bench/run.py {name}`, about {bench.minutes:g} min"
    lines += [
        _item(f"Measured {record.measured}: {record.machine}; {versions}.{load}{source}"),
        _item(f"Again: {again}{_ways(bench)}."),
        _item(f"Not shown: {bench.limits}"),
        "",
    ]
    return "\n".join(lines)


def _ways(bench: Bench) -> str:
    ways = [f"{name}: {PEERS[name].way}" for name in bench.peers if name != "TenSEAL"]
    return f" ({'; '.join(ways)})" if ways else ""


def _filled(words: str) -> str:
    return fill(words, 118, break_long_words=False, break_on_hyphens=False)


def _item(words: str) -> str:
    return indent(_filled(words), "  ").replace("  ", "- ", 1)


BESIDE = (
    ("cubic sigmoid, N=8192", "sigmoid", "N=8192 [50", "`Sigmoid` on `CipherArray`, native", "`CKKSVector.polyval`"),
    ("logistic regression, 30 features", "networks", "logistic regression, 30 features, one", "fhenn, sig", "OpenFHE"),
    ("– 4,096 samples at once", "networks", "logistic regression, 4,096", "fhenn, throughput", "OpenFHE"),
    ("perceptron 784-128-10", "networks", "perceptron", "fhenn, one ciphertext, native", "OpenFHE"),
    ("perceptron 784-128-128-10, x²", "squares", "784", "fhenn, native", "Orion"),
    ("perceptron 784-128-128-10, x²", "squares", "784", "fhenn, native", "HElayers"),
    ("TenSEAL's tutorial network, MNIST", "convolutional", "networks", "TenSEAL's tutorial", "TenSEAL's tutorial, by"),
    ("XGBoost, 100 × 4 ([the client compares](notebooks/which.md))", "trees", "trees", "XGBoost", "Concrete ML"),
)
"""Rows of the README's table: what, a record, its table, and the beginnings of fhenn's row and the peer's."""


def readme_table(found: Mapping[str, Record]) -> str:
    """The README's table: fhenn on its native evaluator beside one peer a line, CPU time and keys."""
    lines = ["| server's CPU time; keys | fhenn | peer | faster | peer, measured |", "| --- | --: | --: | --: | --- |"]
    for what, bench, title, own, other in BESIDE:
        table = table_of(found, bench, title)
        ours, theirs = row_of(table, own), row_of(table, other)
        time = next(column for column in table.columns if column.name in {"CPU time", "server, a sample"})
        took = [value(table, row, time.name) for row in (ours, theirs)]
        cells = [_time(each, time.unit) for each in took]
        if any(column.name == "keys" for column in table.columns):
            cells = [
                f"{cell}; {text(value(table, row, 'keys'), 'MB')}"
                for cell, row in zip(cells, (ours, theirs), strict=True)
            ]
        peer = theirs.peer
        day = (theirs.measured or found[bench].measured)[:10]
        name = f"{peer} {found[bench].versions[peer]}"
        lines.append(f"| {what} | {cells[0]} | {cells[1]} | {text(took[1] / took[0], '×')} | {name}, {day} |")
    return "\n".join(lines) + "\n"


def _time(value: float, unit: str) -> str:
    """Milliseconds below a second, seconds above."""
    seconds = value / 1e3 if unit == "ms" else value
    return text(seconds, "s") if seconds >= 1 else text(1e3 * seconds, "ms")


def write_all() -> None:
    """Write the page, its pictures, and the README's table where it has a place for it."""
    found = records()
    PAGE.write_text(page(found), "utf-8")
    for stem, (_, needed, _) in PICTURES.items():
        if all(name in found for name in needed):
            (IMAGES / f"{stem}.svg").write_text(drawn(stem, found), "utf-8")
    readme = README.read_text("utf-8")
    README.write_text(BETWEEN.sub(lambda match: f"{match[1]}{readme_table(found)}{match[2]}", readme), "utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(found)} records\n")


if __name__ == "__main__":
    write_all()
