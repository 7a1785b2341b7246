"""From the steps that were read to a model: polynomials for its functions, and what its scores mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fhenn.approx import SIGMOID, Function
from fhenn.approx.functions import TANH
from fhenn.errors import ParameterError, UnsupportedModel
from fhenn.interop.chain import MOST_WEIGHTS, Chain
from fhenn.interop.fold import fold
from fhenn.interop.model import ImportedModel, Wanted
from fhenn.interop.reading import Probability, Reading
from fhenn.nn import Activation, Affine, Node, Scaling, Sigmoid, Tanh
from fhenn.nn.activation import Domain, Fitted

_KINDS: dict[Function, tuple[type[Fitted], Domain]] = {
    SIGMOID: (Sigmoid, (-16.0, 16.0)),
    TANH: (Tanh, (-8.0, 8.0)),
}
"""What stands in for a function, and where, before the model's inputs are known."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was read of a model: the chain to its scores, and what they mean.

    chain: from a sample to its scores.
    classes: labels in the order of the scores; None where the scores are the answer.
    probability: how scores become probabilities.
    """

    chain: Chain
    classes: ArrayLike | None = None
    probability: Probability | None = None

    @classmethod
    def of(cls, chain: Chain, classes: ArrayLike | None) -> Outcome:
        """Of a chain that ends in a model's output.

        A sigmoid of a single score is finished exactly on the client, as the probability of class 1. Given classes make
        other scores logits, as losses of logits take them: a softmax of several, a sigmoid of one.
        """
        if chain.features == 1 and chain.steps and chain.steps[-1] == SIGMOID:
            return cls(chain.without_last(), [0, 1] if classes is None else classes, "sigmoid")
        if classes is None:
            return cls(chain)
        return cls(chain, classes, "sigmoid" if chain.features == 1 else "softmax")

    def model(
        self,
        wanted: Wanted,
        domain: Domain | Sequence[Domain] | None,
        names: Sequence[str] | None = None,
    ) -> ImportedModel:
        """As nodes, a Linear first, neighbouring affine maps as one.

        wanted: of the stand-ins.
        domain: as of `fhenn.from_torch`.
        names: of the features.
        Returns the model. Without classes a shape of () is predicted as (samples,), others as (samples, outputs).
        Raises UnsupportedModel, ParameterError, AccuracyUnreached, ShapeMismatch, NonFiniteValue.
        """
        domains = self._domains(wanted, domain)
        nodes: list[Node] = []
        stand_ins: list[Node] = []
        for step in self.chain.steps:
            if isinstance(step, Function):
                kind, wide = _KINDS[step]
                node = kind(domains.pop() if domains else wide, accuracy=wanted.accuracy)
                nodes.append(node)
                stand_ins += [node] if domain is None else []
            else:
                nodes.append(step.fresh() if isinstance(step, Activation) else step)
        if not nodes or not isinstance(nodes[0], Affine):
            nodes.insert(0, Affine(Scaling(np.ones(self.chain.inputs))))
        weights = sum(node.outputs * node.inputs for node in nodes if isinstance(node, Affine))
        if weights > MOST_WEIGHTS:
            reason = f"it comes to more than {MOST_WEIGHTS:,} weights"
            raise UnsupportedModel("the model", "all of it", reason, "smaller ones")
        if self.classes is None:
            reading = Reading.regression(names, flat=self.chain.shape == ())
        else:
            reading = Reading.classification(self.classes, self.probability, names)
        model = ImportedModel(fold(nodes), reading, stand_ins)
        return wanted.applied(model)

    def _domains(self, wanted: Wanted, domain: Any) -> list[Domain]:
        """The given domains, the next one last."""
        functions = sum(isinstance(step, Function) for step in self.chain.steps)
        if domain is None:
            return []
        if wanted.known:
            raise ParameterError("inputs and a domain were given together.", "Give one of them.")
        domains = [domain] * functions if np.ndim(domain) == 1 else domain
        if np.shape(domains) != (functions, 2):
            raise ParameterError(
                f"domain must be (low, high), or a list of {functions} of them, not {domain!r}.",
                "Give one for each Sigmoid and Tanh, or one for all.",
            )
        return list(reversed(domains))
