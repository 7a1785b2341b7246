"""Ranges: which values reach a model's activations, and how to keep them where the polynomials are good."""

from fhenn.ranges.calibration import calibrate, samples_of
from fhenn.ranges.data import DataRanges, data_ranges, exact_outputs_of, outputs_of
from fhenn.ranges.inputs import Inputs, bounds_of, box_of, span_of
from fhenn.ranges.penalty import penalised_backward, range_penalty
from fhenn.ranges.proposal import Proposal
from fhenn.ranges.reach import Reach, reaches
from fhenn.ranges.report import QUANTILES, ActivationReport, Calibration, Drift, OutputReport

__all__ = [
    "QUANTILES",
    "ActivationReport",
    "Calibration",
    "DataRanges",
    "Drift",
    "Inputs",
    "OutputReport",
    "Proposal",
    "Reach",
    "bounds_of",
    "box_of",
    "calibrate",
    "data_ranges",
    "exact_outputs_of",
    "outputs_of",
    "penalised_backward",
    "range_penalty",
    "reaches",
    "samples_of",
    "span_of",
]
