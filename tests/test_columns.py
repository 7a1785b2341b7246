"""Columns by name, whatever carries them; missing cells as missing; labels as Python has them."""

import json
import sys
import unicodedata
from collections import namedtuple
from contextlib import suppress
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from pass_through import PASS_THROUGH

import fhenn
from fhenn import tabular
from fhenn.columns import labels_of, samples, table_of
from fhenn.errors import (
    ExtraMissing,
    FeatureMismatch,
    MissingValues,
    NonFiniteValue,
    ParameterError,
    ShapeMismatch,
    SparseTooLarge,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.assembly import Outcome
from fhenn.interop.chain import Chain
from fhenn.interop.encrypted import EncryptedModel
from fhenn.interop.model import Wanted
from fhenn.planner import Plan

for library in ("pandas", "pyarrow", "polars"):
    with suppress(ImportError):
        import_module(library)

NAMES = ("age", "crp", "weight", "count")
SHUFFLED = ("crp", "count", "age", "weight")
rng = np.random.default_rng(0)
VALUES = np.column_stack([rng.normal(size=(24, 3)) * [10, 1, 5] + [50, 3, 70], rng.integers(0, 9, 24)])
WEIGHT = np.array([[0.2, -3.0, 0.1, 1.0], [-0.1, 2.0, -0.2, -0.5], [0.05, 1.0, 0.15, 0.2]])
MEAN = VALUES.mean(axis=0)


class StreamOnly:
    """A table that speaks Arrow's C stream, and nothing else."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class BatchOnly:
    def __init__(self, batch):
        self._batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


class InterchangeOnly:
    """A table that speaks the interchange protocol, and nothing else."""

    def __init__(self, table):
        self._table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self._table.__dataframe__(nan_as_null, allow_copy)


class Labelled:
    """What an array of xarray has."""

    dims = ("sample", "feature")

    def __init__(self, values, names):
        self.values, self.coords = values, {}
        self.coords["feature"] = type("Coordinate", (), {"values": np.array(names)})()

    def to_numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.values


def _columns(names, values=VALUES):
    return {name: values[:, NAMES.index(name)] for name in names}


def _frame(names):
    return pytest.importorskip("pandas").DataFrame(_columns(names))


def _table(names):
    return pytest.importorskip("pyarrow").table(_columns(names))


def _records(names):
    return np.rec.fromarrays(list(_columns(names).values()), names=list(names))


CARRIERS = {
    "DataFrame": _frame,
    "nullable DataFrame": lambda names: _frame(names).convert_dtypes(),
    "Arrow DataFrame": lambda names: (
        pytest.importorskip("pyarrow") and _frame(names).convert_dtypes(dtype_backend="pyarrow")
    ),
    "object DataFrame": lambda names: _frame(names).astype(object),
    "sparse DataFrame": lambda names: _frame(names).astype(pytest.importorskip("pandas").SparseDtype(float)),
    "categories": lambda names: _frame(names).astype({"count": "category"}),
    "polars": lambda names: pytest.importorskip("polars").DataFrame(_columns(names)),
    "Table": _table,
    "chunked Table": lambda names: pytest.importorskip("pyarrow").concat_tables(
        [_table(names).slice(0, 7), _table(names).slice(7)]
    ),
    "RecordBatch": lambda names: pytest.importorskip("pyarrow").record_batch(_columns(names)),
    "RecordBatchReader": lambda names: _table(names).to_reader(),
    "stream": lambda names: StreamOnly(_table(names)),
    "batch": lambda names: BatchOnly(pytest.importorskip("pyarrow").record_batch(_columns(names))),
    "__dataframe__": lambda names: InterchangeOnly(_table(names)),
    "record array": _records,
    "structured array": lambda names: np.array(_records(names), dtype=_records(names).dtype.descr),
    "masked records": lambda names: np.ma.array(_records(names).view(np.ndarray)),
    "xarray": lambda names: Labelled(np.column_stack(list(_columns(names).values())), names),
    "dict of columns": _columns,
    "dict of lists": lambda names: {name: column.tolist() for name, column in _columns(names).items()},
    "list of dicts": lambda names: [
        dict(zip(names, row, strict=True)) for row in zip(*_columns(names).values(), strict=True)
    ],
    "named tuples": lambda names: [
        namedtuple("Row", names)(*row) for row in zip(*_columns(names).values(), strict=True)
    ],
    "records": lambda names: list(_records(names)),
    "list of Series": lambda names: [row for _, row in _frame(names).iterrows()],
}


def model(features=NAMES):
    nodes = [fhenn.Linear(WEIGHT, -WEIGHT @ MEAN)]
    return ImportedModel(nodes, Reading.classification(["low", "middle", "high"], "softmax", features))


LABELS = model().predict(VALUES)
EDGES = np.stack([VALUES.min(axis=0) - 1, VALUES.max(axis=0) + 1])


@pytest.fixture(scope="module")
def private():
    """Keys hide nothing here: ciphertexts tell nothing of names, and there are many carriers."""
    return EncryptedModel(model(), fhenn.plan(model(), bounds=EDGES, evaluator=PASS_THROUGH.name))


@pytest.fixture(params=list(CARRIERS))
def carrier(request):
    return CARRIERS[request.param]


def test_there_is_something_to_get_wrong():
    assert set(LABELS) == {"low", "middle", "high"}
    wrong = VALUES[:, [NAMES.index(name) for name in SHUFFLED]]
    assert np.mean(model().predict(wrong) == LABELS) < 0.5


def test_every_carrier_is_matched_by_name(carrier, private):
    for names in (NAMES, SHUFFLED):
        np.testing.assert_array_equal(model().reading.samples(carrier(names)), VALUES)
        assert (model().predict(carrier(names)) == LABELS).all()
        assert model().score(carrier(names), LABELS) == 1.0
        np.testing.assert_array_equal(model().infer(carrier(names)), model().infer(VALUES))
        np.testing.assert_array_equal(model().forward(carrier(names)), model().infer(VALUES))
    assert (private.predict(carrier(SHUFFLED)) == LABELS).all()
    answer = private.server.predict(private.client.encrypt(carrier(SHUFFLED)))
    assert (private.reading.predict(private.client.decrypt_scores(answer)) == LABELS).all()


@pytest.mark.thorough
def test_every_carrier_declares_bounds_and_data_by_name(carrier):
    low, high = VALUES.min(axis=0), VALUES.max(axis=0)
    found = fhenn.plan(model(), inputs=carrier(SHUFFLED), accuracy=0.1, layout="throughput")
    assert (found.low, found.high, found.feature_names) == (tuple(low), tuple(high), NAMES)
    certificate = fhenn.certify(model(), inputs=carrier(SHUFFLED))
    assert (certificate.low, certificate.high, certificate.from_data) == (tuple(low), tuple(high), True)
    activated = ImportedModel([fhenn.Linear(WEIGHT / 9, -WEIGHT @ MEAN / 9), fhenn.Sigmoid()], model().reading)
    by_name, expected = (fhenn.calibrate(activated, data) for data in (carrier(SHUFFLED), VALUES))
    assert by_name.activations[0].quantiles == expected.activations[0].quantiles
    report = fhenn.safety_report(activated, data=carrier(SHUFFLED))
    assert report.certificate.low == tuple(low)
    np.testing.assert_array_equal(model().bounds(carrier(SHUFFLED), 0), [low, high])


def test_every_carrier_names_what_a_model_learns_from(carrier):
    learned = tabular.train(carrier(SHUFFLED), LABELS, epochs=2)
    assert learned.reading.features == SHUFFLED
    ordered = tabular.train(carrier(SHUFFLED), LABELS, names=NAMES, epochs=2)
    expected = tabular.train(VALUES, LABELS, names=NAMES, epochs=2)
    np.testing.assert_array_equal(ordered.scores(VALUES), expected.scores(VALUES))


def test_the_first_table_names_the_features_of_a_model_without_names(carrier):
    nameless = model(None)
    plan = fhenn.plan(nameless, inputs=carrier(NAMES), accuracy=0.1, layout="throughput")
    assert plan.feature_names == NAMES
    assert Plan.from_json(plan.public().to_json()) == plan.public()
    assert nameless.for_inputs(carrier(NAMES)).reading.features == NAMES
    assert nameless.reading.features is None
    assert (nameless.for_inputs(carrier(NAMES)).predict(carrier(SHUFFLED)) == LABELS).all()
    assert (nameless.predict(carrier(NAMES)) == LABELS).all()


def test_the_inputs_of_encrypted_name_the_features_too(private):
    named = fhenn.encrypted_model(model(None), inputs=_records(NAMES), margin=0)
    assert (named.predict(_columns(SHUFFLED)) == LABELS).all()
    np.testing.assert_allclose(named.predict_proba(_records(SHUFFLED)), model().predict_proba(VALUES), atol=1e-3)
    assert private.score(_columns(SHUFFLED), LABELS) == 1.0


def test_importers_take_the_names_of_their_tables():
    outcome = Outcome(Chain.start((4,)).linear(WEIGHT, -WEIGHT @ MEAN), ["low", "middle", "high"], "softmax")
    for read in (
        outcome.model(Wanted(None, None, 0.5, 1e-3), None, NAMES),  # as `from_torch` does with those of its example
        outcome.model(Wanted(_records(NAMES), None, 0.5, 1e-3), None),
    ):
        assert read.reading.features == NAMES
        assert (read.predict(_columns(SHUFFLED)) == LABELS).all()
    onnx, skl2onnx = pytest.importorskip("onnx"), pytest.importorskip("skl2onnx")
    fitted = pytest.importorskip("sklearn.linear_model").Ridge().fit(VALUES, VALUES[:, 0])
    graph = skl2onnx.to_onnx(fitted, VALUES[:1])
    assert isinstance(graph, onnx.ModelProto)
    read = fhenn.from_onnx(graph, inputs=_columns(NAMES))
    np.testing.assert_allclose(read.predict(_columns(SHUFFLED))[:, 0], fitted.predict(VALUES), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::fhenn.errors.SamplesWarning")
@pytest.mark.parametrize(
    "row",
    [
        dict(zip(SHUFFLED, VALUES[0, [1, 3, 0, 2]], strict=True)),
        namedtuple("Row", SHUFFLED)(*VALUES[0, [1, 3, 0, 2]]),
        _records(SHUFFLED)[0],
        VALUES[0],
    ],
    ids=["dict", "named tuple", "record", "array"],
)
def test_one_sample_is_matched_by_name_where_one_may_come_alone(private, row):
    np.testing.assert_array_equal(samples(row, NAMES, one=True), VALUES[0])
    answer = private.server.predict(private.client.encrypt(row))
    assert private.reading.predict(private.client.decrypt_scores(answer))[0] == LABELS[0]
    with pytest.raises(ShapeMismatch):
        private.predict(row)
    if not isinstance(row, np.ndarray):
        assert fhenn.plan(model(), inputs=row, accuracy=0.1).low == tuple(VALUES[0])


def test_a_row_of_a_frame_is_matched_by_name():
    np.testing.assert_array_equal(samples(_frame(SHUFFLED).iloc[3], NAMES, one=True), VALUES[3])


def test_bounds_by_name():
    bounds = {"count": [0, 9], "age": (0, 120), "weight": [20, 300], "crp": [-2.5, 500.0]}
    plan = fhenn.plan(model(), bounds=bounds, accuracy=0.1)
    assert (plan.low, plan.high) == ((0, -2.5, 20, 0), (120, 500, 300, 9))


def test_a_plan_brings_the_names_to_its_client():
    plan = Plan.from_json(fhenn.plan(model(), bounds=EDGES, accuracy=0.1).public().to_json())
    client = fhenn.Client(plan)
    with pytest.raises(FeatureMismatch, match="missing: crp; unknown: CRP"):
        client.encrypt({"age": [50.0], "CRP": [3.0], "weight": [70.0], "count": [1]})
    with pytest.raises(fhenn.errors.BoundsExceeded, match="feature crp"):
        client.encrypt({"count": [1], "age": [50.0], "crp": [3000.0], "weight": [70.0]})
    data = json.loads(plan.to_json())
    for names in (list(NAMES[:3]), ["a", "a", "b", "c"], 3, [1, 2, 3, 4]):
        with pytest.raises(WireFormatError):
            Plan.from_json(json.dumps(data | {"feature_names": names}))


def test_a_plan_without_names_keeps_its_fingerprint():
    plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    data = json.loads(plan.to_json())
    assert data.pop("feature_names") is None
    assert Plan.from_json(json.dumps(data)).fingerprint == plan.fingerprint


def test_a_model_inside_another_keeps_its_names():
    outer = fhenn.Sequential([model()])
    assert fhenn.plan(outer, inputs=_columns(SHUFFLED), accuracy=0.1).low == tuple(VALUES.min(axis=0))


@pytest.mark.parametrize("kind", ["DataFrame", "Table", "record array", "dict of columns", "list of dicts"])
def test_other_columns_are_refused(kind):
    made = CARRIERS[kind]
    with pytest.raises(FeatureMismatch, match="missing: count"):
        model().predict(made(NAMES[:3]))
    with pytest.raises(FeatureMismatch, match="unknown: count"):
        samples(made(NAMES), NAMES[:3])


def _two_of_one_name(kind):
    if kind == "DataFrame":
        return pytest.importorskip("pandas").DataFrame(VALUES[:, :2], columns=["a", "a"])
    if kind == "Table":
        return pytest.importorskip("pyarrow").table([VALUES[:, 0], VALUES[:, 1]], names=["a", "a"])
    return {"\u00e4": VALUES[:, 0], "a\u0308": VALUES[:, 1]}  # one letter, written in two ways


@pytest.mark.parametrize("kind", ["DataFrame", "Table", "dict"])
def test_two_columns_of_one_name_are_refused(kind):
    for features in (None, ["a", "b"]):
        with pytest.raises(ParameterError, match="two columns are called"):
            samples(_two_of_one_name(kind), features)
    with pytest.raises(ParameterError, match="two features are called 'a'"):
        Reading.regression(["a", "a"])


def test_names_are_compared_in_one_form_of_unicode():
    composed, apart = "größe", unicodedata.normalize("NFD", "größe")
    assert composed != apart
    for mine, theirs in ((composed, apart), (apart, composed)):
        np.testing.assert_array_equal(samples({"b": [2.0], theirs: [1.0]}, [mine, "b"]), [[1.0, 2.0]])


def test_names_that_are_partly_text_are_refused_and_numbers_are_none():
    with pytest.raises(ParameterError, match="'a' and 0"):
        samples({"a": [1.0], 0: [2.0]})
    np.testing.assert_array_equal(samples({0: [1.0], 1: [2.0]}, ["a", "b"]), [[1.0, 2.0]])


MISSING = {
    "masked": lambda: np.ma.masked_array([[1.0, 2.0], [3.0, 1e20]], [[False, False], [False, True]]),
    "masked whole numbers": lambda: np.ma.masked_array([[1, 2], [3, 4]], [[False, False], [False, True]]),
    "masked rows": lambda: [np.ma.masked_array([1.0, 2.0]), np.ma.masked_array([3.0, 4.0], [False, True])],
    "masked cell": lambda: [[1.0, 2.0], [3.0, np.ma.masked]],
    "masked records": lambda: np.ma.array(
        [(1, 2.0), (3, 4.0)], dtype=[("a", int), ("b", float)], mask=[(False, False), (False, True)]
    ),
    "masked column": lambda: {"a": [1, 3], "b": np.ma.masked_array([2, 4], [False, True])},
    "NaN": lambda: [[1.0, 2.0], [3.0, np.nan]],
    "None": lambda: [[1.0, 2.0], [3.0, None]],
    "None in a dict": lambda: {"a": [1, 3], "b": [2, None]},
    "Decimal": lambda: {"a": [1, 3], "b": [Decimal(2), Decimal("NaN")]},
    "pd.NA": lambda: {"a": [1, 3], "b": [2, pytest.importorskip("pandas").NA]},
    "NaT": lambda: {"a": [1, 3], "b": [2, pytest.importorskip("pandas").NaT]},
    **{
        dtype: lambda dtype=dtype: pytest.importorskip("pandas").DataFrame(
            {"a": [1, 3], "b": pytest.importorskip("pandas").array([1, None], dtype=dtype)}
        )
        for dtype in ("Int64", "Float64", "boolean", "object", "int8[pyarrow]", "double[pyarrow]", "bool[pyarrow]")
        if "pyarrow" not in dtype or "pyarrow" in sys.modules
    },
    "Arrow": lambda: pytest.importorskip("pyarrow").table({"a": [1, 3], "b": [2, None]}),
    "Arrow bool": lambda: pytest.importorskip("pyarrow").table({"a": [1, 3], "b": [True, None]}),
    "Arrow null": lambda: pytest.importorskip("pyarrow").table({"a": [1, 3], "b": [None, None]}),
    "Arrow stream": lambda: StreamOnly(pytest.importorskip("pyarrow").table({"a": [1, 3], "b": [2, None]})),
    "__dataframe__": lambda: InterchangeOnly(pytest.importorskip("pyarrow").table({"a": [1, 3], "b": [2.0, None]})),
    "polars": lambda: pytest.importorskip("polars").DataFrame({"a": [1, 3], "b": [2, None]}),
}


@pytest.mark.parametrize("kind", MISSING)
def test_what_is_missing_is_refused_with_its_column_and_row(kind):
    nameless = ("masked", "masked whole numbers", "masked rows", "masked cell", "NaN", "None")
    label = "column 1" if kind in nameless else "b"
    count = 2 if kind == "Arrow null" else 1
    with pytest.raises(MissingValues) as caught:
        samples(MISSING[kind](), ["a", "b"])
    assert (caught.value.columns, caught.value.counts) == ((label,), (count,))
    assert f"in {label} ({count}: row{'s 0,' if count > 1 else ''} 1" in str(caught.value)
    two = ImportedModel([fhenn.Linear([[1.0, 1.0]])], Reading.regression(["a", "b"]))
    doors = {
        "predict": two.predict,
        "bounds": two.bounds,
        "plan": lambda x: fhenn.plan(two, inputs=x),
        "certify": lambda x: fhenn.certify(two, inputs=x),
        "calibrate": lambda x: fhenn.calibrate(two, x),
        "train": lambda x: tabular.train(x, ["p", "q"], epochs=1),
    }
    for door in doors.values():
        with pytest.raises(NonFiniteValue):
            door(MISSING[kind]())


NUMBERS = {
    "Decimal": [Decimal("1.5"), Decimal("-2")],
    "Fraction": [Fraction(3, 2), -2],
    "mixed": [1.5, np.int8(-2)],
    "bool": [True, np.False_],
    "2**53": [2**53, -(2**60)],  # which floats hold
    "big Decimal": [Decimal(2**70), Decimal("1e-30")],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_objects_that_are_numbers_are_taken_as_such(kind):
    column = NUMBERS[kind]
    wanted = [[float(cell)] for cell in column]
    assert samples({"a": np.array(column, dtype=object)}).tolist() == wanted
    assert samples(np.array(column, dtype=object)[:, None]).tolist() == wanted


def test_decimals_and_dictionaries_of_arrow_are_numbers():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(
        {
            "a": pyarrow.array([Decimal("1.25"), Decimal("-3.50")], pyarrow.decimal128(9, 2)),
            "b": pyarrow.array([7, 9]).dictionary_encode(),
            "c": pyarrow.array([True, False]),
            "d": pyarrow.array([1.5, 2.5], pyarrow.float16()),
        }
    )
    assert samples(table).tolist() == [[1.25, 7.0, 1.0, 1.5], [-3.5, 9.0, 0.0, 2.5]]
    assert samples(table.to_pandas(types_mapper=pytest.importorskip("pandas").ArrowDtype)).tolist() == [
        [1.25, 7.0, 1.0, 1.5],
        [-3.5, 9.0, 0.0, 2.5],
    ]


def _pandas_column(values, dtype):
    return lambda: {"a": pytest.importorskip("pandas").Series(values, dtype=dtype)}


NOT_NUMBERS = {
    "text": (lambda: {"a": ["x", "y"]}, "column 'a', which holds text \\('x'\\)"),
    "numbers as text": (lambda: {"a": ["1_0", "2"]}, "column 'a', which holds text \\('1_0'\\)"),
    "text among numbers": (lambda: {"a": np.array([1, "2"], dtype=object)}, "text \\('2'\\) in row 1"),
    "text in an array": (
        lambda: np.array([[1, 2], [3, "x"]], dtype=object),
        "column 1, which holds text \\('x'\\)",
    ),
    "string": (_pandas_column(["x", None], "string"), "column 'a', which holds text \\('x'\\) in row 0"),
    "category": (_pandas_column(["x", "y"], "category"), "column 'a', which holds text"),
    "dates": (_pandas_column(["2020-01-01", None], "datetime64[ns]"), "column 'a', which holds dates"),
    "dates of a zone": (_pandas_column(["2020-01-01"], "datetime64[ns, UTC]"), "column 'a', which holds"),
    "durations": (lambda: {"a": np.array([1, 2], dtype="m8[s]")}, "column 'a', which holds durations"),
    "complex": (lambda: {"a": [1j]}, "column 'a', which holds complex numbers"),
    "complex object": (lambda: {"a": np.array([1j], dtype=object)}, "column 'a', which holds a complex"),
    "bytes": (lambda: {"a": [b"1"]}, "column 'a', which holds bytes"),
    "lists": (lambda: {"a": np.fromiter([[1], [2, 3]], dtype=object)}, "column 'a', which holds a list"),
    "Arrow dates": (
        lambda: pytest.importorskip("pyarrow").table({"a": [date(2020, 1, 1)]}),
        "column 'a', which holds a date",
    ),
    "Arrow text": (lambda: pytest.importorskip("pyarrow").table({"a": ["1", "2"]}), "holds text \\('1'\\) in row 0"),
    "Arrow lists": (lambda: pytest.importorskip("pyarrow").table({"a": [[1], [2]]}), "holds a list"),
    "past 2**53": (lambda: {"a": np.array([1, 2**53 + 1])}, "9007199254740993 \\(beyond 2\\*\\*53.* in row 1"),
    "unsigned past 2**53": (lambda: np.array([[2**64 - 1]], dtype=np.uint64), "beyond 2\\*\\*53"),
    "Int64 past 2**53": (_pandas_column([1, 2**53 + 1, None], "Int64"), "beyond 2\\*\\*53"),
    "int past 2**53": (lambda: {"a": [2**90 + 1]}, "beyond 2\\*\\*53"),
    "nested records": (lambda: np.zeros(2, dtype=[("a", float, 3)]), "column 'a', whose cells are arrays"),
    "ragged": (lambda: [[1.0], [2.0, 3.0]], "list"),
    "sparse complex numbers": (lambda: pytest.importorskip("scipy.sparse").csr_array(1j * np.eye(2)), "complex"),
    "unknown table": (type("Lazy", (), {"columns": ["a"]}), "Lazy, whose columns cannot be read"),
    "rows with and without names": (lambda: [{"a": 1}, [2]], "only some have names"),
}


@pytest.mark.parametrize("kind", NOT_NUMBERS)
def test_what_is_no_number_is_refused_with_its_column(kind):
    make, text = NOT_NUMBERS[kind]
    for door in (samples, Reading.regression().samples, lambda x: tabular.train(x, [0, 1], epochs=1)):
        with pytest.raises(UnsupportedValue, match=text):
            door(make())


@pytest.mark.parametrize(
    "kind", ["csr_array", "csc_matrix", "coo_array", "dok_matrix", "lil_array", "bsr_matrix", "dia_array"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_sparse_matrices_are_arrays(kind, dtype):
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[0, 2, 0], [1, 0, 0]]).astype(dtype)
    given = getattr(sparse, kind)(dense)
    assert table_of(given) is None
    np.testing.assert_array_equal(samples(given), dense.astype(np.float64))
    np.testing.assert_array_equal(samples(given, ["a", "b", "c"]), dense.astype(np.float64))
    np.testing.assert_array_equal(given.toarray(), dense)


def test_missing_values_of_a_sparse_matrix_are_told():
    given = pytest.importorskip("scipy.sparse").csr_array([[0.0, np.nan], [1.0, 0.0]])
    with pytest.raises(MissingValues, match=r"column 1 .*row 0"):
        samples(given)


@pytest.mark.thorough
def test_a_sparse_matrix_that_is_too_large_as_an_array_is_refused_with_a_way_out():
    rows, features = 1_000, 100_000
    given = pytest.importorskip("scipy.sparse").csr_array((rows, features))
    with pytest.raises(SparseTooLarge, match=r"takes 0.8 GB as an array.*X\[:671\]") as caught:
        samples(given)
    assert caught.value.got == (rows, features)
    assert samples(given[: caught.value.rows]).shape == (671, features)


def test_columns_of_other_lengths_and_rows_of_other_names_are_refused():
    with pytest.raises(ShapeMismatch):
        samples({"a": [1.0, 2.0], "b": [1.0]})
    with pytest.raises(ShapeMismatch):
        samples({"a": np.ones((2, 2)), "b": [1.0, 2.0]})
    with pytest.raises(ParameterError, match="row 1 has other names"):
        samples([{"a": 1}, {"b": 1}])
    with pytest.raises(ShapeMismatch):
        samples(np.zeros((2, 2), dtype=[("a", float)]))
    for empty in ({}, {"a": []}, []):
        with pytest.raises(ShapeMismatch):
            Reading.regression().samples(empty)


def test_a_protocol_without_its_extra_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for made in (StreamOnly, BatchOnly, InterchangeOnly):
        with pytest.raises(ExtraMissing, match="parquet"):
            samples(made(None))


def test_nothing_that_was_given_is_changed():
    columns = {"b": np.ma.masked_array([1.0, 2.0], [False, False]), "a": np.array([1, 2])}
    samples(columns, ["a", "b"])[:] = 9
    assert columns["b"].tolist() == [1.0, 2.0]
    assert columns["a"].tolist() == [1, 2]
    array = np.ones((2, 2))
    samples(array)[:] = 9
    assert (array == 1).all()


LABELLED = {
    "None": ["a", None, "b"],
    "NaN": [0.0, np.nan, 1.0],
    "NaN among text": np.array(["a", np.nan, "b"], dtype=object),
    "masked": np.ma.masked_array([0, 1, 1], [False, True, False]),
    "masked text": np.ma.masked_array(["a", "b", "c"], [False, True, False]),
}


@pytest.mark.parametrize("kind", LABELLED)
def test_missing_labels_are_refused_with_their_row(kind):
    for door in (labels_of, lambda y: tabular.train(np.eye(3), y), lambda y: Reading.regression().score(np.eye(3), y)):
        with pytest.raises((NonFiniteValue, ShapeMismatch)) as caught:
            door(LABELLED[kind])
        if isinstance(caught.value, NonFiniteValue):
            assert "labels (1: sample 1)" in str(caught.value)
    with pytest.raises(NonFiniteValue):
        Reading.classification([0, 1]).score([[1.0], [1.0], [1.0]], LABELLED[kind])


def test_missing_labels_of_tables_are_refused():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    for y in (
        pandas.Series(["a", pandas.NA, "b"], dtype="string"),
        pandas.Series([0, None, 1], dtype="Int64"),
        pandas.Series(["a", None, "b"], dtype="category"),
        pyarrow.array([0, None, 1]),
        pyarrow.chunked_array([["a", None], ["b"]]),
    ):
        with pytest.raises(MissingValues, match="sample 1"):
            tabular.train(np.eye(3), y)


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ([np.str_("a"), np.str_("b")], ("a", "b")),
        (np.array([np.str_("a"), np.str_("b")], dtype=object), ("a", "b")),
        ([np.int64(3), np.int64(7)], (3, 7)),
        (np.array([np.int8(3), np.uint64(7)], dtype=object), (3, 7)),
        ([np.float32(0.5), np.float64(1.5)], (0.5, 1.5)),
        ([np.bool_(False), np.bool_(True)], (False, True)),
        (np.array([np.bool_(False), np.str_("b")], dtype=object), (False, "b")),
    ],
    ids=range(7),
)
def test_labels_print_as_python_has_them(labels, shown):
    for reading in (Reading.classification(labels), Reading("classification", tuple(labels), "object")):
        assert reading.classes == shown
        assert list(map(type, reading.classes)) == list(map(type, shown))
        assert "np." not in repr(reading) + str(reading) + reading.to_json()
        assert json.loads(reading.to_json())["classes"] == list(shown)
        assert Reading.from_json(reading.to_json()) == reading
        predicted = reading.predict([[-1.0], [1.0]])
        assert predicted.tolist() == list(shown)
        assert list(map(type, predicted.tolist())) == list(map(type, shown))


@pytest.mark.parametrize("label", [np.str_("a"), np.int64(3), np.float64(0.5), np.bool_(True)], ids=str)
def test_errors_print_labels_as_python_has_them(label):
    with pytest.raises(ParameterError, match=f"are all {label.item()!r}"):
        tabular.train(np.eye(3), np.array([label] * 3))


KNOWN_TO_SKLEARN = tuple(
    getattr(sys.modules[module], name)
    for module, name in (("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"))
    if module in sys.modules
)


@pytest.fixture(scope="module")
def estimator():
    pytest.importorskip("sklearn")
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    from fhenn.sklearn import EncryptedClassifier, LogisticRegression  # noqa: PLC0415

    return EncryptedClassifier(make_pipeline(StandardScaler(), LogisticRegression()), accuracy=1e-2, margin=0.1)


def test_estimators_match_what_scikit_learn_does_not_know(estimator, carrier):
    if not hasattr(estimator, "classes_"):
        estimator.fit(_columns(NAMES), LABELS)
        assert tuple(estimator.feature_names_in_) == NAMES
    expected = estimator.estimator_.predict(VALUES)
    data = carrier(SHUFFLED)
    if isinstance(data, KNOWN_TO_SKLEARN):
        # their columns must be in order, as for scikit-learn's own estimators
        with pytest.raises(ValueError, match="same order"):
            estimator.predict(data)
        data = carrier(NAMES)
    assert (estimator.predict(data) == expected).all()


@pytest.mark.parametrize("kind", ["DataFrame", "Table", "RecordBatchReader", "record array"])
def test_estimators_learn_the_names_of_what_they_are_fitted_on(estimator, kind):
    fitted = type(estimator)(**estimator.get_params(deep=False)).fit(CARRIERS[kind](SHUFFLED), LABELS)
    assert tuple(fitted.feature_names_in_) == SHUFFLED
    assert fitted.score(_columns(NAMES), fitted.estimator_.predict(VALUES[:, [1, 3, 0, 2]])) == 1.0


def test_estimators_refuse_what_is_masked(estimator):
    masked = np.ma.masked_array(VALUES, np.zeros_like(VALUES, dtype=bool))
    fitted = type(estimator)(**estimator.get_params(deep=False)).fit(masked, LABELS)
    masked[2, 1] = np.ma.masked
    for call in (fitted.predict, lambda x: fitted.fit(x, LABELS)):
        with pytest.raises(MissingValues, match=r"in column 1 \(1: row 2\)"):
            call(masked)
    with pytest.raises(NonFiniteValue):
        fitted.fit(VALUES, np.ma.masked_array(LABELS, np.arange(24) == 3))


class TestIndices:
    """What was a DataFrame's index is no column in any other form of the table either."""

    def shuffled(self):
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        order = np.random.default_rng(1).permutation(len(VALUES))
        return pandas.DataFrame(_columns(NAMES)).iloc[order], LABELS[order]

    def arrow(self, frame):
        return import_module("pyarrow").Table.from_pandas(frame)

    def test_of_arrow(self):
        frame, labels = self.shuffled()
        table = self.arrow(frame)
        assert table.column_names == [*NAMES, "__index_level_0__"]
        learned = tabular.train(table, labels, epochs=2)
        assert learned.reading.features == NAMES
        for each in (table, table.to_batches()[0], table.to_reader(), StreamOnly(table), InterchangeOnly(table)):
            np.testing.assert_array_equal(samples(each, NAMES), frame.to_numpy())

    def test_with_names_or_levels(self):
        frame, _ = self.shuffled()
        for index in (frame.rename_axis("patient"), frame.set_index([frame.index, frame.index])):
            table = self.arrow(index)
            assert len(table.column_names) > len(NAMES)
            np.testing.assert_array_equal(samples(table, NAMES), frame.to_numpy())

    def test_of_polars(self):
        polars = pytest.importorskip("polars")
        frame, _ = self.shuffled()
        table = polars.from_arrow(self.arrow(frame))
        assert "__index_level_0__" in table.columns
        np.testing.assert_array_equal(samples(table, NAMES), frame.to_numpy())


PERMUTED = (1, 2, 0)
"""Labels that are neither names nor places."""


def labelled(how, order):
    """A table of columns that are called by their places, in an order."""
    values = VALUES[:, list(order)]
    if how == "dict":
        return {place: VALUES[:, place] for place in order}
    if how == "rows":
        return [dict(zip(order, row, strict=True)) for row in values]
    if how == "xarray":
        return Labelled(values, list(order))
    pandas = pytest.importorskip("pandas")
    labels = {
        "DataFrame": order,
        "NumPy": np.array(order, np.int16),
        "bytes": [str(place).encode() for place in order],
        "MultiIndex": pandas.MultiIndex.from_tuples([("x", place) for place in order]),
    }
    frame = pandas.DataFrame(values, columns=labels.get(how, order))
    return [row for _, row in frame.iterrows()] if how == "Series" else frame


@pytest.mark.parametrize("how", ["dict", "rows", "xarray", "DataFrame", "NumPy", "bytes", "MultiIndex", "Series"])
class TestLabelsThatAreNoText:
    """They were taken by position without a word: 54 % where 84 % is true."""

    def test_are_matched_as_text_where_features_have_names(self, how):
        features = [f"('x', {place})" if how == "MultiIndex" else str(place) for place in range(3)]
        np.testing.assert_array_equal(samples(labelled(how, PERMUTED), features), VALUES[:, :3])
        with pytest.raises(FeatureMismatch, match="missing: a, b, c; unknown: "):
            samples(labelled(how, PERMUTED), ["a", "b", "c"])

    def test_are_refused_where_nothing_matches_them(self, how):
        with pytest.raises(ParameterError, match=r"the columns are called .*1.*2.*0.*X\.to_numpy\(\)"):
            samples(labelled(how, PERMUTED))

    def test_are_learned(self, how):
        table = labelled(how, PERMUTED)
        learned = tabular.train(table, LABELS, epochs=2)
        if how != "Series":  # whose index 0, 1, 2 is that of any column, and stays places
            np.testing.assert_array_equal(learned.predict(table), learned.predict(labelled(how, (0, 1, 2))))
        np.testing.assert_array_equal(learned.predict(table), learned.predict(VALUES[:, list(PERMUTED)]))

    def test_in_order_are_places(self, how):
        if how in ("bytes", "MultiIndex"):
            return
        table = labelled(how, (0, 1, 2))
        np.testing.assert_array_equal(samples(table), VALUES[:, :3])
        np.testing.assert_array_equal(samples(table, ["a", "b", "c"]), VALUES[:, :3])


def test_one_sample_whose_index_is_no_text():
    pandas = pytest.importorskip("pandas")
    row = pandas.DataFrame(VALUES[:, list(PERMUTED)], columns=PERMUTED).iloc[0]
    np.testing.assert_array_equal(samples(row, ["0", "1", "2"], one=True), VALUES[0, :3])
    with pytest.raises(ParameterError, match=r"X\.to_numpy"):
        samples(row, one=True)
    np.testing.assert_array_equal(samples(row.reset_index(drop=True), one=True), VALUES[0, list(PERMUTED)])


def test_labels_that_are_no_text_occur_once():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ParameterError, match="two columns are called '1'"):
        samples(pandas.DataFrame(VALUES[:, :3], columns=[1, 1, 0]), ["0", "1", "2"])


def test_a_model_without_names_refuses_them_everywhere():
    nameless = model(None)
    frame = labelled("dict", (1, 2, 0, 3))
    for use in (nameless.predict, nameless.infer, nameless.forward, lambda x: fhenn.plan(nameless, inputs=x),
                lambda x: fhenn.encrypted_model(nameless, inputs=x), nameless.for_inputs):  # fmt: skip
        with pytest.raises(ParameterError, match="the columns are called 1, 2, 0, 3"):
            use(frame)
