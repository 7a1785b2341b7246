"""`Thermometer`: the bits that trees decide by, as the libraries of trees compare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.errors import MissingValues, ParameterError
from fhenn.interop.preparation import (
    Column,
    Function,
    Impute,
    IsMissing,
    Matrix,
    OneHot,
    Preparation,
    Scale,
    Select,
    Thermometer,
    Union,
)

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def bits_of(step, rows):
    return Preparation.of_numbers(len(step.thresholds)).then(step).prepare(rows)


@given(st.lists(finite, max_size=9, unique=True).map(sorted), st.lists(finite, min_size=1, max_size=9), st.booleans())
def test_bits_are_comparisons_in_double_precision(thresholds, values, strict):
    thresholds = [float(t) + 0.0 for t in thresholds]
    thresholds = sorted(set(thresholds))
    values = np.array([*values, *thresholds])
    limits = np.array(thresholds)
    if not thresholds:
        return
    found = bits_of(Thermometer((tuple(thresholds),), strict=strict), values[:, None])
    wanted = values[:, None] < limits if strict else values[:, None] <= limits
    assert np.array_equal(found, wanted.astype(np.float64))


@given(st.floats(-(2.0**99), 2.0**99), st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1))
def test_single_rounds_the_value_first(value, thresholds):
    thresholds = sorted({t + 0.0 for t in thresholds})
    near = [np.nextafter(t, np.inf) for t in thresholds]  # rounds to t in single precision
    values = np.array([value, *thresholds, *near])
    found = bits_of(Thermometer((tuple(thresholds),), strict=True, single=True), values[:, None])
    assert np.array_equal(found, values.astype(np.float32)[:, None] < np.array(thresholds, dtype=np.float32))
    found = bits_of(Thermometer((tuple(thresholds),), single=True), values[:, None])
    assert np.array_equal(found, values.astype(np.float32)[:, None] <= np.array(thresholds))


def test_a_double_between_two_singles_tells_the_two_apart():
    threshold = float(np.float32(0.1))
    values = [[0.1], [threshold]]  # float32(0.1) > 0.1
    assert bits_of(Thermometer(((0.1,),)), values).ravel().tolist() == [1.0, 0.0]
    assert bits_of(Thermometer(((threshold,),), single=True), values).ravel().tolist() == [1.0, 1.0]
    assert bits_of(Thermometer(((0.1,),), single=True), values).ravel().tolist() == [0.0, 0.0]


def test_what_is_missing_has_a_bit_or_is_refused():
    step = Thermometer(((1.0,), (1.0,)), missing=(True, False), sets=(((2.0, 3.0),), ()))
    assert step.bits == (3, 1)
    assert bits_of(step, [[None, 0.0], [3.0, 2.0], [0.5, 1.0]]).tolist() == [[0, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1]]
    with pytest.raises(MissingValues, match=r"column 1 \(1: row 1\)"):
        bits_of(step, [[1.0, 1.0], [1.0, np.nan]])


def test_sets_of_texts():
    with pytest.raises(ParameterError, match="no number when all steps are done"):
        Preparation((Column("sex", "text"),), (), ("sex",))
    step = Thermometer(((), (40.0,)), missing=(True, False), sets=((("f", "x"), ("m",)), ()))
    raw = (Column("sex", "text"), Column("age"))
    preparation = Preparation(raw, (step,), step.names(["sex", "age"]))
    table = {"age": [39, 41, 40], "sex": ["f", "m", None]}
    assert preparation.prepare(table).tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1]]
    assert preparation.features == ("sex in {'f', 'x'}", "sex in {'m'}", "sex is missing", "age <= 40.0")


@pytest.mark.parametrize(
    "arguments",
    [
        ([[2.0, 1.0]],),
        ([[1.0, 1.0]],),
        ([[np.inf]],),
        ([[np.nan]],),
        ([["a"]],),
        ([[1.0]], False, False, [True, False]),
        ([[1.0]], False, False, [], [[["a"]]]),
        ([[1.0]], False, False, [], [[["a", 1.0]]]),
        ([[1.0]], False, False, [], [[[None]]]),
        ([[1.0]], 1),
        (3,),
    ],
    ids=str,
)
def test_malformed_ones_are_refused(arguments):
    with pytest.raises(ParameterError):
        Thermometer(*arguments)


def test_other_columns_are_refused():
    with pytest.raises(ParameterError, match="for 1 columns, and 2 come in"):
        Preparation.of_numbers(2).then(Thermometer(((1.0,),)))
    with pytest.raises(ParameterError, match="takes numbers, and sex is of kind 'text'"):
        Preparation((Column("sex", "text"),), (Thermometer(((1.0,),)),), ("a",))


def test_what_it_tells():
    step = Thermometer(((1.0, 2.5),), missing=(True,), sets=(((7.0,),),))
    assert Preparation.of_numbers(["age"]).then(step).tells() == (
        "the columns: 'age'",
        "age: the thresholds 1, 2.5",
        "age: the set 7",
        "age: that the model asks whether it is missing",
    )


def test_what_it_tells_of_bits_is_not_told_of_what_these_are_of():
    rare = OneHot((("a", "b", "c", None),), ((0, 1, 1, 2),), (4,), (3,))
    begin = Union(
        (
            (Select((0,)), Impute((40.0,)), Scale((40.0,), (20.0,))),
            (IsMissing((0,)), Scale((0.0,), (2.0,))),
            (Select((1,)), rare),
            (Select((1, 0)), Select((1,)), Impute((0.0,))),
        )
    )
    columns = Column("age"), Column("ward", "text")
    steps = Thermometer(((1.0,), *((0.5,),) * 5, (70.0,)))
    preparation = Preparation(columns, (begin, steps), tuple(map(str, range(7))))
    assert [line for line in preparation.tells() if "thresholds" in line] == [
        "age: the thresholds 1",
        "age is missing: the thresholds 0.5",
        "ward is 'a': the thresholds 0.5",
        "ward is one of 'b', 'c': the thresholds 0.5",
        "ward is missing: the thresholds 0.5",
        "ward is another: the thresholds 0.5",
        "age: the thresholds 70",
    ]


def test_what_is_made_of_several_columns_is_told_by_its_place():
    step = Matrix(((1.0, 1.0), (1.0, -1.0)))
    preparation = Preparation.of_numbers(["a", "b"]).then(step, Thermometer(((0.5,), (1.5,))))
    assert preparation.tells()[-2:] == ("column 0: the thresholds 0.5", "column 1: the thresholds 1.5")


def test_long_lists_are_told_in_full_where_that_is_asked_for():
    steps = tuple(map(float, range(300)))
    preparation = Preparation.of_numbers(["age"]).then(Thermometer((steps,)))
    assert preparation.tells()[1] == "age: the thresholds 0, 1, 2, 3, 4, … (300)"
    assert preparation.tells(whole=True)[1] == "age: the thresholds " + ", ".join(map(str, range(300)))
    word = "w" * 900
    preparation = Preparation((Column("x", "text"),), (OneHot(((word,),), ((0,),), (1,), (-1,)),), ("x",))
    assert len(preparation.tells()[1]) < 100
    assert preparation.tells(whole=True)[1] == f"x: its categories '{word}'"


def test_names_do_not_grow_with_steps_without_end():
    preparation = Preparation((Column("age"),), (IsMissing((0,)),) * 500, ("missing",))
    assert max(map(len, preparation.tells(whole=True))) < 600


@pytest.mark.parametrize("kind", ["number", "text", "either"])
def test_sets_that_are_empty_are_of_any_column(kind):
    bits = Thermometer(((),), missing=(True,), sets=(((), ()),))
    preparation = Preparation((Column("x", kind),), (bits,), ("a", "b", "missing"))
    cells = ["1", "2"] if kind == "number" else ["f", "m"]
    assert preparation.prepare({"x": [*cells, None]}).tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    mixed = Thermometer(((),), sets=(((), ("f",)),))
    if kind == "text":
        made = Preparation((Column("x", kind),), (mixed,), ("a", "b"))
        assert made.prepare({"x": cells}).tolist() == [[0, 1], [0, 0]]
    else:
        with pytest.raises(ParameterError, match="takes texts"):
            Preparation((Column("x", kind),), (mixed,), ("a", "b"))


def test_what_is_never_missing_is_known_before_there_are_rows():
    start = Preparation.of_numbers(3)
    assert start.may_be_missing == (True, True, True)
    filled = start.then(Impute((1.0, None, 2.0)), Scale((), (2.0, 2.0, 2.0)))
    assert filled.may_be_missing == (False, True, False)
    branches = Union(
        ((Select((2, 1)),), (IsMissing((0,)),), (OneHot(((0.0,),) * 3, ((0,),) * 3, (1,) * 3, (-1,) * 3),))
    )
    both = filled.then(branches, features=[f"f{place}" for place in range(6)])
    assert both.may_be_missing == (False, True, False, False, False, False)
    assert filled.then(Function("log")).may_be_missing == (True, True, True)
    assert start.then(Impute((1.0,) * 3, missing=-1.0)).may_be_missing == (True, True, True)
