"""From a model and a wanted accuracy to CKKS parameters."""

from fhenn.planner.averages import for_averages
from fhenn.planner.by_hand import parameters_for
from fhenn.planner.identity import fingerprint_of, image_shape_of, signature_of
from fhenn.planner.plan import Plan
from fhenn.planner.search import plan
from fhenn.planner.verification import verify
from fhenn.planner.witness import Witness

__all__ = [
    "Plan",
    "Witness",
    "fingerprint_of",
    "for_averages",
    "image_shape_of",
    "parameters_for",
    "plan",
    "signature_of",
    "verify",
]
