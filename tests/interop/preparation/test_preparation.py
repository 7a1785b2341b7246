"""`Preparation`: what it takes and refuses, in Python and as JSON from anyone."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepared import EVERY, RAW, TABLE, every

from fhenn.errors import (
    CellRefused,
    FeatureMismatch,
    FhennError,
    MissingValues,
    ParameterError,
    ShapeMismatch,
    UnknownCategory,
    WireFormatError,
)
from fhenn.interop import Preparation
from fhenn.interop.preparation import (
    Bins,
    Clip,
    Column,
    CountWords,
    Function,
    Impute,
    IsMissing,
    Kernel,
    Lookup,
    Matrix,
    Normalize,
    Notice,
    OneHot,
    Polynomial,
    Power,
    Quantiles,
    Scale,
    Select,
    Sketch,
    Spline,
    Union,
)
from fhenn.interop.preparation.catalogue import STEPS


def kinds(steps):
    for step in steps:
        yield type(step).__name__
        if isinstance(step, Union):
            for branch in step.branches:
                yield from kinds(branch)


def test_every_step_goes_through_json():
    preparation = every()
    assert {*kinds(preparation.steps)} == {*STEPS}
    again = Preparation.from_json(preparation.to_json())
    assert again == preparation
    assert hash(again) == hash(preparation)
    assert again.fingerprint == preparation.fingerprint
    assert again.to_json() == preparation.to_json()
    found = preparation.prepare(TABLE)
    assert found.shape == (3, 15)
    assert np.isfinite(found).all()
    assert found.tobytes() == again.prepare(TABLE).tobytes()
    assert Preparation.from_json(preparation.to_json().encode()) == preparation


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_floats_keep_their_last_bit(values):
    preparation = Preparation.of_numbers(len(values)).then(Scale(add=tuple(values)))
    (scale,) = Preparation.from_json(preparation.to_json()).steps
    assert [value.hex() for value in scale.add] == [value.hex() for value in values]


def test_fingerprints_differ_with_every_part():
    base = Preparation.of_numbers(["a", "b"]).then(Scale((1.0, 2.0)))
    others = [
        Preparation.of_numbers(["a", "c"]).then(Scale((1.0, 2.0)), features=["a", "b"]),
        Preparation.of_numbers(["a", "b"]).then(Scale((1.0, float(np.nextafter(2.0, 3))))),
        Preparation.of_numbers(["a", "b"]).then(Scale((), (1.0, 2.0))),
        Preparation.of_numbers(["a", "b"]).then(Scale((1.0, 2.0)), features=["a", "c"]),
        Preparation(base.columns, base.steps, base.features, extra=True),
        Preparation((Column("a"), Column("b", "number", False)), base.steps, base.features),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 7
    assert base.fingerprint == Preparation.of_numbers(["a", "b"]).then(Scale([1, 2])).fingerprint


def test_rows_are_prepared_one_by_one(monkeypatch):
    preparation, rows = every(), 50
    table = {name: (cells * rows)[:rows] for name, cells in TABLE.items()}
    whole = preparation.prepare(table)
    monkeypatch.setattr("fhenn.interop.preparation.preparation._BLOCK", 7 * 100)
    assert np.allclose(preparation.prepare(table), whole, rtol=1e-14, atol=1e-14)
    table["mark"][41] = "new"
    with pytest.raises(CellRefused, match=r"column 'mark' holds 'new' in row 41"):
        preparation.prepare(table)
    with pytest.raises(CellRefused, match=r"raw\.csv: column 'mark' holds 'new' in line 43"):
        preparation.prepare(table, where=lambda rows: f"line {rows[0] + 2}", operation="raw.csv")


def test_other_tables_are_refused():
    preparation = every()
    with pytest.raises(FeatureMismatch, match=r"columns are not those.*missing: mark.*model\.preparation\.names"):
        preparation.prepare({name: cells for name, cells in TABLE.items() if name != "mark"})
    assert preparation.prepare({**TABLE, "more": [1, 2, 3], "id": [4, 5, 6]}).shape == (3, 15)
    strict = Preparation(RAW, EVERY, preparation.features)
    assert strict.prepare({**TABLE, "id": [4, 5, 6]}).shape == (3, 15)
    with pytest.raises(FeatureMismatch, match=r"\(unknown: more\)"):
        strict.prepare({**TABLE, "more": [1, 2, 3]})
    with pytest.raises(ShapeMismatch, match=r"\(samples, 5\)"):
        preparation.prepare([[1, "f", "a", 1]])
    with pytest.raises(ShapeMismatch, match="put the one sample in a list"):
        preparation.prepare({"age": 1, "sex": "f", "note": "a", "mark": 1})
    for empty in ({name: [] for name in TABLE}, np.empty((0, 5)), []):
        with pytest.raises(ShapeMismatch):
            preparation.prepare(empty)
    with pytest.raises(ShapeMismatch):
        preparation.prepare(np.zeros(5))


def test_cells_of_numbers():
    preparation = Preparation.of_numbers(["a"]).then(Impute((-1.0,)))
    given_cells = [1, "2.5", " 3 ", True, np.float32(0.5), np.int8(4), None, float("nan"), "", "NA", "1e3", np.nan]
    wanted = [1, 2.5, 3, 1, 0.5, 4, -1, -1, -1, -1, 1000, -1]
    assert preparation.prepare({"a": given_cells}).ravel().tolist() == wanted
    assert preparation.prepare({"a": np.ma.MaskedArray([1, 2], mask=[0, 1])}).ravel().tolist() == [1, -1]
    assert preparation.prepare({"a": np.array(["1", "x"])[:1]}).ravel().tolist() == [1]
    for cell, reason in (("x", "no number"), ("1,5", "decimal comma"), (1j, "no number"), (b"1", "no number"),
                         ("inf", "infinite"), (10**400, "infinite"), (np.datetime64("2024-01-01"), "date"),
                         (np.timedelta64(1, "D"), "date")):  # fmt: skip
        with pytest.raises(CellRefused, match=reason):
            preparation.prepare({"a": [1.0, cell]})
    with pytest.raises(CellRefused, match="it is a date"):
        preparation.prepare({"a": np.array(["2024-01-01"], dtype="M8[D]")})


def test_cells_of_texts_are_compared_exactly():
    preparation = Preparation((Column("a", "text"),), (Lookup((("é", "NA", ""),), ((1.0, 2.0, 3.0),), (0.0,)),), ("a",))
    # as scikit-learn does: an accent that is written in two characters is another category, and NA is a text
    cells = ["é", "e\u0301", "NA", "", " é"]
    assert preparation.prepare({"a": cells}).ravel().tolist() == [1, 0, 2, 3, 0]
    assert preparation.prepare({"a": np.array(cells)}).ravel().tolist() == [1, 0, 2, 3, 0]
    with pytest.raises(CellRefused, match="it is no text"):
        preparation.prepare({"a": ["é", 1.5]})


def test_what_is_not_finite_at_the_end_is_refused():
    preparation = Preparation.of_numbers(["a"]).then(Function("log"))
    with pytest.raises(MissingValues, match=r"column 'a' \(2: rows 1, 2\).*logarithm"):
        preparation.prepare({"a": [1.0, 0.0, -1.0]})
    product = Preparation.of_numbers(["a", "b"]).then(Polynomial(((0, 1),)), features=["ab"])
    with pytest.raises(MissingValues, match=r"feature 'ab' \(1: row 1\)"):
        product.prepare([[1.0, 2.0], [1e200, 1e200]])
    with pytest.raises(MissingValues, match=r"column 'b' \(1: row 0\).*takes no missing ones"):
        product.prepare([[1.0, None]])


@pytest.mark.parametrize("steps", [
    [Select((1,))], [Select((-1,))], [Impute((1.0, 2.0))], [IsMissing((3,))], [Scale((1.0, 2.0))], [Clip((1.0,), ())],
    [Bins(())], [Power((), "box-cox")], [Quantiles((), (0.0,), "normal")], [Spline((), 1, "error")],
    [Polynomial(((1,),))], [Polynomial(((0,) * 65,))], [Matrix(((1.0, 2.0),))], [Kernel("linear", ((1.0, 2.0),))],
    [Sketch(((0, 0),), ((1, 1),), 1, 1.0, 0.0)], [CountWords(("a",))], [Union(())], [Union(((Select((1,)),),))],
    [OneHot((("a",),), ((0,),), (1,), (0,))], [Lookup(((1.0,), (2.0,)), ((1.0,), (1.0,)), (0.0, 0.0))],
    [Impute(("a",))], [Select((0, 0))], [Select(())], [Impute((1.0,), "x")],
], ids=range(24))  # fmt: skip
def test_steps_that_do_not_fit_are_refused(steps):
    if isinstance(steps[0], Impute) and steps[0].missing == "x":
        assert Preparation.of_numbers(1).then(*steps).prepare([[2.0]]).tolist() == [[2.0]]
        return
    with pytest.raises(ParameterError):
        Preparation.of_numbers(1).then(*steps)


@pytest.mark.thorough
@pytest.mark.parametrize("make", [
    lambda: OneHot((("a", "a"),), ((0, 1),), (2,), (None,)),
    lambda: OneHot((("a", "b"),), ((0, 1),), (3,), (None,)),
    lambda: OneHot((("a", "b"),), ((0, 2),), (2,), (None,)),
    lambda: OneHot((("a", "b"),), ((0, -2),), (1,), (None,)),
    lambda: OneHot((("a", "b"),), ((0,),), (1,), (None,)),
    lambda: OneHot((("a", "b"),), ((0, 1),), (2,), ()),
    lambda: OneHot((("a",),), ((0,),), (10**9,), (None,)),
    lambda: Lookup((("a", "b"),), ((1.0,),), (None,)),
    lambda: Lookup((("a", "b"),), ((1.0, 2.0),), ()),
    lambda: Lookup((("a", True),), ((1.0, 2.0),), (None,)),
    lambda: Bins(((2.0, 1.0),)),
    lambda: Quantiles(((2.0, 1.0),), (0.0, 1.0), "normal"),
    lambda: Quantiles(((2.0, 3.0),), (0.0,), "normal"),
    lambda: Quantiles(((2.0, 3.0),), (0.0, 1.0), "gamma"),
    lambda: Spline(((1.0, 2.0, 3.0),), 1, "error"),
    lambda: Spline(((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0)), 1, "error"),
    lambda: Spline((tuple(map(float, range(99))),), 17, "error"),
    lambda: Spline(((1.0, 2.0, 3.0, 0.0),), 1, "error"),
    lambda: Function("eval"),
    lambda: Normalize("l3"),
    lambda: Matrix(()),
    lambda: Matrix(((),)),
    lambda: Matrix(((1.0,), (1.0, 2.0))),
    lambda: Matrix(((1.0,),), (1.0, 2.0)),
    lambda: Matrix((("1.0",),)),
    lambda: Sketch(((0,),), ((2,),), 1, 1.0, 0.0),
    lambda: Sketch(((1,),), ((1,),), 1, 1.0, 0.0),
    lambda: Sketch(((0,),), ((1, 1),), 1, 1.0, 0.0),
    lambda: Sketch(((0,),), ((1,),), 1, -1.0, 0.0),
    lambda: Sketch(((0,),), ((1,),), 10**9, 1.0, 0.0),
    lambda: CountWords(()),
    lambda: CountWords(("a", "a")),
    lambda: CountWords(("a",), 2, 1),
    lambda: CountWords(("a",), 1, 9),
    lambda: Scale((float("nan"),)),
    lambda: Scale((float("inf"),)),
    lambda: Matrix(((1.0, float("inf")),)),
    lambda: Impute((float("nan"),)),
    lambda: Scale(("a",)),
    lambda: Column("a", "date"),
    lambda: Column(3),
    lambda: Preparation((), (), ()),
    lambda: Preparation((Column("a"), Column(None)), (), ("a", "b")),
    lambda: Preparation((Column("a"), Column("a")), (), ("a", "b")),
    lambda: Preparation((Column("a"),), (), ("a", "b")),
    lambda: Preparation((Column("a"),), (), ("a" * 513,)),
    lambda: Preparation((Column("a"), Column("b")), (), ("a", "a")),
    lambda: Preparation((Column("a"),), ("Scale",), ("a",)),
    lambda: Preparation((Column("a"),), (), (3,)),
    lambda: Preparation((Column("a", "text"),), (), ("a",)),
    lambda: Preparation.of_numbers(3000).then(*[Select(tuple(range(3000)))] * 100),
    lambda: Preparation.of_numbers(1).then(*[Select((0,))] * 5000),
    lambda: Preparation.of_numbers(200_000),
    lambda: Preparation.of_numbers(1).then(
        Sketch(((0,),), ((1,),), 100_000, 1.0, 0.0), features=map(str, range(100_000))),
    lambda: Preparation.of_numbers(1).then(nested(20)),
], ids=range(55))  # fmt: skip
def test_what_is_malformed_or_too_large_is_refused(make):
    with pytest.raises(ParameterError):
        make()


def nested(depth):
    return Union(((nested(depth - 1),),)) if depth else Select((0,))


def changed(change):
    data = json.loads(every().to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("change", [
    lambda data: data.update(kind="fhenn-reading"),
    lambda data: data.update(version=2),
    lambda data: data.update(more=1),
    lambda data: data.pop("steps"),
    lambda data: data.update(steps=[{"step": "Pickle", "data": "gASV"}]),
    lambda data: data.update(steps=[{"step": ["Scale"]}]),
    lambda data: data.update(steps=[{}]),
    lambda data: data.update(steps=["Scale"]),
    lambda data: data.update(steps={"step": "Scale"}),
    lambda data: data.update(steps=[{"step": "Step"}]),
    lambda data: data.update(steps=[{"step": "Scale", "more": 1}]),
    lambda data: data.update(steps=[{"step": "Union", "branches": [{"step": "Scale"}]}]),
    lambda data: data.update(steps=[{"step": "Union"}]),
    lambda data: data.update(steps=[{"step": "Function", "name": "system"}]),
    lambda data: data.update(extra="yes"),
    lambda data: data.update(extra=1),
    lambda data: data.update(columns=[]),
    lambda data: data.update(columns=[{"name": "a", "kind": "number", "used": True, "more": 1}]),
    lambda data: data.update(columns=[["a", "number", True]] * 5),
    lambda data: data.update(features=["a"]),
    lambda data: data.update(features=list(range(15))),
    lambda data: data["steps"][0]["branches"][0][0].update(places=[1.0]),
    lambda data: data["steps"][0]["branches"][0][0].update(places=[True]),
    lambda data: data["steps"][0]["branches"][0][0].update(places=[9]),
    lambda data: data["steps"][0]["branches"][0][0].update(places=5),
], ids=range(25))  # fmt: skip
def test_other_json_is_refused(change):
    with pytest.raises(WireFormatError, match="preparation"):
        Preparation.from_json(changed(change))


def test_json_without_end_is_refused_before_it_is_parsed():
    step = {"step": "Union", "branches": [[]]}
    for _ in range(25):
        step = {"step": "Union", "branches": [[step]]}
    for text in (
        "", "[]", "{}", "[" * 100_000, b"\xff", " " * (17 << 20), "[" + "1," * (1 << 20) + "1]",
        changed(lambda data: data.update(steps=[step])),
        changed(lambda data: data.update(features=["a" * 600])),
        every().to_json().replace("40.5", "NaN"), every().to_json().replace("40.5", "1e999"),
    ):  # fmt: skip
        with pytest.raises(WireFormatError, match="preparation"):
            Preparation.from_json(text)


def leaves(data, path=()):
    """The places of all values in JSON."""
    yield path
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from leaves(value, (*path, key))


STRANGE = [0, -1, 1, 2**40, -(2**62), 0.5, -0.0, 1e308, 5e-324, "", "a", "x" * 600, None, True, [], {}, [[]], [1]]


@pytest.mark.thorough
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_a_stranger_writes_is_refused_or_prepares(data):
    content = json.loads(every().to_json())
    places = sorted(leaves(content), key=str)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from([place for place in places if place]))
        inside = content
        try:
            for key in path:
                inside = inside[key]
            kind = data.draw(st.sampled_from(["change", "drop", "twice"]))
            if kind == "change" or not isinstance(inside, list):
                inside[last] = data.draw(st.sampled_from(STRANGE))
            elif kind == "drop":
                del inside[last]
            else:
                inside.append(inside[last])
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
    try:
        preparation = Preparation.from_json(json.dumps(content))
    except WireFormatError:
        return
    try:
        found = preparation.prepare(TABLE)
    except FhennError:
        return
    assert np.isfinite(found).all()
    assert found.shape == (3, len(preparation.features))
    assert Preparation.from_json(preparation.to_json()) == preparation
    preparation.tells()


@pytest.mark.thorough
def test_what_could_not_be_read_is_not_written():
    weights = np.random.default_rng(0).normal(size=(1000, 1000)).tolist()
    preparation = Preparation.of_numbers(1000).then(Matrix(weights), features=map(str, range(1000)))
    with pytest.raises(ParameterError, match=r"too large to be sent: its .* bytes are more than 16,777,216"):
        preparation.to_json()


def test_what_it_tells_is_safe_to_print():
    preparation = Preparation((Column("a\x1b[31m", "text"),), (Lookup((("\u202e",),), ((1.5,),), (0.0,)),), ("a",))
    told = preparation.tells()
    assert "\x1b" not in "".join(told)
    assert "\u202e" not in "".join(told)
    assert [line.partition(":")[0] for line in told] == ["the columns", "a\\x1b[31m", "a\\x1b[31m"]
    assert "number of its categories" in told[2] or "numbers of its categories" in told[2]
    told = every().tells()
    assert len(told) == len({*told}) == 22


def noticed(preparation, table):
    """What a preparation says of a table; it prepares the same without being asked."""
    found = []
    assert np.array_equal(preparation.prepare(table, notice=found.append), preparation.prepare(table))
    return found


def test_it_tells_of_blank_cells_and_categories_that_it_goes_on_without(monkeypatch):
    known = OneHot((("A", "B"),), ((0, 1),), (2,), (-1,))
    filled = (Select((1,)), Impute((40.0,)))
    codes = (Select((0,)), Lookup((("A",),), ((1.0,),), (0.0,)))
    preparation = Preparation(
        (Column("ward", "text"), Column("age"), Column("unused", "text", False)),
        (Union(((Select((0,)), known), codes, filled)),),
        ("A", "B", "code", "age"),
    )
    assert noticed(preparation, {"ward": ["A", "A"], "age": [1.0, 2.0], "unused": [None, None]}) == []
    table = {"ward": ["D", "A", None, "B", "D", "E"], "age": [1.0, None, 2.0, None, None, 3.0]}
    # Lookup does not know B either, and both together count a cell once; a blank cell is no category
    wanted = [Notice("ward", 1, 4, ("D", "B", "E")), Notice("age", 3)]
    assert noticed(preparation, table) == wanted
    monkeypatch.setattr("fhenn.interop.preparation.preparation._BLOCK", preparation._width)
    parts = noticed(preparation, table)
    assert len(parts) > len(wanted)
    for column in wanted:
        mine = [each for each in parts if each.column == column.column]
        assert sum(mine[1:], mine[0]) == column


def test_unknown_categories_have_known_ones_that_are_nearly_written_so():
    known = OneHot((("female", "male"),), ((0, 1),), (2,), (-1,))
    preparation = Preparation((Column("sex", "text"),), (known,), ("female", "male"))
    told = noticed(preparation, {"sex": ["mal", "Female ", "unclear", "male"]})
    assert told == [Notice("sex", 0, 3, ("mal", "Female ", "unclear"), (("mal", "male"), ("Female ", "female")))]
    first, second = (noticed(preparation, {"sex": cells})[0] for cells in (["x", "mal"], ["MALE", "mal", "femal"]))
    assert first + second == Notice("sex", 0, 5, ("x", "mal", "MALE"), (("mal", "male"), ("MALE", "male")))


def test_what_is_refused_is_not_told():
    found = []
    refusing = Preparation((Column("ward", "text"),), (OneHot((("A", "B"),), ((0, 1),), (2,), (None,)),), ("A", "B"))
    with pytest.raises(UnknownCategory):
        refusing.prepare({"ward": ["D"]}, notice=found.append)
    assert not found


def test_it_runs_where_there_is_no_scikit_learn_and_no_scipy():
    code = f"""
import json, sys
sys.modules.update(dict.fromkeys(["sklearn", "scipy", "pandas"]))
from fhenn import Preparation
preparation = Preparation.from_json({every().to_json()!r})
print(json.dumps(preparation.prepare({TABLE!r}).tolist()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == every().prepare(TABLE).tolist()
