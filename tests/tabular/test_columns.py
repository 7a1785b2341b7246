"""What columns of raw tables are found to be, and the preparation that is made of them."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.errors import CellRefused, ParameterError
from fhenn.interop import Preparation
from fhenn.tabular import Survey, is_plain, preparation_of, types_in, types_of

ROWS = 40


def survey(columns, chunks=1, decimal="."):
    """The facts of columns by name, read in chunks; rows are counted from 2, as lines are."""
    names, cells = [*columns], [*columns.values()]
    rows = len(cells[0])
    found = Survey(names, decimal)
    ends = [round(place * rows / chunks) for place in range(chunks + 1)]
    for start, end in pairwise(ends):

        def where(places, start=start):
            return f"line {', '.join(str(place + start + 2) for place in places)}"

        found.add([each[start:end] for each in cells], where)
    return found.facts()


def one(cells, name="x", decimal=".", chunks=1, **options):
    """What a column is, beside another one that is a number."""
    other = np.random.default_rng(0).normal(size=len(cells))
    options = {option: [name] if given is True else given for option, given in options.items() if given}
    return types_of(survey({name: cells, "other": other}, chunks, decimal), **options)[0]


def repeated(*cells, rows=ROWS):
    return [cells[place % len(cells)] for place in range(rows)]


class TestKinds:
    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (repeated("1.5", "2", "7"), "1.5 to 7"),
            (repeated("1e3", "-2", " 7 "), "-2 to 1000"),
            (repeated("True", "false"), "0 to 1"),
            (repeated("TRUE", "0"), "0 to 1"),
            (repeated(Decimal("1.5"), 2, None), "1.5 to 2, 13 missing, told and filled by 1.741"),
            (np.array(repeated(1.0, np.nan, 3.0)), "1 to 3, 13 missing, told and filled by 1.963"),
            (np.array(repeated(True, False)), "0 to 1"),
            (["NA", *repeated("1", "2", rows=99)], "1 to 2, 1 missing, filled by 1.495"),
            (repeated("1", ""), "1 or missing (20)"),
        ],
        ids=str,
    )
    def test_numbers(self, cells, says):
        found = one(cells)
        assert (found.kind, found.says) == ("number", says)

    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (repeated("f", "m"), "2: 'f', 'm'"),
            (repeated("yes", None), "1: 'yes'; 20 missing, a category of their own"),
            (repeated("a", "b", "1"), "3: 1, 'a', 'b'"),
            ([*repeated("a", "b"), "c"], "2: 'a', 'b'; 1 too rare"),
            (
                [*repeated("a", "b", rows=2000), *["c"] * 10, *["d"] * 11, "e"],
                "2: 'a', 'b'; 2 rare together; 1 too rare",
            ),
            ([*repeated("a", "b", rows=2000), *["c"] * 10], "2: 'a', 'b'; 1 too rare"),
            ([*repeated("a", "b", rows=400), ""], "2: 'a', 'b'; 1 missing"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_categories(self, cells, says):
        found = one(cells)
        assert (found.kind, found.says) == ("category", says)

    @pytest.mark.parametrize(
        ("name", "cells", "says"),
        [
            ("x", repeated(""), "all its cells are blank"),
            ("x", repeated(None, "NA", " "), "all its cells are blank"),
            ("x", repeated("7"), "all its cells are 7"),
            ("x", repeated("north"), "all its cells are 'north'"),
            ("x", repeated("TRUE"), "all its cells are 1"),
            ("x", [str(7 + place) for place in range(ROWS)], "numbers the rows: an id"),
            ("x", np.random.default_rng(0).permutation(ROWS), "numbers the rows: an id"),
            ("customerId", [7 * place for place in range(ROWS)], "nearly each row has a number of its own: an id"),
            ("case no", [7 * place for place in range(ROWS)], "nearly each row has a number of its own: an id"),
            (
                "x",
                [f"P{place}" for place in range(ROWS)],
                "text with 40 different values, as 'P0'",
            ),
            (
                "x",
                [f"{place % 300} and more" for place in range(600)],
                "text with 300 different values, as '0 and more'",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_left_out_and_kept(self, name, cells, says):
        found = one(cells, name)
        assert (found.kind, found.says.partition(": an id, or free")[0]) == ("left out", says)
        if isinstance(cells[0], str) and "all" in says:
            with pytest.raises(ParameterError, match="nothing can be learnt of column"):
                one(cells, name, keep=True)
        elif "number" in says:
            assert one(cells, name, keep=True).kind == "number"

    def test_free_text_that_is_kept_has_its_frequent_values(self):
        cells = [*repeated("cough", rows=100), *[f"{place} and more" for place in range(300)]]
        assert one(cells).kind == "left out"
        assert one(cells, keep=True).says == "1: 'cough'; 300 too rare"

    def test_a_measurement_is_doubted(self):
        cells = [1000 + 17 * place for place in range(ROWS)]
        found = one(cells, "income")
        assert found.kind == "number"
        assert "column 'income' has nearly a whole number of its own" in found.doubt
        assert "--drop income" in found.doubt
        assert one(cells, "income", keep=True).doubt is None

    def test_numbers_as_categories(self):
        cells = repeated("10115", "80331", "")
        assert one(cells, category=True).says == "2: 10115, 80331; 13 missing, a category of their own"

    def test_numbers_with_leading_zeros_are_categories(self):
        """As texts, so that 007 is not 7; numbers are what they are."""
        cells = repeated("01067", "80331", "007", "7")
        found = one(cells, "zip")
        assert (found.kind, found.says) == ("category", "4: '007', '01067', '7', '80331'")
        assert "column 'zip' has numbers with leading zeros, as '01067', and each is taken" in found.doubt
        assert "--keep zip" in found.doubt
        preparation = preparation_of([found])
        assert preparation.prepare({"zip": ["7", "007", "1067", "80331"]}).tolist() == [
            [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]
        ]  # fmt: skip
        kept, said = one(cells, "zip", keep=True), one(cells, "zip", category=True)
        assert (kept.kind, kept.says, kept.doubt) == ("number", "7 to 80331", None)
        assert (said.categories, said.doubt) == (found.categories, None)
        assert one(repeated("0", "0.5", "-0.25", "1e05", "0")).kind == "number"
        assert one(repeated("01.5", "007", "2.5", "")).categories == (1.5, 2.5, "007")
        many = one([f"{place:05d}" for place in range(7, 400, 3)], "code")
        assert many.says == "codes with 131 different values, as '00007': an id, or free text"

    def test_many_columns_have_many_categories(self):
        """No more than a hundred of a column have a feature."""
        found = one([f"c{place % 150:03d}" for place in range(30_000)])
        assert len(found.categories) == 100
        assert len(found.rare) == 50
        assert found.has_rare

    @given(st.lists(st.sampled_from(["", "NA", "1", "2.5", "-3", "7e2", "True", "a", "b"]), min_size=1, max_size=60),
           st.integers(1, 7))  # fmt: skip
    @settings(max_examples=60, deadline=None)
    def test_chunks_make_no_difference(self, cells, chunks):
        whole, parts = survey({"x": cells})[0], survey({"x": cells}, min(chunks, len(cells)))[0]
        assert (whole.missing, whole.numbers, whole.low, whole.high) == (
            parts.missing, parts.numbers, parts.low, parts.high
        )  # fmt: skip
        assert (whole.values, whole.texts, whole.distinct) == (parts.values, parts.texts, parts.distinct)
        assert np.isclose(whole.mean, parts.mean)
        assert {sort: stray.row for sort, stray in whole.strays.items()} == {
            sort: stray.row for sort, stray in parts.strays.items()
        }


class TestRefusals:
    @pytest.mark.parametrize(
        ("cells", "says"),
        [
            (
                ["7.5", "7,5", *repeated("1.25", "2")],
                "holds '7,5' in line 3: decimal points and decimal commas are mixed",
            ),
            (["7", "7,5", *repeated("1", "2")], "holds '7,5' in line 3: it has a decimal comma. Give --decimal , if"),
            (["7,5", *repeated("3,25")], "holds '7,5' in line 2: it has a decimal comma"),
            (["<5", *repeated("1", "2")], "holds '<5' in line 2: it is no number, as 40 of 41 cells of the column are"),
            (["2024-02-29", *repeated("1", "2")], "holds '2024-02-29' in line 2: it is no number"),
            (["x", "2024-02-29", "1.3.24"], "holds '2024-02-29' in line 3: it is a date, which is no number"),
            ([date(2024, 2, 29), None], "holds '2024-02-29' in line 2: it is a date"),
            (np.array(["2024-02-29", "NaT"], "M8[D]"), "in line 2: it is a date"),
            (["20240229", "20240301", "20231231", "20240229"], "looks like a date written as a number. .*--keep x"),
            (["1", "inf"], "holds 'inf' in line 3: it is infinite"),
            (np.array([1.0, -np.inf]), "in line 3: it is infinite"),
            ([10**400, 1], "in line 2: it is infinite"),
            ([[1], [2]], "in line 2: it is no number and no text"),
            ([b"a", b"b"], "in line 2: it is no number and no text"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("chunks", [1, 2])
    def test_cells_are_named_with_a_way_out(self, cells, says, chunks):
        with pytest.raises(CellRefused, match=rf"(?s)^train: column 'x' .*{says}.*--drop x") as caught:
            one(cells, chunks=chunks)
        assert caught.value.rows == (int(caught.value.where.split()[-1]) - 2,) if "line" in caught.value.where else (0,)
        assert one(cells, drop=True).says == "as --drop says"

    @pytest.mark.parametrize("form", ["{:,.2f}", "€ {:.2f}", "{:.1f}%", "{:.2f} EUR", "${:,.0f}", "{:,.2f} €"])
    def test_numbers_with_units_are_no_categories(self, form):
        cells = [form.format(7000.5 + 713 * place) for place in range(ROWS)]
        with pytest.raises(CellRefused, match=r"in line 2: it looks like a number with .*--category x; .*--drop x"):
            one(cells)
        with pytest.raises(CellRefused, match="it looks like a number with"):
            one([cell.translate(str.maketrans(",.", ".,")) for cell in cells] if "," in form and "." in form else cells)
        assert one(cells, drop=True).kind == "left out"
        assert one(repeated(*cells[:3]), min_rows=5).kind == "category"  # doses, and the like

    def test_dates_with_names_of_months(self):
        for form in ("Jan {}, 2024", "{} January 2024", "{}-Mar-24"):
            with pytest.raises(CellRefused, match="it is a date"):
                one([form.format(place % 28 + 1) for place in range(ROWS)])

    def test_mixed_signs_in_a_table_of_commas(self):
        with pytest.raises(CellRefused, match=r"holds '7.5' in line 3: decimal points and decimal commas are mixed"):
            one(["7,5", "7.5", *repeated("1,5", "2")], decimal=",")
        assert one(["7,5", *repeated("1,5", "2")], decimal=",").says == "1.5 to 7.5"

    def test_the_ways_out(self):
        assert one(["<5", *repeated("1", "2")], category=True).says == "2: 1, 2; 1 too rare"
        assert one(["20240229", "20240301", "20231231", "20240229"], keep=True).kind == "number"
        assert one(repeated("2024-02-29", "2024-03-01"), category=True).kind == "category"

    def test_all_dates_are_named_at_once(self):
        dates = repeated("2024-02-29", "2023-01-01")
        facts = survey({"born": dates, "last visit": dates, "x": repeated("1", "2.5")})
        with pytest.raises(CellRefused, match=r"--drop born --drop 'last visit'\.$"):
            types_of(facts)
        assert types_of(facts, drop=["born", "last visit"])[2].kind == "number"

    @pytest.mark.parametrize("option", ["drop", "keep", "category"])
    def test_names_that_are_none(self, option):
        with pytest.raises(ParameterError, match=f"there is no feature 'z' for --{option}"):
            types_of(survey({"x": ["1", "2"]}), **{option: ["z"]})

    def test_names_that_contradict(self):
        with pytest.raises(ParameterError, match="left out and to be kept"):
            types_of(survey({"x": ["1", "2"]}), drop=["x"], keep=["x"])

    def test_nothing_to_learn_from(self):
        with pytest.raises(ParameterError, match=r"no column of train is left to learn from: 'x' all its cells are 1"):
            types_of(survey({"x": repeated("1")}))


RAW = {
    "age": ["41.5", "", "18", "63", *repeated("20", "30", "40")],
    "sex": ["f", "m", "", "m", *repeated("f", "m")],
    "code": ["1", "x", "2", "x", *repeated("1", "x", "2")],
    "smoker": ["1", "", "", "1", *repeated("1", "")],
    "truth": ["True", "", "False", "True", *repeated("True", "False")],
    "ward": ["icu", "icu", "er", "er", *repeated("a", "b", rows=36), "icu", "c", "c", "d"],
    "crp": repeated("7.25", "1.5", rows=44),
}


class TestPreparation:
    def test_what_comes_out(self):
        preparation = preparation_of(types_of(survey(RAW), min_rows=2))
        assert preparation.features == (
            "age", "truth", "crp", "smoker is missing", "sex is 'f'", "sex is 'm'",
            "code is 1", "code is 2", "code is 'x'",
            "ward is 'a'", "ward is 'b'", "ward is 'c'", "ward is 'er'", "ward is 'icu'",
        )  # fmt: skip
        rows = {name: [cell or None for cell in cells[:4]] for name, cells in RAW.items()}
        rows["code"] = [1.0, "x", 2.0, "new"]
        found = preparation.prepare({**rows, "more": [0, 0, 0, 0]})
        mean = np.mean([float(cell) for cell in RAW["age"] if cell])
        assert np.allclose(found[:, 0], [41.5, mean, 18, 63])
        assert found[:, 3].tolist() == [0, 1, 1, 0]
        assert found[:, 4:6].tolist() == [[1, 0], [0, 1], [0, 0], [0, 1]]
        assert found[:, 6:9].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]]
        assert Preparation.from_json(preparation.to_json()) == preparation
        assert not is_plain(types_of(survey(RAW)))

    def test_numbers_alone_need_none(self):
        facts = survey({"x": ["1.5", "2"], "id": repeated("7", rows=2)})
        assert is_plain(types_of(facts))
        assert not is_plain(types_of(survey({"x": ["True", "False"]})))

    def test_rare_ones_share_a_bit_and_nothing_is_told_of_those_of_few_rows(self):
        cells = [*repeated("a", "b", rows=2000), *["c"] * 12, *["d"] * 12, *["Maria Rare"] * 9, "e"]
        preparation = preparation_of(types_of(survey({"x": cells})))
        assert preparation.features == ("x is 'a'", "x is 'b'", "x is rare")
        assert preparation.prepare({"x": ["c", "d", "Maria Rare", "f", None]}).tolist() == [
            [0, 0, 1],
            [0, 0, 1],
            *[[0, 0, 0]] * 3,
        ]
        assert "'d'" in preparation.to_json().replace('"', "'")
        assert "Maria" not in preparation.to_json()  # what a few patients have is nobody's business
        told = types_of(survey({"x": cells}), min_rows=9)
        assert "Maria Rare" in preparation_of(told).to_json()
        assert "'e'" not in preparation_of(told).to_json().replace('"', "'")

    @pytest.mark.parametrize("count", [1, 8])
    def test_rare_ones_that_are_too_few_for_a_bit_are_not_told_of(self, count):
        cells = [*repeated("a", "b", rows=2000), *["c"] * 12 * count]
        told = preparation_of(types_of(survey({"x": cells}))).to_json()
        assert ('"c"' in told) == (count == 8)

    def test_small_tables(self):
        cells = repeated("a", "b", "c", "d", "e")
        found = types_of(survey({"x": cells, "y": np.linspace(0, 1, ROWS)}))
        assert found[0].says == "none of its 5 categories is in 10 rows: lower --min-rows for more"
        assert len(types_of(survey({"x": cells}), min_rows=8)[0].categories) == 5

    @pytest.mark.parametrize(("often", "seldom"), [(("1", "2"), "x"), (("a", "b"), "7")])
    def test_cells_of_another_kind_that_are_too_rare_are_taken(self, often, seldom):
        cells = [*repeated(*often), *[seldom] * 9]
        (found,) = types_of(survey({"x": cells}), category=["x"])
        assert (len(found.categories), found.reads) == (2, "either")
        asked = [float(cell) if cell.isdecimal() else cell for cell in cells]
        assert preparation_of([found]).prepare({"x": asked}).sum() == ROWS

    def test_columns_by_some_of_their_rows(self):
        """What a column is all rows say; what is told of it some."""
        cells = {
            "x": [*repeated(1.5, 2.5), *[None] * 9],
            "word": [*repeated("a", "b"), *["c"] * 9],
            "mixed": [*repeated("1", "2"), *["x"] * 9],
            "same": [*repeated("5"), *[str(place) for place in range(9)]],
            "blank": [*repeated(""), *repeated("1.5", "2", rows=9)],
            "one": [*repeated("a"), *["b"] * 9],
            "id": [str(place) for place in range(49)],
            "yes": repeated("1", "", rows=49),
        }
        whole = types_of(survey(cells), category=["mixed"], min_rows=5)
        part = survey({name: each[:ROWS] for name, each in cells.items()})
        found = types_in(whole, part, min_rows=5)
        assert [(each.kind, each.says) for each in found] == [
            ("number", "1.5 to 2.5, missing ones filled by 2"),
            ("category", "2: 'a', 'b'"),
            ("category", "2: 1, 2"),
            ("left out", "all its cells are 5"),
            ("left out", "all its cells are blank in the rows that are trained on"),
            ("left out", "all its cells are 'a'"),
            ("left out", "numbers the rows: an id"),
            ("number", "1 or missing (20)"),
        ]
        assert not is_plain(found[:1])
        asked = {name: [each[0], each[-1]] for name, each in cells.items()}
        made = preparation_of(found).prepare(asked | {"mixed": [1.0, "x"]})
        assert made.tolist() == [[1.5, 0, 1, 0, 1, 0], [2.0, 0, 0, 0, 0, 0]]
        with pytest.raises(ParameterError, match="no column of train is left to learn from: 'same' all its cells are"):
            types_in(whole[3:4], part[3:4])

    def test_rare_ones_and_missing_ones_have_a_bit_each(self):
        cells = [*repeated("a", "b", rows=2000), *["c"] * 15, *["d"] * 15, *[""] * 40]
        preparation = preparation_of(types_of(survey({"x": cells})))
        assert preparation.features == ("x is 'a'", "x is 'b'", "x is rare", "x is missing")
        found = preparation.prepare({"x": ["b", "c", None, "new"]})
        assert found.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]

    def test_features_have_names_of_their_own(self):
        facts = survey(
            {"x": repeated("a", "b"), "x is 'a'": np.arange(ROWS) * 0.5, "y": repeated("1" * 80, "1" * 81 + "x")}
        )
        names = preparation_of(types_of(facts, category=["y"])).features
        assert len({*names}) == len(names)
        assert names[:3] == ("x is 'a'", "x is 'a' (2)", "x is 'b'")

    def test_numbers_near_the_largest(self):
        (column,) = types_of(survey({"x": ["1.7e308", "1.6e308", "", "1.7e308"] * 3}))
        assert np.isfinite(preparation_of([column]).prepare({"x": [None]})).all()
