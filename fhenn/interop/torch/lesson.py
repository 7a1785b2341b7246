"""What there is to learn for a module that is converted: its samples, their labels, and checks that all of them fit."""

from __future__ import annotations

from itertools import chain
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fhenn.columns import column_of, samples, table_of
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedValue
from fhenn.interop.torch.finite import require_finite
from fhenn.interop.torch.importer import as_samples, refusal
from fhenn.interop.torch.rewriting import Rewritten
from fhenn.interop.torch.tuning import Lesson, rows, scores_of
from fhenn.text import an

Loss = Literal["cross-entropy", "mse"]
Indices = NDArray[np.integer[Any]]

_FEWEST = 10
"""Samples with which a held-out share says anything at all."""


def samples_of(module: torch.nn.Module, data: Any) -> torch.Tensor:
    """The data where the module is, and of its type."""
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedValue(an(type(module).__name__), "a torch.nn.Module")
    if any(each.training for each in module.modules()):
        raise ParameterError(
            "the module is in training mode, in which it computes something else than when it is used.",
            "Train it first, then call module.eval().",
        )
    x = as_samples(data if table_of(data) is None else samples(data), "data")
    if len(x) < _FEWEST:
        raise ShapeMismatch("data", tuple(x.shape), f"(samples, ...), {_FEWEST} samples or more")
    floating = (tensor for tensor in chain(module.parameters(), module.buffers()) if tensor.is_floating_point())
    like = next(floating, torch.zeros(()))
    return x.to(like.device, like.dtype)


def together(
    module: torch.nn.Module, x: torch.Tensor, labels: Any, held_out: Any, held_labels: Any
) -> tuple[torch.Tensor, Any, int]:
    """Held-out samples and labels before the others, and how many they are."""
    aside = samples_of(module, held_out)
    if aside.shape[1:] != x.shape[1:]:
        raise ShapeMismatch("held_out", tuple(aside.shape), f"(samples, ...) as the data, {tuple(x.shape)}")
    if (labels is None) != (held_labels is None):
        raise ParameterError(
            "of the data and the held-out samples, one has labels.", "Give labels of both, or of none."
        )
    if labels is not None:
        both = [_array(held_labels), _array(labels)]
        if [len(each) for each in both] != [len(aside), len(x)]:
            raise ShapeMismatch("labels", (len(both[0]), len(both[1])), f"{len(aside)} held out and {len(x)} others")
        labels = np.concatenate(both)
    return torch.cat([aside, x]), labels, len(aside)


def _array(labels: Any) -> NDArray[Any]:
    return labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(column_of(labels))


def outputs_of(module: torch.nn.Module, x: torch.Tensor) -> int:
    """The numbers that come out for a sample."""
    try:
        with torch.no_grad():
            return int(rows(module(x[:2])).shape[1])
    except Exception as error:  # whatever forward raises
        reason = str(error).strip().partition("\n")[0]
        raise refusal(type(module).__name__, "forward", f"it fails on the data ({reason})") from error


def require_same(module: torch.nn.Module, rewritten: Rewritten, x: torch.Tensor) -> None:
    """Raise UnsupportedModel where what was traced computes something else, NonFiniteValue where it overflows."""
    rewritten.show_finish()
    got, wanted = scores_of(rewritten.module, x), scores_of(module, x)
    rewritten.hide_finish()
    require_finite("the module's output", wanted, "Scale the data as in training, or look at its weights.")
    if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())):
        raise refusal(type(module).__name__, "forward", "it computes something else than torch.fx followed")


def lesson_of(
    original: Rewritten,
    x: torch.Tensor,
    labels: Any,
    loss: Loss | None,
    teacher: bool,
    places: tuple[Indices, Indices],
) -> Lesson:
    """What is to be learnt.

    original: that is learnt from.
    x, labels, loss, teacher: as the arguments of `convert`.
    places: of the samples for training, and of the others.

    Raises ParameterError, ShapeMismatch, NonFiniteValue.
    """
    if loss not in (None, "cross-entropy", "mse"):
        raise ParameterError(
            f"loss must be 'cross-entropy' or 'mse', not {loss!r}.", "Leave it out to go by the labels."
        )
    if labels is None and not teacher:
        raise ParameterError(
            "there is nothing to learn from: no labels, and no teacher.", "Give labels=, or teacher=True."
        )
    if loss == "mse" and original.has_finish:
        raise ParameterError(
            "the module ends with shares of classes, which loss='mse' takes for values.",
            "Leave it out, and give classes as labels.",
        )
    scores = scores_of(original.module, x)
    known, decides = None, loss != "mse" and (loss is not None or scores.shape[1] > 1 or original.has_finish)
    if labels is not None:
        known, decides = _labels(labels, loss, scores, original.has_finish)
    if not decides:
        spread = (scores if known is None else known).double().var(dim=0, correction=0)
        if bool((spread == 0).any()):
            what = "the module's outputs" if known is None else "labels"
            raise ParameterError(f"{what} never vary, so that nothing can be learnt of them.", "Give others.")
    training, held_out = (torch.as_tensor(each, device=x.device) for each in places)
    return Lesson(x, known, scores, decides, teacher, training, held_out)


def _labels(labels: Any, loss: Loss | None, scores: torch.Tensor, shares: bool) -> tuple[torch.Tensor, bool]:
    """The labels as a tensor, and whether they are classes. Raises ParameterError, ShapeMismatch, NonFiniteValue.

    shares: whether the module makes shares of classes of its scores.
    """
    values = _array(labels)
    if values.dtype.kind not in "biuf":
        raise ParameterError(
            f"labels are of dtype {values.dtype}, and training takes numbers.",
            "Give the places of classes, np.unique(labels, return_inverse=True)[1], in the order of the outputs.",
        )
    if values.shape[:1] != (len(scores),):
        raise ShapeMismatch("labels", values.shape, f"one for each of {len(scores)} samples")
    require_finite("labels", torch.as_tensor(values), "Drop the samples that have none.")
    outputs, whole = scores.shape[1], bool(np.all(values == np.round(values)))
    if loss is None and values.dtype.kind == "f" and outputs == 1 and not shares and np.isin(values, (0, 1)).all():
        raise ParameterError(
            "labels are 0 and 1 as floats, which are classes for scores, and values where such come out.",
            "Give loss='cross-entropy' for classes, or loss='mse' for values.",
        )
    if loss == "mse" or (loss is None and values.dtype.kind == "f" and not shares):
        values = values.reshape(len(values), -1)
        if values.shape[1] != outputs:
            raise ShapeMismatch(
                "labels", values.shape, f"(samples, {outputs}), as the module's outputs; whole numbers are classes"
            )
        return torch.as_tensor(values, dtype=scores.dtype, device=scores.device), False
    most = max(1, outputs - 1)
    if values.size != len(values) or not whole or values.min() < 0 or values.max() > most:
        raise ParameterError(
            f"labels must be classes from 0 to {most}, as the module has {outputs} outputs; these go from "
            f"{values.min():g} to {values.max():g}"
            + ("." if values.size == len(values) else f", in shape {values.shape}."),
            "Give the places of the classes among the outputs; for values to predict, loss='mse'.",
        )
    return torch.as_tensor(values.ravel().astype(np.int64), device=scores.device), True
