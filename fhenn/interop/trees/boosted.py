"""`Boosted`: an ensemble of boosted trees as it was saved, on its way to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import WireFormatError
from fhenn.interop.model import ImportedModel
from fhenn.interop.preparation import Function, Impute, Preparation, Select, Step, Union
from fhenn.interop.reading import Reading
from fhenn.interop.trees.ensemble import Ensemble, Tree, Value
from fhenn.interop.trees.network import columns_of, parts_of, preparation_of
from fhenn.interop.trees.snapping import snapped

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Boosted:
    """What was read of an ensemble.

    ensemble: of all features that it was trained on, categories by their codes.
    reading: of its scores.
    labels: for features whose categories have names, these by their codes; cells of tables hold them.
    zeros: features in which a missing cell is 0, which the client fills in: trees need no bit for it.
    """

    ensemble: Ensemble
    reading: Reading
    labels: Mapping[int, Sequence[Value]]
    zeros: frozenset[int] = frozenset()

    @property
    def ordered(self) -> tuple[tuple[Step, ...], Ensemble]:
        """What the client does to features as the trees were trained on, categories by codes; and the trees."""
        order, before = self._order
        return before, _in_order(self.ensemble, order)

    def snapped(self, table: Any, bins: int) -> Boosted:
        """The same with thresholds that are quantiles of public samples.

        table: the samples, raw.
        bins: between quantiles.
        Raises ParameterError as `snapped` does, and what `Preparation.prepare` does.
        """
        return replace(self, ensemble=snapped(self.ensemble, self._numbers_in(table), bins))

    def _numbers_in(self, table: Any) -> Floats:
        """Raw samples as thresholds meet them, (samples, features), NaN where no threshold looks."""
        named = self._named
        columns = columns_of(named, self.ensemble.used)
        places = [place for place, column in enumerate(columns) if column.used and column.kind == "number"]
        if not places:
            return np.zeros((0, len(columns)))
        names = tuple(f"x{place}" for place in places)
        read = Preparation(columns, (Select(tuple(places)),), names).prepare(table, missing=True)
        found = np.full((len(read), len(columns)), np.nan)
        found[:, places] = read
        return found

    def model(self) -> ImportedModel:
        """With all of it; columns that no tree asks for may be left out of tables with names.

        Raises ParameterError as `parts_of` does.
        """
        order, before = self._order
        ensemble = _in_order(self._named, order)
        steps, nodes = parts_of(ensemble)
        preparation = preparation_of(ensemble, steps)
        if before:
            columns = [preparation.columns[place] for place in np.argsort(order).tolist()]
            preparation = Preparation(tuple(columns), (*before, *steps), preparation.features)
        return ImportedModel(nodes, self.reading, preparation=preparation)

    @property
    def _order(self) -> tuple[list[int], tuple[Step, ...]]:
        """The features in the order of the bits, and the steps that bring them there.

        Codes of categories lose their fraction, as in the libraries; they come last, in a branch of their own.
        """
        coded = {int(tree.features[node]) for tree in self.ensemble.trees for node in tree.sets} - self.labels.keys()
        others = [place for place in range(self.ensemble.features) if place not in coded]
        order = [*others, *sorted(coded)]
        steps: list[Step] = []
        if self.zeros:
            steps.append(Impute(tuple(0.0 if place in self.zeros else None for place in range(len(order)))))
        if coded:
            codes = (Select(tuple(sorted(coded))), Function("trunc"))
            steps.append(Union(((Select(tuple(others)),), codes) if others else (codes,)))
        return order, tuple(steps)

    @property
    def _named(self) -> Ensemble:
        """The ensemble with the names of categories in the place of their codes, where they have any."""
        if not self.labels:
            return self.ensemble
        return replace(self.ensemble, trees=tuple(map(self._tree_named, self.ensemble.trees)))

    def _tree_named(self, tree: Tree) -> Tree:
        sets = dict(tree.sets)
        for node in np.flatnonzero(~tree.is_leaf).tolist():
            labels = self.labels.get(int(tree.features[node]))
            if labels is not None:
                if node not in sets:
                    raise WireFormatError("saved ensemble", f"feature {tree.features[node]} is no category everywhere")
                codes = [int(code) for code in sets[node]]
                sets[node] = tuple(labels[code] for code in codes if 0 <= code < len(labels))
        return replace(tree, sets=sets)


def _in_order(ensemble: Ensemble, order: Sequence[int]) -> Ensemble:
    """The same trees of the features in another order."""
    to = np.append(np.argsort(order), -1)  # the last one is of leaves
    return replace(
        ensemble,
        trees=tuple(replace(tree, features=to[tree.features]) for tree in ensemble.trees),
        missing=tuple(ensemble.missing[place] for place in order),
        names=None if ensemble.names is None else tuple(ensemble.names[place] for place in order),
    )
