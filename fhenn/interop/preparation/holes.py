"""`may_be_missing`: after which steps no cell is missing any more, whatever the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fhenn.interop.preparation.categories import OneHot
from fhenn.interop.preparation.frame import Fields
from fhenn.interop.preparation.gaps import Impute, IsMissing
from fhenn.interop.preparation.scaling import Scale
from fhenn.interop.preparation.step import Select, Step, Union, walk


def may_be_missing(steps: Iterable[Step], before: Fields, may: Sequence[bool] | None = None) -> tuple[bool, ...]:
    """For each column after some steps, whether its cells may be missing.

    before: what comes in.
    may: for each of these, whether it may be missing; None where all may.

    >>> from fhenn.interop.preparation.frame import Field
    >>> may_be_missing([Impute((0.0, None)), Scale((), (2.0, 2.0))], (Field(), Field()))
    (False, True)
    """
    found, fields = tuple(may) if may is not None else (True,) * len(before), before
    for step in steps:
        after = walk([step], fields)
        if isinstance(step, Union):
            found = tuple(each for branch in step.branches for each in may_be_missing(branch, fields, found))
        elif isinstance(step, Select):
            found = tuple(found[place] for place in step.places)
        elif isinstance(step, Impute) and step.missing is None:
            found = tuple(each and fill is None for each, fill in zip(found, step.fill, strict=True))
        elif isinstance(step, OneHot | IsMissing):
            found = (False,) * len(after)
        elif not isinstance(step, Scale):  # a logarithm makes new ones
            found = (True,) * len(after)
        fields = after
    return found
