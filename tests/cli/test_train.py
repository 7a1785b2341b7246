"""`fhenn train` on raw tables: from a file with ids, categories, blanks and text labels to decrypted predictions."""

import csv
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from service_harness import Running

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.records import Records
from fhenn.cli.tables import CsvFormat, read_table
from fhenn.errors import (
    CellRefused,
    DataWarning,
    FeatureMismatch,
    MissingValues,
    ParameterError,
    PlanError,
)
from fhenn.service.store import Store
from fhenn.tabular import hold_out, types_of

runner = CliRunner()

SEEN = "what clients see of the training data"


def run(*line, code=0):
    """Standard output of a command; its typed error is raised."""
    alone = ["--workers", "1"] if line[0] in ("encrypt", "evaluate", "decrypt", "predict") else []
    result = runner.invoke(cli, [*map(str, line), *alone])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def patients(rows, seed=0):
    """A raw table: an id, text categories, blanks, a constant, notes, and an outcome that the others tell of."""
    rng = np.random.default_rng(seed)
    age, crp = rng.normal(60, 15, rows).clip(18, 99).round(1), rng.lognormal(1, 1, rows).round(2)
    sex, smoker = rng.choice(["f", "m"], rows), rng.choice(["yes", "no", ""], rows)
    ward = rng.choice(["icu", "surgery", "internal, general"], rows)
    risk = 0.1 * (age - 60) + 2.5 * (ward == "icu") + 1.5 * (smoker == "yes") - 1.5
    stay = (10 + risk + 0.5 * rng.normal(size=rows)).round(2)
    return [
        {
            "patient_id": f"P{place:05d}",
            "age": "" if rng.random() < 0.06 else age[place],
            "sex": sex[place],
            "ward": ward[place],
            "smoker": smoker[place],
            "crp": "NA" if rng.random() < 0.02 else crp[place],
            "site": "north",
            "notes": f"note {rng.integers(10**9)}",
            "stay": stay[place],
            "outcome": "died" if risk[place] + 0.5 * rng.logistic() > 0 else "recovered",
        }
        for place in range(rows)
    ]


def write(path, rows, **options):
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]], **options)
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    with Path(path).open(newline="") as file:
        return [*csv.DictReader(file)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("patients.csv", patients(400))
    return tmp_path


def trained(*line):
    return json.loads(run("train", "patients.csv", "--label", "outcome", "--drop", "stay", *line, "--json"))


def predictions_match_the_twin(table="new.csv"):
    """The predictions with their ids are those of the model on the clear table."""
    model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
    raw = read_table(Path(table))
    features = model.preparation.prepare(raw.raw(model.preparation))
    found = read("out.csv")
    assert [row["patient_id"] for row in found] == [row["patient_id"] for row in read(table)]
    twin = model.reading.predict(model.scores(model.prepared(features)))
    if model.is_regression:
        assert np.allclose([float(row["prediction"]) for row in found], twin, atol=0.05)
    else:
        assert [row["prediction"] for row in found] == twin.tolist()
    return found


def round_on_files(*bounds):
    run("plan", "--bounds-from", "patients.csv", *bounds)
    run("keygen")
    run("encrypt", "new.csv", "--id", "patient_id")
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    return predictions_match_the_twin()


def ask_the_service(here, monkeypatch):
    """The predictions of the model at a service, whose plan the client fetches."""
    store = Store(here / "store")
    store.models.add("risk", Path("model.fhenn").read_bytes(), Path("plan.fhenn").read_bytes())
    store.close()
    Path("plan.fhenn").unlink()
    with Running(here / "store", {}) as service:
        monkeypatch.setenv("FHENN_URL", service.url)
        monkeypatch.setenv("FHENN_TOKEN", service.token("hospital"))
        run("fetch")
        run("keygen")
        run("predict", "new.csv", "--id", "patient_id", "-o", "out.csv")


def pipeline_of_ones_own(kind):
    """A pipeline of scikit-learn that takes the raw table."""
    compose = pytest.importorskip("sklearn.compose")
    ensemble, impute, linear = (
        pytest.importorskip(f"sklearn.{name}") for name in ("ensemble", "impute", "linear_model")
    )
    neural, preprocessing = (pytest.importorskip(f"sklearn.{name}") for name in ("neural_network", "preprocessing"))
    make_pipeline = pytest.importorskip("sklearn.pipeline").make_pipeline
    filled = impute.SimpleImputer(strategy="constant", fill_value="unknown")
    numbers = make_pipeline(impute.SimpleImputer(add_indicator=True), preprocessing.StandardScaler())
    texts = make_pipeline(filled, preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    columns = [("numbers", numbers, ["age", "crp"]), ("texts", texts, ["sex", "ward", "smoker"])]
    last = {
        "linear": linear.LogisticRegression(),
        "perceptron": neural.MLPClassifier((6,), activation="tanh", random_state=0, max_iter=60, early_stopping=True),
        "trees": ensemble.HistGradientBoostingClassifier(max_iter=20, max_depth=3, max_bins=32, random_state=0),
    }
    return make_pipeline(compose.ColumnTransformer(columns), last[kind])


class TestRound:
    def test_from_a_raw_table_to_predictions_with_ids(self, here):
        shown = run("train", "patients.csv", "--label", "outcome", "--drop", "stay", "--epochs", 25, "--folds", 3)
        for words in (
            "patient_id  left out  text with 400 different values, as 'P00000'",
            "site        left out  all its cells are 'north'",
            "stay        left out  as --drop says",
            "smoker      category  2: 'no', 'yes'",
            "a category of their own",
            "outcome: 2 classes, ",
            "on those held out, in 3 parts; the most frequent class alone is",
            "clients prepare their tables themselves, and see:",
            "  ward: its categories 'icu', 'internal, general', 'surgery'",
            "wrote model.fhenn",
        ):
            assert words in shown
        new = [{name: cell for name, cell in row.items() if name not in ("outcome", "stay")} for row in patients(20, 1)]
        new[3] |= {"ward": "never seen", "smoker": "", "age": ""}
        write("new.csv", new)
        found = round_on_files()
        truth = [row["outcome"] for row in patients(20, 1)]
        assert np.mean([row["prediction"] == label for row, label in zip(found, truth, strict=True)]) > 0.7

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "line",
        [
            ("--label", "outcome", "--drop", "stay", "--model", "linear"),
            ("--label", "outcome", "--drop", "stay", "--model", "perceptron"),
            ("--label", "outcome", "--drop", "stay", "--model", "auto", "--hidden", "4"),
            ("--label", "stay", "--drop", "outcome"),
            ("--label", "stay", "--drop", "outcome", "--hidden", "6"),
            ("--label", "outcome", "--drop", "stay", "--model", "trees"),
            ("--label", "stay", "--drop", "outcome", "--model", "trees"),
        ],
        ids=lambda line: " ".join(line[1:]),
    )
    @pytest.mark.parametrize("over", ["files", "service"])
    def test_five_thousand_rows(self, here, monkeypatch, line, over):
        write("patients.csv", patients(5000))
        write("new.csv", patients(300, 1))
        report = json.loads(run("train", "patients.csv", *line, "--epochs", 20, "--folds", 3, "--json"))
        score = report["accuracy_held_out"] or report["r2_held_out"]
        assert score > 0.8
        run("plan", "--bounds-from", "patients.csv")
        if over == "files":
            round_on_files()
            return
        ask_the_service(here, monkeypatch)
        predictions_match_the_twin()

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("kind", "over"),
        [
            ("linear", "csv"),
            ("linear", "parquet"),
            ("perceptron", "csv"),
            ("perceptron", "service"),
            ("trees", "csv"),
            ("trees", "service"),
        ],
    )
    def test_a_pipeline_of_ones_own_on_the_same_table(self, here, monkeypatch, kind, over):
        pandas = pytest.importorskip("pandas")
        write("patients.csv", patients(5000))
        write("new.csv", patients(60, 1))
        frame = pandas.read_csv("patients.csv")
        pipeline = pipeline_of_ones_own(kind).fit(frame, frame["outcome"])
        artifacts.write("model.fhenn", artifacts.model_to_bytes(fhenn.from_sklearn(pipeline, inputs=frame)))
        ending = "parquet" if over == "parquet" else "csv"
        if ending == "parquet":
            pytest.importorskip("pyarrow")
            frame.to_parquet("patients.parquet")
        run("plan", "--bounds-from", f"patients.{ending}")
        if over == "service":
            ask_the_service(here, monkeypatch)
        else:
            run("keygen")
            run("encrypt", "new.csv", "--id", "patient_id")
            run("evaluate")
            run("decrypt", "-o", "out.csv")
        new, found = pandas.read_csv("new.csv"), read("out.csv")
        assert [row["patient_id"] for row in found] == new["patient_id"].tolist()
        agree = np.mean([row["prediction"] for row in found] == pipeline.predict(new))
        assert agree > 0.95 if kind == "perceptron" else agree == 1


class TestWhatIsSaid:
    def test_json(self, here):
        report = trained("--epochs", 5, "--folds", 3)
        assert report["task"] == "classification"
        assert (report["kind"], report["folds"], report["samples"], report["held_out"]) == ("linear", 3, 400, 0)
        assert report["classes"] == ["died", "recovered"]
        assert report["r2"] is None
        assert 0.5 < report["accuracy_held_out"] < 1
        kinds = {column["name"]: column["kind"] for column in report["columns"]}
        assert kinds == {
            "patient_id": "left out", "age": "number", "sex": "category", "ward": "category", "smoker": "category",
            "crp": "number", "site": "left out", "notes": "left out", "stay": "left out",
        }  # fmt: skip
        assert any("smoker: its categories" in line for line in report["shown_to_clients"])

    def test_what_clients_see_is_there_in_full_as_json(self, here):
        letters = "abcdefgh"
        write("t.csv", [{"x": letters[place % 8], "y": "no" if place % 8 < 4 else "yes"} for place in range(160)])
        line = "train", "t.csv", "--label", "y", "--model", "linear", "--epochs", 1, "--held-out", 0
        shown = run(*line)
        assert "x: its categories 'a', 'b', 'c', 'd', 'e', … (8)" in shown
        assert "long lists are cut: `fhenn inspect --json` has all of them" in shown
        wanted = f"x: its categories {', '.join(map(repr, letters))}"
        assert wanted in json.loads(run(*line, "--json"))["shown_to_clients"]
        assert wanted in json.loads(run("inspect", "model.fhenn", "--json"))["details"][SEEN]
        told = run("inspect", "model.fhenn")
        assert any(line.split()[:2] == ["long", "lists"] for line in told.splitlines())  # a line of its own
        assert "\\n" not in told
        short = [{"x": "ab"[place % 2], "y": place // 20 % 2} for place in range(160)]
        write("t.csv", short)
        assert "lists are cut" not in run(*line) + run("inspect", "model.fhenn")

    def test_a_part_that_is_held_out_is_not_trained_on(self, here):
        report = trained("--epochs", 5, "--held-out", 0.25)
        assert (report["folds"], report["samples"], report["held_out"]) == (0, 300, 100)
        assert report["accuracy_held_out"] is not None
        report = trained("--epochs", 5, "--held-out", 0)
        assert (report["samples"], report["held_out"], report["accuracy_held_out"]) == (400, 0, None)
        with pytest.raises(ParameterError, match="nothing is held out to choose a model by"):
            trained("--model", "auto", "--held-out", 0)

    @pytest.mark.parametrize("size", [1 << 22, 300])
    def test_nothing_of_a_part_that_is_held_out_is_learnt(self, here, monkeypatch, size):
        """Means, categories, and which are rare are of the others alone; blanks are filled wherever they are."""
        monkeypatch.setattr("fhenn.cli.tables.files._CHUNK", size)
        monkeypatch.setattr("fhenn.cli.tables.delimited._START", min(size, 1 << 18))
        rows = patients(200)
        codes = np.unique([row["outcome"] for row in rows], return_inverse=True)[1]
        test = {*hold_out(codes, 0.25, 0, by_class=True).test.tolist()}
        for place, row in enumerate(rows):
            row["age"] = row["age"] or 50.5
            row["sex"] = "x" if place in test and place % 2 else row["sex"]
        first = next(iter(test))
        rows[first]["age"] = ""
        found = []
        for spoilt in (False, True):
            for place in test if spoilt else ():
                rows[place] |= {"crp": rows[place]["crp"] if rows[place]["crp"] == "NA" else 1e4, "ward": "only there"}
                rows[place]["age"] = 9999 if place != first else ""
            write("t.csv", rows)
            line = ("--label", "outcome", "--drop", "stay", "--epochs", 2, "--held-out", 0.25)
            found.append(json.loads(run("train", "t.csv", *line, "--json")))
            model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
            told = model.preparation.to_json()
            assert "only there" not in told
            assert '"x"' not in told
            ages = [float(row["age"]) for place, row in enumerate(rows) if place not in test]
            assert f"missing ones filled by {np.mean(ages):.4g}" in json.dumps(found)
        assert found[0]["fingerprint"] == found[1]["fingerprint"]
        assert (found[0]["samples"], found[0]["held_out"]) == (150, 50)

    def test_what_parts_share_is_said(self, here):
        said = " ".join(run("train", "--help").split())
        assert "Means that fill cells and lists of categories are of all samples for each of them" in said

    def test_the_choice(self, here):
        shown = run("train", "patients.csv", "--label", "stay", "--drop", "outcome", "--model", "auto", "--epochs", 5,
                    "--hidden", 3)  # fmt: skip
        assert "stay: a number, " in shown
        kinds = [line.split()[0] for line in shown.splitlines() if len(line.split()) == 3]
        assert kinds[:3] == ["model", "linear", "perceptron"]
        assert "chosen: linear" in shown
        assert "R² 0.9" in shown

    def test_a_model_without_hidden_layers(self, here):
        with pytest.raises(ParameterError, match="no hidden layers"):
            trained("--model", "linear", "--hidden", 3)

    def test_plain_numbers_need_no_preparation(self, here):
        rows = [{"id": place, "x": place / 7, "y": "ab"[place > 30]} for place in range(60)]
        write("t.csv", rows)
        report = json.loads(run("train", "t.csv", "--label", "y", "--json"))
        model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
        assert model.preparation is None
        assert model.feature_names == ("x",)
        assert report["shown_to_clients"] == []
        assert run("plan", "--bounds-from", "t.csv")

    @pytest.mark.parametrize("quoted", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    @pytest.mark.parametrize("x", ["1.5", ""])
    @pytest.mark.parametrize("size", [1 << 22, 300])
    def test_numbers_with_leading_zeros(self, here, monkeypatch, quoted, x, size):
        """Told from others, and where columns of numbers are read at once, as those of all but the first lines are."""
        monkeypatch.setattr("fhenn.cli.tables.files._CHUNK", size)
        monkeypatch.setattr("fhenn.cli.tables.delimited._START", min(size, 1 << 18))
        rows = [
            {
                "zip": ["01067", "80331"][place % 2],
                "x": f"{place / 7 - 3:.3e}",
                "code": 10 + place % 2,
                "y": "ab"[place > 30],
            }
            for place in range(60)
        ]
        rows[0]["x"] = x
        write("t.csv", rows, quoting=quoted)
        with pytest.warns(DataWarning, match="column 'zip' has numbers with leading zeros, as '01067'"):
            report = json.loads(run("train", "t.csv", "--label", "y", "--epochs", 1, "--json"))
        kinds = {each["name"]: (each["kind"], each["categories"]) for each in report["columns"]}
        assert kinds["zip"] == ("category", ["01067", "80331"])
        assert kinds["code"] == ("number", [])

    def test_categories_of_few_rows_are_told_to_nobody(self, here):
        rows = patients(300)
        for row in rows[:9]:
            row["ward"] = "Maria Rare"
        write("t.csv", rows)
        for line, told in (((), False), (("--min-rows", 9), True)):
            report = json.loads(run("train", "t.csv", "--label", "outcome", "--epochs", 1, *line, "--json"))
            model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
            assert ("Maria" in model.preparation.to_json()) == ("Maria" in json.dumps(report)) == told

    def test_wide_tables_are_cut_on_the_terminal(self, here):
        rng = np.random.default_rng(0)
        write("t.csv", [{f"c{place}": rng.choice(["a", "b"]) for place in range(50)} for _ in range(60)])
        shown = run("train", "t.csv", "--label", "c0", "--epochs", 1)
        assert "… and 9 more columns: --json has them" in shown
        assert "more lines: `fhenn inspect` has them" in shown


def changed(table, place, **cells):
    rows = patients(400)
    rows[place] |= cells
    write(table, rows)


class TestRefusals:
    @pytest.mark.parametrize(
        ("cells", "error", "says"),
        [
            ({"age": "old"}, CellRefused, r"bad\.csv: column 'age' holds 'old' in line 9: it is no number, as"),
            ({"age": "4,5"}, CellRefused, r"holds '4,5' in line 9: decimal points and decimal commas are mixed"),
            ({"age": "2024-02-29"}, CellRefused, r"holds '2024-02-29' in line 9: it is no number"),
            ({"age": "inf"}, CellRefused, r"line 9: it is infinite"),
            ({"outcome": ""}, MissingValues, r"column 'outcome' \(1: line 9\)\. Label or drop"),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    @pytest.mark.parametrize("size", [1 << 22, 300])
    def test_cells_are_named_by_line(self, here, monkeypatch, cells, error, says, size):
        monkeypatch.setattr("fhenn.cli.tables.files._CHUNK", size)
        monkeypatch.setattr("fhenn.cli.tables.delimited._START", min(size, 1 << 18))
        changed("bad.csv", 7, **cells)
        with pytest.raises(error, match=f"(?s){says}"):
            run("train", "bad.csv", "--label", "outcome")
        assert not Path("model.fhenn").exists()

    def test_dates(self, here):
        rows = [row | {"visit": f"2024-02-{place % 28 + 1:02d}"} for place, row in enumerate(patients(60))]
        write("dates.csv", rows)
        with pytest.raises(CellRefused, match=r"column 'visit' holds '2024-02-01' in line 2.*--drop visit"):
            run("train", "dates.csv", "--label", "outcome")
        assert run("train", "dates.csv", "--label", "outcome", "--drop", "visit", "--epochs", 1)

    def test_names_that_are_none(self, here):
        for line in (("--drop", "nothing"), ("--keep", "nothing"), ("--category", "outcome")):
            with pytest.raises(ParameterError, match="there is no feature"):
                trained(*line)
        with pytest.raises(ParameterError, match=r"no column 'nothing' .*one of patient_id, .*, …, stay, outcome"):
            run("train", "patients.csv", "--label", "nothing")
        with pytest.raises(ParameterError, match=r"no column 'Outcom' in patients\.csv\. Did you mean 'outcome'\?"):
            run("train", "patients.csv", "--label", "Outcom")

    def test_a_file_that_changes_while_it_is_read(self, here):
        records = Records(Path("patients.csv"), CsvFormat(), "outcome")
        label, facts = records.survey(lambda share: None)
        types = types_of(facts)
        for rows in (399, 401):
            write("patients.csv", patients(rows))
            with pytest.raises(ParameterError, match="changed while it was read"):
                records.features(types, "classification", label.rows, lambda share: None)

    @pytest.mark.parametrize("sexes", ["f", "fm"])
    def test_numbers_that_are_too_large(self, here, sexes):
        values = np.random.default_rng(0).normal(size=60).tolist()
        write("t.csv", [{"a": f"{value:.3f}", "b": f"{value:.3g}e200", "y": "ab"[value > 0],
                         "sex": sexes[place % len(sexes)]} for place, value in enumerate(values)])  # fmt: skip
        with pytest.raises(ParameterError, match=r"values of b reach .*e\+200: their squares are no numbers"):
            run("train", "t.csv", "--label", "y", "--keep", "b")
        assert not Path("model.fhenn").exists()

    def test_too_many_labels(self, here, monkeypatch):
        monkeypatch.setattr("fhenn.cli.records._MOST_LABELS", 10)
        with pytest.raises(ParameterError, match="more than 10 values: too many for classes"):
            run("train", "patients.csv", "--label", "notes")

    @pytest.mark.thorough
    def test_tables_that_the_model_was_not_made_for(self, here):
        trained("--epochs", 5)
        run("plan", "--bounds-from", "patients.csv")
        run("keygen")
        for change, error, says in (
            ({"age": "old"}, CellRefused, "holds 'old' in line 9"),
            ({"age": "4,5"}, CellRefused, "line 9: decimal points and decimal commas are mixed"),
            ({"ward": "never seen"}, None, ""),
            ({"sex": ""}, None, ""),
        ):
            changed("bad.csv", 7, **change)
            if error is None:
                run("encrypt", "bad.csv")
                continue
            with pytest.raises(error, match=says):
                run("encrypt", "bad.csv")
        write("bad.csv", [{name: cell for name, cell in row.items() if name != "ward"} for row in patients(9)])
        with pytest.raises(FeatureMismatch, match="missing: ward"):
            run("encrypt", "bad.csv")
        write("bad.csv", [row | {"age": ""} for row in patients(9)])
        run("encrypt", "bad.csv")  # all blank, and filled
        Path("other").mkdir()
        Path("plan.fhenn").rename("other/plan.fhenn")
        older = [row | {"age": row["age"] and row["age"] + 1} for row in patients(400)]
        write("patients.csv", older)
        trained("--epochs", 5)
        with pytest.raises(PlanError, match="weights are not those"):
            run("evaluate", "--plan", "other/plan.fhenn")

    def test_doubts_are_said(self, here):
        rows = [row | {"income": 1000 + 17 * place} for place, row in enumerate(patients(60))]
        write("t.csv", rows)
        with pytest.warns(DataWarning, match="column 'income' has nearly a whole number of its own"):
            run("train", "t.csv", "--label", "outcome", "--epochs", 1)


@pytest.mark.thorough
def test_long_tables_take_the_memory_of_their_numbers(tmp_path):
    rows, path = 100_000, tmp_path / "large.csv"
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("id,age,sex,crp,y\n")
        for start in range(0, rows, 50_000):
            age, crp, sex = rng.normal(60, 15, 50_000), rng.lognormal(1, 1, 50_000), rng.choice(["f", "m"], 50_000)
            file.writelines(
                f"P{start + place},{years:.1f},{sex[place]},{crp[place]:.2f},{'no' if years > 60 else 'yes'}\n"
                for place, years in enumerate(age)
            )
    records = Records(path, CsvFormat(), "y")
    tracemalloc.start()
    label, facts = records.survey(lambda share: None)
    surveyed = tracemalloc.get_traced_memory()[1]
    data, preparation = records.features(types_of(facts), "classification", label.rows, lambda share: None)
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.x.shape == (rows, 4)
    assert preparation.features == ("age", "crp", "sex is 'f'", "sex is 'm'")
    assert surveyed < 100e6  # a chunk, and what its columns are counted by
    assert read < data.x.nbytes + 100e6
