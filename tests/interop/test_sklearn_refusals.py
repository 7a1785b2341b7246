"""What of scikit-learn is refused, why, and what is taken in its place."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import UnsupportedModel

pytest.importorskip("sklearn")

from linear_estimators import GAUSSIAN, LOGISTIC, VOTERS, features, fitted, transformed
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
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import linear_kernel
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

KERNEL = "compares a sample with every support vector.*kernel='linear'.*PolynomialFeatures.*Nystroem"
REFUSALS = [
    (svm.SVC(), "three", r"SVC \(the estimator\).*its kernel 'rbf' " + KERNEL),
    (svm.NuSVC(kernel="poly", nu=0.2), "three", "its kernel 'poly' " + KERNEL),
    (svm.SVR(kernel=linear_kernel), "regression", 'its kernel "of one\'s own" ' + KERNEL),
    (svm.NuSVR(), "regression", KERNEL),
    (svm.OneClassSVM(), "novelty", KERNEL),
    (KernelRidge(), "regression", "by a kernel.*Nystroem or RBFSampler, and a linear model"),
    (GaussianProcessRegressor(), "regression", "GaussianProcessRegressor.*by a kernel.*Nystroem"),
    (GaussianProcessClassifier(), "binary", "GaussianProcessClassifier.*by a kernel.*Nystroem"),
    (neighbors.KNeighborsClassifier(), "three", "nearest of the training samples.*PolynomialFeatures"),
    (neighbors.KNeighborsRegressor(), "regression", "nearest of the training samples.*PolynomialFeatures"),
    (neighbors.RadiusNeighborsClassifier(9), "three", "nearest of the training samples"),
    (semi_supervised.LabelSpreading(), "four", "nearest of the training samples"),
    (neighbors.NearestCentroid(), "three", "nearest of the centroids.*LinearDiscriminantAnalysis"),
    (DummyClassifier(), "three", "does not depend on the sample"),
    (DummyRegressor(), "regression", "does not depend on the sample"),
    (naive_bayes.BernoulliNB(), "three", "binarize=0.0 compares.*Supported: binarize=None"),
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
