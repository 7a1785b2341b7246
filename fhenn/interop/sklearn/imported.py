"""What a maker makes of a final estimator, and how a step is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from fhenn.errors import UnsupportedModel
from fhenn.interop.fold import fold
from fhenn.interop.preparation import Impute, Step
from fhenn.interop.reading import Maps, Reading
from fhenn.interop.trees import Ensemble, parts_of
from fhenn.nn import Activation, Affine, Node


@dataclass(frozen=True)
class Imported:
    """Parts of a fitted estimator, and what its scores mean.

    parts: nodes, one after another.
    reading: of the last one's output.
    transformers: with their places, what a client does before the first node; it has to be one after another in the
    clear, since not all of it is affine.
    before: what a client does after these before it makes bits, as boosted trees want it.
    steps: all that it does after the transformers.
    ensemble: the trees, where the parts are of such and nothing else, of the features that `before` makes.
    decides: whether scikit-learn's has a `decision_function`: what is built on an estimator asks for it first.
    """

    parts: list[Node]
    reading: Reading
    decides: bool = True
    transformers: tuple[tuple[Any, str], ...] = ()
    steps: tuple[Step, ...] = ()
    ensemble: Ensemble | None = None
    before: tuple[Step, ...] = ()

    @property
    def stand_ins(self) -> list[Node]:
        """Its activations whose polynomials are a choice; a square, say, is what it is."""
        return [part for part in self.parts if isinstance(part, Activation) and not part.is_exact]

    @property
    def affine(self) -> Affine | None:
        """All of it as one affine map, where it is that."""
        if self.is_prepared:
            return None
        parts = fold(self.parts)
        return parts[0] if len(parts) == 1 and isinstance(parts[0], Affine) else None

    @property
    def outputs(self) -> int:
        """How many scores it makes."""
        last = next(part for part in reversed(self.parts) if isinstance(part, Affine))
        return last.outputs

    @property
    def maps(self) -> Maps:
        """What is read of its scores, as far as scikit-learn's has it."""
        maps = self.reading.maps_of(self.outputs)
        return maps if self.decides else replace(maps, decision=None)

    def read(self, reading: Reading, decides: bool = True) -> Imported:
        """The same parts, read in another way."""
        return replace(self, reading=reading, decides=decides)

    def of_trees(self, ensemble: Ensemble) -> Imported:
        """The same of trees, after the same transformers and what comes before bits. Raises ParameterError."""
        steps, nodes = parts_of(ensemble)
        return replace(self, parts=nodes, steps=(*self.before, *steps), ensemble=ensemble)

    @property
    def alone(self) -> Ensemble | None:
        """The trees without the steps that fill in zeros before them; None without trees, or where steps do more.

        The trees that come out send a missing cell where they send 0, so that nobody need fill it in.
        """
        if self.ensemble is None or not all(isinstance(step, Impute) for step in self.before):
            return None
        filled = [each for step in self.before if isinstance(step, Impute) for each in step.fill]
        missing = self.ensemble.missing
        if filled:
            missing = tuple(may or value is not None for may, value in zip(missing, filled, strict=True))
        return replace(self.ensemble, missing=missing)

    @property
    def is_prepared(self) -> bool:
        """Whether the client has to do something before the first node."""
        return bool(self.transformers or self.steps)


Final = Callable[[Any, str], Imported]
"""What imports an estimator at a place."""

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
