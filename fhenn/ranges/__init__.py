"""Which values a model's nodes meet: what can come to them, and what does on data."""

from fhenn.ranges.reach import Reach, reaches

__all__ = ["Reach", "reaches"]
