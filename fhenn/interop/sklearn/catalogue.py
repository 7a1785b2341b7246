"""What `from_sklearn` takes, in words: for its documentation and its refusals."""

ESTIMATORS = (
    "LogisticRegression",
    "LinearRegression",
    "Ridge",
    "Lasso",
    "ElasticNet",
    "SGDClassifier",
    "LinearSVC",
    "LinearSVR",
    "OneVsRestClassifier of LogisticRegression, SGDClassifier or LinearSVC",
    "MLPClassifier and MLPRegressor",
    "a Pipeline that ends with one of them",
)
"""What `from_sklearn` takes."""

TRANSFORMERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA", "TruncatedSVD", "passthrough")
"""What may come before, in a Pipeline; `clip=True` may not."""
