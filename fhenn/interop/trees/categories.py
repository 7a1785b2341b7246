"""Which columns of a model of LightGBM the names of its categories belong to.

LightGBM saves the categories of all columns of pandas' type category, in their order, and apart from that which
columns it took for categories; not which columns were of that type. Source: its `_data_from_pandas`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fhenn.errors import ParameterError, UnsupportedModel, join_first
from fhenn.interop.trees.ensemble import Tree, Value

_RANGE = re.compile(r"\[([^:\]]{1,60}):([^:\]]{1,60})\]", re.ASCII)
_CODES = re.compile(r"-?[0-9]{1,10}(:-?[0-9]{1,10})*", re.ASCII)

Labels = Sequence[Value]
Fits = Callable[[int, Labels], bool]


@dataclass(frozen=True)
class Cells:
    """What a file says of the cells of a column in training.

    low, high: the smallest and the largest, or of a column of categories their codes.
    """

    low: float
    high: float

    def are_codes(self, count: int) -> bool:
        """Whether they may be codes of so many categories."""
        return self.low >= 0 and self.high < count and self.low == int(self.low) and self.high == int(self.high)


def cells_of(info: str) -> Cells | None:
    """Of an entry of feature_infos; None for a column that says nothing. Raises ValueError.

    >>> cells_of("[-0.5:3]"), cells_of("-1:2:0"), cells_of("none")
    (Cells(low=-0.5, high=3.0), Cells(low=0.0, high=2.0), None)
    """
    if info == "none":
        return None
    found = _RANGE.fullmatch(info)
    if found:
        return Cells(float(found[1]), float(found[2]))
    if not _CODES.fullmatch(info):
        raise ValueError(f"{info!r:.40} is no range, nor codes of categories")
    codes = [float(code) for code in info.split(":") if code != "-1"]  # which is a missing cell
    return Cells(min(codes), max(codes)) if codes else None


@dataclass(frozen=True, eq=False)
class Named:
    """Names of categories, and what may tell whose they are.

    labels: of each column of the type category, in their order.
    places: columns that LightGBM took for categories, ascending.
    names: of all columns.
    cells: of all columns.
    trees: that ask for them.
    """

    labels: Sequence[Labels]
    places: Sequence[int]
    names: Sequence[str]
    cells: Sequence[Cells | None]
    trees: Sequence[Tree]

    def by_column(self, categories: Iterable[str] | None) -> dict[int, Labels]:
        """The labels of columns, by their places.

        categories: names of the columns of the type category; None where the file shall tell.
        Raises UnsupportedModel where it does not tell; ParameterError where they are not those of the model.
        """
        chosen = self._alone if categories is None else self._given(categories)
        used = frozenset(int(each) for tree in self.trees for each in tree.features)
        ordered = [self.names[place] for place in chosen if place in used - {*self.places}]
        if ordered:
            raise UnsupportedModel(
                "categories that are numbers too",
                f"the columns {join_first(ordered)}",
                "the trees ask for the order of their codes",
                "categories that are not ordered, or numbers in their place",
            )
        return dict(zip(chosen, self.labels, strict=True))

    def _given(self, categories: Iterable[str]) -> list[int]:
        wanted = [categories] if isinstance(categories, str) else list(categories)
        strays = [name for name in wanted if name not in self.names]
        chosen = sorted({self.names.index(name) for name in wanted if name not in strays})
        if strays or len(chosen) != len(self.labels):
            raise ParameterError(
                f"categories are {len(wanted)} columns ({join_first(wanted)}), and the model has names of the "
                f"categories of {len(self.labels)} among its columns.",
                "Name the columns that were of the type category when it was trained, each once.",
            )
        fits = self._fits
        wrong = [place for place, labels in zip(chosen, self.labels, strict=True) if not fits(place, labels)]
        if wrong:
            raise ParameterError(
                f"column {self.names[wrong[0]]!r} had cells in training that are no codes of its categories.",
                "Name the columns that were of the type category when it was trained.",
            )
        return chosen

    @property
    def _alone(self) -> Sequence[int]:
        """The columns that were taken for categories, where no others can be of the type. Raises UnsupportedModel."""
        if len(self.places) != len(self.labels):
            raise _unclear(
                f"it names the categories of {len(self.labels)} columns, and {len(self.places)} are asked for as such"
            )
        fits = self._fits
        if not all(map(fits, self.places, self.labels)):
            raise _unclear("a column that is asked for as such has more of them than it names")
        candidates: Sequence[int] = range(len(self.names))
        if all(isinstance(label, str) for labels in self.labels for label in labels):
            # others that trees ask for as numbers would have texts in their cells, which clients are told of
            used = {int(each) for tree in self.trees for each in tree.features} - {*self.places}
            candidates = [place for place in candidates if place not in used]
        first = _embedded(candidates, self.labels, fits)
        last = _embedded(candidates[::-1], self.labels[::-1], fits)[::-1]
        if first != last:
            strays = sorted({*first, *last} - {*self.places}) or sorted({*first, *last})
            raise _unclear(
                f"it does not say that the names are not those of {join_first([self.names[each] for each in strays])}"
            )
        return self.places

    @property
    def _fits(self) -> Fits:
        """Whether a column may have labels."""
        asked: dict[int, float] = {}
        for tree in self.trees:
            for node, codes in tree.sets.items():
                place = int(tree.features[node])
                asked[place] = max([asked.get(place, -1.0), *map(float, codes)])

        def fits(place: int, labels: Labels) -> bool:
            cells = self.cells[place]
            return asked.get(place, -1.0) < len(labels) and (cells is None or cells.are_codes(len(labels)))

        return fits


def _embedded(places: Iterable[int], labels: Sequence[Labels], fits: Fits) -> list[int]:
    """The first columns that may have the labels, one after another."""
    found: list[int] = []
    for place in places:
        if len(found) < len(labels) and fits(place, labels[len(found)]):
            found.append(place)
    return found


def _unclear(reason: str) -> UnsupportedModel:
    return UnsupportedModel(
        "columns of categories",
        "pandas_categorical",
        reason,
        "fhenn.from_lightgbm(…, categories=[…]) with the names of the columns that were of the type category",
    )


def all_cells(infos: str | None, features: int) -> list[Cells | None]:
    """What a file says of the cells of all columns.

    infos: feature_infos of its header; None where it has none.
    Raises ValueError where it is of more or fewer.
    """
    if infos is None:
        return [None] * features
    found = [cells_of(info) for info in infos.split(" ")]
    if len(found) != features:
        raise ValueError(f"feature_infos are of {len(found)} columns")
    return found
