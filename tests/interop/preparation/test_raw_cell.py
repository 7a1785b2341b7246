"""What bounds of features mean in the raw table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

import fhenn
from fhenn.errors import BoundsExceeded, RawCell
from fhenn.interop.preparation import Bins, Clip, Column, Function, Normalize, OneHot, Preparation, Scale, Select, Union

numbers = st.floats(-1e6, 1e6)
AGES = np.random.default_rng(0).uniform(18, 90, (200, 1))


def of_ages(*steps):
    return Preparation.of_numbers(["age"]).then(*steps, features=["made"])


@given(numbers, st.floats(1e-3, 1e3), st.sampled_from([-1, 1]), numbers, st.floats(1e-2, 1e3))
def test_the_bounds_are_kept_up_to_the_last_digits(mean, width, sign, low, reach):
    preparation = of_ages(Scale((mean,), (sign * width,)))
    high = low + reach
    cell = preparation.raw_cell(0, high + reach, low, high)

    def made(x):
        return preparation.prepare([[x]])[0, 0]

    assert cell.column == "age"
    assert low <= made(cell.low) <= high
    assert low <= made(cell.high) <= high
    assert not low <= made(cell.low - 1e-12 * max(1, abs(cell.low))) <= high
    assert not low <= made(cell.high + 1e-12 * max(1, abs(cell.high))) <= high
    assert made(cell.value) == pytest.approx(high + reach, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        MinMaxScaler((1, -1 + 3)),
        FunctionTransformer(np.log1p),
        FunctionTransformer(np.sqrt),
        PowerTransformer("yeo-johnson"),
        PowerTransformer("box-cox"),
        make_pipeline(SimpleImputer(), FunctionTransformer(np.log), StandardScaler()),
    ],
    ids=str,
)
def test_it_is_the_cell_whatever_scikit_learn_made_of_it(step):
    preparation = in_a_pipeline(step)
    low, high, far = made_of(preparation, 20.0, 85.0, 400.0)
    cell = preparation.raw_cell(0, far, low, high)
    assert cell.column == "age"
    np.testing.assert_allclose([cell.value, cell.low, cell.high], [400, 20, 85], rtol=1e-9)


def in_a_pipeline(step):
    """The preparation of a pipeline with a step for ages, beside a column of texts."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": AGES[:, 0], "sex": np.where(AGES[:, 0] % 2 < 1, "f", "m")})
    made = ColumnTransformer([("num", step, ["age"]), ("cat", OneHotEncoder(), ["sex"])])
    return fhenn.from_sklearn(make_pipeline(made, LogisticRegression()).fit(table, AGES[:, 0] > 50)).preparation


def made_of(preparation, *ages):
    """What a preparation makes of ages."""
    return preparation.prepare({"age": ages, "sex": ["f"] * len(ages)})[:, 0]


def test_what_many_cells_make_has_no_value():
    preparation = in_a_pipeline(QuantileTransformer(n_quantiles=10))
    cell = preparation.raw_cell(0, 1.0, *made_of(preparation, 30.0, 60.0))
    assert cell.value is None
    assert (cell.low, cell.high) == pytest.approx((30, 60))
    assert str(cell) == "column 'age', which may be from 30 to 60"
    cell = of_ages(Clip((-5.0,), (5.0,))).raw_cell(0, 5.0, -2.0, 3.0)
    assert cell == RawCell("age", None, -2.0, 3.0)


@pytest.mark.parametrize(
    ("bounds", "value", "says"),
    [
        ((-5.0, 3.0), 4.0, "column 'age' = 40, which may be at most 30"),
        ((-2.0, 5.0), -3.0, "column 'age' = -30, which may be at least -20"),
        ((-2.0, 3.0), 3.0000001, "column 'age' = 30.000001, which may be from -20 to 30"),
    ],
)
def test_in_words(bounds, value, says):
    """What is cut off at 5 exceeds no bound there."""
    assert str(of_ages(Scale((0.0,), (10.0,)), Clip((-5.0,), (5.0,))).raw_cell(0, value, *bounds)) == says


@pytest.mark.parametrize(
    ("preparation", "why"),
    [
        (of_ages(Scale((0.0,), (1.0,))), "is the cell itself"),
        (of_ages(Function("square")), "neither rises nor falls"),
        (of_ages(Scale((0.0,), (0.0,))), "is the same for any cell"),
        (of_ages(Scale((0.0,), (1.0,)), Clip((0.0,), (1.0,))), "keeps these bounds for no cell"),
        (Preparation.of_numbers(2).then(Normalize("l2")), "is made of several columns"),
        (
            Preparation((Column("sex", "text"),), (OneHot((("f", "m"),), ((0, 1),), (2,), (None,)),), ("f", "m")),
            "is of texts",
        ),
        (of_ages(Bins(((18.0, 30.0),))), "is refused where a cell is tried"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_none_where_the_feature(preparation, why):
    assert preparation.raw_cell(0, 9.0, 7.0, 8.0) is None


def test_columns_beside_it_do_not_matter():
    sex = OneHot((("f", "m"),), ((0, 1),), (2,), (None,))
    log = (Select((0,)), Function("log"))
    preparation = Preparation(
        (Column("dose"), Column("sex", "text"), Column("left out", used=False)),
        [Union((log, (Select((1,)), sex)))],
        ("dose", "f", "m"),
    )
    assert (
        str(preparation.raw_cell(0, np.log(50.0), 0.0, np.log(9.0))) == "column 'dose' = 50, which may be from 1 to 9"
    )


@pytest.fixture(scope="module")
def pipeline():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    table = pandas.DataFrame({"dose": rng.uniform(1, 9, 60), "sex": rng.choice(["f", "m"], 60), "age": AGES[:60, 0]})
    made = ColumnTransformer(
        [("num", StandardScaler(), ["dose", "age"]), ("cat", OneHotEncoder(), ["sex"])],
    )
    return make_pipeline(made, LogisticRegression()).fit(table, table["dose"] > 5), table


def test_a_client_names_the_cell_in_the_raw_table(pipeline):
    fitted, table = pipeline
    model = fhenn.from_sklearn(fitted)
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan, preparation=model.preparation)
    mean, deviation = table["dose"].mean(), table["dose"].std(ddof=0)
    with pytest.raises(BoundsExceeded) as caught:
        client.encrypt(table.iloc[:3].assign(dose=[5.0, 99.0, 12.0], age=50.0))
    raw = caught.value.raw
    assert (raw.column, raw.value) == ("dose", pytest.approx(99))
    assert (raw.low, raw.high) == pytest.approx((mean - deviation, mean + deviation))
    assert f": in the raw table, column 'dose' = 99, which may be from {raw.low:.6g} to {raw.high:.6g}. Clip" in str(
        caught.value
    )
    client.encrypt(table.iloc[:2].assign(dose=[raw.low, raw.high], age=50.0))
