"""Samples × features from tables of any library: columns by name, cells as numbers, missing values as missing.

Every function that takes samples reads them here, so that all accept the same tables: DataFrames of pandas and polars,
tables and record batches of Arrow, objects with `__arrow_c_stream__`, `__arrow_c_array__` or `__dataframe__` (these
need the extra `parquet`), record arrays of NumPy, dicts of columns, lists of named rows, and sparse matrices, by
position as arrays are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import prod
from numbers import Real
from typing import Any, Protocol
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import (
    ExtraMissing,
    FeatureMismatch,
    MissingValues,
    ParameterError,
    RawBounds,
    ShapeMismatch,
    SparseTooLarge,
    UnsupportedValue,
    join_first,
)
from fhenn.finite import require_finite
from fhenn.missing import is_missing
from fhenn.strict import read_json
from fhenn.text import an

Floats = NDArray[np.float64]
Cells = NDArray[Any]
"""Cells of any type; a masked array where some are missing."""

_KNOWN = (
    "an array of numbers, a DataFrame of pandas or polars, a table of Arrow, a record array, a dict of columns, "
    "or an object with __arrow_c_stream__ or __dataframe__"
)
_EXACT = 2**53
"""Up to here every whole number is a float of its own."""

_MOST_CELLS = 1 << 26
"""Numbers that a sparse matrix may be as an array: half a GB."""

_ARROW_NUMBERS = frozenset(
    ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"]
)
_INDEX = re.compile(r"__index_level_\d+__", re.ASCII)
"""How pandas calls an index without a name in Arrow."""

_KINDS = {"U": "text", "S": "bytes", "T": "text", "M": "dates", "m": "durations", "c": "complex numbers"}


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    names: of the columns, None where they have none.
    columns: the cells of each, of shape (rows,).
    single: whether the table is one named row.
    prepared: whether the columns are features that a preparation has made, not those of a raw table (`features_of`).
    codes: labels that are not text (numbers, tuples of a MultiIndex), printed as text; None where the columns have
    names, or no labels. Codes 0, 1, 2, … in this order are places, unless the features are called so.
    """

    names: tuple[str, ...] | None
    columns: tuple[Cells, ...]
    single: bool = False
    codes: tuple[str, ...] | None = None
    prepared: bool = False

    def __repr__(self) -> str:
        # the cells may be of patients
        rows = len(self.columns[0]) if self.columns else 0
        return f"Table({rows} rows, {len(self.columns)} columns)"

    @property
    def labels(self) -> tuple[str, ...] | None:
        """What the columns are called: their names, or codes that are not just their places; else None."""
        return self.names or (self.codes if self.codes and not _are_places(self.codes) else None)

    @classmethod
    def of(cls, labels: Iterable[Any], columns: Iterable[Cells], *, single: bool = False) -> Table:
        """A table from labels of any type: names where all are text, as scikit-learn has it, else codes or places.

        labels: one for each column.
        columns: the cells of each, of shape (rows,).
        single: whether the table is one named row.

        Raises ParameterError for labels that occur twice or are text only in part, ShapeMismatch for columns of
        different lengths.
        """
        labels, columns = list(labels), tuple(columns)
        texts = [str(label) for label in labels if isinstance(label, str)]
        if 0 < len(texts) < len(labels):
            number = next(label for label in labels if not isinstance(label, str))
            raise ParameterError(
                f"the columns are called {texts[0]!r} and {number!r}: some names are text and some are not.",
                "Make all names text, as X.columns = X.columns.astype(str) does.",
            )
        if any(column.ndim != 1 for column in columns) or len({len(column) for column in columns}) > 1:
            shapes = ", ".join(str(column.shape) for column in columns[:5])
            raise ShapeMismatch("columns", columns[-1].shape, f"one number a row and equal lengths, not {shapes}")
        codes = None if texts or not labels else tuple(map(_code, labels))
        require_distinct(codes or texts, "columns")
        return cls(tuple(texts) or None, columns, single, codes)


class Preparing(Protocol):
    """What a client does with raw tables in the clear (`fhenn.interop.Preparation`)."""

    @property
    def fingerprint(self) -> str:
        """Differs from preparation to preparation."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what comes out."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the raw columns that are used; None where they have none."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Between which all features lie, whatever the table; None where nothing is known of that."""

    def prepare(self, table: Any, *, operation: str = "prepare") -> Floats:
        """The features of a raw table, (samples, features)."""

    def raw_bounds(self, feature: int, low: float, high: float) -> RawBounds | None:
        """Between which numbers a raw column keeps the bounds of a feature; None where that cannot be told."""


def features_of(x: Any, preparation: Preparing | None, operation: str) -> Any:
    """What comes to a model: a raw table prepared, and anything else as it is.

    x: samples; None for none. A `Table` that is `prepared` stays as it is.
    preparation: of the model; None for one that takes features as they are.
    operation: what they are for, in the errors.

    Returns `x`, or a prepared `Table`.
    Raises what the preparation does.

    >>> features_of([[1.0]], None, "encrypt")
    [[1.0]]
    """
    if x is None or preparation is None or (isinstance(x, Table) and x.prepared):
        return x
    return prepared_table(preparation.prepare(x, operation=operation), preparation.features)


def bounds_of_features(bounds: Any, preparation: Preparing | None) -> Any:
    """The bounds that were given, or those of what a preparation makes; None where there are neither.

    bounds: of the features; None for none.
    preparation: of the model; None for one that takes features as they are.

    >>> bounds_of_features([-1, 1], None)
    [-1, 1]
    """
    return preparation.bounds if bounds is None and preparation is not None else bounds


def prepared_table(values: Floats, features: Sequence[str]) -> Table:
    """Features that a preparation has made, as a table that is not prepared again.

    values: (samples, features).
    features: names of the columns.

    >>> prepared_table(np.array([[1.0, 2.0]]), ["a", "b"]).prepared
    True
    """
    return replace(Table.of(features, values.T), prepared=True)


def require_distinct(names: Iterable[str], what: str) -> None:
    """Raise ParameterError where two names are the same.

    names: compared in Unicode's form NFC.
    what: the things that they name, for the error.
    """
    seen: set[str] = set()
    for name in names:
        if normalise(name) in seen:
            raise ParameterError(f"two {what} are called {name!r}.", "Rename one of them, or leave it out.")
        seen.add(normalise(name))


def _are_places(codes: Sequence[str]) -> bool:
    """Whether labels, as text, are 0, 1, 2, … in that order."""
    return [*codes] == [*map(str, range(len(codes)))]


def _code(label: Any) -> str:
    return label.decode("utf-8", "backslashreplace") if isinstance(label, bytes) else str(label)


def normalise(name: str) -> str:
    """A name in Unicode's form NFC, in which it is compared: one letter can be written in several ways.

    >>> normalise("a" + chr(0x308)) == "ä"
    True
    """
    return normalize("NFC", name)


def as_features(values: Floats, features: int, shape: Sequence[int] | None, operation: str) -> Floats:
    """Samples, one or several, of features or of images, as (samples, features).

    values: of `samples`.
    features: of a sample.
    shape: of a sample that is an image, as (channels, height, width); None where samples are none.
    operation: what the samples are for, in the error.

    Raises ShapeMismatch for anything else, and says so where the channels of images come last.

    >>> as_features(np.ones((5, 3, 2, 2)), 12, (3, 2, 2), "encrypt").shape
    (5, 12)
    """
    return values.reshape(count_samples(values.shape, features, shape, operation), features)


def count_samples(found: Sequence[int], features: int, shape: Sequence[int] | None, operation: str) -> int:
    """How many samples are in an array of a shape, which `as_features` would take.

    found: the shape.
    features, shape, operation: as for `as_features`.

    Raises ShapeMismatch as it does.
    """
    found, one = tuple(found), (features,) if shape is None else tuple(shape)
    if found in ((features,), one):
        return 1
    if found and found[1:] in ((features,), one):
        return found[0]
    wanted = f"(samples, {features}), at least one sample"
    if shape is None:
        tables = " (several tables come as an iterator: encrypt_stream(iter(tables)))" * (len(found) == 3)
        wanted += flat_hint(found, features) or tables
    else:
        wanted = f"(samples, {', '.join(map(str, one))}) or (samples, {features})"
        if found[1:] == (*one[1:], one[0]):
            wanted += ": its channels come last, give np.moveaxis(x, -1, 1)"
        elif one[0] == 1 and found[1:] == one[1:]:
            wanted += ": it has no axis of channels, give x[:, np.newaxis]"
    raise ShapeMismatch(operation, found, wanted)


def flat_hint(found: Sequence[int], features: int) -> str:
    """How samples of several axes become rows of features, for the end of what is expected; empty where they do not.

    found: the shape of the samples.
    features: of a row.

    >>> flat_hint((5, 3, 4), 12), flat_hint((5, 3, 4), 6)
    (': give x.reshape(len(x), 12)', '')
    """
    several = len(found) > 2 and prod(found[1:]) == features
    return f": give x.reshape(len(x), {features})" if several else ""


def samples(x: Any, features: Sequence[str] | None = None, operation: str = "samples", *, one: bool = False) -> Floats:
    """The finite numbers in a table, or in an array of any shape.

    x: a table (see `table_of`), or an array-like.
    features: names of the columns, in the order in which they are wanted. A table with names must have these and no
    others, in any order; a table without names, and an array, is read in the order that it has. Labels that are not
    text are compared as text: 0, 1, 2, … in this order are places, any others must match `features`.
    operation: what the numbers are for, in the errors.
    one: whether a single named row is allowed, and gives an array of shape (features,).

    Returns a float64 array: (samples, features) for a table, the shape of `x` for an array.
    Raises FeatureMismatch; MissingValues with the columns and rows; UnsupportedValue for cells that are not numbers,
    and for whole numbers that no float holds; ParameterError for a name that occurs twice, and for labels that are
    neither names nor places; ShapeMismatch; SparseTooLarge for a sparse matrix that is too large as an array;
    ExtraMissing.

    >>> samples({"b": [3.0, 4.0], "a": [1, 2]}, ["a", "b"]).tolist()
    [[1.0, 3.0], [2.0, 4.0]]
    """
    table = table_of(x)
    if table is None:
        values = _numbers(_array(x), None)
        _require_finite(values, None, operation)
        return values
    names, columns = table.labels, table.columns
    if features is not None and names is None and {*map(normalise, features)} == {*(table.codes or ())}:
        names = table.codes
    if features is None and names is not None and table.names is None:
        raise ParameterError(
            f"the columns are called {join_first(names)}: these are neither text nor the places 0, 1, 2, …, and the "
            "features have no names to match.",
            "Put the columns in the order of the features, and give the values alone, as X.to_numpy() does.",
        )
    if features is not None and names is not None:
        places = _places(names, features)
        names, columns = tuple(features), tuple(columns[place] for place in places)
    if table.single and not one:
        raise ShapeMismatch(operation, (len(columns),), "(samples, features)")
    labels: Sequence[str | int] = range(len(columns)) if names is None else names
    rows = len(columns[0]) if columns else 0
    values = np.empty((rows, len(columns)))
    for place, (label, column) in enumerate(zip(labels, columns, strict=True)):
        values[:, place] = _numbers(column, label)
    _require_finite(values, names, operation)
    return values[0] if table.single else values


def table_of(x: Any) -> Table | None:
    """The columns of a table, read once.

    x: a table of any kind that this module reads, or an array-like.

    Returns None for an array-like.
    Raises ParameterError, ShapeMismatch, ExtraMissing, and UnsupportedValue for a table of an unknown kind.

    >>> table_of(np.array([(1, 2.5)], dtype=[("a", int), ("b", float)])).names, table_of([[1, 2.5]])
    (('a', 'b'), None)
    """
    if isinstance(x, Table):
        return x
    if isinstance(x, np.ndarray | np.generic):
        return _of_records(x) if x.dtype.names else None
    if type(x).__module__.partition(".")[0] in ("tenseal", "fhenn") or _is_sparse(x):  # ciphertexts; arrays
        return None
    for has, read in _READERS:
        if all(hasattr(x, name) for name in has):
            return read(x)
    table = _of_rows_with_names(x)
    return _of_protocol(x) if table is None else table


def raw_table(x: Any) -> Table:
    """The columns of a table or array, cells of any type: as they are, before anyone asks for numbers.

    x: a table of any kind that this module reads; an array (rows, columns), of objects too; or a list of rows.

    Returns a table, without names where `x` has none.
    Raises ShapeMismatch for an array that is not (rows, columns), and what `table_of` does.

    >>> raw_table([["f", 3.5], ["m", None]]).columns[1].tolist()
    [3.5, None]
    """
    table = table_of(x)
    if table is not None:
        return table
    # of lists NumPy would make texts of the numbers beside a text
    values = _of_lists(x) if isinstance(x, list | tuple) and not any(map(_holds_masked, x)) else _array(x)
    if values.ndim != 2:
        raise ShapeMismatch("samples", values.shape, "(samples, columns)")
    return Table(None, tuple(values.T))


def _of_lists(x: Sequence[Any]) -> Cells:
    """Rows, of any cells, as an array of objects. Raises UnsupportedValue where they are of different lengths."""
    rows = [each.tolist() if isinstance(each, np.ndarray) else each for each in x]
    if not rows or not all(isinstance(row, list | tuple) for row in rows):
        return _array(x)
    widths = {*map(len, rows)}
    if len(widths) != 1:
        raise UnsupportedValue(f"rows of {' and '.join(map(str, sorted(widths)[:3]))} cells", "rows of equal length")
    values = np.empty((len(rows), widths.pop()), dtype=object)
    for place, row in enumerate(rows):
        values[place, :] = _cells(row)
    return values


def numbers_in(cells: Cells, label: str | int | None) -> Floats:
    """The cells of a column as float64, NaN where one is missing.

    cells: of a `Table`.
    label: what errors call the column.

    Raises UnsupportedValue for cells that are not numbers, and for whole numbers that no float holds.

    >>> numbers_in(np.array([1, None, 2.5], dtype=object), "a")
    array([1. , nan, 2.5])
    """
    return _numbers(cells, label)


def column_of(y: Any) -> Cells:
    """One value for each sample, as an array.

    y: a Series, a column of Arrow, a list or an array.

    Returns an array, masked where values are missing.
    Raises UnsupportedValue for what cannot be read as an array.

    >>> column_of(["a", "b"]).tolist()
    ['a', 'b']
    """
    return _array(y)


def labels_of(y: Any, operation: str = "labels") -> Cells:
    """One label for each sample, as an array without missing ones.

    y: as for `column_of`.
    operation: what the labels are for, in the errors.

    Raises MissingValues where a label is missing, UnsupportedValue.

    >>> labels_of([1, 2]).tolist()
    [1, 2]
    """
    cells = column_of(y)
    data = np.ma.getdata(cells)
    missing = np.ma.getmaskarray(cells).copy()
    if data.dtype == object:
        texts = np.fromiter((isinstance(each, str) for each in data.ravel()), bool, data.size)
        missing |= (~texts & np.fromiter(map(_is_missing, data.ravel()), bool, data.size)).reshape(data.shape)
    elif data.dtype.kind in "fcMm":
        missing |= ~np.isfinite(data)
    if missing.any():
        rows = np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1)).tolist() if missing.ndim else [0]
        count = int(missing.sum())
        where = join_first(rows, "sample")
        raise MissingValues(operation, count, "Label or drop these samples.", ("labels",), (count,), (where,))
    return data


def to_python(label: Any) -> Any:
    """A label as a value of Python: text and numbers of NumPy become str, int, float and bool.

    >>> to_python(np.str_("a")), to_python(np.int64(3)), to_python("b")
    ('a', 3, 'b')
    """
    if isinstance(label, np.generic):
        return label.item()
    return label


def _places(names: Sequence[str], features: Sequence[str]) -> list[int]:
    """The place of each feature among the names. Raises FeatureMismatch."""
    places = {normalise(name): place for place, name in enumerate(names)}
    wanted = [normalise(feature) for feature in features]
    if set(places) != set(wanted):
        raise FeatureMismatch(tuple(map(normalise, names)), tuple(wanted))
    return [places[feature] for feature in wanted]


def _of_records(x: Any) -> Table:
    """A record array, a structured array (masked or not), or one record of it."""
    for name in x.dtype.names:
        if x.dtype[name].shape or x.dtype[name].names:
            raise UnsupportedValue(f"column {name!r}, whose cells are arrays or records", "one value in each cell")
    single = x.ndim == 0
    if x.ndim > 1:
        raise ShapeMismatch("records", x.shape, "(samples,), one record for each sample")
    return Table.of(x.dtype.names, (_column(np.atleast_1d(x[name])) for name in x.dtype.names), single=single)


def _of_pandas(x: Any) -> Table:
    return Table.of(x.columns, (_of_series(x.iloc[:, place]) for place in range(len(x.columns))))


def _of_polars(x: Any) -> Table:
    names = [name for name in x.columns if name not in index_columns(x.columns)]
    return Table.of(names, (_of_polars_series(x.get_column(name)) for name in names))


def _of_arrow(x: Any) -> Table:
    """Without what was a DataFrame's index, as a DataFrame is read."""
    index = index_columns(x.schema.names, x.schema.metadata)
    places = [place for place, name in enumerate(x.schema.names) if name not in index]
    names = [x.schema.names[place] for place in places]
    return Table.of(names, (_of_arrow_column(x.column(place)) for place in places))


def index_columns(names: Iterable[str], metadata: Mapping[bytes, bytes] | None = None) -> set[str]:
    """Which columns of an Arrow schema were the index of a DataFrame.

    names: of the columns.
    metadata: of the schema, in which pandas notes its index.

    Returns their names. An index without a name is known by what pandas calls it.

    Source: https://pandas.pydata.org/docs/development/developer.html

    >>> index_columns(["a", "__index_level_0__", "id"], {b"pandas": b'{"index_columns": ["id"]}'}) == {
    ...     "__index_level_0__", "id"}
    True
    """
    index = {name for name in names if _INDEX.fullmatch(name)}
    try:
        stated = read_json((metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        return index | {name for name in stated if isinstance(name, str)}
    except (ValueError, KeyError, TypeError):
        return index


def _of_array_with_columns(x: Any) -> Table:
    values = _array(x.to_numpy())
    if values.ndim != 2 or values.shape[1] != len(x.columns):
        raise ShapeMismatch("columns", values.shape, f"(samples, {len(x.columns)}), one column for each name")
    return Table.of(x.columns, values.T)


def _of_labelled_array(x: Any) -> Table | None:
    """An array of xarray, whose second axis may name the features."""
    values = _array(x.values)
    if values.ndim != 2 or x.dims[1] not in x.coords:
        return None
    return Table.of(np.asarray(x.coords[x.dims[1]].values).tolist(), values.T)


_READERS: tuple[tuple[tuple[str, ...], Callable[[Any], Table | None]], ...] = (
    (("columns", "iloc", "to_numpy"), _of_pandas),
    (("columns", "get_column", "to_numpy"), _of_polars),
    (("schema", "column", "column_names"), _of_arrow),
    (("schema", "column", "num_columns"), _of_arrow),
    (("columns", "to_numpy"), _of_array_with_columns),
    (("dims", "coords", "values", "to_numpy"), _of_labelled_array),
)
"""The attributes that tell each kind of table, and how it is read; no library of tables is imported for it."""


def _of_protocol(x: Any) -> Table | None:
    try:
        if hasattr(x, "__arrow_c_stream__") and not _is_column(x):
            return _of_arrow(_pyarrow().table(x))
        if hasattr(x, "__arrow_c_array__") and not _is_column(x):
            return _of_arrow(_pyarrow().record_batch(x))
        if hasattr(x, "__dataframe__"):
            _pyarrow()
            from pyarrow.interchange import from_dataframe

            return _of_arrow(from_dataframe(x))
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:  # Arrow's own are ValueError
        reason = str(error).partition("\n")[0]
        raise UnsupportedValue(f"{an(type(x).__name__)}, whose columns cannot be read ({reason})", _KNOWN) from error
    if hasattr(x, "columns"):
        raise UnsupportedValue(f"{an(type(x).__name__)}, whose columns cannot be read by name", _KNOWN)
    return None


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise ExtraMissing("parquet", "pyarrow") from error
    return pyarrow


def _of_rows_with_names(x: Any) -> Table | None:
    """A dict of columns, one sample with names, or a list of those."""
    if isinstance(x, Mapping):
        columns = [_mixed(each) if isinstance(each, list | tuple) else _column(each) for each in x.values()]
        if columns and all(column.ndim == 0 for column in columns):
            return Table.of(x, (column.reshape(1) for column in columns), single=True)
        return Table.of(x, columns)
    row = _row(x)
    if row is not None:
        return _of_rows([row], single=True)
    if not isinstance(x, list | tuple) or not x or _row(x[0]) is None:
        return None
    rows = list(filter(None, map(_row, x)))
    if len(rows) < len(x):
        raise UnsupportedValue("rows of which only some have names", "names in all rows, or in none")
    return _of_rows(rows)


def _row(x: Any) -> Mapping[Any, Any] | None:
    """One sample whose numbers have names: a dict, a named tuple, a record, a Series whose index has names."""
    if isinstance(x, Mapping):
        return x
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return dict(zip(x._fields, x, strict=True))
    if isinstance(x, np.void) and x.dtype.names:
        return {name: x[name] for name in x.dtype.names}
    if all(hasattr(x, name) for name in ("index", "iloc", "isna")) and not hasattr(x, "columns"):
        labels = list(x.index)
        codes = [*map(_code, labels)]
        if not _are_places(codes) or any(isinstance(label, str) for label in labels):
            require_distinct(codes, "columns")
            return dict(zip(labels, x.iloc, strict=True))
    return None


def _of_rows(rows: Sequence[Mapping[Any, Any]], *, single: bool = False) -> Table:
    labels = list(rows[0])
    for place, row in enumerate(rows):
        if set(row) != set(labels):
            raise ParameterError(
                f"row {place} has other names than row 0: {', '.join(map(str, list(row)[:5]))}.",
                "Give every row the same names.",
            )
    return Table.of(labels, (_cells(row[label] for row in rows) for label in labels), single=single)


def _cells(values: Iterable[Any]) -> Cells:
    """Values of any type as a column, each in a cell of its own."""
    values = list(values)
    return np.fromiter(values, dtype=object, count=len(values))


def _array(x: Any) -> Cells:
    """An array, masked where the values were."""
    if _is_sparse(x):
        return _of_sparse(x)
    if isinstance(x, list | tuple) and any(map(_holds_masked, x)):
        x = _with_none(x)
    return _column(x)


def _is_sparse(x: Any) -> bool:
    """Whether it is a sparse matrix or array of SciPy, or one that has its methods."""
    return all(hasattr(x, name) for name in ("tocoo", "toarray", "shape", "dtype"))


def _of_sparse(x: Any) -> Cells:
    """A sparse matrix as an array. Raises SparseTooLarge."""
    shape = tuple(map(int, x.shape))
    if prod(shape) > _MOST_CELLS:
        raise SparseTooLarge(shape, max(1, _MOST_CELLS // prod(shape[1:])))
    return np.asarray(x.toarray())


def _holds_masked(x: Any) -> bool:
    return isinstance(x, np.ma.MaskedArray) or (isinstance(x, list | tuple) and any(map(_holds_masked, x)))


def _with_none(x: Any) -> Any:
    """Nested lists with None for what is masked."""
    if isinstance(x, np.ma.MaskedArray):
        return x.tolist()
    return [_with_none(each) for each in x] if isinstance(x, list | tuple) else x


def _mixed(x: Sequence[Any]) -> Cells:
    """A list as a column, its numbers as they are where there are texts beside them."""
    texts = sum(isinstance(each, str) for each in x)
    return _cells(x) if 0 < texts < len(x) else _column(x)


def _column(x: Any) -> Cells:
    """A column, or an array of any shape, of whatever kind."""
    if isinstance(x, np.ma.MaskedArray):
        return x
    for has, read in _COLUMN_READERS:
        if all(hasattr(x, name) for name in has):
            return read(x)
    try:
        return np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged sequences, tensors that are not for NumPy
        raise UnsupportedValue(f"{type(x).__name__} ({error})", _KNOWN) from error


def _of_series(x: Any) -> Cells:
    """A Series of pandas: NumPy's types, nullable ones, those of Arrow, categories, sparse columns."""
    if isinstance(x.dtype, np.dtype):
        return np.asarray(x.to_numpy())
    inner = getattr(x.dtype, "numpy_dtype", None)
    if isinstance(inner, np.dtype) and inner.kind in "biuf":
        missing = x.isna().to_numpy(dtype=bool)
        cells = x.to_numpy(dtype=inner, na_value=inner.type(0)) if missing.any() else x.to_numpy(dtype=inner)
        return np.ma.MaskedArray(cells, mask=missing)
    return np.asarray(x)


def _of_arrow_column(x: Any) -> Cells:
    if str(x.type) in _ARROW_NUMBERS:
        if not x.null_count:
            return np.asarray(x)
        missing = np.asarray(x.is_null())
        return np.ma.MaskedArray(np.asarray(x.fill_null(False if str(x.type) == "bool" else 0)), mask=missing)
    return _cells(x.to_pylist())


def _of_polars_series(x: Any) -> Cells:
    if not x.null_count():
        cells = np.asarray(x.to_numpy())
        if cells.dtype.kind in "biuf" and "Decimal" not in str(x.dtype):
            return cells
    return _cells(x.to_list())


_COLUMN_READERS: tuple[tuple[tuple[str, ...], Callable[[Any], Cells]], ...] = (
    (("iloc", "isna", "dtype"), _of_series),
    (("null_count", "is_null", "to_pylist"), _of_arrow_column),
    (("null_count", "is_null", "to_list"), _of_polars_series),
)
"""The same for a single column: a Series, an array of Arrow."""


def _is_column(x: Any) -> bool:
    return any(all(hasattr(x, name) for name in has) for has, _ in _COLUMN_READERS)


def _numbers(cells: Cells, label: str | int | None) -> Floats:
    """Cells as float64, NaN where one is missing. label: of their column; None for an array that is not in a table."""
    data, missing = np.ma.getdata(cells), np.ma.getmaskarray(cells)
    kind = data.dtype.kind
    if kind == "O":
        values = np.empty(data.shape)
        flat = values.reshape(-1)
        for place, cell in enumerate(data.ravel()):
            flat[place] = _number(cell, label, np.unravel_index(place, data.shape))
    elif kind in "biuf":
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
            values = data.astype(np.float64)
        if kind in "iu" and data.dtype.itemsize > 4:
            for index in map(tuple, np.argwhere(np.abs(values) >= _EXACT).tolist()):
                if not missing[index]:
                    _number(int(data[index]), label, index)
    else:
        what = _KINDS.get(kind, f"cells of dtype {data.dtype}")
        raise UnsupportedValue(_where(f"{what}{_example(data)}", label, None), "numbers")
    values[missing] = np.nan
    return values


def _example(data: Cells) -> str:
    """The first of some cells of text, in brackets."""
    return f" ({short(to_python(data.ravel()[0]))})" if data.size and data.dtype.kind in "UST" else ""


def _number(cell: Any, label: str | int | None, index: tuple[Any, ...]) -> float:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if _is_missing(cell):
        return np.nan
    if isinstance(cell, np.ndarray) and cell.ndim == 0:
        cell = cell.item()
    if not isinstance(cell, Real | Decimal):
        what = "text" if isinstance(cell, str) else an(type(cell).__name__)
        raise UnsupportedValue(_where(f"{what} ({short(cell)})", label, index), "numbers")
    try:
        number = float(cell)
    except (OverflowError, ValueError):
        number = np.inf
    if isinstance(cell, int) and abs(cell) > _EXACT and (np.isinf(number) or int(number) != cell):
        raise UnsupportedValue(
            _where(f"the whole number {cell} (beyond 2**53, and no float holds it exactly)", label, index),
            "numbers that a float holds exactly: leave such a column out, or give floats where the last digits do not "
            "matter",
        )
    return number


def _is_missing(cell: Any) -> bool:
    return cell is np.ma.masked or is_missing(cell)


def short(cell: Any) -> str:
    """A cell as an error shows it, cut where it is long.

    >>> short("a")
    "'a'"
    """
    text = repr(cell)
    return text if len(text) <= 40 else text[:39] + "…"


def _where(what: str, label: str | int | None, index: tuple[Any, ...] | None) -> str:
    """A cell in words: what it holds, in which column and row."""
    if label is None and index is not None and len(index) == 2:
        label, index = int(index[1]), (index[0],)
    row = f" in row {int(index[0])}" if index else ""
    return f"{what}{row}" if label is None else f"column {label!r}, which holds {what}{row}"


def _require_finite(values: Floats, names: Sequence[str] | None, operation: str) -> None:
    suggestion = "Drop or impute them first."
    if values.ndim != 2:
        require_finite(operation, values, suggestion)
        return
    strays = ~np.isfinite(values)
    count = int(np.count_nonzero(strays))
    if not count:
        return
    columns = np.flatnonzero(strays.any(axis=0)).tolist()
    raise MissingValues(
        operation,
        count,
        suggestion,
        tuple(f"column {place}" if names is None else names[place] for place in columns),
        tuple(int(strays[:, place].sum()) for place in columns),
        tuple(join_first(np.flatnonzero(strays[:, place]).tolist(), "row") for place in columns),
    )
