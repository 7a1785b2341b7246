"""`told`: what steps show of a model, each of the columns that come in to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fhenn.interop.preparation.frame import Field, Fields
from fhenn.interop.preparation.step import Step, Union

_LONGEST = 512
"""Characters of what a column is called: many steps must not make long names longer."""


def told(
    steps: Iterable[Step], before: Fields, called: Callable[[Field, int], str], most: int | None
) -> tuple[str, ...]:
    """What all steps tell, a line each.

    steps: one after another.
    before: what comes in.
    called: a field and its place in words, where no step says what is made of it.
    most: values that a list names; None for all.
    """
    found: list[str] = []

    def names_of(fields: Fields) -> tuple[str, ...]:
        return tuple(called(field, place) for place, field in enumerate(fields))

    def follow(steps: Iterable[Step], fields: Fields, names: tuple[str, ...]) -> tuple[Fields, tuple[str, ...]]:
        """What comes out, and what it is called."""
        for step in steps:
            if isinstance(step, Union):
                ends = [follow(branch, fields, names) for branch in step.branches]
                fields = tuple(field for end, _ in ends for field in end)
                names = tuple(name for _, end in ends for name in end)
                continue
            found.extend(step.tells(names, most))
            after, made = step.after(fields), step.calls(names)
            if made is not None:
                names = tuple(name[:_LONGEST] for name in made)
            elif [field.origin for field in after] != [field.origin for field in fields]:
                names = names_of(after)
            fields = after
        return fields, names

    follow(steps, before, names_of(before))
    return tuple(found)
