"""From a model and a wanted accuracy to CKKS parameters."""

from fhenn.backends.ckks.noise import NoiseModel
from fhenn.planner.plan import Plan
from fhenn.planner.search import plan, verify
from fhenn.planner.walk import flatten

__all__ = ["NoiseModel", "Plan", "flatten", "plan", "verify"]
