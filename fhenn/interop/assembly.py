"""From the steps that were read to a model: polynomials for its functions, and what its scores mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fhenn.approx import SIGMOID, Function
from fhenn.columns import labels_of
from fhenn.errors import ParameterError, UnsupportedModel
from fhenn.interop.chain import Chain, Meeting, Product, Shape, Step
from fhenn.interop.fold import folded, trainable
from fhenn.interop.maps import MOST_WEIGHTS
from fhenn.interop.model import ImportedModel, Wanted
from fhenn.interop.reading import Probability, Reading
from fhenn.interop.stand_in import stand_in
from fhenn.nn import (
    Activation,
    Affine,
    Branches,
    Flatten,
    ImageLayer,
    Multiply,
    Node,
    Residual,
    Scaling,
    Sequential,
)
from fhenn.nn.activation import Domain


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was read of a model: the chain to its scores, and what they mean.

    chain: from a sample to its scores.
    classes: labels in the order of the scores; None where the scores are the answer.
    probability: how scores become probabilities.
    features: names, where the model has them.
    """

    chain: Chain
    classes: ArrayLike | None = None
    probability: Probability | None = None
    features: tuple[str, ...] | None = None

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

    def _decided(self, labels: Any) -> Outcome:
        """The same, whose scores are those of the classes 0, 1, … where there are several, and one label a sample.

        labels: true values of samples; None where they are not known.
        Raises ParameterError where they are no such classes, MissingValues, UnsupportedValue.
        """
        if labels is None or self.classes is not None or self.chain.features == 1:
            return self
        truth, several = labels_of(labels, "labels"), self.chain.features
        if truth.ndim != 1:
            return self
        whole = truth.dtype.kind in "biuf" and bool(np.all(truth == np.floor(truth)))
        if whole and truth.size and truth.min() >= 0 and truth.max() < several:
            return replace(self, classes=np.arange(several), probability="softmax")
        raise ParameterError(
            f"labels are one for each sample, and the model has {several} outputs without names.",
            "Name their classes, in the order of the outputs, with classes=.",
        )

    def model(
        self,
        wanted: Wanted,
        domain: Domain | Sequence[Domain] | None,
        names: Sequence[str] | None = None,
    ) -> ImportedModel:
        """As nodes, a Linear or a layer of images first, neighbouring affine maps as one.

        wanted: of the stand-ins.
        domain: as of `fhenn.from_torch`.
        names: of the features; None for the model's own.
        Returns the model. Without classes a shape of () is predicted as (samples,), others as (samples, outputs).
        Raises UnsupportedModel, ParameterError, AccuracyUnreached, ShapeMismatch, NonFiniteValue.
        """
        meaning = self._decided(wanted.goal.labels)
        images = _first_image(self.chain.steps)
        builder = _Builder(self._domains(wanted, domain), wanted.provisional, images=images is not None)
        nodes, _ = builder.nodes(self.chain.steps, images or (self.chain.inputs,))
        if not nodes or not isinstance(nodes[0], Affine):
            nodes.insert(0, builder.affine(Affine(Scaling(np.ones(self.chain.inputs))), images or ()))
        features = self.features if names is None else names
        if meaning.classes is None:
            reading = Reading.regression(features, flat=self.chain.shape == ())
        else:
            reading = Reading.classification(meaning.classes, meaning.probability, features)
        stand_ins = builder.stand_ins if domain is None else []
        model = ImportedModel(nodes, reading, stand_ins, shape=images)
        return wanted.applied(model)

    def _domains(self, wanted: Wanted, domain: Any) -> list[Domain]:
        """The given domains, the next one last."""
        functions = _functions(self.chain.steps)
        if domain is None:
            return []
        if wanted.known:
            raise ParameterError("inputs and a domain were given together.", "Give one of them.")
        domains = [domain] * functions if np.ndim(domain) == 1 else domain
        if np.shape(domains) != (functions, 2):
            raise ParameterError(
                f"domain must be (low, high), or a list of {functions} of them, not {domain!r}.",
                "Give one for each activation that a polynomial stands in for, or one for all.",
            )
        return list(reversed(domains))


class _Builder:
    """Makes nodes of steps.

    domains: of the functions, the next one last; empty for those of their kinds.
    accuracy: of the stand-ins.
    images: whether a layer takes images; else features are all that there is.
    """

    def __init__(self, domains: list[Domain], accuracy: float, images: bool) -> None:
        self._domains, self._accuracy, self._images = domains, accuracy, images
        self.stand_ins: list[Node] = []
        self._weights = 0

    def nodes(self, steps: Iterable[Step], shape: Shape) -> tuple[list[Node], Shape]:
        """The nodes, and the shape of what comes out. Raises UnsupportedModel.

        shape: of what comes in.
        """
        nodes: list[Node] = []
        for step in self._folded(steps):
            if isinstance(step, Function):
                nodes.append(stand_in(step, self._accuracy, self._domains.pop() if self._domains else None))
                self.stand_ins.append(nodes[-1])
            elif isinstance(step, Activation):
                nodes.append(step.fresh())
            elif isinstance(step, Meeting):
                branches, shape = self._branches(step, shape)
                nodes.append(branches)
            elif isinstance(step, ImageLayer):
                if step.input_shape != shape:
                    reason = f"it takes images of shape {step.input_shape}, and what comes in has shape {shape}"
                    raise UnsupportedModel(step.name, "after a reshape", reason, "images that no layer reshapes")
                nodes.append(step)
                shape = step.output_shape
            else:
                scaling = isinstance(step.operator, Scaling)
                if len(shape) > 1 and not scaling:
                    nodes.append(Flatten(shape=shape))
                nodes.append(self.affine(step, shape))
                shape = shape if scaling else (step.outputs,)
        return nodes, shape

    def affine(self, step: Affine, shape: Shape) -> Affine:
        """The node of an affine map that is no layer of images. Raises UnsupportedModel where it is too large.

        shape: of what comes in.
        """
        if self._images and isinstance(step.operator, Scaling):
            return step.with_shape(shape)
        self._weights += step.outputs * step.inputs
        if self._weights > MOST_WEIGHTS:
            reason = f"it comes to more than {MOST_WEIGHTS:,} weights"
            raise UnsupportedModel("the model", "all of it", reason, "smaller ones")
        return trainable(step)

    @staticmethod
    def _folded(steps: Iterable[Step]) -> list[Step]:
        """The steps, of which those that several took are folded only now."""
        found: list[Step] = []
        for step in steps:
            before = found[-1] if found else None
            both = folded(before, step) if isinstance(before, Affine) and isinstance(step, Affine) else None
            found[len(found) - (both is not None) :] = [step if both is None else both]
        return found

    def _branches(self, step: Meeting, shape: Shape) -> tuple[Branches, Shape]:
        """Two branches, and the shape of what comes out where they meet."""
        (body, after), (shortcut, beside) = (self.nodes(branch, shape) for branch in (step.first, step.second))
        if after != beside:
            body += [Flatten(shape=after)] * (len(after) > 1)
            shortcut += [Flatten(shape=beside)] * (len(beside) > 1)
            after = (prod(after),)
        kind = Multiply if isinstance(step, Product) else Residual
        return kind(Sequential(body, shape=shape), Sequential(shortcut, shape=shape) if shortcut else None), after


def _first_image(steps: Iterable[Step]) -> Shape | None:
    """The shape of the images that come in, where a layer takes some; None where samples are features to all."""
    for step in steps:
        if isinstance(step, ImageLayer):
            return step.input_shape
        if isinstance(step, Meeting):
            found = _first_image(step.first) or _first_image(step.second)
            if found is not None:
                return found
    return None


def _functions(steps: Iterable[Step]) -> int:
    """How many functions there are that a polynomial is to be chosen for."""
    return sum(
        _functions((*step.first, *step.second)) if isinstance(step, Meeting) else isinstance(step, Function)
        for step in steps
    )
