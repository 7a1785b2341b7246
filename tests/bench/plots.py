"""The pictures of the page of benchmarks, drawn of the records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from io import StringIO
from typing import Any

from record import Record, Row, Table

from fhenn.figures import style

Records = Mapping[str, Record]

NATIVE, SEAL, TENSEAL, OTHERS = "fhenn, native", "fhenn, SEAL", "TenSEAL", "other peers"
COLOURS = {NATIVE: style.POLYNOMIAL, SEAL: style.EXACT, TENSEAL: style.OTHER, OTHERS: style.MEASURED}

Point = tuple[str, str, float]
"""Its label, a key of `COLOURS`, its value."""


def table_of(records: Records, bench: str, title: str) -> Table:
    """The table of a record whose title begins so."""
    return next(table for table in records[bench].tables if table.title.startswith(title))


def row_of(table: Table, start: str) -> Row:
    """The row of a table whose first cell begins so."""
    return next(row for row in table.rows if str(row.cells[0]).startswith(start))


def value(table: Table, row: Row, column: str) -> Any:
    """A cell of a row."""
    return row.cells[1 + [each.name for each in table.columns].index(column)]


def _degrees(figure: Any, records: Records) -> None:
    table = table_of(records, "degrees", "sigmoid")
    series = {
        "`CKKSVector.polyval`": (TENSEAL, "^", "TenSEAL, powers of x"),
        "OpenFHE": (OTHERS, "s", "OpenFHE, Chebyshev series"),
        "fhenn, seal": (SEAL, "o", SEAL),
        "fhenn, native": (NATIVE, "D", NATIVE),
    }
    times, errors = figure.subplots(1, 2)
    top = 10.0
    for start, (colour, mark, label) in series.items():
        rows = [row for row in table.rows if str(row.cells[0]).startswith(start)]
        degrees = [value(table, row, "degree") for row in rows]
        options = {"color": COLOURS[colour], "marker": mark, "markersize": 9 if colour == SEAL else 5, "label": label}
        options["markerfacecolor"] = "white" if colour == SEAL else COLOURS[colour]  # under the other ones
        times.plot(degrees, [value(table, row, "CPU time") for row in rows], **options)
        found = [value(table, row, "largest error") for row in rows]
        errors.plot(degrees, [min(error, top) for error in found], **options)
        for degree, error in zip(degrees, found, strict=True):
            if error > top:
                side = "right" if degree == max(degrees) else "center"
                where = {
                    "xytext": (4 if side == "right" else 14, -14),
                    "textcoords": "offset points",
                    "ha": side,
                    "fontsize": 8,
                }
                errors.annotate(f"{error:.0e} ↑", (degree, top), **where)
    times.set(title="CPU time, ms", yscale="log")
    times.set_yticks([3, 10, 30, 100, 300], ["3", "10", "30", "100", "300"])
    errors.set(title="largest error", yscale="log", ylim=(1e-10, 2 * top))
    for panel in (times, errors):
        panel.set_xscale("log")
        panel.set_xticks([3, 7, 15, 31], ["3", "7", "15", "31"])
        panel.minorticks_off()
        panel.set_xlabel("degree")
    lines, names = times.get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=len(lines), frameon=False)


def _points(panel: Any, groups: Sequence[tuple[str, Sequence[Point]]], title: str, named: bool) -> None:
    """Groups of numbers on a logarithmic axis, the first on top; their names stand left of the first panel."""
    place, ticks, labels = 0.0, list[float](), list[str]()
    values = [number for _, points in groups for *_, number in points]
    for heading, points in groups:
        if heading:
            place += 0.9
            ticks.append(place)
            labels.append(heading)
        for label, colour, number in points:
            place += 1
            panel.hlines(place, min(values) / 2, number, color="#d9d9d9", linewidth=1)
            panel.plot(number, place, "o", color=COLOURS[colour], markersize=7)
            panel.annotate(
                _number(number), (number, place), (7, 0), textcoords="offset points", va="center", fontsize=8
            )
            ticks.append(place)
            labels.append(label)
        place += 0.5
    panel.set(title=title, xscale="log", xlim=(min(values) / 2, max(values) * 2 * (max(values) / min(values)) ** 0.25))
    panel.set_yticks(ticks, labels if named else [""] * len(labels))
    headings = {heading for heading, _ in groups}
    for tick in panel.get_yticklabels():
        if tick.get_text() in headings:
            tick.set_fontweight("bold")
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", visible=False)
    panel.minorticks_off()
    panel.set_ylim(place, 0.2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 1 else f"{value:.3g}"


NETWORKS = (
    ("logistic regression, 30 features, one sample", "networks", "logistic regression, 30 features, one sample"),
    ("logistic regression, 4,096 samples at once", "networks", "logistic regression, 4,096 samples"),
    ("perceptron 784-128-10", "networks", "perceptron 784-128-10"),
    ("perceptron 784-128-128-10, x²", "squares", "784-128-128-10"),
)


def _contestants(table: Table) -> list[tuple[str, str, Row]]:
    """The first row of each contestant of a table: its label, its colour, the row."""
    found: dict[str, tuple[str, str, Row]] = {}
    for row in table.rows:
        first = str(row.cells[0])
        evaluator = NATIVE if "native" in first else SEAL
        colour = TENSEAL if row.peer == "TenSEAL" else OTHERS if row.peer else evaluator
        wrong = next((" (answer wrong)" for cell in row.cells if cell == "(bias misplaced)"), "")
        label = f"{row.peer or evaluator}{wrong}"
        found.setdefault(label, (label, colour, row))
    return list(found.values())


def _networks(figure: Any, records: Records) -> None:
    panels = figure.subplots(1, 2, width_ratios=(1, 1))
    for panel, (column, title) in zip(panels, (("CPU time", "CPU time, ms"), ("keys", "keys, MB")), strict=True):
        groups = []
        for heading, bench, start in NETWORKS:
            table = table_of(records, bench, start)
            points = [(label, colour, value(table, row, column)) for label, colour, row in _contestants(table)]
            groups.append((heading, points))
        _points(panel, groups, title, panel is panels[0])


def _images(figure: Any, records: Records) -> None:
    table = table_of(records, "convolutional", "networks of images")
    panels = figure.subplots(1, 2)
    for panel, (column, title) in zip(panels, (("CPU time", "CPU time, s"), ("keys", "keys, MB")), strict=True):
        points = [(str(row.cells[0]), TENSEAL if row.peer else NATIVE, value(table, row, column)) for row in table.rows]
        _points(panel, [("", points)], title, panel is panels[0])


def _trees(figure: Any, records: Records) -> None:
    table = table_of(records, "trees", "trees")
    panels = figure.subplots(1, 2)
    for panel, (column, title) in zip(panels, (("samples", "samples a second"), ("keys", "keys, MB")), strict=True):
        points = [
            (str(row.cells[0]), OTHERS if row.peer else NATIVE, number)
            for row in table.rows
            if (number := value(table, row, column)) is not None
        ]
        _points(panel, [("", points)], title, panel is panels[0])


PICTURES: dict[str, tuple[tuple[float, float], tuple[str, ...], Callable[[Any, Records], None]]] = {
    "bench-degrees": ((8.6, 3.6), ("degrees",), _degrees),
    "bench-networks": ((9.4, 5.4), ("networks", "squares"), _networks),
    "bench-images": ((9.4, 2.8), ("convolutional",), _images),
    "bench-trees": ((9.4, 3.0), ("trees",), _trees),
}
"""Stem of the file: size in inches, the records that it shows, what draws it."""


def digest(stem: str, records: Records) -> str:
    """Of the records that a picture shows."""
    return sha256("".join(records[name].to_json() for name in PICTURES[stem][1]).encode()).hexdigest()[:16]


def drawn(stem: str, records: Records) -> str:
    """A picture as SVG, on a white ground so that it reads on dark pages too; its last line has the records' digest."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    size, _, draw = PICTURES[stem]
    written = StringIO()
    with style.matplotlib().rc_context(style.STYLE):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        draw(figure, records)
        figure.savefig(written, format="svg", metadata={"Date": None})
    lines = (line.rstrip() for line in written.getvalue().splitlines())
    return "\n".join([*lines, f"<!-- records {digest(stem, records)} -->", ""])
