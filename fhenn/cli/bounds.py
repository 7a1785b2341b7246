"""The bounds of features that commands take: declared in a file, or the box of data."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

import click
import numpy as np
from numpy.typing import NDArray

from fhenn.cli.complete import TABLES, files
from fhenn.cli.show import FILE, count_of, note
from fhenn.cli.tables import CsvFormat, image_shape_in, open_table, read_table
from fhenn.cli.tables import Table as FileTable
from fhenn.columns import Table, bounds_of_features, prepared_table
from fhenn.errors import ParameterError, join_first
from fhenn.interop import ImportedModel, Preparation
from fhenn.interop.preparation import Notice
from fhenn.nn import Node
from fhenn.planner import image_shape_of
from fhenn.ranges import bounds_of
from fhenn.session.ids import Id, as_written
from fhenn.strict import read_json
from fhenn.text import apart

Floats = NDArray[np.float64]

_COLUMNS = ("feature", "low", "high")
_FORM = "Give CSV of feature,low,high with a first line of names, or JSON: {feature: [low, high]} or [low, high]."


def bounds_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--bounds and --bounds-from."""
    command = click.option(
        "--bounds-from",
        "data",
        type=FILE,
        shell_complete=files(endings=TABLES),
        help="Take the least and the largest of each feature in a table.",
    )(command)
    return click.option(
        "--bounds",
        "declared",
        type=FILE,
        shell_complete=files(endings=(".csv", ".json")),
        help="Bounds of each feature: CSV of feature,low,high, or JSON.",
    )(command)


def feature_names(model: Node) -> tuple[str, ...] | None:
    """The names that a model was fitted on, None where it has none."""
    return model.reading.features if isinstance(model, ImportedModel) else None


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of a table that come one after another.

    values: (samples, features), finite.
    names: of the features, None where they have none.
    first: how many samples come before these.
    share: of the file that is read after them, up to 1.
    ids: what they are called, None where nobody asked.
    """

    values: Floats
    names: tuple[str, ...] | None
    first: int
    share: float
    ids: Sequence[Id] | None = None


def samples_in_chunks(
    data: Path,
    features: Sequence[str] | None,
    form: CsvFormat,
    as_json: bool,
    image: Sequence[int] | None = None,
    id_column: str | None = None,
    preparation: Preparation | None = None,
    strict: bool = False,
) -> Generator[Samples, None, None]:
    """The samples of a table in chunks, in memory that does not grow with their number.

    After the last one, a note on the terminal says how many there were.

    data: the file.
    features: names of the columns, None for all of them.
    form: how the file is written, where it is CSV.
    as_json: whether the note is left out.
    image: as for `open_table`.
    id_column: name of the column that says what the samples are called, which is no feature; None for none.
    preparation: what makes the features of the table's columns, which are raw; None where these are the features.
    strict: whether cells of categories that the model does not know are refused, as by `Preparation.prepare`.

    Raises what `open_table` and `Table.numbers` do, at the chunk that is wrong, and ParameterError where there is no
    such column.
    """
    said: frozenset[int] = frozenset()
    notices: list[Notice] = []
    taken = features if preparation is None else preparation.names
    expected = taken if id_column is None else (*(taken or ()), id_column)
    with open_table(data, form, expected, image=image) as tables:
        for table in tables:
            ids = None if id_column is None else _ids_in(table, id_column)
            if id_column is not None:
                table = table.without(id_column)  # noqa: PLW2901
            names = None if table.names is None and preparation is None else features
            if preparation is not None:
                values = prepared(table, preparation, notices.append, strict)
                notices = _by_column(notices)
            elif features is None:
                chunk = table.data(said)
                said |= table.left_out
                values, names = chunk.numbers(), chunk.names
            else:
                values = table.numbers(features)
            yield Samples(values, None if names is None else tuple(names), table.first, tables.share, ids)
    if image is None:
        unnamed = "" if tables.names else ", no names of columns"
        made = "" if preparation is None else f", prepared from {count_of(len(preparation.columns), 'column')}"
        found = f"{count_of(tables.rows, 'sample')} of {count_of(values.shape[1], 'feature')}{made}{unnamed}"
    else:
        found = f"{count_of(tables.rows, 'image')} of {' × '.join(map(str, image))}"
    note(as_json, f"read {data}: {found}")
    for each in notices:
        note(as_json, f"{data}, {_in_words(each)}")


def prepared(
    table: FileTable,
    preparation: Preparation,
    notice: Callable[[Notice], None] | None = None,
    strict: bool = False,
) -> Floats:
    """The features of a chunk of a raw table. Raises what `Preparation.prepare` does, with lines of the file."""
    return preparation.prepare(
        table.raw(preparation),
        where=table.where,
        operation=table.source,
        decimal=table.decimal,
        notice=notice,
        strict=strict,
    )


def _by_column(notices: Sequence[Notice]) -> list[Notice]:
    """One notice for each column, in the order in which columns first came."""
    found: dict[str | int, Notice] = {}
    for each in notices:
        found[each.column] = found[each.column] + each if each.column in found else each
    return list(found.values())


def _in_words(notice: Notice) -> str:
    """What a column was prepared with although the model has not seen it."""
    parts = []
    if notice.unknown:
        meant = dict(notice.meant)
        examples = join_first(
            [f"{each!r} (perhaps {meant[each]!r})" if each in meant else repr(each) for each in notice.examples]
        )
        parts.append(
            f"{count_of(notice.unknown, 'cell')} of categories that the model does not know, such as {examples}: it "
            "goes on without them (--strict refuses such rows)"
        )
    if notice.blank:
        parts.append(f"{count_of(notice.blank, 'blank cell')}: the model fills them, or takes them as they are")
    return f"column {notice.column!r}: {'; '.join(parts)}"


def _ids_in(table: FileTable, column: str) -> Sequence[Id]:
    """The cells of a column, as they are written. Raises ParameterError."""
    cells = table.column(column)
    try:
        return as_written(cells.tolist() if isinstance(cells, np.ndarray) else cells)
    except TypeError as error:
        raise ParameterError(
            f"column {column!r} of {table.source} holds {error} in a cell.", "Give ids that are text or numbers."
        ) from error


def read_samples(
    data: Path,
    features: Sequence[str] | None,
    form: CsvFormat,
    as_json: bool,
    image: Sequence[int] | None = None,
    preparation: Preparation | None = None,
) -> Floats:
    """The samples of a table, (samples, features), finite; a note on the terminal says how many there are.

    data: the file.
    features: names of the columns, None for all of them.
    form: how the file is written, where it is CSV.
    as_json: whether the note is left out.
    image: as for `open_table`.
    preparation: what makes the features of the table's columns, which are raw; None where these are the features.

    Raises what `samples_in_chunks` does.
    """
    return _read(data, features, form, as_json, image, preparation)[0]


def read_inputs(model: Node, data: Path, form: CsvFormat, as_json: bool) -> Floats | Table:
    """The samples of a table as whoever asks a model takes them: marked as prepared, where they are.

    model: whose samples they are.
    data, form, as_json: as for `read_samples`.

    Raises what `samples_in_chunks` does.
    """
    preparation = _preparation_of(model)
    values = read_samples(data, model.feature_names, form, as_json, image_shape_of(model), preparation)
    return values if preparation is None else prepared_table(values, preparation.features)


def read_named_samples(data: Path, form: CsvFormat, as_json: bool) -> Floats | Table:
    """The same for a model that is not known yet, with the names of the table's columns, if it has any.

    Images in NPY stay images, of whatever shape they are: (samples, channels, height, width).
    """
    image = image_shape_in(data) if data.suffix.lower() == ".npy" else None
    values, names = _read(data, None, form, as_json, image)
    return _with_names(values, names) if image is None else values.reshape(-1, *image)


def _preparation_of(model: Node) -> Preparation | None:
    return model.preparation if isinstance(model, ImportedModel) else None


def _read(
    data: Path,
    features: Sequence[str] | None,
    form: CsvFormat,
    as_json: bool,
    image: Sequence[int] | None,
    preparation: Preparation | None = None,
) -> tuple[Floats, Sequence[str] | None]:
    """Samples × features, and what these are called."""
    with closing(samples_in_chunks(data, features, form, as_json, image, preparation=preparation)) as samples:
        chunks = [*samples]
    return np.concatenate([chunk.values for chunk in chunks]), chunks[0].names


def _with_names(values: Floats, names: Sequence[str] | None, *, prepared: bool = False) -> Floats | Table:
    """A table, or the values alone where they are not two-dimensional or have no names.

    prepared: whether they are what a preparation made.
    """
    if names is None or values.ndim != 2:
        return values
    return prepared_table(values, names) if prepared else Table.of(names, values.T)


def read_bounds(
    model: Node, declared: Path | None, data: Path | None, form: CsvFormat, as_json: bool, margin: float | None = None
) -> Floats | Table:
    """The bounds of the features, from a file of bounds or from data.

    model: its features name the bounds; the names of the file are used where it has none, so that a plan has them too.
    Where it takes images, NPY may hold these; where it has a preparation, the bounds are of what that makes.
    declared: file of bounds, None where `data` is given.
    data: table whose least and largest values are the bounds, None where `declared` is given.
    form: how the file is written, where it is CSV.
    as_json: whether the note on what was read is left out.
    margin: widens the bounds of data on either side, by this share of their width; None for the box of the data alone.

    Returns lower and upper bounds of shape (2, features), or (2,) for one pair for all features. Bits, as trees take
    them, have bounds of their own: no file is needed, and data change nothing.
    Raises ParameterError where neither file is given else, or both are, and for a file that does not hold bounds;
    FeatureMismatch, ShapeMismatch, OSError.
    """
    return read_bounds_and_samples(model, declared, data, form, as_json, margin)[0]


def read_bounds_and_samples(
    model: Node, declared: Path | None, data: Path | None, form: CsvFormat, as_json: bool, margin: float | None = None
) -> tuple[Floats | Table, Floats | Table | None]:
    """What `read_bounds` returns, and the data, (samples, features); None where bounds are declared."""
    if declared is not None and data is None:
        return _read_declared(declared, feature_names(model), form), None
    if data is not None and declared is not None:
        raise ParameterError("--bounds and --bounds-from are both given.", "Give one of them.")
    if data is None:
        known = bounds_of_features(None, _preparation_of(model))
        if known is None:
            raise ParameterError("the bounds of the features are needed.", "Give --bounds FILE or --bounds-from DATA.")
        return np.array(known), None
    return bounds_in(model, *read_named(model, data, form, as_json), margin)


def bounds_in(
    model: Node, values: Floats, names: Sequence[str] | None, margin: float | None = None
) -> tuple[Floats | Table, Floats | Table]:
    """The bounds that samples are within, and the samples, as plans take them.

    model: whose samples they are.
    values: (samples, features).
    names: of the features, None where they have none.
    margin: as for `read_bounds`.
    """
    known = bounds_of_features(None, _preparation_of(model))
    samples = samples_with_names(model, values, names)
    if known is not None:
        return np.array(known), samples
    if margin is None:
        box = values.min(axis=0), values.max(axis=0)
    else:
        box = bounds_of(values, margin, names, alike=_preparation_of(model) is None)
    return _with_names(np.stack(box), names), samples


def read_named(
    model: Node, data: Path, form: CsvFormat, as_json: bool, features: Sequence[str] | None = None
) -> tuple[Floats, Sequence[str] | None]:
    """The samples of a table for a model, (samples, features), and what the features are called.

    model: whose samples they are.
    data, form, as_json: as for `read_samples`.
    features: names of the columns where the model has none, as of a plan; None for all columns.

    Raises what `samples_in_chunks` does.
    """
    names = feature_names(model) or features
    return _read(data, names, form, as_json, image_shape_of(model), _preparation_of(model))


def samples_with_names(model: Node, values: Floats, names: Sequence[str] | None) -> Floats | Table:
    """Samples as whoever asks a model takes them: with names, and marked as prepared where they are.

    model: whose samples they are.
    values: (samples, features).
    names: of the features, None where they have none.
    """
    return _with_names(values, names, prepared=_preparation_of(model) is not None)


def _read_declared(path: Path, features: Sequence[str] | None, form: CsvFormat) -> Floats | Table:
    """The bounds in a file of bounds, in the order of the features."""
    if path.suffix.lower() == ".json":
        try:
            content = read_json(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ParameterError(f"{path} is not readable as JSON ({error}).", _FORM) from error
    else:
        content = _read_by_name(path, form)
    names = features
    if isinstance(content, dict):
        names = features or tuple(content)
        content = _in_order(path, content, features)
    try:
        bounds = np.array(content, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{path} holds bounds that are not numbers.", _FORM) from error
    if bounds.shape != (2,) and (bounds.ndim != 2 or bounds.shape[1] != 2):
        raise ParameterError(f"{path} does not hold a low and a high for each feature.", _FORM)
    _require_ordered(path, bounds.reshape(-1, 2), names if bounds.ndim == 2 else ("every feature",))
    if bounds.ndim == 1:
        return bounds
    return _with_names(np.ascontiguousarray(bounds.T), names)


def _require_ordered(path: Path, bounds: Floats, names: Sequence[str] | None) -> None:
    """Raise ParameterError where a lower bound exceeds the upper one.

    bounds: (features, 2).
    names: of the features, None where they have none.
    """
    swapped = np.flatnonzero(bounds[:, 0] > bounds[:, 1]).tolist()
    if swapped:
        called = [f"column {place + 1}" if names is None else names[place] for place in swapped]
        low, high = apart(*bounds[swapped[0]].tolist())
        raise ParameterError(
            f"{path} has a lower bound above the upper one for {join_first(called)}: {low} above {high}"
            f"{' for the first' * (len(swapped) > 1)}.",
            "Write the lower one as low.",
        )


def _read_by_name(path: Path, form: CsvFormat) -> dict[str, list[float]]:
    """The low and high of every feature in a table of them."""
    table = read_table(path, form, _COLUMNS)
    if table.names is None or not set(_COLUMNS) <= set(table.names):
        raise ParameterError(f"{path} has no columns feature,low,high.", _FORM)
    features = [normalize("NFC", str(name)) for name in table.column("feature")]
    for row, name in enumerate(features):
        if name in features[:row]:
            both = table.where([features.index(name), row])
            raise ParameterError(f"{path} names the feature {name!r} twice ({both}).", "Keep one of them.")
    return dict(zip(features, table.numbers(("low", "high")).tolist(), strict=True))


def _in_order(path: Path, bounds: dict[str, Any], features: Sequence[str] | None) -> list[Any]:
    """Bounds by name in the order of the features; in their own order where the model has no names."""
    if features is None:
        return list(bounds.values())
    if len({normalize("NFC", name) for name in bounds}) < len(bounds):
        raise ParameterError(f"{path} names a feature twice, with an accent written in two ways.", "Keep one of them.")
    bounds = {normalize("NFC", name): pair for name, pair in bounds.items()}
    features = [normalize("NFC", name) for name in features]
    missing = [name for name in features if name not in bounds]
    if missing:
        raise ParameterError(
            f"{path} has no bounds for {', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}.",
            "Add the low and the high of every feature.",
        )
    return [bounds[name] for name in features]
