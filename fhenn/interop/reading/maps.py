"""What is read of scores by expressions of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhenn.interop.reading.expressions import (
    MOST_CELLS,
    MOST_STEPS,
    Expression,
    Scores,
    from_steps,
    in_order,
    rebuilt,
    require,
    to_steps,
)
from fhenn.interop.reading.operations import OPERATIONS, Columns
from fhenn.strict import built


@dataclass(frozen=True, eq=False)
class Maps:
    """Expressions of scores for what a model answers.

    predict: of a classification a column for each class, of which the largest wins, the first where several are; of a
    multilabel model a column of 0 and 1 for each label; of a regression the values.
    probabilities: of each class, or label; None where the model has none.
    decision: scikit-learn's decision function; None where the model has none.
    Raises ParameterError where they take too much to compute for a client to accept.

    >>> from fhenn.interop.reading.operations import Softmax
    >>> scores = Scores((0, 1, 2))
    >>> Maps(scores, Softmax(scores))
    Maps('scores, softmax')
    """

    predict: Expression
    probabilities: Expression | None = None
    decision: Expression | None = None

    def __post_init__(self) -> None:
        steps, cells = len(self._steps), sum(step.cells for step in self._steps)
        require(
            steps <= MOST_STEPS and cells <= MOST_CELLS,
            f"{steps} steps, with {cells} numbers a sample, are too many for a client.",
            f"Make at most {MOST_STEPS} and {MOST_CELLS}.",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maps) and self.to_fields() == other.to_fields()

    def __hash__(self) -> int:
        return hash((self.scores, self.numbers, len(self._steps)))

    def __repr__(self) -> str:
        return f"Maps({str(self)!r})"

    def __str__(self) -> str:
        counts = Counter(step.op for step in self._steps)
        return ", ".join(op if count == 1 else f"{count} × {op}" for op, count in counts.items())

    @cached_property
    def _steps(self) -> list[Expression]:
        return in_order(each for each in (self.predict, self.probabilities, self.decision) if each is not None)

    @property
    def scores(self) -> int:
        """How many scores they are of."""
        return 1 + max(max(step.places) for step in self._steps if isinstance(step, Scores))

    @property
    def takes_the_largest(self) -> bool:
        """Whether the class of the largest score wins, and the scores are nothing else."""
        places = self.predict.places if isinstance(self.predict, Scores) else ()
        return places == tuple(range(self.scores))

    @property
    def numbers(self) -> int:
        """Constants that whoever has them sees."""
        return sum(step.numbers for step in self._steps)

    def shifted(self, by: int) -> Maps:
        """The same of scores that stand further on by so many places."""
        return self._rebuilt(lambda scores: Scores(tuple(place + by for place in scores.places)))

    def over(self, columns: Expression) -> Maps:
        """The same of the columns of an expression, in the place of scores."""
        return self._rebuilt(lambda scores: Columns(columns, scores.places))

    def _rebuilt(self, leaf: Callable[[Scores], Expression]) -> Maps:
        given = (self.predict, self.probabilities, self.decision)
        made = iter(rebuilt([each for each in given if each is not None], leaf))
        predict, *others = (None if each is None else next(made) for each in given)
        assert predict is not None  # noqa: S101  (for the type checker)
        return Maps(predict, *others)

    def require_widths(self, predict: int | None, others: int) -> None:
        """Raise ParameterError where an answer is not of the width that goes with the classes.

        predict: columns of `predict`; None for any number.
        others: columns of the probabilities; 0 where there are neither these nor a decision.
        """
        require(
            predict in (None, self.predict.width)
            and (self.probabilities is None or self.probabilities.width == others)
            and (self.decision is None or others > 0),
            "the maps do not go with the classes.",
            "Give a column for each class or label, and probabilities to a classification only.",
        )

    def to_fields(self) -> dict[str, Any]:
        """As JSON has them."""
        places = {id(step): place for place, step in enumerate(self._steps)}
        answers = {"predict": self.predict, "probabilities": self.probabilities, "decision": self.decision}
        return {
            "steps": to_steps(self._steps),
            **{name: None if each is None else places[id(each)] for name, each in answers.items()},
        }

    @classmethod
    def from_fields(cls, fields: Any) -> Maps:
        """What `to_fields` wrote. Raises ValueError, TypeError, KeyError where a stranger's fields are not that."""
        steps = from_steps(fields.pop("steps"), OPERATIONS)
        places = {name: built(int | None, fields.pop(name)) for name in ("predict", "probabilities", "decision")}
        if fields or any(place not in (None, *range(len(steps))) for place in places.values()):
            raise ValueError("other maps")
        predict, *others = (None if place is None else steps[place] for place in places.values())
        if predict is None:
            raise ValueError("maps without a prediction")
        maps = cls(predict, *others)
        if len(maps._steps) != len(steps):
            raise ValueError("steps that no answer needs")
        return maps
