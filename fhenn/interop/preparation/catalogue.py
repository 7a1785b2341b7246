"""The steps that a preparation may have: a closed list."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.interop.preparation.step import Select, Step, Union
from fhenn.interop.preparation.thermometer import Thermometer

STEPS: Mapping[str, type[Step]] = {kind.__name__: kind for kind in (Select, Thermometer, Union)}
"""By the name that JSON has."""
