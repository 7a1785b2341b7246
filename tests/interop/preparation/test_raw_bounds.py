"""What bounds of features mean in the raw table."""

from math import inf, nextafter

import numpy as np
import pytest
from hypothesis import assume, given
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
    SplineTransformer,
    StandardScaler,
)

import fhenn
from fhenn.errors import BoundsExceeded, RawBounds
from fhenn.interop.preparation import (
    Bins,
    Clip,
    Column,
    Function,
    Impute,
    Normalize,
    OneHot,
    Preparation,
    Scale,
    Select,
    Union,
)
from fhenn.interop.preparation.scaling import FUNCTIONS

numbers = st.floats(-1e6, 1e6)
AGES = np.random.default_rng(0).uniform(18, 90, (200, 1))


def of_ages(*steps):
    return Preparation.of_numbers(["age"]).then(*steps, features=["made"])


widths = st.one_of(st.floats(1e-3, 1e3), st.sampled_from([1e-40, 1e15, 1e40]))


@given(numbers, widths, st.sampled_from([-1, 1]), numbers, st.floats(1e-2, 1e3))
def test_the_bounds_are_kept_up_to_the_last_digit(mean, width, sign, low, reach):
    preparation = of_ages(Scale((mean,), (sign * width,)))
    high = low + reach
    found = preparation.raw_bounds(0, low, high)
    # a column that is its own feature has none; nor has one whose doubles are further apart than the bounds
    assert found is not None or width <= 1
    assume(found is not None)

    def kept(x):
        return low <= preparation.prepare([[x]])[0, 0] <= high

    assert found.column == "age"
    assert kept(found.low)
    assert kept(found.high)
    assert not kept(nextafter(found.low, -inf))
    assert not kept(nextafter(found.high, inf))


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        MinMaxScaler(clip=True),
        FunctionTransformer(np.log1p),
        FunctionTransformer(np.sqrt),
        FunctionTransformer(np.negative),
        PowerTransformer("yeo-johnson"),
        PowerTransformer("box-cox"),
        QuantileTransformer(n_quantiles=10),
        QuantileTransformer(n_quantiles=10, output_distribution="normal"),
        make_pipeline(SimpleImputer(), FunctionTransformer(np.log), StandardScaler()),
    ],
    ids=str,
)
def test_they_are_the_cells_whatever_scikit_learn_made_of_them(step):
    preparation = in_a_pipeline(step)
    ends = preparation.prepare({"age": [30.0, 60.0], "ward": [1, 2]})[:, 0]
    found = preparation.raw_bounds(0, *sorted(ends))
    assert found.column == "age"
    np.testing.assert_allclose([found.low, found.high], [30, 60], rtol=1e-9)


def in_a_pipeline(step):
    """The preparation of a pipeline with a step for ages, beside codes of wards, of which 0 is none."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": AGES[:, 0], "ward": np.where(AGES[:, 0] % 2 < 1, 1, 2)})
    made = ColumnTransformer([("num", step, ["age"]), ("cat", OneHotEncoder(), ["ward"])])
    return fhenn.from_sklearn(make_pipeline(made, LogisticRegression()).fit(table, AGES[:, 0] > 50)).preparation


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("degrees", "radians")])
@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.25), (0.25, 0.75), (1.5, 3.0), (-7.0, -1.25)])
def test_every_function_is_followed_back_or_turns(name, low, high):
    """Against many cells: those between the bounds keep them, those beyond do not."""
    preparation = of_ages(Function(name))
    found = preparation.raw_bounds(0, low, high)
    if found is None:
        return
    cells = np.concatenate([np.linspace(-10, 10, 4001), np.geomspace(10, 1e6, 50), -np.geomspace(10, 1e6, 50)])
    with np.errstate(all="ignore"):
        kept = (FUNCTIONS[name](cells) >= low) & (FUNCTIONS[name](cells) <= high)
    assert np.array_equal(kept, (cells >= found.low) & (cells <= found.high))


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ((-5.0, 3.0), "column 'age' may be at most 30"),
        ((-2.0, 5.0), "column 'age' may be at least -20"),
        ((-2.0, 3.0), "column 'age' may be from -20 to 30"),
    ],
)
def test_in_words(bounds, says):
    """What is cut off at 5 exceeds no bound there."""
    assert str(of_ages(Scale((0.0,), (10.0,)), Clip((-5.0,), (5.0,))).raw_bounds(0, *bounds)) == says


@given(numbers, st.floats(0, 1e3))
def test_what_is_printed_is_inside(low, width):
    words = str(RawBounds("age", low, low + width)).split()
    slack = 1e-12 * width
    assert low - slack <= float(words[-3]) <= float(words[-1]) <= low + width + slack


def test_a_strangers_column_does_nothing_to_a_terminal():
    text = str(RawBounds("a\x1b[2J\u3164" + "b" * 400, 0.0, 1.0))
    assert text.isprintable()
    assert "\u3164" not in text
    assert len(text) < 300


@pytest.mark.parametrize(
    ("preparation", "why"),
    [
        (of_ages(Scale((0.0,), (1.0,))), "is the cell itself"),
        (of_ages(Function("square")), "neither rises nor falls"),
        (of_ages(Bins(((18.0, 30.0),))), "is a step"),
        (of_ages(Scale((0.0,), (1.0,), (0.0,))), "is the same for any cell"),
        (of_ages(Scale((0.0,), (2.0,)), Clip((0.0,), (1.0,))), "keeps these bounds for no cell"),
        (of_ages(Scale((0.0,), (2.0,)), Clip((7.5,), (7.6,))), "keeps these bounds for all"),
        (Preparation.of_numbers(2).then(Normalize("l2")), "is made of several columns"),
        (Preparation((Column("x", "text"),), (OneHot((("f",),), ((0,),), (1,), (None,)),), ("f",)), "is of texts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_none_where_the_feature(preparation, why):
    assert preparation.raw_bounds(0, 7.0, 8.0) is None


def test_splines_rise_and_fall():
    preparation = in_a_pipeline(SplineTransformer(4))
    assert all(preparation.raw_bounds(place, 0.0, 0.66) is None for place in range(len(preparation.features)))


def test_columns_beside_it_do_not_matter():
    """A column that stands elsewhere, one of texts, one that is left out; places in branches within branches."""
    sex = OneHot((("f", "m"),), ((0, 1),), (2,), (None,))
    doses = Union(((Select((0,)), Function("log")), (Select((2, 0)), Scale((1.0, 0.0), (1.0, 2.0)))))
    preparation = Preparation(
        (Column("dose"), Column("sex", "text"), Column("age"), Column("left out", used=False)),
        [Union(((Select((1,)), sex), (Select((0, 1, 2)), Select((0, 0, 2)), Impute((1.0, 1.0, 1.0), -9.0), doses)))],
        ("f", "m", "log dose", "older", "half"),
    )
    assert [str(preparation.raw_bounds(place, 0.0, 2.0)) for place in range(5)] == [
        "None",
        "None",
        "column 'dose' may be from 1 to 7.38905",
        "column 'age' may be from 1 to 3",
        "column 'dose' may be from 0 to 4",
    ]
    unnamed = Preparation.of_numbers(3).then(Scale((0.0,) * 3, (1.0, 1.0, 2.0)))
    assert str(unnamed.raw_bounds(2, 0.0, 1.0)) == "column 2 may be from 0 to 2"


def test_a_wide_preparation_takes_no_longer():
    """Only the steps on the one column run."""
    count = 60_000
    preparation = Preparation.of_numbers(count).then(Impute((0.0,) * count), Scale((0.0,) * count, (2.0,) * count))
    assert preparation.raw_bounds(count - 1, -1.0, 1.0) == RawBounds(count - 1, -2.0, 2.0)


@pytest.fixture(scope="module")
def pipeline():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(1)
    table = pandas.DataFrame({"dose": rng.uniform(1, 9, 60), "sex": rng.choice(["f", "m"], 60), "age": AGES[:60, 0]})
    numeric = make_pipeline(SimpleImputer(strategy="constant", fill_value=500.0), StandardScaler())
    made = ColumnTransformer([("num", numeric, ["dose", "age"]), ("cat", OneHotEncoder(), ["sex"])])
    return make_pipeline(made, LogisticRegression()).fit(table, table["dose"] > 5), table


@pytest.mark.parametrize("far", [99.0, np.nan], ids=["a far one", "one that is filled by a far one"])
def test_a_client_says_what_cells_of_the_raw_table_may_be(pipeline, far):
    fitted, table = pipeline
    model = fhenn.from_sklearn(fitted)
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan, preparation=model.preparation)
    mean, deviation = table["dose"].mean(), table["dose"].std(ddof=0)
    with pytest.raises(
        BoundsExceeded, match=r"sample 1;.*: in the raw table, column 'dose' may be from [\d. to]+\. Cli"
    ) as caught:
        client.encrypt(table.iloc[:3].assign(dose=[5.0, far, 5.0], age=50.0))
    raw = caught.value.raw
    assert (raw.column, raw.low, raw.high) == ("dose", *map(pytest.approx, (mean - deviation, mean + deviation)))
    client.encrypt(table.iloc[:2].assign(dose=[*map(float, str(raw).split()[-3::2])], age=50.0))
