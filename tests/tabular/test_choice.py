"""What is predicted, which samples test, which model is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.errors import CellRefused, ExtraMissing, MissingValues, ParameterError
from fhenn.nn import Square
from fhenn.tabular import (
    Data,
    Split,
    Survey,
    Trial,
    candidates_of,
    choose,
    compare,
    cross_validation,
    hold_out,
    preparation_of,
    score_of,
    task_of,
    types_of,
)
from fhenn.tabular.network import fit_network


def facts(cells, decimal="."):
    survey = Survey(["y"], decimal)
    survey.add([cells], lambda rows: f"line {rows[0] + 2}")
    return survey.facts()[0]


class TestTask:
    @pytest.mark.parametrize(
        ("cells", "task"),
        [
            (["a", "b"] * 9, "classification"),
            (["0", "1"] * 9, "classification"),
            (["0.5", "1.5"] * 9, "classification"),
            (["True", "False"] * 9, "classification"),
            ([str(place) for place in range(60)], "regression"),
            ([f"{place}.5" for place in range(60)], "regression"),
            (np.linspace(0, 1, 5000), "regression"),
            ([f"name {place}" for place in range(60)], "classification"),  # refused later, as too many
        ],
        ids=lambda cells: "" if isinstance(cells, str) else str(cells[1]),
    )
    def test_it_goes_by_the_labels(self, cells, task):
        assert task_of(facts(cells)) == task

    def test_it_is_what_was_asked_for(self):
        assert task_of(facts(["1", "2"] * 9), "regression") == "regression"
        assert task_of(facts(np.arange(60)), "classification") == "classification"

    def test_commas(self):
        assert task_of(facts([f"{place},5" for place in range(60)], ",")) == "regression"
        with pytest.raises(CellRefused, match="Give --decimal ,"):
            task_of(facts([f"{place},5" for place in range(60)]))

    def test_refusals(self):
        with pytest.raises(MissingValues, match=r"column 'y' \(2: line 3\)"):
            task_of(facts(["a", "", "b", "NA"]))
        with pytest.raises(CellRefused, match=r"holds 'n\.d\.' in line 2: it is no number, and a regression"):
            task_of(facts(["n.d.", *[f"{place}.5" for place in range(60)]]))
        with pytest.raises(CellRefused, match="it is infinite"):
            task_of(facts(["inf", *[f"{place}.5" for place in range(60)]]))
        with pytest.raises(CellRefused, match="holds 'a'"):
            task_of(facts(["a", "b"]), "regression")
        for cells, shown in ((["a"] * 9, "'a'"), (["1"] * 9, "1")):
            with pytest.raises(ParameterError, match=f"the labels are all {shown}"):
                task_of(facts(cells))


class TestSplits:
    @given(st.lists(st.integers(0, 3), min_size=3, max_size=60), st.integers(2, 7), st.integers(0, 5))
    @settings(max_examples=60, deadline=None)
    def test_each_sample_is_tested_once_and_each_class_is_known(self, labels, folds, seed):
        labels = np.array(labels)
        if len({*labels.tolist()}) == len(labels):
            return
        splits = cross_validation(labels, folds, seed, by_class=True)
        tested = np.concatenate([split.test for split in splits])
        counts = np.bincount(labels)
        assert sorted(tested.tolist()) == [place for place, label in enumerate(labels) if counts[label] > 1]
        for split in splits:
            assert {*labels[split.train].tolist()} == {*labels.tolist()}
            assert not {*split.train.tolist()} & {*split.test.tolist()}

    def test_parts_are_alike(self):
        labels = np.repeat([0, 1], [103, 17])
        sizes = [(len(split.test), labels[split.test].sum()) for split in cross_validation(labels, 5, 0, by_class=True)]
        assert {*sizes} <= {(24, 3), (24, 4)}
        numbers = cross_validation(np.linspace(0, 1, 12), 5, 0, by_class=False)
        assert sorted(np.concatenate([split.test for split in numbers]).tolist()) == [*range(12)]

    def test_refusals(self):
        with pytest.raises(ParameterError, match="Give --folds 2"):
            cross_validation(np.array([0, 0]), 1, 0, by_class=True)
        with pytest.raises(ParameterError, match="each class has one sample"):
            cross_validation(np.array([0, 1]), 2, 0, by_class=True)

    @pytest.mark.parametrize("seed", range(4))
    def test_one_part_leaves_each_class(self, seed):
        labels = np.array([0] * 20 + [1])
        split = hold_out(labels, 0.8, seed, by_class=True)
        assert 1 in labels[split.train]
        assert len(split.train) + len(split.test) == 21


def line(rows=200, noise=0.0, classes=0):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 3))
    y = x @ [3.0, -2.0, 0.0] + 5 + noise * rng.normal(size=rows)
    if classes:
        return Data(x, np.digitize(y, np.quantile(y, np.arange(1, classes) / classes)), "classification",
                    np.array([f"c{place}" for place in range(classes)]), None)  # fmt: skip
    return Data(x, y, "regression", np.array([]), ("a", "b", "c"))


class TestCandidates:
    def test_a_linear_regression_is_the_least_squares(self):
        data = line(noise=0.5)
        model = candidates_of("linear")[0].fit(data, None, 0, progress=lambda *_: None)
        inputs = np.column_stack([data.x, np.ones(len(data.x))])
        wanted = np.linalg.lstsq(inputs, data.y, rcond=None)[0]
        assert np.allclose(model.nodes[0].weight[0], wanted[:3], atol=2e-3)
        assert np.allclose(model.nodes[0].bias, wanted[3], atol=2e-3)
        assert model.reading.task == "regression"

    @pytest.mark.thorough
    def test_rows_alone_are_learnt_from(self):
        data = line()
        rows = np.arange(50)
        spoilt = replace(data, x=np.where(np.arange(200)[:, None] < 50, data.x, 99.0))
        for candidate in candidates_of("auto", (4,), epochs=3):
            one, other = (candidate.fit(each, rows, 0, progress=lambda *_: None) for each in (data, spoilt))
            assert np.array_equal(one.predict(data.x), other.predict(data.x))

    def test_columns_that_say_the_same_and_constants(self):
        data = line()
        x = np.column_stack([data.x, data.x[:, 0], np.ones(200)])
        model = candidates_of("linear")[0].fit(replace(data, x=x, names=None), None, 0, progress=lambda *_: None)
        assert model.score(x, data.y) > 0.999
        assert np.abs(model.nodes[0].weight).max() < 10

    @pytest.mark.parametrize("classes", [0, 2, 3])
    def test_a_perceptron(self, classes):
        data = line(classes=classes)
        model = candidates_of("perceptron", (8,), epochs=40)[0].fit(data, None, 0, progress=lambda *_: None)
        assert model.score(data.x, data.labels(np.arange(200))) > 0.9
        assert len(model.nodes) == 3

    @pytest.mark.parametrize(("factor", "says"), [(1e200, "no numbers"), (1e308, "no numbers"), (1e-200, "none")])
    @pytest.mark.parametrize("classes", [0, 2])
    def test_numbers_whose_squares_are_lost_are_refused(self, factor, says, classes):
        """They would have made a model no better than chance."""
        data = line(classes=classes)
        with np.errstate(over="ignore"):
            spoilt = replace(data, x=np.clip(data.x * [1.0, factor, 1.0], -1.7e308, 1.7e308))
        raw = replace(spoilt, names=None, called=("u", "v", "w"))
        for table, name in ((spoilt, "feature 1" if classes else "b"), (raw, "v")):
            with pytest.raises(ParameterError, match=rf"values of {name} reach .*squares are {says} .*--drop\."):
                candidates_of("linear")[0].fit(table, None, 0, progress=lambda *_: None)
        if not classes:
            with pytest.raises(ParameterError, match="values of the labels reach"):
                candidates_of("linear")[0].fit(
                    replace(data, y=data.y * min(factor, 1e300)), None, 0, progress=lambda *_: None
                )

    def test_progress(self):
        told = []
        nodes = fit_network(line(20).x, line(20).y, 1, (2,), Square(), task="regression", epochs=2, seed=0,
                            progress=lambda *what: told.append(what))  # fmt: skip
        assert told == [(0, 2), (1, 2), (2, 2)]
        assert [node.name for node in nodes] == ["Linear", "Square", "Linear"]

    def test_hidden_layers_where_there_are_none(self):
        with pytest.raises(ParameterError, match="Give --hidden with --model perceptron alone"):
            candidates_of("linear", (8,))


class TestTrees:
    @pytest.fixture
    def few(self, monkeypatch):
        pytest.importorskip("sklearn")
        monkeypatch.setattr("fhenn.tabular.candidates._TREES", 12)

    @pytest.mark.parametrize("classes", [0, 2, 3])
    def test_they_predict_what_scikit_learn_does(self, few, classes):
        data = line(classes=classes)
        (candidate,) = candidates_of("trees")
        fitted = candidate.fit(data, np.arange(150), 0, progress=lambda *_: None)
        model = candidate.model(fitted, data, None)
        x = np.concatenate([data.x, np.random.default_rng(9).normal(size=(300, 3))])
        if classes:
            assert model.predict(x).tolist() == fitted.predict(x).tolist()
            assert np.allclose(model.predict_proba(x), fitted.predict_proba(x), atol=1e-9)
        else:
            assert np.allclose(model.predict(x), fitted.predict(x), atol=1e-9)
        assert not any("missing" in name for name in model.preparation.features)
        assert [type(node).__name__ for node in model.nodes] == ["Affine", "PolynomialActivation", "Linear"]

    def test_classes_that_are_fractions(self, few):
        """scikit-learn refuses to learn them."""
        data = replace(line(classes=2), classes=np.array([0.5, 1.5]))
        (candidate,) = candidates_of("trees")
        split = Split(np.arange(100), np.arange(100, 200))
        assert compare([candidate], data, [split])[0].score > 0.7
        fitted = candidate.fit(data, split.train, 0, progress=lambda *_: None)
        model = candidate.model(fitted, data, None)
        assert model.predict(data.x).tolist() == fitted.predict(data.x).tolist()
        assert {*model.predict(data.x).tolist()} == {0.5, 1.5}
        assert score_of(fitted, data, split.train) > 0.9

    def test_they_come_after_what_prepares_raw_tables(self, few):
        rng = np.random.default_rng(0)
        cells = {"age": [f"{age:.1f}" if age > 25 else "" for age in rng.normal(40, 10, 200)],
                 "sex": rng.choice(["f", "m"], 200).tolist()}  # fmt: skip
        survey = Survey([*cells])
        survey.add([*cells.values()])
        preparation = preparation_of(types_of(survey.facts()))
        x = preparation.prepare(cells)
        y = ((x[:, 0] > 41) ^ (x[:, 2] > 0)).astype(int)
        data = Data(x, y, "classification", np.array(["a", "b"]), None)
        (candidate,) = candidates_of("trees")
        fitted = candidate.fit(data, None, 0, progress=lambda *_: None)
        model = candidate.model(fitted, data, preparation)
        assert model.predict(cells).tolist() == fitted.predict(x).tolist()
        assert model.score(cells, data.labels(np.arange(200))) > 0.9
        assert {name.partition(" <=")[0] for name in model.preparation.features} <= {*preparation.features}

    def test_columns_that_no_tree_asks_for_are_no_part_of_the_model(self, few):
        """Clients need not have them, and see nothing of them."""
        rng = np.random.default_rng(0)
        cells = {"age": [f"{age:.1f}" if age > 25 else "" for age in rng.normal(40, 10, 200)],
                 "code": ["1", "2", "", "2"] * 50, "town": ["Ulm", "Hof"] * 100,
                 "other": ["0.5", "1.5", ""] * 66 + ["2"] * 2,
                 "sex": rng.choice(["f", "m"], 200).tolist()}  # fmt: skip
        survey = Survey([*cells])
        survey.add([*cells.values()])
        preparation = preparation_of(types_of(survey.facts(), category=["code"]))
        x = preparation.prepare(cells)
        sex = preparation.features.index("sex is 'f'")
        unused = [place for place, name in enumerate(preparation.features) if name.split()[0] not in ("age", "sex")]
        assert len(unused) == 7
        y = ((x[:, 0] > 41) ^ (x[:, sex] > 0)).astype(int)
        spoilt = x.copy()
        spoilt[:, unused] = 0.0  # so that no tree can ask for them
        data = Data(spoilt, y, "classification", np.array(["a", "b"]), None)
        (candidate,) = candidates_of("trees")
        fitted = candidate.fit(data, None, 0, progress=lambda *_: None)
        model = candidate.model(fitted, data, preparation)
        assert model.preparation.names == ("age", "sex")
        assert not any(name in line for line in model.preparation.tells() for name in ("town", "code", "other"))
        asked = {name: cells[name] for name in ("sex", "age")}
        assert np.allclose(model.predict_proba(asked), fitted.predict_proba(spoilt), atol=1e-9)
        assert model.predict(cells).tolist() == fitted.predict(spoilt).tolist()
        plain = replace(line(classes=2), names=("a", "b", "c"))
        plain.x[:, 2] = 0.0
        model = candidate.model(candidate.fit(plain, None, 0, progress=lambda *_: None), plain, None)
        assert model.preparation.names == ("a", "b")
        asked = {"b": plain.x[:, 1], "a": plain.x[:, 0]}
        assert np.array_equal(model.predict(asked), model.predict(plain.x))  # arrays have all columns

    def test_a_blank_that_nothing_fills_is_refused(self, few):
        data = line()
        (candidate,) = candidates_of("trees")
        model = candidate.model(candidate.fit(data, None, 0, progress=lambda *_: None), data, None)
        with pytest.raises(MissingValues, match="column 'b'"):  # or it would have passed no threshold
            model.predict({"a": [1.0], "b": [np.nan], "c": [1.0]})

    def test_few_samples_have_small_leaves_and_none_to_learn_from_is_said(self):
        pytest.importorskip("sklearn")
        (candidate,) = candidates_of("trees")
        data = line(12, classes=2)
        fitted = candidate.fit(data, None, 0, progress=lambda *_: None)
        model = candidate.model(fitted, data, None)
        assert model.predict(data.x).tolist() == fitted.predict(data.x).tolist()
        data = replace(data, x=np.ones((12, 3)))
        with pytest.raises(ParameterError, match=r"no leaf of the trees asks for a feature.*or another --model"):
            candidate.model(candidate.fit(data, None, 0, progress=lambda *_: None), data, None)

    def test_without_scikit_learn(self, monkeypatch):
        monkeypatch.setattr("fhenn.tabular.candidates.find_spec", lambda name: None)
        with pytest.raises(ExtraMissing, match="the extra sklearn brings it"):
            candidates_of("trees")
        assert [candidate.name for candidate in candidates_of("auto")] == ["linear", "perceptron"]


class TestChoice:
    def test_all_are_compared_on_the_same_samples(self):
        data, told = line(noise=0.1), []
        splits = cross_validation(data.y, 3, 0, by_class=False)
        trials = compare(candidates_of("auto", (4,), epochs=2), data, splits, progress=lambda *what: told.append(what))
        assert [trial.name for trial in trials][:2] == ["linear", "perceptron"]
        assert trials[0].score > 0.99
        assert trials[0].error < 0.01
        assert ("perceptron", 6, 6) in told
        assert choose(trials).name == "linear"

    @pytest.mark.thorough
    def test_parts_of_one_sample_are_measured_together(self):
        """R² of one sample is nothing; of all parts together it is as of one model, whatever the kind."""
        data = line(6)
        splits = cross_validation(data.y, 6, 0, by_class=False)
        assert [len(split.test) for split in splits] == [1] * 6
        kinds = candidates_of("auto", (2,), epochs=1)
        trials = compare(kinds, data, splits)
        assert np.isfinite([[trial.score, trial.error] for trial in trials]).all()
        found = [kinds[0].fit(data, split.train, 0, progress=lambda *_: None).predict(data.x[split.test])[0]
                 for split in splits]  # fmt: skip
        wanted = data.y[[split.test[0] for split in splits]]
        together = 1 - np.sum((np.array(found) - wanted) ** 2) / np.sum((wanted - wanted.mean()) ** 2)
        assert trials[0].score == pytest.approx(together)
        assert choose(trials) in trials

    def test_labels_that_are_alike_measure_nothing(self):
        data = line(6)
        for rows in ([2], [2, 3]):
            alike = replace(data, y=np.where(np.isin(np.arange(6), rows), 7.0, data.y))
            split = Split(np.array([0, 1, 4, 5]), np.array(rows))
            with pytest.raises(ParameterError, match=r"held out with the label 7: .*Hold out more .*--folds\."):
                compare(candidates_of("linear"), alike, [split])

    def test_a_score_that_is_no_number_is_the_worst(self):
        nothing = float("nan")
        assert choose([Trial("linear", nothing, nothing), Trial("trees", 0.5, nothing)]).name == "trees"
        assert choose([Trial("linear", 0.5, 0.1), Trial("trees", nothing, 0.1)]).name == "linear"
        assert choose([Trial("trees", nothing, nothing)]).name == "trees"

    @pytest.mark.parametrize(
        ("scores", "name"),
        [
            (((0.9, 0.01), (0.91, 0.02)), "linear"),
            (((0.9, 0.01), (0.93, 0.02)), "perceptron"),
            (((0.9, 0.0), (0.9, 0.0)), "linear"),
            (((-3.0, 0.0), (-4.0, 1.0)), "linear"),
        ],
    )
    def test_the_simplest_but_for_chance(self, scores, name):
        trials = [Trial(kind, *each) for kind, each in zip(("linear", "perceptron"), scores, strict=True)]
        assert choose(trials).name == name
