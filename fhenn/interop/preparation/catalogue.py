"""The steps that a preparation may have: a closed list."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.interop.preparation.bases import Polynomial, Spline
from fhenn.interop.preparation.categories import Lookup, OneHot
from fhenn.interop.preparation.gaps import Impute, IsMissing
from fhenn.interop.preparation.maps import Kernel, Matrix, Sketch
from fhenn.interop.preparation.scaling import Bins, Clip, Function, Normalize, Power, Quantiles, Scale
from fhenn.interop.preparation.step import Select, Step, Union
from fhenn.interop.preparation.thermometer import Thermometer
from fhenn.interop.preparation.words import CountWords

STEPS: Mapping[str, type[Step]] = {
    kind.__name__: kind
    for kind in (
        *(Select, Union),
        *(Impute, IsMissing),
        *(OneHot, Lookup, Thermometer, CountWords),
        *(Scale, Clip, Bins, Function, Power, Quantiles, Normalize),
        *(Polynomial, Spline),
        *(Matrix, Sketch, Kernel),
    )
}
"""By the name that JSON has."""
