"""Models with a preparation: raw tables in, everywhere that samples are given."""

import json
import pickle
import warnings

import numpy as np
import pytest

import fhenn
from fhenn.columns import Table
from fhenn.errors import (
    BoundsExceeded,
    FeatureMismatch,
    ParameterError,
    PlanError,
    PreparationMismatch,
    ShapeMismatch,
    UnknownCategory,
    UnsupportedModel,
    WireFormatError,
)
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.interop.preparation import Matrix, Scale, Thermometer

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn import (  # noqa: E402
    calibration,
    compose,
    ensemble,
    impute,
    linear_model,
    model_selection,
    neural_network,
    pipeline,
    preprocessing,
)


def patients(seed, rows=200):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": [f"p{place}" for place in range(rows)],
            "age": rng.normal(50, 10, rows).round(1),
            "dose": rng.gamma(2, 2, rows).round(2),
            "sex": rng.choice(["f", "m"], rows),
            "site": rng.choice(["A", "B", "C"], rows),
        }
    )
    risk = 0.1 * (table["age"] - 50) + 0.5 * (table["dose"] - 4) + (table["sex"] == "m") + rng.normal(0, 0.5, rows)
    table.loc[rng.random(rows) < 0.1, "age"] = np.nan
    table.loc[rng.random(rows) < 0.1, "site"] = None
    return table, np.where(risk > 0.5, "high", "low"), risk.to_numpy()


def columns():
    one_hot = preprocessing.OneHotEncoder(handle_unknown="ignore")
    return compose.ColumnTransformer(
        [
            ("num", pipeline.make_pipeline(impute.SimpleImputer(add_indicator=True), preprocessing.StandardScaler()),
             ["age", "dose"]),
            ("site", pipeline.make_pipeline(impute.SimpleImputer(strategy="most_frequent"), one_hot), ["site"]),
            ("sex", preprocessing.OneHotEncoder(drop="if_binary"), ["sex"]),
        ]
    )  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return patients(0), patients(1)


@pytest.fixture(scope="module")
def fitted(data):
    (table, labels, _), _ = data
    return pipeline.make_pipeline(columns(), preprocessing.MaxAbsScaler(), linear_model.LogisticRegression()).fit(
        table, labels
    )


@pytest.fixture(scope="module")
def model(fitted):
    return fhenn.from_sklearn(fitted)


@pytest.fixture(scope="module")
def private(model, data):
    return fhenn.encrypted_model(model, inputs=data[0][0])


def test_the_twin_predicts_what_the_pipeline_does(fitted, model, data):
    table = data[1][0]
    assert model.feature_names == model.preparation.features == tuple(fitted[0].get_feature_names_out())
    assert model.reading.features == model.preparation.features
    assert (model.predict(table) == fitted.predict(table)).all()
    assert np.allclose(model.predict_proba(table), fitted.predict_proba(table), atol=1e-12)
    assert np.allclose(model.decision_function(table), fitted.decision_function(table), atol=1e-12)
    assert model.score(table, data[1][1]) == fitted.score(table, data[1][1])
    # a table that was prepared is not prepared again
    prepared = model.preparation.prepared(table)
    assert np.array_equal(model.scores(prepared), model.scores(table))
    assert np.array_equal(model.infer(table), model.scores(table))
    assert np.array_equal(model.infer(model.samples(table)), model.scores(table))  # nodes take numbers as they are
    with pytest.raises(FeatureMismatch, match="missing: sex"):
        model.predict(table.drop(columns="sex"))
    with pytest.raises(UnknownCategory, match="column 'sex'"):
        model.predict(table.assign(sex="x"))


def test_scaling_after_the_last_step_that_is_not_affine_is_folded(fitted, data):
    (table, _, risk), (new, _, _) = data
    for where in (None, "client"):
        model = fhenn.from_sklearn(fitted, preparation=where)
        assert len(model.nodes) == 1
        scaled = any(isinstance(step, Scale) for step in model.preparation.steps)
        assert scaled == (where == "client")
        assert np.allclose(model.decision_function(new), fitted.decision_function(new), atol=1e-12)
    with pytest.raises(UnsupportedModel, match=r"ColumnTransformer \(step 'columntransformer'\).*'client'"):
        fhenn.from_sklearn(fitted, preparation="fold")
    with pytest.raises(ParameterError, match="'client' or 'fold', not 'server'"):
        fhenn.from_sklearn(fitted, preparation="server")
    # what is affine is folded unless it is asked for, as before there were preparations
    numbers = table[["age", "dose"]].fillna(50.0)
    plain = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()).fit(numbers, risk)
    for where in (None, "fold"):
        model = fhenn.from_sklearn(plain, preparation=where)
        assert model.preparation is None
        assert model.feature_names == ("age", "dose")
    model = fhenn.from_sklearn(plain, preparation="client")
    assert [type(step) for step in model.preparation.steps] == [Scale]
    assert np.allclose(model.predict(numbers), plain.predict(numbers))
    assert fhenn.from_sklearn(linear_model.Ridge().fit(numbers, risk), preparation="client").preparation is None


def test_a_preparation_is_compared_with_scikit_learn_on_samples(fitted, data, monkeypatch):
    assert fhenn.from_sklearn(fitted, inputs=data[0][0]).preparation is not None
    wrong = fhenn.from_sklearn(fitted).preparation.then(Scale(add=(1e-9,) * 7))
    monkeypatch.setattr("fhenn.interop.sklearn.importer.preparation_of", lambda *_, **__: wrong)
    with pytest.raises(UnsupportedModel, match="differ from those of scikit-learn on the samples"):
        fhenn.from_sklearn(fitted, inputs=data[0][0])


def test_steps_inside_estimators_come_to_the_client_too(data):
    (table, labels, risk), (new, _, _) = data
    inner = pipeline.make_pipeline(columns(), linear_model.LogisticRegression())
    ridge = pipeline.make_pipeline(columns(), linear_model.Ridge())
    search = model_selection.GridSearchCV(inner, {"logisticregression__C": [0.1, 1.0]}, cv=3).fit(table, labels)
    target = compose.TransformedTargetRegressor(ridge, func=np.sinh, inverse_func=np.arcsinh, check_inverse=False)
    frozen = inner.fit(table, labels)
    threshold = model_selection.FixedThresholdClassifier(frozen, threshold=0.3).fit(table, labels)
    calibrated = calibration.CalibratedClassifierCV(inner, ensemble=False, cv=3).fit(table, labels)
    for estimator in (search, target.fit(table, risk), threshold, calibrated):
        model = fhenn.from_sklearn(estimator)
        assert model.preparation is not None
        found, wanted = model.predict(new), estimator.predict(new)
        assert (found == wanted).all() if wanted.dtype.kind in "UO" else np.allclose(found, wanted, atol=1e-10)
    several = ensemble.VotingClassifier([("a", inner), ("b", inner)], voting="soft").fit(table, labels)
    with pytest.raises(UnsupportedModel, match="one of several, and prepares tables in a way of its own"):
        fhenn.from_sklearn(several)


def test_encrypted_answers_are_those_of_the_pipeline(private, fitted, data):
    table, labels, _ = data[1]
    some = table.iloc[:20]
    assert private.client.plan.preparation == private.model.preparation.fingerprint
    assert np.allclose(private.decision_function(some), fitted.decision_function(some), atol=2e-3)
    assert (private.predict(some) == fitted.predict(some)).all()
    assert private.score(some, labels[:20]) == fitted.score(some, labels[:20])
    answer = private.server.predict(private.client.encrypt(some))  # the client prepares as well
    assert np.allclose(private.client.decrypt_scores(answer), private.model.scores(some), atol=2e-3)
    stream = private.client.encrypt_stream(iter([some.iloc[:5], some.iloc[5:]]))
    parts = list(private.client.decrypt_stream(private.server.predict_stream(stream), scores=True))
    assert np.allclose(np.concatenate(parts), private.model.scores(some), atol=2e-3)


def test_bounds_are_those_of_the_prepared_features(model, private, data):
    features = model.samples(data[0][0])
    low, high = private.plan.bounds
    assert (low <= features.min(axis=0)).all() and (high >= features.max(axis=0)).all()
    assert private.plan.feature_names == model.preparation.features
    outlier = data[1][0].iloc[:3].assign(dose=1000.0)
    with pytest.raises(BoundsExceeded, match="num__dose"):
        private.predict(outlier)
    plan = fhenn.plan(model, bounds=[-1000, 1000])
    assert plan.low == (-1000.0,) * 7
    assert plan.preparation == model.preparation.fingerprint
    same = [fhenn.plan(model, inputs=given) for given in (data[0][0], model.preparation.prepared(data[0][0]))]
    assert same[0] == same[1]
    assert model.bounds(data[0][0])[0].shape == (7,)


def test_who_knows_the_model_is_asked_with_raw_tables(model, data):
    table = data[0][0]
    certificate = fhenn.certify(model, inputs=table)
    assert len(certificate.low) == 7
    assert len(fhenn.calibrate(model, table).activations) == 0


def test_activations_are_fitted_on_what_is_prepared(data):
    (table, labels, _), (new, _, _) = data
    network = neural_network.MLPClassifier((4,), activation="relu", max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = pipeline.make_pipeline(columns(), network).fit(table, labels)
        model = fhenn.from_sklearn(fitted, inputs=table, labels=labels)
    assert model.conversion is not None
    assert model.preparation is not None
    assert model.for_inputs(bounds=[-9, 9], accuracy=0.1, ranges="worst").preparation is model.preparation
    assert np.mean(model.predict(new) == fitted.predict(new)) > 0.95


def test_a_client_needs_the_preparation_that_its_plan_names(private, data):
    plan, preparation, some = private.plan, private.model.preparation, data[1][0].iloc[:2]
    other = preparation.then(Scale(add=(0.0,) * 7))
    client = fhenn.Client(plan)
    for raw in (some, np.zeros((2, 7)), private.model.samples(some)):
        with pytest.raises(PreparationMismatch, match=f"is missing, where {plan.preparation} is needed") as caught:
            client.encrypt(raw)
    assert (caught.value.expected, caught.value.got) == (plan.preparation, None)
    assert "Client(plan, preparation=model.preparation)" in str(caught.value)
    upload = client.encrypt(preparation.prepared(some))
    server = fhenn.Server(private.model, plan, client.evaluation_keys())
    assert np.allclose(client.decrypt_scores(server.predict(upload)), private.model.scores(some), atol=2e-3)
    with pytest.raises(PreparationMismatch, match=other.fingerprint):
        fhenn.Client(plan, preparation=other)
    with pytest.raises(PreparationMismatch):
        fhenn.Client.from_secret_bytes(plan, client.secret_bytes(), preparation=other)
    again = fhenn.Client.from_secret_bytes(plan, client.secret_bytes(), preparation=preparation)
    assert np.allclose(again.decrypt_scores(server.predict(again.encrypt(some))), private.model.scores(some), atol=2e-3)
    plain = fhenn.plan(fhenn.Linear([[1.0] * 7]), bounds=[-9, 9])
    with pytest.raises(PreparationMismatch, match="where none is needed"):
        fhenn.Client(plain, preparation=preparation)


def test_a_public_key_encrypts_raw_tables_too(model, data):
    plan = fhenn.plan(model, inputs=data[0][0], public_key=True)
    client, some = fhenn.Client(plan), data[0][0].iloc[:3]
    encryptor = fhenn.Encryptor(plan, client.evaluation_keys(), preparation=model.preparation)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    for each in (encryptor, pickle.loads(pickle.dumps(encryptor))):  # noqa: S301  (its own)
        upload = each.encrypt(some)
        scores = client.decrypt_scores(server.predict(upload), receipt=fhenn.session.Receipt.of(upload))
        assert np.allclose(scores, model.scores(some), atol=2e-3)
    with pytest.raises(PreparationMismatch):
        fhenn.Encryptor(plan, client.evaluation_keys()).encrypt(some)


def test_a_plan_of_another_preparation_is_not_the_models(model, private):
    other = ImportedModel(model.nodes, model.reading, preparation=model.preparation.then(Scale(add=(1.0,) * 7)))
    bare = ImportedModel(model.nodes, model.reading)
    keys = private.client.evaluation_keys()
    for wrong in (other, bare):
        with pytest.raises(PreparationMismatch):
            fhenn.Server(wrong, private.plan, keys)
        with pytest.raises(PlanError):
            fhenn.interop.EncryptedModel(wrong, private.plan)
    data = json.loads(private.plan.to_json())
    assert fhenn.Plan.from_json(json.dumps(data)) == private.plan
    for wrong in ("", "x" * 32, "0" * 31, 3):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(json.dumps(data | {"preparation": wrong}))


def test_models_and_preparations_must_fit():
    linear = fhenn.Linear([[1.0, 2.0]])
    with pytest.raises(ShapeMismatch):
        ImportedModel([linear], Reading.regression(), preparation=Preparation.of_numbers(3))
    model = ImportedModel([linear], Reading.regression(["q", "r"]), preparation=Preparation.of_numbers(["a", "b"]))
    assert model.reading.features == ("a", "b")
    assert model.with_nodes([fhenn.Linear([[2.0, 2.0]])]).preparation is model.preparation
    assert model.named(("x", "y")) is model
    bits = Preparation.of_numbers(["a", "b"]).then(Thermometer(((0.5,), (1.5, 2.5))), Matrix(((1.0, 2.0, 4.0),) * 2),
                                                   features=["u", "v"])  # fmt: skip
    model = ImportedModel([linear], Reading.regression(), preparation=bits)
    assert model.predict({"b": [2.0], "a": [0.0]}).tolist() == [15.0]
    assert Table.of(["a"], [np.zeros(1)]).prepared is False


def test_estimators_take_raw_tables(data):
    (table, labels, risk), (new, _, _) = data
    inner = pipeline.make_pipeline(columns(), linear_model.LogisticRegression())
    estimator = fhenn.sklearn.EncryptedClassifier(inner).fit(table, labels)
    assert (estimator.predict(new.iloc[:9]) == estimator.estimator_.predict(new.iloc[:9])).all()
    assert list(estimator.feature_names_in_) == list(table)
    assert estimator.bounds_.shape == (2, 7)
    assert np.allclose(estimator.predict_proba(new.iloc[:9]).sum(axis=1), 1.0)
    regressor = fhenn.sklearn.EncryptedRegressor(pipeline.make_pipeline(columns(), linear_model.Ridge())).fit(
        table, risk
    )
    assert np.allclose(regressor.predict(new.iloc[:9]), regressor.estimator_.predict(new.iloc[:9]), atol=5e-3)
    search = model_selection.GridSearchCV(inner, {"logisticregression__C": [0.1, 1.0]}, cv=2)
    assert (fhenn.sklearn.EncryptedClassifier(search).fit(table, labels).predict(new.iloc[:3]).shape) == (3,)
