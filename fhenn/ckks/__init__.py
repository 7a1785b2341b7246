"""CKKS without any library: parameters, layouts, noise, circuits, schedules and the structure of messages."""

from fhenn.ckks.layout import FEATURES, PACKED, Layout, Vectors
from fhenn.ckks.parameters import Parameters

__all__ = ["FEATURES", "PACKED", "Layout", "Parameters", "Vectors"]
