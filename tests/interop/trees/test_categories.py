"""Names of categories go to the columns that were of that type in training, or the model is refused."""

import json
from pathlib import Path

import boosters
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import fhenn
from fhenn.errors import ParameterError, UnsupportedModel, WireFormatError

PATH = Path(__file__).parent / "golden/lightgbm-4.7-categories.txt"
TEXT = PATH.read_text(encoding="utf-8")
SAMPLES = json.loads(PATH.with_name(f"{PATH.name}.expected").read_text(encoding="utf-8"))["samples"]
SIZE, GRADES = "[-3.1063368012832915:2.7558075582759511]", "[3, 5, 9, 11]"
UNCLEAR = r"columns of categories \(pandas_categorical\).*{}.*from_lightgbm\(…, categories=\[…\]\)"


def changed(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


def test_a_column_of_small_whole_numbers_may_have_been_of_the_type():
    text = changed(SIZE, "[0:1]")
    with pytest.raises(UnsupportedModel, match=UNCLEAR.format("not those of size")):
        fhenn.from_lightgbm(text)
    model = fhenn.from_lightgbm(text, categories=["grade", "colour"])
    assert np.array_equal(model.predict(SAMPLES), fhenn.from_lightgbm(TEXT).predict(SAMPLES))
    with pytest.raises(UnsupportedModel, match=r"the columns size.*the order of their codes.*numbers in their place"):
        fhenn.from_lightgbm(text, categories=["colour", "size"])


@pytest.mark.parametrize("cells", ["[0:1.5]", "[-1:2]", "[0:5]", "[2:9]", "[-inf:2]", "[0:inf]"])
def test_others_may_not(cells):
    # 5 is no code of the five that grades come after
    assert fhenn.from_lightgbm(changed(SIZE, cells)).preparation.columns[1].kind == "number"


def test_texts_in_a_column_of_numbers_would_show():
    text = changed(SIZE, "[0:1]").replace(GRADES, '["a", "b", "c", "d"]')
    assert fhenn.from_lightgbm(text).preparation.columns[0].kind == "text"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("-1:3:0:2:4:1", "-1:3:0:2:5:1", "more of them than it names"),
        ('["blue", "green", "grey", "pink", "red"]', '["blue", "green", "grey"]', "more of them than it names"),
        ("[categorical_feature: 0,2]", "[categorical_feature: 0,1,2]", "of 2 columns, and 3 are asked for"),
    ],
)
def test_columns_that_cannot_be_those_are_refused(old, new, reason):
    with pytest.raises(UnsupportedModel, match=UNCLEAR.format(reason)):
        fhenn.from_lightgbm(changed(old, new))


def test_a_set_beyond_the_names_is_seen_without_infos():
    text = changed("cat_threshold=9\n", "cat_threshold=32\n").replace("feature_infos=", "other_infos=")
    with pytest.raises(UnsupportedModel, match=UNCLEAR.format("more of them than it names")):
        fhenn.from_lightgbm(text)


@pytest.mark.parametrize("infos", ["none", "none none none none", "none x none", "none [1:2:3] none", "none [:] none"])
def test_infos_that_lightgbm_never_writes_are_refused(infos):
    with pytest.raises(WireFormatError, match="LightGBM model"):
        fhenn.from_lightgbm(changed(f"-1:3:0:2:4:1 {SIZE} -1:2:1:0:3", infos))


@pytest.mark.parametrize("categories", [[], ["colour"], "colour", ["colour", "colour"], ["colour", "x"], ["a", "b"]])
def test_categories_that_are_not_those_of_the_model_are_refused(categories):
    with pytest.raises(ParameterError, match=r"names of the categories of 2 .*Name the columns"):
        fhenn.from_lightgbm(TEXT, categories=categories)


def test_categories_whose_cells_are_no_codes_are_refused():
    with pytest.raises(ParameterError, match=r"column 'size' had cells in training that are no codes"):
        fhenn.from_lightgbm(TEXT, categories=["colour", "size"])
    with pytest.raises(ParameterError, match=r"has no names of any\. Leave them out"):
        fhenn.from_lightgbm(PATH.with_name("lightgbm-4.7-three.txt"), categories=["colour"])


def trained(stage, hospital, categorical):
    """LightGBM's on a column of the type category and a column of codes."""
    library, table = boosters.library("lightgbm"), pd.DataFrame({"stage": stage, "hospital": hospital})
    y = (table.hospital == 2) * 3.0 + table.stage.cat.codes + np.random.default_rng(0).normal(size=len(table)) * 0.1
    options = {"min_data_per_group": 1, "cat_smooth": 1, "max_cat_to_onehot": 1, "num_threads": 1, "verbose": -1}
    return library.train(options, library.Dataset(table, y, categorical_feature=categorical), 5), table


@pytest.mark.parametrize("start", [0, 1])
def test_names_do_not_go_to_codes_that_were_asked_for(start):
    draw = np.random.default_rng(0)
    stage = pd.Categorical(draw.choice([3, 2, 1], 300), categories=[3, 2, 1], ordered=True)
    booster, _ = trained(stage, draw.integers(0, 3, 300) + start, ["hospital"])
    for model in (booster, booster.model_to_string()):
        with pytest.raises(UnsupportedModel, match=UNCLEAR.format("")):
            fhenn.from_lightgbm(model)


def test_names_go_where_they_are_said_to_belong():
    draw = np.random.default_rng(0)
    stage = pd.Categorical(draw.choice([30, 20, 10], 300))
    booster, table = trained(stage, draw.integers(0, 4, 300), ["stage", "hospital"])
    with pytest.raises(UnsupportedModel, match=UNCLEAR.format("of 1 columns, and 2 are asked for")):
        fhenn.from_lightgbm(booster)
    model = fhenn.from_lightgbm(booster, categories=["stage"])
    np.testing.assert_allclose(model.predict(table), booster.predict(table), rtol=1e-13)


@pytest.mark.parametrize("wrapped", ["search", "pipeline"])
def test_an_estimator_alone_in_another_takes_names(wrapped):
    _, table = boosters.LIGHTGBM["categories"]()
    y = boosters.table(missing=True)[1]
    estimator = boosters.library("lightgbm").LGBMRegressor(n_estimators=4, num_leaves=4, verbose=-1, n_jobs=1)
    outer = make_pipeline(estimator) if wrapped == "pipeline" else GridSearchCV(estimator, {"n_estimators": [3]}, cv=2)
    outer.fit(table, y)
    np.testing.assert_allclose(fhenn.from_sklearn(outer).predict(table), outer.predict(table), rtol=1e-13)


def test_one_after_steps_that_pass_names_on_is_refused():
    _, table = boosters.LIGHTGBM["categories"]()
    estimator = boosters.library("lightgbm").LGBMRegressor(n_estimators=2, num_leaves=4, verbose=-1, n_jobs=1)
    before = ColumnTransformer([("all", "passthrough", list(table))], verbose_feature_names_out=False)
    outer = make_pipeline(before.set_output(transform="pandas"), estimator)
    outer.fit(table, boosters.table(missing=True)[1])
    with pytest.raises(UnsupportedModel, match=r"step 'lgbmregressor'.*categories with names.*OrdinalEncoder"):
        fhenn.from_sklearn(outer)
