"""`CountWords`: how often the words of a vocabulary are in a text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fhenn.errors import ParameterError
from fhenn.interop.preparation.frame import Field, Fields, Frame
from fhenn.interop.preparation.step import SHOWN, Step, shown

_WORD = re.compile(r"(?u)\b\w\w+\b")
"""scikit-learn's default: two letters, digits or underscores, or more."""

_LONGEST = 8
"""Words of an n-gram, at most."""


@dataclass(frozen=True, repr=False)
class CountWords(Step):
    """How often each word, or sequence of words, of a vocabulary is in a text.

    Words are two or more letters, digits or underscores in a row, of any script.

    vocabulary: in the order of what comes out; the words of a sequence are separated by a space.
    shortest, longest: of the sequences that are counted, in words.
    lowercase: whether texts are written in lower case first.
    stop: words that are left out before sequences are made.
    binary: whether any count above 0 is 1.
    Raises ParameterError for a vocabulary that has a term twice, or lengths out of range.

    >>> from fhenn.interop.preparation import Column, Preparation
    >>> step = CountWords(("cat", "the cat"), longest=2)
    >>> Preparation((Column("text", "text"),), [step], ["a", "b"]).prepare({"text": ["The cat, a cat"]}).tolist()
    [[2.0, 1.0]]
    """

    vocabulary: tuple[str, ...]
    shortest: int = 1
    longest: int = 1
    lowercase: bool = True
    stop: tuple[str, ...] = ()
    binary: bool = False
    needs = "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len({*self.vocabulary}) < len(self.vocabulary) or not self.vocabulary:
            raise ParameterError("a vocabulary is empty, or has a term twice.", "Give each term once.")
        if not 1 <= self.shortest <= self.longest <= _LONGEST:
            raise ParameterError(
                f"sequences of {self.shortest} to {self.longest} words are not counted.",
                f"Count those of 1 to {_LONGEST}.",
            )

    def after(self, before: Fields) -> Fields:
        """A count for each term. Raises ParameterError where there is more than one column."""
        if len(before) != 1:
            raise ParameterError(f"a step CountWords is for 1 column, and {len(before)} come in.", "Give it one.")
        return (Field("number", before[0].origin),) * len(self.vocabulary)

    def apply(self, frame: Frame) -> Frame:
        """The counts of each row."""
        found = np.zeros((frame.rows, len(self.vocabulary)))
        for row, text in enumerate(frame.texts[0]):
            for term, count in Counter(self._terms(text)).items():
                place = self._places.get(term)
                if place is not None:
                    found[row, place] = 1.0 if self.binary else count
        return frame.numbers(found, self.after(frame.fields))

    def _terms(self, text: str) -> Iterable[str]:
        """The words and sequences of a text."""
        words = _WORD.findall(text.lower() if self.lowercase else text)
        words = [word for word in words if word not in self._stop]
        for length in range(self.shortest, self.longest + 1):
            for start in range(len(words) - length + 1):
                yield " ".join(words[start : start + length])

    def tells(self, names: Sequence[str], most: int | None = SHOWN) -> Iterable[str]:
        """The vocabulary."""
        yield f"{names[0]}: a vocabulary of {len(self.vocabulary)} terms, {shown(self.vocabulary, most)}"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.vocabulary)}

    @cached_property
    def _stop(self) -> frozenset[str]:
        return frozenset(self.stop)
