"""The Wisconsin diagnostic breast cancer data."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


def load_breast_cancer() -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Measurements of 569 tumours, and which of them are malignant.

    Returns (features, labels, names): features of shape (569, 30), labels of shape (569,) with 1 for malignant and 0
    for benign, and the names of the 30 features.

    Source: Wolberg, Mangasarian, Street & Street, "Breast Cancer Wisconsin (Diagnostic)", UCI Machine Learning
    Repository, 1993, doi:10.24432/C5DW2B, licensed CC BY 4.0. The rows are UCI's, in the order of scikit-learn's copy;
    the header is ours.

    >>> load_breast_cancer()[0].shape
    (569, 30)
    """
    with files("fhenn.demo").joinpath("breast_cancer.csv").open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        table = np.loadtxt(file, delimiter=",")
    return table[:, :-1], 1.0 - table[:, -1], names[:-1]
