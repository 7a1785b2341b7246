"""What of scikit-learn is refused, why, and what is taken in its place."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import UnsupportedModel

pytest.importorskip("sklearn")

from linear_estimators import GAUSSIAN, HINGE, LOGISTIC, VOTERS, features, fitted, same, transformed
from sklearn import (
    calibration,
    compose,
    ensemble,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    semi_supervised,
    svm,
)
from sklearn import linear_model as linear
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import linear_kernel
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, OneHotEncoder, PolynomialFeatures, StandardScaler

KERNEL = "compares a sample with every support vector.*kernel='linear'.*PolynomialFeatures.*Nystroem"
REFUSALS = [
    (svm.SVC(), "three", r"SVC \(the estimator\).*its kernel 'rbf' " + KERNEL),
    (svm.NuSVC(kernel="poly", nu=0.2), "three", "its kernel 'poly' " + KERNEL),
    (svm.SVR(kernel=linear_kernel), "regression", 'its kernel "of one\'s own" ' + KERNEL),
    (svm.NuSVR(), "regression", KERNEL),
    (svm.OneClassSVM(), "novelty", KERNEL),
    (KernelRidge(), "regression", "by a kernel.*RBFSampler, or with allow_rows=True of Nystroem, and a linear model"),
    (GaussianProcessRegressor(), "regression", "GaussianProcessRegressor.*by a kernel.*Nystroem"),
    (GaussianProcessClassifier(), "binary", "GaussianProcessClassifier.*by a kernel.*Nystroem"),
    (neighbors.KNeighborsClassifier(), "three", "nearest of the training samples.*PolynomialFeatures"),
    (neighbors.KNeighborsRegressor(), "regression", "nearest of the training samples.*PolynomialFeatures"),
    (neighbors.RadiusNeighborsClassifier(9), "three", "nearest of the training samples"),
    (semi_supervised.LabelSpreading(), "four", "nearest of the training samples"),
    (neighbors.NearestCentroid(), "three", "nearest of the centroids.*LinearDiscriminantAnalysis"),
    (DummyClassifier(), "three", "does not depend on the sample"),
    (DummyRegressor(), "regression", "does not depend on the sample"),
    (
        multiclass.OneVsRestClassifier(naive_bayes.BernoulliNB()),
        "three",
        "BernoulliNB .*prepares tables in a way of",
    ),
    (naive_bayes.CategoricalNB(), "three", "looks up each category.*OneHotEncoder"),
    (
        ensemble.VotingClassifier([*VOTERS, ("net", MLPClassifier((2,), "tanh"))]),
        "three",
        r"MLPClassifier \(.*one of sev",
    ),
    (
        ensemble.VotingClassifier([*VOTERS, ("far", svm.SVC())]),
        "three",
        r"SVC \(the estimator, estimators_\).*its kernel",
    ),
    (ensemble.BaggingClassifier(svm.SVC(), 2), "three", r"SVC \(the estimator, estimators_\).*its kernel"),
    (multioutput.MultiOutputRegressor(svm.SVR()), "outputs", r"SVR \(the estimator, estimators_\)"),
    (calibration.CalibratedClassifierCV(svm.SVC(), cv=2), "three", r"SVC \(the estimator, calibrated_classifiers_\)"),
    (multiclass.OneVsOneClassifier(linear.Ridge()), "three", "it is a regression, and no class wins"),
    (multioutput.RegressorChain(linear.PoissonRegressor()), "labels", "its values, which others take, are not affine"),
    (multioutput.ClassifierChain(GAUSSIAN), "labels", "GaussianNB .*one of several"),
    (multioutput.ClassifierChain(svm.SVC(kernel="linear")), "classes", "no single score of 1 against 0"),
    (
        model_selection.GridSearchCV(LOGISTIC(), {"C": [1]}, cv=2, refit=False),
        "three",
        "refit=False leaves.*refit=True",
    ),
    (
        ensemble.StackingClassifier(VOTERS, MLPClassifier((2,), "tanh"), cv=2),
        "three",
        r"MLPClassifier \(the estimator, final_estimator_\).*only the client knows.*stack_method='decision_function'",
    ),
    (
        compose.TransformedTargetRegressor(linear.Ridge(), func=abs, inverse_func=abs, check_inverse=False),
        "regression",
        r"FunctionTransformer \(the estimator, transformer_\).*inverse_func is 'abs'.*numpy.exp",
    ),
    (transformed(PCA(1)), "outputs", "no way back through it.*StandardScaler"),
    (
        transformed(make_pipeline(StandardScaler(), PCA(1))),
        "outputs",
        r"PCA \(the estimator, transformer_, step 'pca'\)",
    ),
]


@pytest.mark.parametrize(("estimator", "kind", "text"), REFUSALS, ids=lambda value: type(value).__name__)
def test_what_is_refused_says_why_and_what_is_not(estimator, kind, text):
    X = np.abs(np.round(features()[0])) if isinstance(estimator, naive_bayes.CategoricalNB) else features()[0]
    estimator = fitted(estimator, kind, X)
    with pytest.raises(UnsupportedModel, match=text):
        fhenn.from_sklearn(estimator)


RBF = {"gamma": 0.3, "random_state": 0}
TAKEN = {
    "polynomial features": (make_pipeline(StandardScaler(), PolynomialFeatures(2), LOGISTIC(max_iter=1000)), "three"),
    "polynomial features, votes": (make_pipeline(PolynomialFeatures(2), svm.SVC(kernel="linear")), "three"),
    "random Fourier features": (make_pipeline(RBFSampler(n_components=40, **RBF), linear.Ridge()), "regression"),
    "Nystroem": (make_pipeline(Nystroem(n_components=40, **RBF), svm.LinearSVC(random_state=0)), "three"),
    "Nystroem, one class": (make_pipeline(Nystroem(n_components=20, **RBF), linear.SGDOneClassSVM()), "novelty"),
    "bits before all": (
        make_pipeline(Binarizer(), multiclass.OneVsRestClassifier(naive_bayes.BernoulliNB(binarize=None))),
        "three",
    ),
    "one-hot categories": (
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), naive_bayes.BernoulliNB(binarize=None)),
        "three",
    ),
    "one-hot categories, counted": (make_pipeline(OneHotEncoder(), naive_bayes.MultinomialNB()), "three"),
    "a search for all": (
        model_selection.GridSearchCV(
            make_pipeline(PolynomialFeatures(), LinearDiscriminantAnalysis(solver="lsqr")),
            {"polynomialfeatures__degree": [1, 2]},
            cv=2,
        ),
        "three",
    ),
    "a last network of decisions": (
        ensemble.StackingClassifier(VOTERS, MLPClassifier((2,), "identity"), cv=2, stack_method="decision_function"),
        "three",
    ),
    "a network alone": (
        calibration.CalibratedClassifierCV(MLPClassifier((2,), "identity"), cv=2, ensemble=False),
        "three",
    ),
    "a calibrated pipeline": (
        calibration.CalibratedClassifierCV(make_pipeline(PolynomialFeatures(), HINGE), cv=2, ensemble=False),
        "binary",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_named_in_its_place_is_taken(name):
    estimator, kind = TAKEN[name]
    x, unseen = features()
    if "one-hot" in name:
        x, unseen = np.round(np.clip(x, -1, 1)), np.round(np.clip(unseen, -1, 1))
    estimator = fitted(estimator, kind, x)
    model = fhenn.from_sklearn(estimator, allow_rows="Nystroem" in name)
    assert model.stand_ins == ()
    same(model, estimator, unseen, digits=11)
