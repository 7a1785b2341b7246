import numpy as np
import pytest

from fhenn.errors import NonFiniteValue
from fhenn.finite import count_nonfinite, require_finite

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("values", "count"),
    [(0.0, 0), (NAN, 1), ([], 0), ([1, 2], 0), ([INF, -INF, NAN, 1e308], 3), (np.float32([[INF], [1.0]]), 1)],
)
def test_what_is_not_finite_is_counted_and_refused(values, count):
    assert count_nonfinite(values) == count
    if not count:
        require_finite("fit", values, "Drop them.")
        return
    with pytest.raises(NonFiniteValue) as caught:
        require_finite("fit", values, "Drop them.")
    assert (caught.value.operation, caught.value.count, caught.value.suggestion) == ("fit", count, "Drop them.")
