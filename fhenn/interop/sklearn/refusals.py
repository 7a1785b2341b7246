"""Why estimators that cannot run encrypted are refused, and what can in their place."""

from __future__ import annotations

from typing import Any

APPROXIMATION = (
    "a pipeline of PolynomialFeatures, of RBFSampler, or with allow_rows=True of Nystroem, and a linear model, such as "
    "LogisticRegression or Ridge"
)
"""What comes near a kernel: features that the client makes in the clear."""

_KERNEL = "it compares a sample with the training samples by a kernel, which is no small polynomial"
_NEIGHBOURS = "it looks for the nearest of the training samples, which no polynomial does"
_CONSTANT = "its answer does not depend on the sample, so there is nothing to encrypt"

_KERNELS = ("KernelRidge", "GaussianProcessClassifier", "GaussianProcessRegressor")

_REASONS = {
    **dict.fromkeys(_KERNELS, (_KERNEL, APPROXIMATION)),
    **dict.fromkeys(
        (
            "KNeighborsClassifier",
            "KNeighborsRegressor",
            "RadiusNeighborsClassifier",
            "RadiusNeighborsRegressor",
            "LabelPropagation",
            "LabelSpreading",
        ),
        (_NEIGHBOURS, APPROXIMATION),
    ),
    "AdaBoostRegressor": (
        "its answer is a weighted median of the values of its trees, which is no sum of them",
        "GradientBoostingRegressor, HistGradientBoostingRegressor or RandomForestRegressor",
    ),
    "RandomTreesEmbedding": (
        "it is a transformer, which makes a bit of every leaf",
        "RandomForestClassifier or RandomForestRegressor",
    ),
    "NearestCentroid": (_NEIGHBOURS.replace("training samples", "centroids"), "LinearDiscriminantAnalysis"),
    **dict.fromkeys(("DummyClassifier", "DummyRegressor"), (_CONSTANT, "a model that was fitted on the features")),
    "CategoricalNB": (
        "it looks up each category in a table, which is not affine in their numbers",
        "MultinomialNB or BernoulliNB(binarize=None), fitted on features of OneHotEncoder",
    ),
    "IsotonicRegression": (
        "it looks up a single feature in a table",
        "LinearRegression; of the scores of a classifier CalibratedClassifierCV(method='isotonic')",
    ),
}


def reason_for(estimator: Any) -> tuple[str, str] | None:
    """Why an estimator of scikit-learn is refused, and what is supported in its place; None where nothing is known."""
    kind = type(estimator)
    return _REASONS.get(kind.__name__) if kind.__module__.startswith("sklearn.") else None
