"""Models that XGBoost and LightGBM saved say what those libraries say; neither is needed."""

import json
from pathlib import Path

import numpy as np
import pytest

import fhenn
from fhenn.errors import FeatureMismatch, MissingValues, ParameterError, UnsupportedValue

FILES = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.suffix != ".expected")
"""As their libraries wrote them; the version is in the name."""


def read(path, **options):
    return (fhenn.from_xgboost if path.name.startswith("xgboost") else fhenn.from_lightgbm)(path, **options)


def expected(path):
    """Samples, and what the library says of them."""
    found = json.loads(path.with_name(f"{path.name}.expected").read_text(encoding="utf-8"))
    samples = found.pop("samples")
    return samples if isinstance(samples, dict) else np.array(samples, dtype=np.float64), found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_saved_model_says_what_its_library_says(path):
    model, (samples, said) = read(path), expected(path)
    predicted = model.predict(samples)
    if model.is_regression:
        np.testing.assert_allclose(predicted, said["predict"], rtol=2e-6)
    else:
        assert predicted.tolist() == said["predict"]
        np.testing.assert_allclose(model.predict_proba(samples), said["predict_proba"], atol=3e-7)


def named(name):
    (path,) = (path for path in FILES if path.name == name)
    return path


@pytest.mark.parametrize("name", ["xgboost-3.2-early.json", "lightgbm-4.7-categories.txt"])
def test_a_path_bytes_and_text_are_one(name):
    path = named(name)
    importer = fhenn.from_xgboost if "xgboost" in name else fhenn.from_lightgbm
    forms = (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), path.read_text(encoding="utf-8"))
    first, *others = map(importer, forms)
    for other in others:
        assert other.preparation == first.preparation
        assert other.reading == first.reading
        for mine, theirs in zip(first.nodes[::2], other.nodes[::2], strict=True):
            assert np.array_equal(mine.bias, theirs.bias)


def test_early_stopping_counts_and_rounds_are_given():
    path = named("xgboost-3.2-early.json")
    best = int(json.loads(path.read_text(encoding="utf-8"))["learner"]["attributes"]["best_iteration"])
    samples, _ = expected(path)
    kept = [read(path, rounds=rounds).decision_function(samples) for rounds in (None, best + 1, best + 2)]
    assert np.array_equal(kept[0], kept[1])
    assert not np.array_equal(kept[0], kept[2])
    for wrong in (0, 99, True, 1.0, "1"):
        with pytest.raises(ParameterError, match="rounds must be a whole number from 1 to"):
            read(path, rounds=wrong)


def test_blanks_can_be_refused():
    path = named("xgboost-3.2-blanks.ubj")
    samples, _ = expected(path)
    assert np.isnan(samples).any()
    model = read(path, missing=False)
    assert len(model.preparation.features) < len(read(path).preparation.features)
    with pytest.raises(MissingValues):
        model.predict(samples)
    whole = np.nan_to_num(samples)
    assert np.array_equal(model.predict(whole), read(path).predict(whole))


def test_columns_that_no_tree_asks_for_may_be_left_out():
    path = named("lightgbm-4.7-categories.txt")
    model, (samples, _) = read(path), expected(path)
    unused = [column.name for column in model.preparation.columns if not column.used]
    fewer = {name: cells for name, cells in samples.items() if name not in unused}
    assert np.array_equal(model.predict(fewer), model.predict(samples))
    with pytest.raises(FeatureMismatch):
        model.predict({name: cells for name, cells in samples.items() if name != "colour"})


def test_a_category_that_nobody_has_seen_is_in_no_set():
    for name in ("lightgbm-4.7-categories.txt", "xgboost-3.2-categories.json"):
        model = read(named(name))
        samples, _ = expected(named(name))
        first = {column: cells[:1] for column, cells in samples.items()}
        assert np.isfinite(model.predict({**first, "colour": ["violet"], "grade": [4]})).all()


def test_codes_of_categories_lose_their_fraction_as_in_xgboost():
    path = named("xgboost-2.1-categories.json")
    model, (samples, _) = read(path), expected(path)
    moved = {**samples, "colour": [None if cell is None else cell + 0.7 for cell in samples["colour"]]}
    assert np.array_equal(model.predict(moved), model.predict(samples))


def test_classes_are_named():
    model = read(named("lightgbm-4.7-three.txt"), classes=["a", "b", "c"])
    samples, said = expected(named("lightgbm-4.7-three.txt"))
    assert model.predict(samples).tolist() == ["abc"[each] for each in said["predict"]]
    for classes in (["a", "b"], [["a", "b", "c"]]):
        with pytest.raises(ParameterError, match="Name each, in their order"):
            read(named("lightgbm-4.7-three.txt"), classes=classes)
    with pytest.raises(ParameterError, match="the model is a regression"):
        read(named("xgboost-3.2-counts.json"), classes=["a", "b"])


@pytest.mark.parametrize("importer", [fhenn.from_xgboost, fhenn.from_lightgbm])
def test_other_objects_are_named(importer):
    for wrong in (1, None, object(), [1]):
        with pytest.raises(UnsupportedValue, match=type(wrong).__name__):
            importer(wrong)
    with pytest.raises(FileNotFoundError):
        importer("no such file")


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["xgboost-3.2-blanks.ubj", "lightgbm-4.7-zeros.txt", "xgboost-3.2-categories.json"])
def test_ciphertexts_say_what_the_twin_says(name):
    model, (samples, said) = read(named(name)), expected(named(name))
    private = fhenn.encrypted_model(model, bounds=[0, 1], accuracy=1e-6, rows=20)
    scores = private.scores(samples)
    assert np.abs(scores - model.scores(samples)).max() < 1e-5
    predicted = private.predict(samples)
    if model.is_regression:
        np.testing.assert_allclose(predicted, said["predict"], rtol=1e-4)
    else:
        assert predicted.tolist() == said["predict"]
