"""Every estimator of scikit-learn that is linear, with the kinds of targets that it takes; and a comparison."""

import warnings
from functools import cache

import numpy as np
import pytest
import sklearn
from sklearn import (
    calibration,
    compose,
    cross_decomposition,
    ensemble,
    feature_selection,
    frozen,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    semi_supervised,
    svm,
)
from sklearn import linear_model as linear
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  (or there are none)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from fhenn.errors import UnsupportedOperation

SAMPLES, HELD_OUT, FEATURES = 90, 60, 5
NAMES = [f"feature {place}" for place in range(FEATURES)]


@cache
def features():
    """Samples to fit on, and others to predict."""
    return np.split(np.random.default_rng(3).normal(size=(SAMPLES + HELD_OUT, FEATURES)), [SAMPLES])


@cache
def targets():
    rng = np.random.default_rng(5)
    x = np.concatenate(features())
    values = x @ rng.normal(size=(FEATURES, 3)) + 0.7 * rng.normal(size=(len(x), 3))
    value = values[:, 0]
    return {
        "regression": value + 2,
        "column": value[:, None] - 1,
        "positive": np.exp(0.4 * value),
        "counts": np.floor(np.exp(0.4 * value)),
        "outputs": values + np.array([1.0, -2.0, 0.5]),
        "binary": np.where(value > 0.4, "yes", "no"),
        "three": np.array(["a", "b", "c"])[np.digitize(value, [-0.8, 0.8])],
        "four": np.digitize(value, [-1.2, 0.0, 1.2]) * 10,
        "labels": (values > 0.3).astype(int),
        "classes": np.stack([np.digitize(value, [-0.8, 0.8]), values[:, 1] > 0], axis=1).astype(int),
    }


def target(kind, part=0):
    """Of the samples to fit on, or of the others."""
    return None if kind == "novelty" else np.split(targets()[kind], [SAMPLES])[part]


def since(version, name, make):
    """An estimator that scikit-learn has since a version."""
    return {name: make()} if float(".".join(sklearn.__version__.split(".")[:2])) >= version else {}


def older(name):
    """An estimator that scikit-learn will have no more, where it still has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: vars(linear)[name](random_state=0)} if name in vars(linear) else {}


LOGISTIC = linear.LogisticRegression
HINGE = linear.SGDClassifier(random_state=0)
BOTH, TARGETS = ("binary", "three", "four"), ("regression", "outputs")
FEW = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)  # takes no weights, and so sees some classes only
GAUSSIAN = naive_bayes.GaussianNB()


class Folds:
    """Folds of the samples; those to train on are of few classes of "three" and "four"."""

    def __init__(self, most):
        self.most = most

    def get_n_splits(self, *_):
        return 2

    def split(self, _, y, *__):
        seen = np.isin(y, np.unique(y)[: self.most])
        places = np.arange(len(y))
        yield places[seen], places[~seen] if len(np.unique(y)) > self.most else places
        yield places[::2], places[1::2]


RARE, VERY_RARE = Folds(3), Folds(2)

VOTERS = [("logistic", LOGISTIC()), ("bayes", make_pipeline(StandardScaler(), LinearDiscriminantAnalysis()))]
HARD_VOTERS = [*VOTERS, ("hinge", HINGE), ("machine", svm.SVC(kernel="linear"))]
REGRESSORS = [("ridge", linear.Ridge()), ("lasso", make_pipeline(MinMaxScaler(), linear.Lasso(0.01)))]

LINEAR_REGRESSORS = {
    "LinearRegression": linear.LinearRegression(),
    "Ridge": linear.Ridge(),
    "RidgeCV": linear.RidgeCV(),
    "Lasso": linear.Lasso(0.1),
    "LassoCV": linear.LassoCV(cv=2, alphas=[0.01, 0.1, 1.0]),
    "ElasticNet": linear.ElasticNet(0.1),
    "ElasticNetCV": linear.ElasticNetCV(cv=2, alphas=[0.01, 0.1, 1.0]),
    "Lars": linear.Lars(n_nonzero_coefs=3),
    "LarsCV": linear.LarsCV(cv=2),
    "LassoLars": linear.LassoLars(0.01),
    "LassoLarsCV": linear.LassoLarsCV(cv=2),
    "LassoLarsIC": linear.LassoLarsIC(),
    "OrthogonalMatchingPursuit": linear.OrthogonalMatchingPursuit(n_nonzero_coefs=3),
    "OrthogonalMatchingPursuitCV": linear.OrthogonalMatchingPursuitCV(cv=2),
    "MultiTaskLasso": linear.MultiTaskLasso(0.1),
    "MultiTaskLassoCV": linear.MultiTaskLassoCV(cv=2, alphas=[0.01, 0.1, 1.0]),
    "MultiTaskElasticNet": linear.MultiTaskElasticNet(0.1),
    "MultiTaskElasticNetCV": linear.MultiTaskElasticNetCV(cv=2, alphas=[0.01, 0.1, 1.0]),
    "SGDRegressor": linear.SGDRegressor(random_state=0),
    **older("PassiveAggressiveRegressor"),
    "BayesianRidge": linear.BayesianRidge(),
    "ARDRegression": linear.ARDRegression(),
    "HuberRegressor": linear.HuberRegressor(),
    "TheilSenRegressor": linear.TheilSenRegressor(random_state=0, max_subpopulation=50),
    "RANSACRegressor": linear.RANSACRegressor(random_state=0),
    "RANSACRegressor of Ridge": linear.RANSACRegressor(linear.Ridge(), random_state=0, min_samples=20),
    "QuantileRegressor": linear.QuantileRegressor(alpha=0.01),
    "LinearSVR": svm.LinearSVR(random_state=0),
    "SVR": svm.SVR(kernel="linear"),
    "NuSVR": svm.NuSVR(kernel="linear"),
    "PLSRegression": cross_decomposition.PLSRegression(2),
    "PLSCanonical": cross_decomposition.PLSCanonical(1),
    "CCA": cross_decomposition.CCA(1),
}

GENERALISED = {
    "PoissonRegressor": linear.PoissonRegressor(),
    "GammaRegressor": linear.GammaRegressor(),
    "TweedieRegressor 0": linear.TweedieRegressor(power=0),
    "TweedieRegressor 0, log": linear.TweedieRegressor(power=0, link="log"),
    "TweedieRegressor 1.5": linear.TweedieRegressor(power=1.5),
    "TweedieRegressor 3": linear.TweedieRegressor(power=3, alpha=2),
    "TweedieRegressor -1": linear.TweedieRegressor(power=-1, alpha=2),
}

LINEAR_CLASSIFIERS = {
    "LogisticRegression": LOGISTIC(),
    "LogisticRegressionCV": linear.LogisticRegressionCV(Cs=2, cv=2),
    "RidgeClassifier": linear.RidgeClassifier(),
    "RidgeClassifierCV": linear.RidgeClassifierCV(),
    "SGDClassifier": HINGE,
    "SGDClassifier, log loss": linear.SGDClassifier(loss="log_loss", random_state=0),
    "SGDClassifier, modified Huber": linear.SGDClassifier(loss="modified_huber", random_state=0),
    "Perceptron": linear.Perceptron(random_state=0),
    **older("PassiveAggressiveClassifier"),
    "LinearSVC": svm.LinearSVC(random_state=0),
    "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
    "LinearDiscriminantAnalysis, lsqr": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "LinearDiscriminantAnalysis, eigen": LinearDiscriminantAnalysis(solver="eigen", priors=None),
    "GaussianNB": GAUSSIAN,
    "QuadraticDiscriminantAnalysis": QuadraticDiscriminantAnalysis(reg_param=0.1),
    "SVC": svm.SVC(kernel="linear"),
    "SVC, one vs one": svm.SVC(kernel="linear", decision_function_shape="ovo"),
    "SVC, breaking ties": svm.SVC(kernel="linear", break_ties=True),
    "SVC, probability": svm.SVC(kernel="linear", probability=True, random_state=0),
    "NuSVC": svm.NuSVC(nu=0.2, kernel="linear"),
    "NuSVC, probability": svm.NuSVC(nu=0.2, kernel="linear", probability=True, random_state=0),
}

BINARY = {
    "FixedThresholdClassifier": model_selection.FixedThresholdClassifier(LOGISTIC(), threshold=0.3),
    "FixedThresholdClassifier, no": model_selection.FixedThresholdClassifier(LOGISTIC(), threshold=0.3, pos_label="no"),
    "FixedThresholdClassifier, auto": model_selection.FixedThresholdClassifier(LOGISTIC(), pos_label="yes"),
    "FixedThresholdClassifier, decision": model_selection.FixedThresholdClassifier(
        HINGE, threshold=-1.5, pos_label="no", response_method="decision_function"
    ),
    "FixedThresholdClassifier, hinge": model_selection.FixedThresholdClassifier(HINGE),
    "FixedThresholdClassifier, quadratic": model_selection.FixedThresholdClassifier(
        QuadraticDiscriminantAnalysis(reg_param=0.1), threshold=2.0, response_method="decision_function"
    ),
    "FixedThresholdClassifier, bayes": model_selection.FixedThresholdClassifier(GAUSSIAN, threshold=0.8),
    "TunedThresholdClassifierCV": model_selection.TunedThresholdClassifierCV(LOGISTIC(), cv=2, thresholds=9),
}

META_CLASSIFIERS = {
    "OneVsRestClassifier": multiclass.OneVsRestClassifier(LOGISTIC()),
    "OneVsRestClassifier, hinge": multiclass.OneVsRestClassifier(HINGE),
    "OneVsRestClassifier, bayes": multiclass.OneVsRestClassifier(make_pipeline(MinMaxScaler(), LOGISTIC())),
    "OneVsRestClassifier, calibrated": multiclass.OneVsRestClassifier(calibration.CalibratedClassifierCV(HINGE, cv=2)),
    "OneVsRestClassifier, regression": multiclass.OneVsRestClassifier(linear.Ridge()),
    "OneVsOneClassifier": multiclass.OneVsOneClassifier(svm.LinearSVC(random_state=0)),
    "OneVsOneClassifier, voting": multiclass.OneVsOneClassifier(ensemble.VotingClassifier(VOTERS, voting="soft")),
    "OutputCodeClassifier, probabilities": multiclass.OutputCodeClassifier(
        ensemble.VotingClassifier(VOTERS, voting="soft"), random_state=0
    ),
    "OutputCodeClassifier": multiclass.OutputCodeClassifier(LOGISTIC(), random_state=0),
    "CalibratedClassifierCV": calibration.CalibratedClassifierCV(HINGE, cv=3),
    "CalibratedClassifierCV, isotonic": calibration.CalibratedClassifierCV(HINGE, cv=3, method="isotonic"),
    **since(
        1.8,
        "CalibratedClassifierCV, temperature",
        lambda: calibration.CalibratedClassifierCV(LOGISTIC(), cv=2, method="temperature"),
    ),
    "CalibratedClassifierCV, one": calibration.CalibratedClassifierCV(GAUSSIAN, cv=2, ensemble=False),
    **since(
        1.8,
        "CalibratedClassifierCV, tempered bayes",
        lambda: calibration.CalibratedClassifierCV(GAUSSIAN, cv=2, ensemble=False, method="temperature"),
    ),
    "CalibratedClassifierCV, isotonic pipeline": calibration.CalibratedClassifierCV(
        make_pipeline(StandardScaler(), svm.SVC(kernel="linear")), cv=2, method="isotonic", ensemble=False
    ),
    "VotingClassifier": ensemble.VotingClassifier(HARD_VOTERS),
    "VotingClassifier, weights": ensemble.VotingClassifier(HARD_VOTERS, weights=[1.5, 1, 2, 1]),
    "VotingClassifier, dropped": ensemble.VotingClassifier([*HARD_VOTERS, ("more", "drop")], weights=[1, 1, 2, 1, 9]),
    "VotingClassifier, soft": ensemble.VotingClassifier(VOTERS, voting="soft"),
    "VotingClassifier, soft weights": ensemble.VotingClassifier(VOTERS, voting="soft", weights=[2, 1]),
    "BaggingClassifier": ensemble.BaggingClassifier(LOGISTIC(), 3, random_state=0),
    "BaggingClassifier, hinge": ensemble.BaggingClassifier(HINGE, 3, random_state=0, max_samples=0.5),
    "BaggingClassifier, features": ensemble.BaggingClassifier(
        LOGISTIC(), 3, max_features=0.6, random_state=0, bootstrap_features=True
    ),
    "BaggingClassifier, rare": ensemble.BaggingClassifier(FEW, 4, max_samples=6, random_state=1),
    "BaggingClassifier, rare votes": ensemble.BaggingClassifier(
        multiclass.OneVsRestClassifier(svm.LinearSVC()), 4, max_samples=6, random_state=1
    ),
    "CalibratedClassifierCV, rare": calibration.CalibratedClassifierCV(FEW, cv=RARE),
    "CalibratedClassifierCV, very rare": calibration.CalibratedClassifierCV(FEW, cv=VERY_RARE),
    "StackingClassifier": ensemble.StackingClassifier(VOTERS, cv=2),
    "StackingClassifier, decisions": ensemble.StackingClassifier(VOTERS, cv=2, stack_method="decision_function"),
    "StackingClassifier, through": ensemble.StackingClassifier(VOTERS, cv=2, passthrough=True),
    "StackingClassifier, decisions through": ensemble.StackingClassifier(
        VOTERS, LinearDiscriminantAnalysis(), cv=2, stack_method="decision_function", passthrough=True
    ),
    "StackingClassifier, hard": ensemble.StackingClassifier(HARD_VOTERS, cv=2, stack_method="predict"),
    "GridSearchCV": model_selection.GridSearchCV(LOGISTIC(), {"C": [0.1, 1]}, cv=2),
    "GridSearchCV, pipeline": model_selection.GridSearchCV(
        make_pipeline(StandardScaler(), LOGISTIC()), {"logisticregression__C": [0.1, 1]}, cv=2
    ),
    "RandomizedSearchCV": model_selection.RandomizedSearchCV(LOGISTIC(), {"C": [0.1, 1]}, n_iter=1, cv=2),
    "HalvingGridSearchCV": model_selection.HalvingGridSearchCV(LOGISTIC(), {"C": [0.1, 1, 9]}, cv=2, random_state=0),
    "HalvingRandomSearchCV": model_selection.HalvingRandomSearchCV(
        make_pipeline(StandardScaler(), LOGISTIC()), {"logisticregression__C": [0.1, 1, 9]}, cv=2, random_state=0
    ),
    "FrozenEstimator": frozen.FrozenEstimator(LOGISTIC()),
    "RFE": feature_selection.RFE(LOGISTIC(), n_features_to_select=3),
    "RFECV": feature_selection.RFECV(LOGISTIC(), cv=2),
    "SelfTrainingClassifier": semi_supervised.SelfTrainingClassifier(LOGISTIC()),
    "a pipeline in everything": make_pipeline(
        RobustScaler(),
        model_selection.GridSearchCV(
            calibration.CalibratedClassifierCV(
                multiclass.OneVsRestClassifier(Pipeline([("scale", MaxAbsScaler()), ("fit", LOGISTIC())])), cv=2
            ),
            {"method": ["sigmoid"]},
            cv=2,
        ),
    ),
}

SEARCH = model_selection.GridSearchCV(linear.Ridge(), {"alpha": [0.1, 1]}, cv=2)
META_REGRESSORS = {
    "VotingRegressor": ensemble.VotingRegressor(REGRESSORS),
    "VotingRegressor, weights": ensemble.VotingRegressor(REGRESSORS, weights=[2, 1]),
    "BaggingRegressor": ensemble.BaggingRegressor(linear.Ridge(), 3, random_state=0),
    "BaggingRegressor, features": ensemble.BaggingRegressor(
        linear.Ridge(), 3, max_features=0.6, bootstrap_features=True, random_state=0
    ),
    "StackingRegressor": ensemble.StackingRegressor(REGRESSORS, cv=2),
    "StackingRegressor, through": ensemble.StackingRegressor(REGRESSORS, linear.Ridge(), cv=2, passthrough=True),
    "MultiOutputRegressor": multioutput.MultiOutputRegressor(linear.Ridge()),
    "RegressorChain": multioutput.RegressorChain(linear.Ridge(), order=[2, 0, 1]),
    "GridSearchCV": SEARCH,
    "RFE": feature_selection.RFE(linear.Ridge(), n_features_to_select=2),
}

TRANSFORMED = {
    "StandardScaler": StandardScaler(),
    "MinMaxScaler": MinMaxScaler(feature_range=(-1, 2)),
    "MaxAbsScaler": MaxAbsScaler(),
    "RobustScaler": RobustScaler(),
    "RobustScaler, no centre": RobustScaler(with_centering=False),
    "PowerTransformer": PowerTransformer(),
    "PowerTransformer, plain": PowerTransformer(standardize=False),
    "QuantileTransformer": QuantileTransformer(n_quantiles=40),
    "QuantileTransformer, normal": QuantileTransformer(n_quantiles=40, output_distribution="normal"),
    "a pipeline": make_pipeline(StandardScaler(), PowerTransformer(), MinMaxScaler()),
}
POSITIVE = {
    "Box-Cox": PowerTransformer("box-cox"),
    "log": FunctionTransformer(np.log, np.exp),
    "log1p": FunctionTransformer(np.log1p, np.expm1),
    "sqrt": FunctionTransformer(np.sqrt, np.square),
    "log, scaled": make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler()),
    "identity": FunctionTransformer(),
}


def transformed(transformer, regressor=None):
    return compose.TransformedTargetRegressor(regressor or linear.Ridge(), transformer=transformer, check_inverse=False)


WITH_LINKS = {
    "TransformedTargetRegressor, functions": compose.TransformedTargetRegressor(
        linear.Ridge(), func=np.log, inverse_func=np.exp
    ),
    "TransformedTargetRegressor of Poisson": transformed(MaxAbsScaler(), linear.PoissonRegressor()),
    "VotingRegressor of Poisson": ensemble.VotingRegressor([*REGRESSORS, ("poisson", linear.PoissonRegressor())]),
    "BaggingRegressor of Gamma": ensemble.BaggingRegressor(linear.GammaRegressor(), 3, random_state=0),
    "StackingRegressor of Poisson": ensemble.StackingRegressor([*REGRESSORS, ("p", linear.PoissonRegressor())], cv=2),
    "GridSearchCV of Gamma": model_selection.GridSearchCV(linear.GammaRegressor(), {"alpha": [1, 2]}, cv=2),
    **since(
        1.7,
        "MLPRegressor, Poisson",
        lambda: MLPRegressor(
            hidden_layer_sizes=(3,), activation="identity", loss="poisson", max_iter=20, random_state=0
        ),
    ),
}

MULTILABEL = {
    "RidgeClassifier": linear.RidgeClassifier(),
    "RidgeClassifierCV": linear.RidgeClassifierCV(),
    "OneVsRestClassifier": multiclass.OneVsRestClassifier(LOGISTIC()),
    "OneVsRestClassifier, hinge": multiclass.OneVsRestClassifier(HINGE),
    "OneVsRestClassifier, calibrated": multiclass.OneVsRestClassifier(calibration.CalibratedClassifierCV(HINGE, cv=2)),
    "MLPClassifier": MLPClassifier((4,), "identity", max_iter=20, random_state=0),
    "MultiOutputClassifier": multioutput.MultiOutputClassifier(LOGISTIC()),
    "ClassifierChain": multioutput.ClassifierChain(LOGISTIC(), order=[1, 2, 0]),
    "ClassifierChain, hinge": multioutput.ClassifierChain(HINGE),
    "ClassifierChain, probabilities": multioutput.ClassifierChain(LOGISTIC(), chain_method="predict_proba"),
    "ClassifierChain, decisions": multioutput.ClassifierChain(LOGISTIC(), chain_method="decision_function"),
    "GridSearchCV": model_selection.GridSearchCV(
        multiclass.OneVsRestClassifier(LOGISTIC()), {"estimator__C": [0.1, 1]}, cv=2
    ),
}
SEVERAL = {
    "MultiOutputClassifier": multioutput.MultiOutputClassifier(LOGISTIC()),
    "MultiOutputClassifier, hinge": multioutput.MultiOutputClassifier(HINGE),
    "MultiOutputClassifier, machines": multioutput.MultiOutputClassifier(svm.SVC(kernel="linear")),
}
BAYES = {
    "MultinomialNB": naive_bayes.MultinomialNB(),
    "MultinomialNB, no prior": naive_bayes.MultinomialNB(fit_prior=False),
    "ComplementNB": naive_bayes.ComplementNB(),
    "ComplementNB, normalised": naive_bayes.ComplementNB(norm=True),
    "BernoulliNB, threshold": naive_bayes.BernoulliNB(binarize=1.0),
    "CalibratedClassifierCV of BernoulliNB": calibration.CalibratedClassifierCV(
        naive_bayes.BernoulliNB(binarize=1.0), cv=2, ensemble=False
    ),
    "BernoulliNB": naive_bayes.BernoulliNB(binarize=None),
    "OneVsRestClassifier of BernoulliNB": multiclass.OneVsRestClassifier(naive_bayes.BernoulliNB(binarize=None)),
    "CalibratedClassifierCV of MultinomialNB": calibration.CalibratedClassifierCV(naive_bayes.MultinomialNB(), cv=2),
}
NOVELTY = {
    "SGDOneClassSVM": linear.SGDOneClassSVM(random_state=0),
    "OneClassSVM": svm.OneClassSVM(kernel="linear", nu=0.3),
}
SINGLE = (
    "LassoCV", "ElasticNetCV", "LassoLarsCV", "LarsCV", "LassoLarsIC", "OrthogonalMatchingPursuitCV", "SGDRegressor",
    "PassiveAggressiveRegressor", "BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor", "LinearSVR",
    "QuantileRegressor", "SVR", "NuSVR", "VotingRegressor", "VotingRegressor, weights", "StackingRegressor", "RFE",
    "StackingRegressor, through",
)  # fmt: skip
SEVERAL_ONLY = ("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV",
                "MultiOutputRegressor", "RegressorChain")  # fmt: skip


GROUPS = [
    (LINEAR_REGRESSORS | META_REGRESSORS, TARGETS),
    (GENERALISED | WITH_LINKS, ("positive",)),
    ({name: LINEAR_REGRESSORS[name] for name in ("LinearRegression", "Ridge", "Lasso", "Lars")}, ("column",)),
    ({"target, column": transformed(StandardScaler())}, ("column",)),
    ({"PoissonRegressor": linear.PoissonRegressor()}, ("counts",)),
    ({f"target, {name}": transformed(each) for name, each in TRANSFORMED.items()}, (*TARGETS, "positive")),
    ({f"target, {name}": transformed(each) for name, each in POSITIVE.items()}, ("positive",)),
    (LINEAR_CLASSIFIERS | META_CLASSIFIERS, BOTH),
    (BINARY, ("binary",)),
    (MULTILABEL, ("labels",)),
    (SEVERAL, ("classes",)),
    (NOVELTY, ("novelty",)),
    (BAYES, BOTH),
]
SLOW = {*META_CLASSIFIERS, "RANSACRegressor", "RANSACRegressor of Ridge"}
"""Estimators that are fitted often: one kind of target is enough for the quick tests."""

LEFT_OUT = {
    **dict.fromkeys(SINGLE, ("outputs",)),
    **dict.fromkeys(SEVERAL_ONLY, ("regression",)),
    "SelfTrainingClassifier": ("binary", "three"),  # it takes no text
    # scikit-learn 1.8 and 1.9 take numbers for indices of columns, and read 10, 20 and 30 beyond their ends.
    **dict.fromkeys(("CalibratedClassifierCV, temperature", "CalibratedClassifierCV, tempered bayes"), ("four",)),
}


def cases():
    """Estimators with the kinds of targets that they take."""
    for estimators, kinds in GROUPS:
        for name, estimator in estimators.items():
            for kind in kinds:
                if kind not in LEFT_OUT.get(name, ()):
                    yield name, estimator, kind


CASES = {f"{name} - {kind}": (estimator, kind) for name, estimator, kind in cases()}


def samples(case):
    """Samples to fit on and others, as the estimator of a case takes them."""
    if "BernoulliNB" in case and "threshold" not in case:
        return [(x > 0).astype(float) for x in features()]
    return [np.floor(np.exp(x)) for x in features()] if "NB" in case and "Gaussian" not in case else features()


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def fitted(estimator, kind, x=None, **options):
    x = features()[0] if x is None else x
    if isinstance(estimator, frozen.FrozenEstimator):
        return frozen.FrozenEstimator(quietly(clone(estimator.estimator).fit, x, target(kind), **options))
    return quietly(quietly(clone, estimator).fit, x, target(kind), **options)


def close(got, wanted, digits):
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=10**-digits, atol=10**-digits * max(1.0, np.abs(wanted).max()))


def same(model, estimator, x, y=None, digits=12):
    """All that the estimator answers: labels exactly and in their type, numbers to so many digits."""
    wanted, got = quietly(estimator.predict, x), model.predict(x)
    if model.reading.task == "regression":
        close(got, wanted, digits)
    else:
        assert got.dtype == wanted.dtype
        assert got.tolist() == wanted.tolist()
    if hasattr(estimator, "predict_proba"):
        wanted, got = quietly(estimator.predict_proba, x), model.predict_proba(x)
        assert isinstance(got, list) == isinstance(wanted, list)
        for one, other in zip(got, wanted, strict=True):
            close(one, other, digits)
    else:
        with pytest.raises(UnsupportedOperation):
            model.predict_proba(x)
    if hasattr(estimator, "decision_function"):
        try:
            wanted = quietly(estimator.decision_function, x)
        except ValueError:  # of members that have seen different classes
            assert not model.reading.has_decision
        else:
            close(model.decision_function(x), wanted, digits)
    if y is not None and hasattr(estimator, "score"):
        assert model.score(x, y) == pytest.approx(quietly(estimator.score, x, y), rel=1e-11, abs=1e-12)


def digits_of(case):
    """LIBSVM sums over support vectors, large numbers that cancel, where the twin multiplies by their sum."""
    return 9 if case.startswith("NuSVC") else 12


def without_intercept(estimator):
    """An estimator without intercepts, in all that it is made of, where these have any."""
    changed = quietly(clone, estimator)
    names = [name for name in changed.get_params() if name.rpartition("__")[2] == "fit_intercept"]
    return quietly(changed.set_params, **dict.fromkeys(names, False))
