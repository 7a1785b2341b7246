"""Where values sit in slots, in numbers that can be followed by hand."""

import numpy as np
import pytest

from fhenn.ckks.layout import FEATURES, PACKED, Placement, Vectors, layout_from_json
from fhenn.errors import ShapeMismatch


def test_a_value_is_the_mean_of_its_copies():
    """Their errors are nearly independent: the first copy alone would err by more."""
    slots = [[1.0, 10.0, 3.0, 10.0, 5.0, 10.0, 7.0, 14.0]]
    assert Vectors("replicated", 2).unpack(slots, (1, 2)).tolist() == [[4.0, 11.0]]
    assert Vectors("replicated", 4).unpack(slots, (1, 4)).tolist() == [[3.0, 10.0, 5.0, 12.0]]
    # three features of four places: what is in the fourth is no copy of any
    assert Vectors("replicated", 4).unpack(slots, (1, 3)).tolist() == [[3.0, 10.0, 5.0]]
    # two samples, slot by slot in turn
    assert Vectors("replicated", 2, 2).unpack(slots, (2, 2)).tolist() == [[3.0, 5.0], [10.0, 12.0]]
    # runs of two, in two ciphertexts
    tiles = Vectors("tiles", 2, 1, 2, 2)
    assert tiles.unpack([*slots, np.arange(8.0)], (1, 4)).tolist() == [[6.5, 8.5, 2.5, 4.5]]


def test_the_largest_magnitude_of_each_sample_counts_what_no_sample_beside_it_holds():
    # two samples in turn; the last ciphertext holds one, and a place for another
    slots = [[1.0, -2.0, 3.0, 1.0], [-5.0, 0.5, 4.0, 0.0]]
    assert Vectors("replicated", 1, 2).largest_by_sample(slots, (3, 1)).tolist() == [3.0, 2.0, 5.0]
    slots[1][3] = -6.0
    assert Vectors("replicated", 1, 2).largest_by_sample(slots, (3, 1)).tolist() == [3.0, 2.0, 6.0]
    # the same in one sample of two ciphertexts, whose empty positions are its own
    assert Vectors("tiles", 2, 1, 2, 2).largest_by_sample(slots, (1, 3)).tolist() == [6.0]
    # features of two samples each
    slots = [[1.0, 2.0], [-3.0, 1.0], [0.5, 0.0], [0.0, 4.0]]
    assert FEATURES.largest_by_sample(slots, (4, 2)).tolist() == [3.0, 2.0, 0.5, 4.0]
    assert FEATURES.largest_by_sample(slots, (3, 2)).tolist() == [3.0, 2.0, 4.0]
    # what is packed is not told apart
    assert PACKED.largest_by_sample(slots[:2], (3, 1)).tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("layout", "width", "slots", "held"),
    [
        (Vectors("replicated", 4), 4, 8, True),
        (Vectors("replicated", 4), 3, 8, True),
        (Vectors("replicated", 4), 5, 8, False),  # a feature has no place
        (Vectors("replicated", 3), 3, 8, False),  # no power of two
        (Vectors("replicated", 4, 3), 4, 16, False),
        (Vectors("blocks", 4, 1, 3), 4, 8, False),
        (Vectors("replicated", 4, 4), 4, 8, False),  # more than there are slots
        (Vectors("replicated", 16), 4, 8, False),
        (Vectors("replicated", 4, 1, 1, 2), 4, 8, False),  # two ciphertexts of what is in one
        (Vectors("tiles", 4, 1, 2, 2), 8, 8, True),
        (Vectors("tiles", 4, 1, 2, 2), 7, 8, True),
        (Vectors("tiles", 4, 1, 2, 3), 8, 8, False),
        (Vectors("tiles", 4, 1, 2, 1), 8, 8, False),
        (Vectors("tiles", 4, 1, 4, 2), 8, 8, False),  # two runs of four in eight slots, for four features
        (Vectors("blocks", 4, 1, 2), 4, 8, True),
        (Vectors("blocks", 8, 1, 2, 3), 20, 8, True),  # several ciphertexts
        (Vectors("blocks", 8, 1, 2, 3), 25, 8, False),
        (Vectors("blocks", 8, 1, 2, 3), 16, 8, False),
        (Placement.of(np.array([[0, -1, 1, 0]])), 2, 8, True),
        (Placement.of(np.array([[0, -1, 1, 0]])), 3, 8, False),
        (Placement.of(np.array([[0, -1, 2, 0]])), 2, 8, False),  # a feature that there is not, in the place of one
        (Placement.of(np.array([[0, -2, 1, 0]])), 2, 8, False),
        (Placement.of(np.array([[0, 1]])), 10**13, 8, False),  # of a stranger: nothing of that size is made
    ],
    ids=str,
)
def test_what_a_layout_holds(layout, width, slots, held):
    assert layout.holds(width, slots) is held


@pytest.mark.parametrize("field", ["period", "samples", "step", "tiles"])
@pytest.mark.parametrize("count", [0, -1, (1 << 17) + 1, 1 << 40])
def test_layouts_of_strangers_are_bounded(field, count):
    data = {"name": "vectors", "form": "tiles", "period": 1, "samples": 1, "step": 1, "tiles": 1}
    layout_from_json(data | {field: 1 << 17})
    with pytest.raises(ValueError):
        layout_from_json(data | {field: count})


@pytest.mark.parametrize("data", [{"name": "rows"}, {"name": "features", "period": 2}])
def test_a_layout_of_another_name_or_with_more_fields_is_refused(data):
    with pytest.raises(
        ValueError, match=r"must be 'packed', 'features', 'vectors' or 'placement'|no fields besides its name"
    ):
        layout_from_json(data)


@pytest.mark.parametrize("layout", [FEATURES, Vectors("replicated", 16, 2), Vectors("tiles", 4, 1, 2, 3)])
def test_the_features_of_images_are_those_of_their_axes_in_order(layout):
    images = np.arange(1.0, 37.0).reshape(3, 2, 2, 3)
    flat = images.reshape(3, 12)
    rows = layout.pack(images, 32)
    np.testing.assert_array_equal(rows, layout.pack(flat, 32))
    np.testing.assert_array_equal(layout.unpack(rows, images.shape), images)
    assert layout.ciphertexts(images.shape, 32) == layout.ciphertexts(flat.shape, 32) == len(rows)
    largest = layout.largest_by_sample(rows, images.shape)
    np.testing.assert_array_equal(largest, layout.largest_by_sample(rows, flat.shape))
    with pytest.raises(ShapeMismatch, match="samples, features"):
        layout.pack(np.ones(3), 32)
