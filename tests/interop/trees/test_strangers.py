"""Files of strangers in the place of saved models: refused by name, whatever is in them."""

import copy
import json
import re
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn.errors import FhennError, UnsupportedModel, WireFormatError
from fhenn.interop.trees import nodes, ubjson, xgboost
from fhenn.interop.trees.sources import LARGEST_FILE
from fhenn.interop.trees.ubjson import is_ubjson, read_ubjson

FOLDER = Path(__file__).parent / "golden"
CONTENT = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix != ".expected"}
XGBOOST = json.loads(CONTENT["xgboost-3.2-early.json"])
CATEGORIES = json.loads(CONTENT["xgboost-3.2-categories.json"])
VECTORS = json.loads(CONTENT["xgboost-3.2-vectors.json"])
LIGHTGBM = CONTENT["lightgbm-4.7-categories.txt"].decode()


def importer(name):
    return fhenn.from_xgboost if name.startswith("xgboost") else fhenn.from_lightgbm


MODEL = ("learner", "gradient_booster", "model")
TREE = (*MODEL, "trees", 0)


def changed(document, place, value):
    """The same document with another value at a place; without it where that is None."""
    found = copy.deepcopy(document)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("document", "place", "value"),
    [
        (XGBOOST, ("learner",), []),
        (XGBOOST, ("learner", "learner_model_param"), None),
        (XGBOOST, ("learner", "learner_model_param", "num_feature"), "-1"),
        (XGBOOST, ("learner", "learner_model_param", "num_feature"), "0"),
        (XGBOOST, ("learner", "learner_model_param", "num_feature"), "9" * 19),
        (XGBOOST, ("learner", "learner_model_param", "num_feature"), "3"),
        (XGBOOST, ("learner", "learner_model_param", "num_class"), "1000000"),
        (XGBOOST, ("learner", "learner_model_param", "num_target"), "0x2"),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), "nan"),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), "1.5"),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), "0"),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), "[5E-1,5E-1]"),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), 0.5),
        (XGBOOST, ("learner", "learner_model_param", "base_score"), "1" * 50),
        (XGBOOST, ("learner", "feature_names"), ["a"]),
        (XGBOOST, ("learner", "feature_names"), [1] * 30),
        (XGBOOST, ("learner", "attributes", "best_iteration"), "x"),
        (XGBOOST, (*MODEL, "trees"), {}),
        (XGBOOST, (*MODEL, "tree_info"), [0]),
        (XGBOOST, (*MODEL, "tree_info"), [0.0] * 9),
        (XGBOOST, (*MODEL, "tree_info"), [1] * 9),
        (XGBOOST, (*MODEL, "tree_info"), [-1] * 9),
        (XGBOOST, (*MODEL, "iteration_indptr"), [0, 2, 1, 9]),
        (XGBOOST, (*MODEL, "iteration_indptr"), [0]),
        (XGBOOST, (*MODEL, "iteration_indptr"), []),
        (XGBOOST, (*TREE, "left_children"), []),
        (XGBOOST, (*TREE, "left_children"), [0, 3, 5, -1, -1, -1, -1]),
        (XGBOOST, (*TREE, "left_children"), [1, 99, 5, -1, -1, -1, -1]),
        (XGBOOST, (*TREE, "left_children"), [1, -7, 5, -1, -1, -1, -1]),
        (XGBOOST, (*TREE, "left_children"), [1, 0, 0, 0, 0, 0, 0]),
        (XGBOOST, (*TREE, "right_children"), [2]),
        (XGBOOST, (*TREE, "split_indices"), [30] * 7),
        (XGBOOST, (*TREE, "split_indices"), [-2] * 7),
        (XGBOOST, (*TREE, "split_conditions"), ["0"] * 7),
        (XGBOOST, (*TREE, "split_conditions"), [1e300] * 7),
        (XGBOOST, (*TREE, "split_conditions"), [float("nan")] * 7),
        (XGBOOST, (*TREE, "default_left"), [0.5] * 7),
        (XGBOOST, (*TREE, "tree_param", "size_leaf_vector"), "2"),
        (XGBOOST, (*TREE, "tree_param"), None),
        (CATEGORIES, (*TREE, "split_type"), [1]),
        (CATEGORIES, (*TREE, "split_type"), [2] * len(CATEGORIES["learner"]["gradient_booster"]["model"]["trees"])),
        (CATEGORIES, (*TREE, "categories_nodes"), []),
        (CATEGORIES, (*TREE, "categories_segments"), [99] * 2),
        (CATEGORIES, (*TREE, "categories_sizes"), [-1] * 2),
        (CATEGORIES, (*TREE, "categories"), [0.5]),
        (CATEGORIES, (*MODEL, "cats", "enc"), [1]),
        (CATEGORIES, (*MODEL, "cats", "enc", 0, "offsets"), [3, 2, 1]),
        (CATEGORIES, (*MODEL, "cats", "enc", 0, "offsets"), [0, 1 << 40]),
        (VECTORS, (*TREE, "leaf_weights"), [1.0]),
        (VECTORS, (*TREE, "leaf_weights"), []),
        (VECTORS, (*TREE, "right_children"), [9] * 7),
    ],
    ids=lambda value: ".".join(map(str, value))[-40:] if isinstance(value, tuple) else None,
)
def test_what_xgboost_never_writes_is_refused(document, place, value):
    with pytest.raises(FhennError, match=r"XGBoost model|finite|NaN"):
        fhenn.from_xgboost(changed(document, place, value))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"^tree\n", "trees\n"),
        (r"end of trees", ""),
        (r"num_tree_per_iteration=1", "num_tree_per_iteration=0"),
        (r"num_tree_per_iteration=1", "num_tree_per_iteration=2"),
        (r"max_feature_idx=2", "max_feature_idx=1"),
        (r"max_feature_idx=2", "max_feature_idx=-1"),
        (r"max_feature_idx=2", "max_feature_idx=99999999"),
        (r"max_feature_idx=2\n", ""),
        (r"max_feature_idx=2\n", "max_feature_idx=2\nmax_feature_idx=2\n"),
        (r"num_leaves=4", "num_leaves=0"),
        (r"num_leaves=4", "num_leaves=5"),
        (r"num_leaves=4", "num_leaves=9999999999"),
        (r"left_child=\S+", "left_child=0"),
        (r"left_child=\S+", "left_child=7"),
        (r"right_child=\S+", "right_child=-9"),
        (r"split_feature=\S+", "split_feature=3"),
        (r"split_feature=\S+", "split_feature=-1"),
        (r"split_feature=\S+", "split_feature=x"),
        (r"threshold=\S+", "threshold=nan"),
        (r"threshold=\S+", "threshold=0.5"),
        (r"threshold=\S+", "threshold=-1"),
        (r"threshold=\S+", "threshold=1_0"),
        (r"decision_type=\S+", "decision_type=12"),
        (r"leaf_value=\S+", "leaf_value=inf"),
        (r"leaf_value=\S+", "leaf_value=1e999"),
        (r"leaf_value=", "leaf_values="),
        (r"num_cat=\d", "num_cat=9"),
        (r"cat_boundaries=0", "cat_boundaries=1"),
        (r"cat_threshold=\d+", "cat_threshold=-1"),
        (r"cat_threshold=\d+", "cat_threshold=4294967296"),
        (r"pandas_categorical:", "pandas_categorical:["),
        (r"pandas_categorical:", 'pandas_categorical:[["a", true], ["b"]] //'),
    ],
)
def test_what_lightgbm_never_writes_is_refused(old, new):
    text, count = re.subn(old, lambda _: new, LIGHTGBM, count=1, flags=re.MULTILINE)
    assert count
    with pytest.raises(FhennError, match=r"LightGBM model|finite|NaN"):
        fhenn.from_lightgbm(text.encode())


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("learner", "objective", "name"), "reg:mine", "objective 'reg:mine'.*multi:softprob"),
        (("learner", "gradient_booster", "name"), "forest", "booster 'forest'"),
    ],
)
def test_what_fhenn_does_not_know_is_named(place, value, reason):
    with pytest.raises(UnsupportedModel, match=reason):
        fhenn.from_xgboost(changed(XGBOOST, place, value))


def test_what_fhenn_does_not_know_of_lightgbm_is_named():
    for old, new in (("objective=regression", "objective=mine"), ("is_linear=0", "is_linear=1")):
        with pytest.raises(UnsupportedModel, match=r"mine|linear"):
            fhenn.from_lightgbm(LIGHTGBM.replace(old, new, 1))
    ordered = re.sub(r"\[categorical_feature: .*\]", "[categorical_feature: 0]", LIGHTGBM)
    with pytest.raises(UnsupportedModel, match="categories of 2 columns, and 1 are asked for"):
        fhenn.from_lightgbm(ordered)


def test_names_that_xgboost_has_cut_are_refused():
    document = changed(CATEGORIES, (*MODEL, "cats", "enc", 0, "values"), [-61] * 20)
    with pytest.raises(UnsupportedModel, match="names that are not all ASCII"):
        fhenn.from_xgboost(document)


def test_trees_that_copies_of_zeros_make_too_large_are_refused():
    """Each node that sends zeros apart doubles what is below it."""
    depth = 12
    fields = {
        "num_leaves": depth + 1,
        "num_cat": 0,
        "split_feature": " ".join(["0"] * depth),
        "threshold": " ".join(str(float(place)) for place in range(depth, 0, -1)),
        "decision_type": " ".join(["4"] * depth),
        "left_child": " ".join([*map(str, range(1, depth)), "-1"]),
        "right_child": " ".join(str(-2 - place) for place in range(depth)),
        "leaf_value": " ".join(map(str, range(depth + 1))),
        "is_linear": 0,
    }
    head = "tree\nnum_tree_per_iteration=1\nmax_feature_idx=0\nobjective=regression\nfeature_names=a\n\nTree=0\n"
    text = head + "\n".join(f"{key}={value}" for key, value in fields.items()) + "\n\nend of trees\n"
    with pytest.raises(UnsupportedModel, match="without zero_as_missing"):
        fhenn.from_lightgbm(text)


def test_values_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(nodes, "MOST_VALUES", 20)
    with pytest.raises(UnsupportedModel, match="a large ensemble"):
        fhenn.from_xgboost(CONTENT["xgboost-3.2-three.json"])
    monkeypatch.setattr(nodes, "MOST_VALUES", 5)
    with pytest.raises(UnsupportedModel, match="a large ensemble"):
        fhenn.from_lightgbm(LIGHTGBM)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"null", b"\xff\xfe", b"tree\n", b"{U\x05", b"{i"])
def test_what_is_no_model_is_refused(content):
    for read in (fhenn.from_xgboost, fhenn.from_lightgbm):
        with pytest.raises(WireFormatError, match=r"XGBoost model|LightGBM model"):
            read(content)


def test_a_file_without_end_is_not_read(tmp_path):
    path = tmp_path / "model.json"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    for read in (fhenn.from_xgboost, fhenn.from_lightgbm):
        with pytest.raises(UnsupportedModel, match="a large file"):
            read(path)


LEAVES = re.search(r"leaf_value=\S+", LIGHTGBM)[0]


@pytest.mark.parametrize("value", ["0", "-1", "inf", "-inf", "1e999", "0x1", "", "nan"])
@pytest.mark.parametrize("name", ["binary", "multiclassova num_class:3"])
def test_slopes_that_lightgbm_never_takes_are_refused(name, value):
    text = LIGHTGBM if name == "binary" else CONTENT["lightgbm-4.7-three.txt"].decode()
    text, count = re.subn(r"^objective=.*$", f"objective={name} sigmoid:{value}", text, count=1, flags=re.MULTILINE)
    assert count
    with pytest.raises(WireFormatError, match="LightGBM model"):
        fhenn.from_lightgbm(text)


@pytest.mark.parametrize("value", ["1e308", "-1e308", "3.5e38"])
def test_leaves_that_no_sum_holds_are_refused(value):
    with pytest.raises(WireFormatError, match=r"LightGBM model: .*beyond 3\.4e\+38"):
        fhenn.from_lightgbm(LIGHTGBM.replace(LEAVES, LEAVES.replace("=", f"={value} ", 1).rsplit(" ", 1)[0]))


def test_categories_that_nodes_share_are_refused():
    """A small file would hold as many large sets as it has nodes."""
    node, leaves = [1, 3, 5, -1, -1, -1, -1], [2, 4, 6, -1, -1, -1, -1]
    tree = {
        **CATEGORIES["learner"]["gradient_booster"]["model"]["trees"][0],
        **{"left_children": node, "right_children": leaves, "split_indices": [0] * 7, "default_left": [0] * 7},
        **{"split_conditions": [0.5] * 7, "split_type": [1, 1, 1, 0, 0, 0, 0], "categories": [0, 1, 2, 3, 4]},
        **{"categories_nodes": [0, 1, 2], "categories_segments": [0, 0, 0]},
    }
    for sizes, shared in (([1, 1, 3], False), ([5, 5, 5], True)):
        text = changed(CATEGORIES, TREE, {**tree, "categories_sizes": sizes})
        with pytest.raises(WireFormatError, match="share categories") if shared else nullcontext():
            fhenn.from_xgboost(text)


def test_sets_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(nodes, "MOST_CATEGORIES", 1)
    for name in ("xgboost-3.2-categories.json", "lightgbm-4.7-categories.txt"):
        with pytest.raises(UnsupportedModel, match=r"sets have more than 1 categories"):
            importer(name)(CONTENT[name])
    # of all trees together
    monkeypatch.setattr(nodes, "MOST_CATEGORIES", 4)
    with pytest.raises(UnsupportedModel, match=r"sets have more than 4 categories"):
        fhenn.from_lightgbm(LIGHTGBM)


@pytest.mark.parametrize("kind", [b"[", b"{", b"Z", b"T", b"N", b"q"])
def test_ubjson_of_values_that_take_no_bytes_is_refused(kind):
    for opening in (b"[", b"{"):
        with pytest.raises(ValueError, match=r"values that are all of type|a type without a count"):
            read_ubjson(opening + b"$" + kind + b"#i\x02" + b"]" * 2)


def test_ubjson_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(ubjson, "_MOST_VALUES", 3)
    assert read_ubjson(b"[[$i#i\x04\x01\x02\x03\x04Z]") == [[1, 2, 3, 4], None]
    monkeypatch.setattr(xgboost, "_MOST_PARTS", 3)
    with pytest.raises(WireFormatError, match="more than 3 lists and objects"):
        fhenn.from_xgboost(b'{"learner": [[], [], []]}')
    for content in (b"[[][][]]", b"[#i\x03ZZZ", b"{i\x01aZi\x01bZi\x01cZ}"):
        with pytest.raises(ValueError, match="more than 3 values"):
            read_ubjson(content)


PARTS = (b"0", b"-1", b"9", b" ", b"\n", b"]", b"}")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CONTENT)), st.data())
def test_altered_bytes_are_read_or_refused(name, data):
    content = bytearray(CONTENT[name])
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        part = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from(PARTS)))
        content[start : start + data.draw(st.integers(0, 4))] = part
    with suppress(FhennError):  # anything else is a fault
        importer(name)(bytes(content))


@given(st.binary(max_size=40))
def test_ubjson_reads_or_refuses(tail):
    content = b"{" + tail
    try:
        assert isinstance(read_ubjson(content), dict)
    except ValueError:
        pass
    else:
        assert tail[:1] in b"}N" or is_ubjson(content)


CUT = (b"[$i", b"[$i#i\xff", b"[#l\x7f\xff\xff\xff", b"{$T#i\x01")


def test_ubjson_as_its_draft_has_it():
    assert read_ubjson(b"{#i\x02i\x01aZi\x01bT") == {"a": None, "b": True}
    assert read_ubjson(b"[NI\x01\x00i\xffN]") == [256, -1]
    assert np.isnan(read_ubjson(b"[$d#i\x01\x7f\xc0\x00\x00")).all()
    for wrong in (
        b"{i\x01aZi\x01aZ}",
        b"[" * 99,
        b"[$i",
        b"[$i#i\xff",
        b"[#l\x7f\xff\xff\xff",
        b"i\x01i",
        b"q",
        b"{$T#i\x01",
    ):
        with pytest.raises(ValueError):
            read_ubjson(wrong)
