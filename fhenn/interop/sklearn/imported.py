"""What a maker makes of a final estimator, and how a step is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fhenn.errors import UnsupportedModel
from fhenn.interop.reading import Reading
from fhenn.nn import Affine, Node


@dataclass(frozen=True)
class Imported:
    """Parts of a final estimator, and what its scores mean."""

    parts: list[Node]
    reading: Reading

    @property
    def stand_ins(self) -> list[Node]:
        """Its activations, whose polynomials are a choice."""
        return [part for part in self.parts if not isinstance(part, Affine)]


Final = Callable[[Any, str], Imported]
"""What imports a final estimator at a place."""

Maker = Callable[[Any, str, Final], Imported]
"""What makes parts of a fitted estimator of one class, at a place; the last imports estimators inside it."""


def require_fitted(step: Any) -> None:
    """Raise sklearn.exceptions.NotFittedError where a step is not fitted."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(step)


def refuse(step: Any, where: str, reason: str, supported: tuple[str, ...] | str) -> UnsupportedModel:
    """The error for a step that cannot be imported, by the name of its class."""
    name = step if isinstance(step, str) else type(step).__name__
    return UnsupportedModel(name, where, reason, supported if isinstance(supported, str) else ", ".join(supported))


def why_not(step: Any, known: Iterable[type]) -> str:
    """Why a step that is of none of the known classes is refused."""
    if any(isinstance(step, kind) for kind in known):
        return "it is a subclass, which may compute something else"
    return "it is none of those that can be imported"
