"""Fitted transformers of scikit-learn against the preparations that are read from them."""

import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fhenn.errors import CellRefused, FhennError, MissingValues, UnknownCategory, UnsupportedModel
from fhenn.interop import Preparation
from fhenn.interop.preparation import Select

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn import (  # noqa: E402
    compose,
    decomposition,
    exceptions,
    feature_extraction,
    feature_selection,
    impute,
    kernel_approximation,
    linear_model,
    pipeline,
    preprocessing,
    random_projection,
)

from fhenn.interop.sklearn.preparing import preparation_of, require_agreement  # noqa: E402

text = feature_extraction.text
CLOSE = 1e-12


def read(transformer, allow_rows=False):
    return preparation_of([(transformer, "the transformer")], allow_rows=allow_rows)


def fitted(transformer, x, y=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformer.fit(x, y)


def transformed(transformer, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = transformer.transform(x)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def fits_all(transformer):
    """Whether all that was fitted is finite."""
    kept = [value for name, value in vars(transformer).items() if name.endswith("_") and not name.startswith("_")]
    return all(np.isfinite(value).all() for value in kept if getattr(value, "dtype", np.dtype("O")).kind == "f")


def compare(transformer, table, allow_rows=False):
    """The preparation of a transformer does to a table what the transformer does, through JSON too."""
    try:
        preparation = read(transformer, allow_rows)
    except UnsupportedModel as error:
        # what is fitted on columns without cells, and on constant ones
        assert "had no cell" in error.reason or "no features come out" in error.reason
        assert "no features" in error.reason or not fits_all(transformer)
        return
    again = Preparation.from_json(preparation.to_json())
    assert again == preparation
    assert again.fingerprint == preparation.fingerprint
    assert [*map(repr, preparation.steps), repr(preparation), *preparation.tells()]
    try:
        wanted = transformed(transformer, table)
    except ValueError:
        with pytest.raises((FhennError, TypeError)):
            again.prepare(table)
        return
    if not np.isfinite(wanted).all():
        with pytest.raises(FhennError):
            again.prepare(table)
        return
    found = again.prepare(table)
    assert found.shape == wanted.shape == (len(found), len(preparation.features))
    # Fourier transforms err relative to the largest component, splines far beyond their knots to that of the row
    kind = type(transformer).__name__
    axis = None if "Sketch" in kind else 1 if "Spline" in kind else 0
    largest = np.abs(wanted).max(axis=axis, initial=0.0, keepdims=axis == 1)
    scale = np.maximum(largest, 1.0)
    assert (np.abs(found - wanted) <= CLOSE * scale).all()


finite = st.floats(-1e4, 1e4).map(lambda value: round(value, 6) + 0.0)
texts = st.sampled_from(["a", "b", "c", "A", "", "NA", "é", "e\u0301", "日本", " a"])


@st.composite
def matrices(draw, gaps=False, least=-1e4, rows=12, columns=3):
    """Numbers, some of them equal to others, some missing where there may be gaps."""
    values = st.one_of(
        st.floats(least, 1e4).map(lambda value: max(round(value, 4), least) + 0.0), st.sampled_from([1.0, 2.0, 3.5])
    )
    found = draw(arrays(np.float64, (rows, columns), elements=values))
    if gaps:
        found[draw(arrays(np.bool_, (rows, columns), elements=st.sampled_from([False, False, True])))] = np.nan
    return found


@st.composite
def tables(draw, gaps=False, rows=12):
    """A DataFrame of texts, with missing ones where there may be gaps."""
    cells = st.one_of(texts, st.sampled_from([None, np.nan])) if gaps else texts
    columns = {name: np.array(draw(st.lists(cells, min_size=rows, max_size=rows)), dtype=object) for name in ("x", "y")}
    if gaps:  # scikit-learn takes None and NaN for two categories
        columns = {name: [np.nan if cell is None else cell for cell in cells] for name, cells in columns.items()}
    return pd.DataFrame(columns, dtype=object)


def of(kind, *args, **options):
    """A maker of a transformer, and its name."""
    made = partial(kind, *args, **options)
    shown = ",".join(f"{name}={value}" for name, value in options.items())
    return pytest.param(made, id=f"{kind.__name__}({shown})"[:100])


SCALERS = [
    *(
        of(preprocessing.StandardScaler, with_mean=mean, with_std=std)
        for mean in (True, False)
        for std in (True, False)
    ),
    *(of(preprocessing.RobustScaler, with_centering=a, with_scaling=b) for a in (True, False) for b in (True, False)),
    *(of(preprocessing.MinMaxScaler, feature_range=(-2, 5), clip=clip) for clip in (True, False)),
    of(preprocessing.MaxAbsScaler),
    of(preprocessing.PowerTransformer),
    of(preprocessing.PowerTransformer, standardize=False),
    of(preprocessing.QuantileTransformer, n_quantiles=5),
    of(preprocessing.QuantileTransformer, n_quantiles=12, output_distribution="normal"),
]
"""They leave missing cells missing."""

NUMERIC = [
    *(of(preprocessing.Normalizer, norm=norm) for norm in ("l1", "l2", "max")),
    of(preprocessing.Binarizer, threshold=2.0),
    *(
        of(preprocessing.KBinsDiscretizer, n_bins=4, encode=encode, strategy=strategy)
        for encode in ("onehot", "onehot-dense", "ordinal")
        for strategy in ("uniform", "quantile", "kmeans")
    ),
    *(
        of(preprocessing.PolynomialFeatures, degree=degree, interaction_only=only, include_bias=bias)
        for degree in (2, 3)
        for only in (True, False)
        for bias in (True, False)
    ),
    of(preprocessing.PolynomialFeatures, degree=(2, 3)),
    of(feature_selection.VarianceThreshold),
    of(decomposition.PCA, n_components=2),
    of(decomposition.PCA, n_components=2, whiten=True),
    of(decomposition.TruncatedSVD, n_components=2),
    of(random_projection.GaussianRandomProjection, n_components=4, random_state=0),
    of(random_projection.SparseRandomProjection, n_components=4, random_state=0),
    of(kernel_approximation.PolynomialCountSketch, n_components=8, random_state=0),
    of(kernel_approximation.PolynomialCountSketch, degree=3, coef0=2, gamma=1e-4, n_components=16, random_state=0),
    of(preprocessing.FunctionTransformer),
    *(of(preprocessing.FunctionTransformer, func) for func in (np.abs, np.cbrt, np.sin, np.tanh, np.sign, np.rint)),
]
SPLINES = [
    of(preprocessing.SplineTransformer, n_knots=4, degree=degree, extrapolation=how, include_bias=bias, knots=knots)
    for degree in (1, 2, 3)
    for how in ("constant", "linear", "continue", "periodic", "error")
    for bias in (True, False)
    for knots in ("uniform", "quantile")
    if not (degree == 1 and how == "linear") and not (how == "periodic" and degree == 4)
]
ONE_HOT = [
    *(of(preprocessing.OneHotEncoder, handle_unknown=how) for how in ("error", "ignore", "infrequent_if_exist")),
    *(of(preprocessing.OneHotEncoder, drop=drop, handle_unknown="ignore") for drop in ("first", "if_binary")),
    of(preprocessing.OneHotEncoder, min_frequency=3, handle_unknown="infrequent_if_exist"),
    of(preprocessing.OneHotEncoder, max_categories=2, handle_unknown="ignore", sparse_output=False),
    of(preprocessing.OneHotEncoder, min_frequency=3, drop="first", handle_unknown="infrequent_if_exist"),
    of(preprocessing.OneHotEncoder, categories=[["a", "b"], ["c", "A", ""]], handle_unknown="ignore"),
]
ORDINAL = [
    of(preprocessing.OrdinalEncoder),
    of(preprocessing.OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1),
    of(preprocessing.OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    of(
        preprocessing.OrdinalEncoder,
        handle_unknown="use_encoded_value",
        unknown_value=99,
        min_frequency=3,
        encoded_missing_value=-1,
    ),
    of(preprocessing.OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=np.nan),
]
IMPUTERS = [
    *(
        of(impute.SimpleImputer, strategy=how, add_indicator=flag)
        for how in ("mean", "median", "most_frequent")
        for flag in (True, False)
    ),
    of(impute.SimpleImputer, strategy="constant", fill_value=7),
    of(impute.SimpleImputer, strategy="mean", keep_empty_features=True),
]
INDICATORS = [
    *(of(impute.MissingIndicator, features=which) for which in ("all", "missing-only")),
    of(impute.MissingIndicator, error_on_new=False),
]

thorough = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def numbers(seed, gaps=False, rows=20):
    rng = np.random.default_rng(seed)
    found = np.round(rng.normal(2.0, 3.0, size=(rows, 3)) * [1, 10, 0.1], 3)
    if gaps:
        found[rng.random(found.shape) < 0.2] = np.nan
    return found


def words(seed, gaps=False, rows=30):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.choice(["a", "b", "c", "A", "é"], rows, p=[0.4, 0.3, 0.2, 0.05, 0.05])
                          for name in ("x", "y")}, dtype=object)  # fmt: skip
    return table.mask(rng.random(table.shape) < 0.2, np.nan) if gaps else table


@pytest.mark.parametrize("make", SCALERS + IMPUTERS + INDICATORS)
def test_numbers_with_gaps(make):
    transformer = fitted(make(), numbers(0, gaps=True))
    compare(transformer, numbers(1, gaps=True))
    compare(transformer, numbers(2))


@pytest.mark.parametrize("make", NUMERIC + SPLINES)
def test_numbers(make):
    transformer = fitted(make(), numbers(0))
    compare(transformer, numbers(0))
    compare(transformer, 3 * numbers(1))
    compare(transformer, numbers(2, gaps=True))


@pytest.mark.parametrize("make", ONE_HOT + ORDINAL)
def test_texts(make):
    for gaps in (False, True):
        transformer = make()
        try:
            fitted(transformer, words(0, gaps))
        except ValueError:
            continue  # categories that were given and are not all
        compare(transformer, words(1, gaps))
        compare(transformer, words(1, gaps).replace("a", "new"))


@pytest.mark.thorough
@pytest.mark.parametrize("make", SCALERS + IMPUTERS + INDICATORS)
@thorough
@given(matrices(gaps=True), matrices(gaps=True))
def test_any_numbers_with_gaps(make, x, new):
    try:
        transformer = fitted(make(), x)
    except ValueError:
        assume(False)  # a column without a number
    with np.errstate(all="ignore"):
        compare(transformer, new)


@pytest.mark.thorough
@pytest.mark.parametrize("make", NUMERIC + SPLINES)
@thorough
@given(matrices(), matrices())
def test_any_numbers(make, x, new):
    try:
        transformer = fitted(make(), x)
    except ValueError:
        assume(False)  # all features are constant
    compare(transformer, new)


@pytest.mark.thorough
@pytest.mark.parametrize("make", ONE_HOT + ORDINAL)
@thorough
@given(tables(gaps=True), tables(gaps=True))
def test_any_texts(make, x, new):
    try:
        transformer = fitted(make(), x)
    except ValueError:
        assume(False)  # categories that were given and are not all
    compare(transformer, new)


@pytest.mark.thorough
@given(matrices(least=1e-3), matrices())
@thorough
def test_box_cox(x, new):
    transformer = preprocessing.PowerTransformer("box-cox")
    try:
        with np.errstate(all="ignore"):
            fitted(transformer, x)
    except (ValueError, RuntimeError):
        assume(False)
    compare(transformer, new)


@pytest.mark.thorough
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic", "error"])
@given(matrices(columns=1), matrices(columns=1))
@thorough
def test_splines_of_one_column(degree, extrapolation, x, new):
    if degree == 0 and extrapolation == "constant":
        return
    assume(len({*x.ravel()}) > 3)
    transformer = preprocessing.SplineTransformer(7, degree=degree, extrapolation=extrapolation)
    compare(fitted(transformer, x), new)


def test_splines_that_scikit_learn_applies_otherwise_are_refused():
    x = numbers(0)
    linear = preprocessing.SplineTransformer(degree=1, extrapolation="linear")
    compare(fitted(linear, x[:, :1]), 5 * x[:, :1])
    with pytest.raises(UnsupportedModel, match=r"to the first column alone.*degree=2"):
        read(fitted(linear, x))
    with pytest.raises(UnsupportedModel, match=r"degree=0.*cannot apply itself"):
        read(fitted(preprocessing.SplineTransformer(degree=0), x))


def test_splines_of_missing_cells():
    transformer = preprocessing.SplineTransformer(n_knots=4)
    if not hasattr(transformer, "handle_missing"):
        pytest.skip("since scikit-learn 1.8")
    for how in ("error", "zeros"):
        transformer.set_params(handle_missing=how)
        compare(fitted(transformer, numbers(0, gaps=how == "zeros")), numbers(1, gaps=True))


@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "polynomial", "sigmoid"])
@pytest.mark.parametrize("options", [{}, {"gamma": 0.1, "coef0": 2.0, "degree": 2}], ids=str)
def test_nystroem_needs_a_word(kernel, options):
    known = {} if kernel == "linear" else {"gamma": options["gamma"]} if kernel == "rbf" and options else options
    known = {name: value for name, value in known.items() if not (kernel == "sigmoid" and name == "degree")}
    transformer = fitted(kernel_approximation.Nystroem(kernel, n_components=5, random_state=0, **known), numbers(0) / 9)
    with pytest.raises(UnsupportedModel, match=r"5 rows of the training data.*allow_rows=True"):
        read(transformer)
    compare(transformer, numbers(1) / 9, allow_rows=True)
    assert "rows of the training data" in " ".join(read(transformer, allow_rows=True).tells())


def test_kernels_of_random_features():
    transformer = fitted(kernel_approximation.RBFSampler(gamma=0.1, n_components=9, random_state=0), numbers(0))
    compare(transformer, numbers(1))


@pytest.mark.parametrize("kind", ["binary", "continuous", "multiclass"])
def test_target_encoder(kind):
    rng = np.random.default_rng(0)
    x = words(0, gaps=True, rows=60)
    y = {"binary": rng.integers(0, 2, 60), "continuous": rng.normal(size=60), "multiclass": rng.integers(0, 3, 60)}
    transformer = fitted(preprocessing.TargetEncoder(target_type=kind), x, y[kind])
    compare(transformer, words(1, gaps=True).replace("a", "new"))
    assert "means of the target" in " ".join(read(transformer).tells())


TEXTS = [
    "The cat sat on the mat",
    "a dog, a cat; 12 dogs!",
    "Katze und Hund, ÄRGER_x",
    "",
    "日本 日本語 cat",
    "dog dog dog",
]


@pytest.mark.parametrize("make", [
    of(text.CountVectorizer),
    of(text.CountVectorizer, binary=True, lowercase=False),
    of(text.CountVectorizer, ngram_range=(1, 3), stop_words=["the", "on"]),
    of(text.CountVectorizer, vocabulary=["dog", "cat"]),
    of(text.TfidfVectorizer),
    of(text.TfidfVectorizer, stop_words="english", max_features=4),
    of(text.TfidfVectorizer, sublinear_tf=True, norm="l1", ngram_range=(2, 2)),
    of(text.TfidfVectorizer, use_idf=False, norm=None, smooth_idf=False),
])  # fmt: skip
def test_words(make):
    transformer = fitted(make(), TEXTS)
    compare(transformer, [*reversed(TEXTS), "a new text of dogs and CATS"])
    frame = pd.DataFrame({"id": range(len(TEXTS)), "note": TEXTS})
    columns = fitted(compose.ColumnTransformer([("note", make(), "note")], remainder="passthrough"), frame)
    compare(columns, frame.iloc[::-1])
    with pytest.raises((MissingValues, CellRefused)):
        read(columns).prepare(frame.assign(note=None))


def test_words_weighed_by_a_step_of_their_own():
    for options in ({}, {"sublinear_tf": True, "norm": None}, {"use_idf": False, "norm": "l1"}):
        compare(fitted(pipeline.make_pipeline(text.CountVectorizer(), text.TfidfTransformer(**options)), TEXTS), TEXTS)


@pytest.mark.parametrize(("options", "what"), [
    ({"analyzer": "char"}, "analyzer='char'"),
    ({"token_pattern": r"\w+"}, "token_pattern"),
    ({"tokenizer": str.split}, "tokenizer"),
    ({"preprocessor": str.lower}, "preprocessor"),
    ({"strip_accents": "unicode"}, "strip_accents"),
    ({"dtype": np.float32}, "dtype=float32"),
])  # fmt: skip
def test_other_words_are_refused(options, what):
    with pytest.raises(UnsupportedModel, match=what):
        read(fitted(text.TfidfVectorizer(**options), TEXTS))
    with pytest.raises(UnsupportedModel, match="sequences of 1 to 9"):
        read(fitted(text.CountVectorizer(ngram_range=(1, 9)), [" ".join(TEXTS) * 3]))


def test_selectors():
    x, y = numbers(0, rows=40), np.arange(40) % 2
    ridge = linear_model.LogisticRegression()
    for selector in (
        feature_selection.SelectKBest(k=2),
        feature_selection.SelectPercentile(percentile=50),
        feature_selection.SelectFpr(alpha=1.0),
        feature_selection.GenericUnivariateSelect(mode="k_best", param=1),
        feature_selection.SelectFromModel(ridge),
        feature_selection.RFE(ridge, n_features_to_select=2),
        feature_selection.SequentialFeatureSelector(ridge, n_features_to_select=2),
    ):
        compare(fitted(selector, x, y), numbers(1))
        assert [type(step) for step in read(selector).steps] == [Select]


def patients(seed, rows=60):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.normal(50, 10, rows),
            "dose": rng.gamma(2, 2, rows),
            "count": rng.integers(0, 9, rows),
            "smoker": rng.random(rows) < 0.3,
            "sex": rng.choice(["f", "m"], rows),
            "site": rng.choice(["A", "B", "C", "D"], rows, p=[0.6, 0.3, 0.05, 0.05]),
            "note": rng.choice(TEXTS[:3], rows),
            "id": [f"p{place}" for place in range(rows)],
        }
    )
    table.loc[rng.random(rows) < 0.2, "age"] = np.nan
    table.loc[rng.random(rows) < 0.2, "site"] = None
    return table


def columns(**options):
    one_hot = preprocessing.OneHotEncoder
    return compose.ColumnTransformer(
        [
            ("num", pipeline.make_pipeline(impute.SimpleImputer(add_indicator=True), preprocessing.StandardScaler()),
             ["age", "dose"]),
            ("spline", preprocessing.SplineTransformer(4), ["dose"]),
            ("site", pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent"),
                                            one_hot(handle_unknown="ignore")), ["site"]),
            ("sex", one_hot(drop="if_binary"), slice("sex", "sex")),
            ("note", text.TfidfVectorizer(), "note"),
            ("logs", preprocessing.FunctionTransformer(np.log1p), compose.make_column_selector("^count")),
            ("as they are", "passthrough", ["smoker"]),
            ("gone", "drop", ["id"]),
        ],
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("options", [
    {}, {"remainder": "drop", "sparse_threshold": 1.0}, {"verbose_feature_names_out": False},
    {"transformer_weights": {"num": 2.0, "note": 0.5}},
], ids=str)  # fmt: skip
def test_columns_by_name(options):
    transformer = fitted(columns(**options), patients(0))
    compare(transformer, patients(1))
    preparation = read(transformer)
    if options.get("verbose_feature_names_out", True):
        assert {"num__age", "num__missingindicator_age", "sex__sex_m", "logs__count"} <= {*preparation.features}
    else:
        assert {"age", "missingindicator_age", "sex_m", "count"} <= {*preparation.features}
    kinds = {column.name: (column.kind, column.used) for column in preparation.columns}
    assert kinds["id"] == ("either", False)
    assert kinds["smoker"] == kinds["age"] == ("number", True)
    assert kinds["sex"] == kinds["note"] == ("text", True)
    assert preparation.names == tuple(name for name in patients(0).columns if name != "id")
    # in another order, without what is dropped, and with others, as scikit-learn takes them too
    table = patients(2)
    other = table.drop(columns="id")[[*reversed([name for name in table if name != "id"])]].assign(more="x")
    assert np.array_equal(preparation.prepare(other), preparation.prepare(table))
    compare(transformer, other)


@pytest.mark.parametrize("read_as", ["polars", "arrow", "dict", "records", "rows", "objects"])
def test_any_kind_of_table(read_as):
    transformer = fitted(columns(), patients(0))
    preparation, table = read(transformer), patients(1)
    wanted = preparation.prepare(table)
    cells = table.astype(object).where(table.notna(), None)
    if read_as == "polars":
        given = pytest.importorskip("polars").from_pandas(table)
    elif read_as == "arrow":
        given = pytest.importorskip("pyarrow").Table.from_pandas(table)
    elif read_as == "dict":
        given = {name: cells[name].tolist() for name in cells}
    elif read_as == "records":
        given = cells.to_dict("records")
    elif read_as == "rows":
        given = cells.to_numpy().tolist()
    else:
        given = cells.to_numpy()
    assert np.array_equal(preparation.prepare(given), wanted)


@pytest.mark.parametrize("selected", [
    [0, 2], slice(0, 2), slice(0, None, 2), [True, False, True], -1, [-1, 0], np.array([1, 2]),
    compose.make_column_selector(dtype_include=np.number),
], ids=range(8))  # fmt: skip
@pytest.mark.parametrize("remainder", ["drop", "passthrough", preprocessing.MinMaxScaler()], ids=str)
def test_columns_by_place(selected, remainder):
    if callable(selected) or np.ndim(selected):
        chosen = [("a", preprocessing.StandardScaler(), selected)]
    else:
        chosen = [("a", preprocessing.StandardScaler(), [selected] if isinstance(selected, int) else selected)]
    transformer = compose.ColumnTransformer(chosen, remainder=remainder)
    x = pd.DataFrame(numbers(0), columns=["a", "b", "c"]) if callable(selected) else numbers(0)
    compare(fitted(transformer, x), x)
    compare(fitted(transformer, x), x[::-1])


def test_unions_and_nested_pipelines():
    union = pipeline.FeatureUnion(
        [
            ("a", pipeline.make_pipeline(preprocessing.StandardScaler(), None, preprocessing.PolynomialFeatures())),
            ("b", "passthrough"),
            ("c", "drop"),
            ("d", decomposition.PCA(2)),
        ],
        transformer_weights={"d": 3.0},
    )  # fmt: skip
    whole = pipeline.make_pipeline(preprocessing.MinMaxScaler(), union, feature_selection.SelectKBest(k=5), None)
    transformer = fitted(whole, numbers(0), np.arange(20) % 2)
    compare(transformer, numbers(1))
    steps = [(step, name) for name, step in transformer.steps if step is not None]
    assert np.allclose(preparation_of(steps).prepare(numbers(1)), transformer.transform(numbers(1)), rtol=0, atol=1e-12)
    names = transformer[:-1].get_feature_names_out([f"x{n}" for n in range(3)])
    assert preparation_of(steps).features == tuple(names)


def test_imputed_texts_and_other_marks():
    one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore")
    for imputer in (
        impute.SimpleImputer(strategy="constant", fill_value="none"),
        impute.SimpleImputer(strategy="most_frequent", add_indicator=False),
        impute.SimpleImputer(missing_values="a", strategy="constant", fill_value="none"),
    ):
        has_gaps = isinstance(imputer.missing_values, float)
        compare(fitted(pipeline.make_pipeline(imputer, one_hot), words(0, gaps=has_gaps)), words(1, gaps=has_gaps))
    marked = np.where(np.isnan(numbers(0, gaps=True)), -1.0, numbers(0))
    for imputer in (
        impute.SimpleImputer(missing_values=-1, add_indicator=True),
        impute.MissingIndicator(missing_values=-1),
    ):
        compare(fitted(imputer, marked), np.where(numbers(1) < 0, -1.0, numbers(1)))


def test_categories_that_are_numbers_or_truths():
    table = pd.DataFrame({"n": [3, 1, 2, 1], "f": [0.5, np.nan, 0.5, 2.5], "b": [True, False, True, True]})
    for encoder in (
        preprocessing.OneHotEncoder(handle_unknown="ignore"),
        preprocessing.OrdinalEncoder(encoded_missing_value=-1),
    ):
        transformer = fitted(encoder, table)
        assert {column.kind for column in read(transformer).columns} == {"number"}
        compare(transformer, table[::-1])
    compare(transformer, pd.DataFrame({"n": [9], "f": [0.5], "b": [True]}))
    objects = pd.DataFrame({"o": np.array([True, False, None], dtype=object)})
    with pytest.raises(UnsupportedModel, match="a type each"):
        both = compose.ColumnTransformer([("a", preprocessing.OneHotEncoder(), ["s"]), ("b", "passthrough", ["s"])])
        read(fitted(both, pd.DataFrame({"s": ["1", "2"]})))
    compare(fitted(preprocessing.OneHotEncoder(handle_unknown="ignore"), objects), objects)


@pytest.mark.parametrize(("transformer", "says"), [
    (impute.KNNImputer(), "KNNImputer.*rows of the training data.*SimpleImputer"),
    (decomposition.KernelPCA(2), "KernelPCA.*RBFSampler"),
    (preprocessing.FunctionTransformer(lambda x: x), "FunctionTransformer.*<lambda>.*code of Python.*log1p"),
    (preprocessing.FunctionTransformer(np.power, kw_args={"x2": 2}), "func=power, with kw_args"),
    (preprocessing.FunctionTransformer(np.clip), "func=clip"),
    (decomposition.NMF(2), "NMF.*none of those.*ColumnTransformer"),
    (type("Mine", (preprocessing.StandardScaler,), {})(), "Mine.*subclass"),
])  # fmt: skip
def test_others_are_refused_by_name(transformer, says):
    x = np.abs(numbers(0))
    inner = pipeline.make_pipeline(preprocessing.MinMaxScaler(), transformer)
    if not isinstance(transformer, preprocessing.FunctionTransformer):
        fitted(inner, x)
    else:
        fitted(inner.steps[0][1], x)
    with pytest.raises(UnsupportedModel, match=f"(?s){says}"):
        preparation_of([(inner, "step 'prepare'")])


def test_what_is_not_fitted_is_refused():
    with pytest.raises(exceptions.NotFittedError):
        preparation_of(
            [(fitted(preprocessing.StandardScaler(), numbers(0)), "a"), (preprocessing.OneHotEncoder(), "b")]
        )


def test_errors_name_column_row_and_cell():
    transformer = fitted(columns(), patients(0))
    preparation, table = read(transformer), patients(1)
    table["site"] = table["site"].astype(object)
    with pytest.raises(UnknownCategory, match=r"column 'sex' holds 'x' in row 3: .*Known are 'f', 'm'") as caught:
        preparation.prepare(table.assign(sex=["f"] * 3 + ["x"] + ["m"] * 56))
    assert caught.value.rows == (3,)
    with pytest.raises(UnknownCategory, match=r"'F ' in rows 0, 1.*Write it as 'f', to the letter"):
        preparation.prepare(table.assign(sex=["F "] * 2 + ["m"] * 58))
    with pytest.raises(MissingValues, match=r"column 'sex' \(60: rows 0, 1, 2, 3, 4 and 55 others\)"):
        preparation.prepare(table.assign(sex=None))
    with pytest.raises(MissingValues, match=r"column 'dose' \(1: row 7\)"):
        preparation.prepare(table.assign(dose=[np.nan if row == 7 else 1.0 for row in range(60)]))
    with pytest.raises(CellRefused, match=r"column 'age' holds 'old' in row 2: it is no number"):
        preparation.prepare(table.assign(age=[50.0, "61", "old"] + [60.0] * 57))
    with pytest.raises(CellRefused, match=r"column 'age' holds '3,5' in row 1: decimal points and decimal commas"):
        preparation.prepare(table.assign(age=["3.5", "3,5"] + [60.0] * 58))
    with pytest.raises(CellRefused, match=r"column 'age' holds '3,5' in row 1: it has a decimal comma"):
        preparation.prepare(table.assign(age=["3", "3,5"] + [60] * 58))
    with pytest.raises(CellRefused, match=r"column 'age' holds .*in rows 0, 1, 2.*: it is a date.*number of days"):
        preparation.prepare(table.assign(age=pd.Timestamp("2024-02-29")))
    with pytest.raises(CellRefused, match=r"column 'age' holds '2024-02-29' in row.*: it is a date"):
        preparation.prepare(table.assign(age="2024-02-29"))
    with pytest.raises(CellRefused, match=r"column 'sex' holds .*: it is a date"):
        preparation.prepare(table.assign(sex=pd.Timestamp("2024-02-29")))
    with pytest.raises(CellRefused, match=r"column 'sex' holds 1 in rows .*: it is no text"):
        preparation.prepare(table.assign(sex=1))
    with pytest.raises(CellRefused, match=r"column 'age' holds inf in row"):
        preparation.prepare(table.assign(age=np.inf))
    with pytest.raises(CellRefused, match=r"\['a', 'b'\]"):
        preparation.prepare([{**row, "age": ["a", "b"]} for row in table.to_dict("records")])
    # a column that is missing throughout is filled, as scikit-learn fills it
    compare(transformer, table.assign(age=np.nan))


def test_what_is_compared_on_samples():
    transformer = fitted(columns(), patients(0))
    steps = [(transformer, "step 'columns'")]
    preparation = preparation_of(steps)
    require_agreement(preparation, steps, patients(1))
    require_agreement(preparation, steps, {name: patients(1)[name].tolist() for name in patients(1)})
    single = patients(1).astype({"age": np.float32})
    require_agreement(preparation, steps, single)
    other = preparation_of([(fitted(columns(), patients(2)), "step 'columns'")])
    with pytest.raises(UnsupportedModel, match=r"differ from those of scikit-learn on the samples: "):
        require_agreement(other, steps, patients(1))
