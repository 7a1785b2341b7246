"""The main job: encrypted logistic regression on real data that ships with the package."""

from fhenn.demo.data import load_breast_cancer
from fhenn.demo.job import Report, run

__all__ = ["Report", "load_breast_cancer", "run"]
