"""A model three times: exactly, as its twin of polynomials, and on ciphertexts, side by side."""

from fhenn.comparison.plain import Plain, in_the_clear
from fhenn.comparison.quality import Quality, decisions, ranking
from fhenn.comparison.result import Agreement, Apart, ModelComparison, Seconds, Sizes
from fhenn.comparison.side_by_side import compare, true_values

__all__ = [
    "Agreement",
    "Apart",
    "ModelComparison",
    "Plain",
    "Quality",
    "Seconds",
    "Sizes",
    "compare",
    "decisions",
    "in_the_clear",
    "ranking",
    "true_values",
]
