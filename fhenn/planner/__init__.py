"""From a model and a wanted accuracy to CKKS parameters."""

from fhenn.planner.noise import NoiseModel
from fhenn.planner.plan import Plan, plan

__all__ = ["NoiseModel", "Plan", "plan"]
