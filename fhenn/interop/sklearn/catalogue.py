"""What `from_sklearn` takes, in words: for its documentation and its refusals."""

ESTIMATORS = (
    "LogisticRegression(CV)",
    "RidgeClassifier(CV)",
    "SGDClassifier",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "LinearSVC",
    "SVC and NuSVC with kernel='linear'",
    "LinearDiscriminantAnalysis",
    "QuadraticDiscriminantAnalysis",
    "GaussianNB, MultinomialNB, ComplementNB, BernoulliNB",
    "LinearRegression",
    "Ridge(CV), Lasso(CV), ElasticNet(CV) and their kind for several tasks",
    "Lars(CV), LassoLars(CV, IC), OrthogonalMatchingPursuit(CV)",
    "SGDRegressor",
    "PassiveAggressiveRegressor",
    "BayesianRidge",
    "ARDRegression",
    "HuberRegressor",
    "TheilSenRegressor",
    "QuantileRegressor",
    "RANSACRegressor",
    "LinearSVR",
    "SVR and NuSVR with kernel='linear'",
    "PoissonRegressor, GammaRegressor, TweedieRegressor",
    "PLSRegression, PLSCanonical, CCA",
    "SGDOneClassSVM",
    "OneClassSVM with kernel='linear'",
    "MLPClassifier and MLPRegressor",
    "estimators of XGBoost and LightGBM",
    "classifiers and regressors of trees, exactly: DecisionTree-, ExtraTree-, RandomForest-, ExtraTrees-, "
    "GradientBoosting- and HistGradientBoosting-; AdaBoostClassifier of trees, IsolationForest",
    "of those: CalibratedClassifierCV, FixedThresholdClassifier, TunedThresholdClassifierCV, "
    "TransformedTargetRegressor, FrozenEstimator, SelfTrainingClassifier, RFE(CV), GridSearchCV and other searches",
    "of those that are trees: Voting-, Bagging-, MultiOutput-",
    "of those that are linear: OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier, Voting-, Bagging- and "
    "Stacking- ensembles, MultiOutput-, RegressorChain, ClassifierChain",
    "a Pipeline that ends with one of them",
)
"""What `from_sklearn` takes."""

TRANSFORMERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA", "TruncatedSVD", "passthrough")
"""What may come before, in a Pipeline, and is folded; `clip=True` is not."""

PREPARERS = (
    "ColumnTransformer, FeatureUnion and Pipeline",
    "SimpleImputer and MissingIndicator",
    "OneHotEncoder, OrdinalEncoder and TargetEncoder",
    "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, Binarizer and Normalizer",
    "KBinsDiscretizer, PolynomialFeatures and SplineTransformer",
    "QuantileTransformer and PowerTransformer",
    "FunctionTransformer of NumPy's functions",
    "selectors of sklearn.feature_selection",
    "CountVectorizer, TfidfVectorizer and TfidfTransformer, of words",
    "PCA, TruncatedSVD, random projections, RBFSampler and PolynomialCountSketch",
    "Nystroem with allow_rows=True",
    "passthrough",
)
"""What the client can prepare; `fhenn.interop.Preparation` holds it as data."""
