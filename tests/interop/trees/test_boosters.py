"""Models of the installed XGBoost and LightGBM: the twin decides what they decide, on hard samples."""

import boosters
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import fhenn
from fhenn.errors import MissingValues, ParameterError, UnsupportedModel
from fhenn.interop.trees.agreement import probes, require_agreement
from fhenn.interop.trees.ensemble import Ensemble, Tree

DIABETES, CANCER = boosters.DIABETES, boosters.CANCER


def require_alike(model, estimator, x, close):
    predicted, wanted = model.predict(x), np.asarray(estimator.predict(x))
    if model.is_regression:
        np.testing.assert_allclose(predicted, wanted, rtol=close, atol=close)
    else:
        assert np.array_equal(predicted, wanted)
    if model.reading.has_probabilities:
        np.testing.assert_allclose(model.predict_proba(x), estimator.predict_proba(x), atol=close)


@pytest.mark.parametrize("name", boosters.XGBOOST)
def test_xgboost(name):
    estimator, x = boosters.XGBOOST[name]()
    require_alike(fhenn.from_xgboost(estimator), estimator, x, 2e-6)  # XGBoost sums in single precision


@pytest.mark.parametrize("name", boosters.LIGHTGBM)
def test_lightgbm(name):
    estimator, x = boosters.LIGHTGBM[name]()
    require_alike(fhenn.from_lightgbm(estimator), estimator, x, 1e-13)


def test_a_booster_of_xgboost_says_what_it_says_itself(tmp_path):
    library = boosters.library("xgboost")
    estimator, x = boosters.XGBOOST["early"]()
    booster = estimator.get_booster()
    wanted = booster.predict(library.DMatrix(x))  # of all rounds
    booster.save_model(tmp_path / "model.json")
    estimator.save_model(tmp_path / "best.ubj")
    for model in (fhenn.from_xgboost(booster), fhenn.from_xgboost(tmp_path / "model.json")):
        np.testing.assert_allclose(model.predict_proba(x)[:, 1], wanted, atol=1e-6)
    require_alike(fhenn.from_xgboost(tmp_path / "best.ubj"), estimator, x, 1e-6)
    first = fhenn.from_xgboost(booster, rounds=1).decision_function(x)
    assert len(np.unique(first.round(9))) <= 8  # leaves


def test_a_booster_of_lightgbm_says_what_it_says_itself(tmp_path):
    estimator, x = boosters.LIGHTGBM["three"]()
    booster = estimator.booster_
    booster.save_model(tmp_path / "model.txt")
    for model in (fhenn.from_lightgbm(booster), fhenn.from_lightgbm(tmp_path / "model.txt")):
        np.testing.assert_allclose(model.predict_proba(x), booster.predict(x), atol=1e-13)
        assert model.reading.classes == (0, 1, 2)
    some = booster.predict(x, raw_score=True, num_iteration=2)
    np.testing.assert_allclose(fhenn.from_lightgbm(booster, rounds=2).decision_function(x), some, atol=1e-13)


def test_a_blank_that_lightgbm_takes_for_zero_needs_no_bit():
    for name in ("binary", "blanks as zeros", "zeros, blanks"):
        estimator, x = boosters.LIGHTGBM[name]()
        model = fhenn.from_lightgbm(estimator)
        assert not any("missing" in bit for bit in model.preparation.features)
        require_alike(model, estimator, boosters.blanks(x), 1e-13)
    estimator, x = boosters.LIGHTGBM["binary"]()
    with pytest.raises(MissingValues):
        fhenn.from_lightgbm(estimator, missing=False).predict(boosters.blanks(x))


@pytest.mark.thorough
def test_trees_of_lightgbm_as_they_are_by_default_have_a_plan():
    (x, y), made = CANCER, boosters.library("lightgbm").LGBMClassifier(verbose=-1, n_jobs=1)
    model = fhenn.from_lightgbm(made.fit(x, y))
    assert model.nodes[1].polynomial.degree > 8
    assert fhenn.plan(model, accuracy=1e-3).error <= 1e-3


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_early_stopping_of_lightgbm_counts():
    library = boosters.library("lightgbm")
    (x, y), held = CANCER, slice(300, None)
    stop = [library.early_stopping(2, verbose=False)]
    made = library.LGBMClassifier(n_estimators=60, learning_rate=0.9, verbose=-1)
    estimator = made.fit(x[:300], y[:300], eval_set=[(x[held], y[held])], callbacks=stop)
    assert estimator.best_iteration_ < 60
    require_alike(fhenn.from_lightgbm(estimator), estimator, x, 1e-12)


def test_rankers_give_their_scores():
    x, y = DIABETES[0], (DIABETES[1] // 100).astype(int)
    ranker = boosters.xgboost("Ranker", x, y, {"qid": np.arange(len(x)) // 13})
    np.testing.assert_allclose(fhenn.from_xgboost(ranker).predict(x), ranker.predict(x), atol=1e-6)
    groups = [13] * (len(x) // 13)
    ranker = boosters.lightgbm("Ranker", x[: sum(groups)], y[: sum(groups)], fit={"group": groups})
    np.testing.assert_allclose(fhenn.from_lightgbm(ranker).predict(x), ranker.predict(x), atol=1e-12)


def test_what_xgboost_cannot_be_taken_for_is_refused():
    raw = boosters.xgboost("Classifier", *CANCER, objective="binary:logitraw")
    with pytest.raises(UnsupportedModel, match=r"above 0\.5 for its second class.*binary:logistic"):
        fhenn.from_xgboost(raw)
    model = fhenn.from_xgboost(raw.get_booster())
    np.testing.assert_allclose(model.predict(CANCER[0]), raw.predict_proba(CANCER[0])[:, 1], atol=1e-6)
    assert fhenn.from_xgboost(raw.get_booster(), classes=["a", "b"]).reading.has_probabilities
    marked = boosters.xgboost("Regressor", np.nan_to_num(boosters.blanks(DIABETES[0]), nan=-9), DIABETES[1], missing=-9)
    with pytest.raises(UnsupportedModel, match=r"-9(\.0)? stands for missing cells"):
        fhenn.from_xgboost(marked)
    flat = boosters.xgboost("Regressor", DIABETES[0], np.ones(len(DIABETES[0])))
    with pytest.raises(ParameterError, match="no leaf of the trees asks for a feature"):
        fhenn.from_xgboost(flat)


def test_what_lightgbm_cannot_be_taken_for_is_refused():
    for options, reason in (({"linear_tree": True}, "without linear_tree"), ({"reg_sqrt": True}, "without reg_sqrt")):
        estimator = boosters.lightgbm("Regressor", *DIABETES, **options)
        with pytest.raises(UnsupportedModel, match=reason):
            fhenn.from_lightgbm(estimator)


def test_one_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        fhenn.from_xgboost(boosters.library("xgboost").XGBClassifier())
    with pytest.raises(NotFittedError):
        fhenn.from_lightgbm(boosters.library("lightgbm").LGBMClassifier())


STUMP = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [True, False, False], [[0.0], [-1.0], [1.0]])


def test_probes_find_every_way_to_decide_otherwise():
    """Strict or not, single or double precision, where blanks go, and what categories are."""
    both = (False, True)
    kinds = [Ensemble((STUMP,), 1, [0.0], strict, single, (True,)) for strict in both for single in both]
    other = Tree(STUMP.features, STUMP.thresholds, STUMP.left, STUMP.right, [False] * 3, STUMP.values)
    chosen = Tree(*(getattr(STUMP, name) for name in vars(STUMP) if name != "sets"), {0: (1.0, 3.0)})
    fewer = Tree(*(getattr(STUMP, name) for name in vars(STUMP) if name != "sets"), {0: (1.0,)})
    kinds += [Ensemble((other,), 1, [0.0], False, False, (True,))]
    kinds += [Ensemble((tree,), 1, [0.0], False, False, (True,)) for tree in (chosen, fewer)]
    for mine in kinds[:5]:
        for theirs in kinds[:5]:
            if mine is theirs:
                require_agreement(mine, theirs.scores, 2.0**-53, "it")
            else:
                with pytest.raises(UnsupportedModel, match="differ from those of it by 2 on samples"):
                    require_agreement(mine, theirs.scores, 2.0**-53, "it")
    with pytest.raises(UnsupportedModel):
        require_agreement(kinds[5], kinds[6].scores, 2.0**-53, "it")
    assert np.isnan(probes(kinds[0])).any()
