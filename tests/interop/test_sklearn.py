import subprocess
import sys
import warnings

import numpy as np
import pytest

import fhenn
from fhenn.errors import (
    ApproximationWarning,
    BoundsExceeded,
    FeatureMismatch,
    SamplesWarning,
    ShapeMismatch,
    UnsupportedModel,
    UnsupportedOperation,
    UnsupportedValue,
)

sklearn = pytest.importorskip("sklearn")

from sklearn import datasets  # noqa: E402
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.decomposition import PCA, TruncatedSVD  # noqa: E402
from sklearn.dummy import DummyClassifier  # noqa: E402
from sklearn.exceptions import ConvergenceWarning, NotFittedError  # noqa: E402
from sklearn.linear_model import (  # noqa: E402
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.multiclass import OneVsRestClassifier  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, LinearSVR  # noqa: E402

SPLITS = {
    name: train_test_split(*getattr(datasets, f"load_{name}")(return_X_y=True), random_state=0)
    for name in ("breast_cancer", "wine", "iris", "digits", "diabetes")
}

CLASSIFIERS = {
    "logistic": LogisticRegression,
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "hinge": lambda: SGDClassifier(random_state=0),
    "log-loss": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "modified-huber": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "LinearSVC": lambda: LinearSVC(random_state=0),
    "crammer-singer": lambda: LinearSVC(multi_class="crammer_singer", random_state=0),
}
REGRESSORS = {
    "LinearRegression": LinearRegression,
    "Ridge": Ridge,
    "Lasso": Lasso,
    "ElasticNet": ElasticNet,
    "LinearSVR": lambda: LinearSVR(random_state=0),
    "no intercept": lambda: LinearRegression(fit_intercept=False),
}
SCALERS = {
    "standard": StandardScaler,
    "mean only": lambda: StandardScaler(with_std=False),
    "deviation only": lambda: StandardScaler(with_mean=False),
    "neither": lambda: StandardScaler(with_mean=False, with_std=False),
    "min-max": lambda: MinMaxScaler(feature_range=(-1, 2)),
    "max-abs": MaxAbsScaler,
    "robust": RobustScaler,
    "robust scale": lambda: RobustScaler(with_centering=False),
    "robust centre": lambda: RobustScaler(with_scaling=False),
    "PCA": lambda: PCA(3),
    "PCA whiten": lambda: PCA(4, whiten=True),
    "SVD": lambda: TruncatedSVD(3, random_state=0),
    "none": lambda: "passthrough",
}


def fitted(estimator, data):
    X, _, y, _ = SPLITS[data]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def same(model, estimator, X, *, tolerance=1e-9):
    """Everything that the estimator offers, and of the same type."""
    wanted = estimator.predict(X)
    got = model.predict(X)
    assert got.shape == wanted.shape
    if model.reading.task == "classification":
        assert got.dtype == wanted.dtype
        assert (got == wanted).all()
    else:
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    for method in ("decision_function", "predict_proba"):
        if hasattr(estimator, method):
            np.testing.assert_allclose(
                getattr(model, method)(X), getattr(estimator, method)(X), rtol=tolerance, atol=tolerance
            )
    if model.reading.task == "classification" and not hasattr(estimator, "predict_proba"):
        with pytest.raises(UnsupportedOperation):
            model.predict_proba(X)


LONGER = pytest.mark.thorough


def linear_cases(*longer):
    """Every estimator on every data set; those on `longer` are left to the thorough tests."""
    sets = ("breast_cancer", "wine", "iris", "digits")
    pairs = [(name, make, data) for name, make in CLASSIFIERS.items() for data in sets]
    pairs += [(name, make, "diabetes") for name, make in REGRESSORS.items()]
    return [
        pytest.param(make, data, id=f"{name}-{data}", marks=[LONGER] if data in longer else [])
        for name, make, data in pairs
    ]


@pytest.mark.parametrize(("make", "data"), linear_cases("iris", "digits"))
def test_the_twin_of_a_linear_model_is_the_model(make, data):
    pipeline = fitted(make_pipeline(StandardScaler(), make()), data)
    model = fhenn.from_sklearn(pipeline)
    assert [node.name for node in model.nodes] == ["Linear"]
    assert model.stand_ins == ()
    same(model, pipeline, SPLITS[data][1])
    assert model.score(SPLITS[data][1], SPLITS[data][3]) == pytest.approx(
        pipeline.score(SPLITS[data][1], SPLITS[data][3])
    )


@pytest.mark.parametrize("name", SCALERS)
def test_preprocessing_folds_into_the_first_layer(name):
    pipeline = fitted(make_pipeline(SCALERS[name](), RobustScaler(), LogisticRegression(max_iter=200)), "wine")
    model = fhenn.from_sklearn(pipeline)
    assert [(node.name, node.weight.shape) for node in model.nodes] == [("Linear", (3, 13))]
    same(model, pipeline, SPLITS["wine"][1])


def test_all_of_them_and_pipelines_in_pipelines_fold():
    inner = Pipeline([("a", MinMaxScaler()), ("skip", "passthrough"), ("b", PCA(6, whiten=True))])
    pipeline = make_pipeline(
        StandardScaler(), None, inner, MaxAbsScaler(), TruncatedSVD(4, random_state=0), make_pipeline(Ridge())
    )
    fitted(pipeline, "diabetes")
    model = fhenn.from_sklearn(pipeline)
    assert len(model.nodes) == 1
    same(model, pipeline, SPLITS["diabetes"][1])


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (MLPClassifier((8, 5), activation="identity", max_iter=50, random_state=0), "iris"),
        (MLPClassifier((8,), activation="identity", max_iter=50, random_state=0), "breast_cancer"),
        (MLPClassifier((), max_iter=50, random_state=0), "wine"),
        (MLPRegressor(hidden_layer_sizes=(8, 5), activation="identity", max_iter=50, random_state=0), "diabetes"),
    ],
)
def test_a_perceptron_without_activations_is_one_layer(estimator, data):
    pipeline = fitted(make_pipeline(StandardScaler(), estimator), data)
    model = fhenn.from_sklearn(pipeline)
    assert len(model.nodes) == 1
    same(model, pipeline, SPLITS[data][1])


def box_around(X, margin):
    """What samples reach, and a share of that on either side; pixels that are black in all stay so."""
    low, high = X.min(axis=0), X.max(axis=0)
    return np.stack([low - margin * (high - low), high + margin * (high - low)])


@pytest.mark.parametrize("activation", ["logistic", "tanh"])
@pytest.mark.parametrize(
    "data", ["wine", "diabetes", *(pytest.param(data, marks=LONGER) for data in ("breast_cancer", "iris", "digits"))]
)
def test_the_twin_of_a_perceptron_differs_by_its_stand_ins_alone(activation, data):
    """With exact functions in the place of the polynomials it is the perceptron; with them, nearly."""
    kind = MLPRegressor if data == "diabetes" else MLPClassifier
    pipeline = make_pipeline(
        MinMaxScaler(), kind(hidden_layer_sizes=(8, 6), activation=activation, max_iter=60, random_state=0)
    )
    X, X_test, _, _ = SPLITS[data]
    fitted(pipeline, data)
    box = box_around(X, 0.5)
    model = fhenn.from_sklearn(pipeline, inputs=X, bounds=box)
    x = X_test
    for node in model.nodes:
        x = node.exact(x) if node in model.stand_ins else node.infer(x)
    if data == "diabetes":
        np.testing.assert_allclose(model.reading.predict(x), pipeline.predict(X_test), atol=1e-9)
    else:
        np.testing.assert_allclose(model.reading.predict_proba(x), pipeline.predict_proba(X_test), atol=1e-9)
    assert [len(model.stand_ins), len(model.nodes)] == [2, 5]
    assert max(node.sup_error() for node in model.stand_ins) <= 1e-3
    inside = np.clip(X_test, *box)
    changed = int((model.predict(inside) != pipeline.predict(inside)).sum()) if model.reading.classes else 0
    print(f"{activation} on {data}: {changed} of {len(inside)} labels differ")
    assert changed <= 0.01 * len(inside)
    certificate = fhenn.certify(model, box)
    assert certificate.valid


LABELS = [
    np.array([0, 1]),
    np.array([-1, 1], dtype=np.int8),
    np.array(["no", "yes"]),
    np.array(["no", "yes"], dtype=object),
    np.array([False, True]),
    np.array([1.0, 2.0]),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: str(labels.dtype))
@pytest.mark.parametrize("kind", ["linear", "perceptron"])
def test_labels_keep_their_type(labels, kind):
    X, X_test, y, _ = SPLITS["breast_cancer"]
    last = LogisticRegression() if kind == "linear" else MLPClassifier((2,), activation="identity", max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline = make_pipeline(StandardScaler(), last).fit(X, labels[y])
    model = fhenn.from_sklearn(pipeline)
    got, wanted = model.predict(X_test), pipeline.predict(X_test)
    assert got.dtype == wanted.dtype
    assert got.tolist() == wanted.tolist()


@pytest.mark.parametrize("shape", ["flat", "column", "two"])
@pytest.mark.parametrize(
    "kind",
    [LinearRegression, Ridge, Lasso, lambda: MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", max_iter=20)],
)
def test_outputs_of_a_regression_have_its_shape(shape, kind):
    X, X_test, y, _ = SPLITS["diabetes"]
    values = {"flat": y, "column": y[:, None], "two": np.stack([y, -2 * y], axis=1)}[shape]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = kind().fit(X, values)
    model = fhenn.from_sklearn(estimator)
    assert model.predict(X_test).shape == estimator.predict(X_test).shape
    if not model.stand_ins:
        np.testing.assert_allclose(model.predict(X_test), estimator.predict(X_test), rtol=1e-9)


@pytest.mark.parametrize(
    "kind",
    [
        lambda: SGDClassifier(penalty="l1", random_state=0),
        lambda: LogisticRegression(C=0.1, max_iter=5000),
        lambda: LinearSVC(C=0.1, random_state=0),
    ],
)
def test_sparse_coefficients_are_read(kind):
    estimator = fitted(kind(), "breast_cancer").sparsify()
    same(fhenn.from_sklearn(estimator), estimator, SPLITS["breast_cancer"][1])


def test_models_of_sparse_text_features_predict_sparse_samples():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(2)
    X = sparse.random(60, 5_000, density=0.01, format="csr", random_state=rng)
    y = np.asarray(X[:, :50].sum(axis=1)).ravel() > np.median(np.asarray(X[:, :50].sum(axis=1)))
    estimator = LogisticRegression(C=100.0).fit(X, y)
    model = fhenn.from_sklearn(estimator)
    np.testing.assert_allclose(model.decision_function(X), estimator.decision_function(X), atol=1e-9)
    private = fhenn.encrypted_model(model, bounds=[0.0, 1.0], layout="latency")
    np.testing.assert_allclose(private.decision_function(X[:2]), estimator.decision_function(X[:2]), atol=1e-3)


def test_feature_names_are_checked():
    pandas = pytest.importorskip("pandas")
    X, y = datasets.load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    model = fhenn.from_sklearn(pipeline)
    assert model.reading.features == tuple(X.columns)
    assert (model.predict(X) == pipeline.predict(X)).all()
    assert (model.predict(X.to_numpy()) == pipeline.predict(X)).all()
    assert (model.predict(X[X.columns[::-1]]) == pipeline.predict(X)).all()
    with pytest.raises(FeatureMismatch, match="missing: petal"):
        model.predict(X[X.columns[:3]])
    with pytest.raises(FeatureMismatch, match="unknown: more"):
        model.predict(pandas.concat([X, X[X.columns[0]].rename("more")], axis=1))
    private = fhenn.encrypted_model(model, inputs=X)
    assert (private.predict(X) == pipeline.predict(X)).all()


class Halved(StandardScaler):
    def transform(self, X, copy=None):
        return super().transform(X, copy) / 2


class Contrary(LogisticRegression):
    def predict(self, X):
        return super().predict(X)[::-1]


class Lookalike(BaseEstimator):
    def __init__(self):
        self.coef_, self.intercept_, self.classes_ = np.ones((1, 4)), np.zeros(1), np.array([0, 1])


class Identity(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (KMeans(2, n_init=1), r"KMeans \(the estimator\).*Supported: Logistic"),
        (SVC(), r"SVC \(the estimator\)"),
        (DummyClassifier(), "DummyClassifier"),
        (Contrary(), "subclass"),
        (make_pipeline(Halved(), LogisticRegression()), "Halved.*subclass"),
        (make_pipeline(Identity(), LogisticRegression()), "Identity"),
        (make_pipeline(StandardScaler(), make_pipeline(Identity(), Ridge())), "step 'pipeline', step 'identity'"),
        (make_pipeline(StandardScaler(), PCA(2)), r"PCA \(step 'pca'\)"),
        (make_pipeline(StandardScaler(), "passthrough"), r"passthrough \(step 'passthrough'\)"),
        (OneVsRestClassifier(SVC()), r"SVC \(the estimator, estimators_\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused_by_name_and_place(estimator, text):
    X, _, y, _ = SPLITS["iris"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)
    with pytest.raises(UnsupportedModel, match=text):
        fhenn.from_sklearn(estimator)


@pytest.mark.parametrize(
    ("transformer", "text"),
    [
        (MinMaxScaler(clip=True), r"\(step 'minmaxscaler'\).*clip=True is not affine.*preparation='client'"),
        (PolynomialFeatures(), r"PolynomialFeatures.*Supported: StandardScaler.*preparation='client'"),
        (Halved(), r"Halved.*subclass"),
    ],
    ids=["clip", "polynomials", "subclass"],
)
def test_what_is_not_affine_is_not_folded(transformer, text):
    X, _, y, _ = SPLITS["iris"]
    estimator = make_pipeline(transformer, StandardScaler(), LogisticRegression()).fit(X, y)
    with pytest.raises(UnsupportedModel, match=text):
        fhenn.from_sklearn(estimator, preparation="fold")


def test_lookalikes_and_strangers_are_refused():
    for other in (Lookalike(), object(), None, "LogisticRegression", LogisticRegression, fhenn.Linear([[1.0]])):
        with pytest.raises(UnsupportedModel, match="the estimator"):
            fhenn.from_sklearn(other)


def test_unfitted_estimators_are_refused():
    X, _, y, _ = SPLITS["iris"]
    for estimator in (
        LogisticRegression(),
        MLPClassifier(activation="tanh"),
        make_pipeline(StandardScaler(), Ridge()),
        Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression().fit(X, y))]),
        OneVsRestClassifier(LogisticRegression()),
    ):
        with pytest.raises(NotFittedError):
            fhenn.from_sklearn(estimator)


def test_samples_of_another_kind_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    model = fhenn.from_sklearn(fitted(LogisticRegression(max_iter=1000), "iris"))
    with pytest.raises(UnsupportedValue, match="complex"):
        model.predict(sparse.csr_matrix(1j * SPLITS["iris"][1]))
    with pytest.raises(ShapeMismatch, match="4"):
        model.predict(np.ones((2, 3)))


@pytest.mark.thorough
def test_inputs_that_bring_values_too_far_are_announced():
    """Unscaled features, whose pre-activations no polynomial of degree 63 follows."""
    estimator = fitted(MLPClassifier((4,), activation="logistic", max_iter=5, random_state=0), "breast_cancer")
    with pytest.warns(ApproximationWarning, match="degree 63 is off by") as caught:
        model = fhenn.from_sklearn(estimator, inputs=SPLITS["breast_cancer"][0])
    assert caught[0].message.reached == model.stand_ins[0].sup_error() > 0.1


def test_without_inputs_a_perceptron_warns_where_it_cannot_be_trusted():
    model = fhenn.from_sklearn(fitted(MLPClassifier((4,), "logistic", max_iter=5, random_state=0), "breast_cancer"))
    assert model.stand_ins[0].domain == (-16.0, 16.0)
    with pytest.warns(fhenn.RangeWarning):
        model.predict(SPLITS["breast_cancer"][1])


def decided(estimator, private, X, scores):
    """How the labels under encryption compare to the estimator's; prints it.

    Where scores are further from a decision than they differ, by the certificate, the labels must be equal.
    """
    got, wanted = private.reading.predict(scores), estimator.predict(X)
    exact = X
    for node in private.model.nodes:
        exact = node.exact(exact) if isinstance(node, fhenn.Activation) else node.infer(exact)
    ordered = np.sort(exact, axis=1)
    margin = np.abs(exact[:, 0]) if exact.shape[1] == 1 else ordered[:, -1] - ordered[:, -2]
    factor = 1 if exact.shape[1] == 1 else 2
    certificate = fhenn.certify(private.model, np.stack([private.plan.low, private.plan.high]), private.plan)
    certain = margin > factor * certificate.total
    measured = margin > factor * np.abs(scores - exact).max(axis=1)
    assert certificate.valid
    differ = got != wanted
    print(
        f"{differ.sum()} of {len(X)} labels differ; {(~measured).sum()} have a measured error, {(~certain).sum()} a "
        f"certified one ({certificate.total:.1e}), beyond the margin of their score"
    )
    assert not (differ & (certain | measured)).any()
    assert np.abs(scores - exact).max() <= certificate.total
    return int(differ.sum())


def under_encryption(estimator, data, **options):
    X, X_test, _, _ = SPLITS[data]
    fitted(estimator, data)
    model = fhenn.from_sklearn(estimator)
    private = fhenn.encrypted_model(model, inputs=X, **options)
    X_test = X_test[((private.plan.low <= X_test) & (private.plan.high >= X_test)).all(axis=1)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = private.model.scores(X_test)
    scores = private.scores(X_test)
    assert (np.abs(scores - twin) <= private.plan.errors).all()
    assert private.plan.error <= options.get("accuracy", 1e-3)
    if model.reading.classes:
        return decided(estimator, private, X_test, scores), len(X_test)
    error = np.abs(private.reading.predict(scores) - estimator.predict(X_test)).max()
    print(f"{type(estimator[-1]).__name__}: values are off by {error:.1e} at most")
    return error, len(X_test)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        ("logistic", "breast_cancer"),
        ("logistic", "wine"),
        ("one-vs-rest", "iris"),
        ("LinearSVC", "breast_cancer"),
        ("Ridge", "diabetes"),
    ],
)
def test_encrypted_linear_models_answer_as_the_original(make, data):
    differ, samples = under_encryption(make_pipeline(StandardScaler(), (CLASSIFIERS | REGRESSORS)[make]()), data)
    # an accuracy of 1e-3 is relative to how the regression's values vary, a deviation of 77
    assert differ <= (1e-3 * 77 if data == "diabetes" else 0.01 * samples)


def test_an_encrypted_perceptron_answers_as_the_original():
    perceptron = MLPClassifier((4,), activation="logistic", alpha=0.1, max_iter=500, random_state=0)
    pipeline = make_pipeline(StandardScaler(), perceptron)
    differ, samples = under_encryption(pipeline, "iris", accuracy=1e-2, margin=0.1, layout="throughput")
    assert differ <= 0.03 * samples


def test_values_beyond_the_training_data_and_a_margin_are_refused():
    model = fhenn.from_sklearn(fitted(make_pipeline(MinMaxScaler(), LogisticRegression()), "iris"))
    private = fhenn.encrypted_model(model, inputs=SPLITS["iris"][0], margin=0)
    with pytest.raises(BoundsExceeded):
        private.predict([[50.0, 1.0, 1.0, 1.0]])


@LONGER
@pytest.mark.filterwarnings("ignore::fhenn.errors.SamplesWarning")  # of pixels that are black in all digits
@pytest.mark.parametrize(("make", "data"), linear_cases())
def test_every_linear_model_on_every_data_under_encryption(make, data):
    differ, samples = under_encryption(make_pipeline(StandardScaler(), make()), data)
    assert differ <= (1e-3 * 77 if data == "diabetes" else 0.01 * samples)


@LONGER
@pytest.mark.filterwarnings("ignore::fhenn.errors.PlanWarning")  # where the worst case takes more than degree 63
@pytest.mark.parametrize("activation", ["logistic", "tanh"])
@pytest.mark.parametrize("data", ["breast_cancer", "wine", "iris", "digits", "diabetes"])
def test_every_perceptron_on_every_data_under_encryption(activation, data):
    kind = MLPRegressor if data == "diabetes" else MLPClassifier
    perceptron = kind(hidden_layer_sizes=(8,), activation=activation, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApproximationWarning)
        box = box_around(SPLITS[data][0], 0.1)
        differ, samples = under_encryption(make_pipeline(MinMaxScaler(), perceptron), data, bounds=box)
    assert differ <= (1.0 if data == "diabetes" else 0.01 * samples)


def test_fhenn_is_light_and_a_missing_extra_names_itself():
    program = """
import sys
import fhenn
import fhenn.interop.sklearn
assert not any(name == "sklearn" or name.startswith("sklearn.") for name in sys.modules)
sys.modules["sklearn"] = None
for use in (lambda: fhenn.from_sklearn(object()), lambda: fhenn.sklearn):
    try:
        use()
    except fhenn.errors.ExtraMissing as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.count("the extra sklearn brings it. Run pip install ") == 2


def test_held_out_images_are_inside_the_bounds_of_images_with_black_edges():
    # pixels at the edge are black in all training images, and not in all others: digits, 8 × 8, moved by a pixel
    digits = datasets.load_digits()
    images = digits.data.reshape(-1, 8, 8) / 16
    train, test = images[:1000].copy(), np.roll(images[1000:1040], 1, axis=2)
    train[:, :, 0] = 0.0
    fitted = LogisticRegression(max_iter=300).fit(train.reshape(-1, 64), digits.target[:1000])
    with pytest.warns(SamplesWarning, match=r"bounds of all together, \[0, 1\]"):
        private = fhenn.encrypted_model(fhenn.from_sklearn(fitted), inputs=train.reshape(-1, 64), rows=40)
    held_out = test.reshape(-1, 64)
    assert (held_out[:, ::8] > 0).any()
    assert private.predict(held_out).tolist() == fitted.predict(held_out).tolist()
