"""Fine-tuning of a module beside the one that it was made of: losses, what is measured, batches, statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (as everybody calls it)

from fhenn.interop.retraining import Measure
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.penalty import range_penalty

_BATCH = 64
_MANY = 1024
"""Samples that go through the module at once where nothing is trained."""
_WARMTH = 2.0
"""The temperature at which the original's scores are taught (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""
_ROOM = 1.1
"""How far inside the domains the penalty starts."""
_STEEPEST = 1.0
"""The largest norm of a gradient; polynomials are steep beyond their domains."""
_PATIENCE = 3
"""Epochs without a better held-out loss after which fine-tuning stops."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is to be learnt: the samples, what is known of them, and what is held out.

    samples: (samples, ...), as the module takes them.
    labels: a class (samples,), or values (samples, outputs), of each; None where there are none.
    scores: of the original, (samples, outputs).
    decides: whether outputs are scores of classes, not values.
    teacher: whether the original's scores are taught.
    training, held_out: places of samples.
    """

    samples: torch.Tensor
    labels: torch.Tensor | None
    scores: torch.Tensor
    decides: bool
    teacher: bool
    training: torch.Tensor
    held_out: torch.Tensor

    @property
    def measure(self) -> Measure:
        """What is measured of a module."""
        if not self.decides:
            return "R²"
        return "agreement" if self.labels is None else "accuracy"

    def measured(self, scores: torch.Tensor) -> float:
        """The measure of scores (held-out samples, outputs)."""
        known = self.scores if self.labels is None else self.labels
        if self.decides:
            wanted = decided(known[self.held_out]) if self.labels is None else known[self.held_out]
            return float((decided(scores) == wanted).double().mean())
        off, spread = (scores - known[self.held_out]).double(), known.double().var(dim=0, correction=0)
        return float((1 - (off * off).mean(dim=0) / spread).mean())

    def loss(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Of the task and of the original's scores, where they are wanted; a mean over the samples."""
        total = torch.zeros((), device=scores.device)
        if self.labels is not None:
            total = total + self._of_task(scores, self.labels[places])
        if self.teacher:
            total = total + self._of_teacher(scores, self.scores[places])
        return total

    def _of_task(self, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if not self.decides:
            return self._squares(scores, labels, labels if self.labels is None else self.labels)
        if scores.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(scores[:, 0], labels.to(scores.dtype))
        return F.cross_entropy(scores, labels)

    def _of_teacher(self, scores: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
        if not self.decides:
            return self._squares(scores, taught, self.scores)
        warm, cool = scores / _WARMTH, taught / _WARMTH
        if scores.shape[1] == 1:
            shares = torch.sigmoid(cool)
            least = F.binary_cross_entropy_with_logits(cool, shares)
            return _WARMTH**2 * (F.binary_cross_entropy_with_logits(warm, shares) - least)
        return _WARMTH**2 * F.kl_div(
            F.log_softmax(warm, dim=1), F.log_softmax(cool, dim=1), reduction="batchmean", log_target=True
        )

    @staticmethod
    def _squares(scores: torch.Tensor, wanted: torch.Tensor, everything: torch.Tensor) -> torch.Tensor:
        """The mean square, relative to what the values spread."""
        off = scores - wanted
        return (off * off / everything.var(dim=0, correction=0)).mean()


def decided(scores: torch.Tensor) -> torch.Tensor:
    """The class of each sample: the first of the largest scores; 0 or 1 where there is one score."""
    return (scores[:, 0] > 0).long() if scores.shape[1] == 1 else scores.argmax(dim=1)


def scores_of(module: torch.nn.Module, samples: torch.Tensor) -> torch.Tensor:
    """What a module makes of samples, (samples, outputs), without gradients."""
    with torch.no_grad():
        return torch.cat([rows(module(part)) for part in samples.split(_MANY)])


def rows(outputs: torch.Tensor) -> torch.Tensor:
    """A row for each sample."""
    return outputs.reshape(len(outputs), -1)


def reaching(module: torch.nn.Module, name: str, samples: torch.Tensor) -> Iterator[torch.Tensor]:
    """What comes to a module inside another one, batch by batch.

    name: of the module inside.
    """
    found: list[torch.Tensor] = []
    hook = module.get_submodule(name).register_forward_pre_hook(lambda _, args: found.append(args[0].clone()))
    try:
        for part in samples.split(_MANY):
            with torch.no_grad():
                module(part)
            yield from found
            found.clear()
    finally:
        hook.remove()


def estimate_statistics(module: torch.nn.Module, samples: torch.Tensor) -> None:
    """Give each batch normalisation the mean and variance of what comes to it."""
    norms = [
        each
        for each in module.modules()
        if isinstance(each, torch.nn.modules.batchnorm._BatchNorm) and each.track_running_stats
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # the mean over all batches
    with torch.no_grad():
        for part in samples.split(_MANY):
            if len(part) > 1 or len(samples) == 1:
                module(part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum


def fine_tune(
    module: torch.nn.Module,
    lesson: Lesson,
    epochs: int,
    rate: float,
    rng: np.random.Generator,
    progress: Callable[[int], None],
) -> int:
    """Train a module by Adam, and leave it at the state of the least held-out loss, the first among them.

    module: in evaluation mode, in which it stays.
    epochs: at most.
    rate: of learning, which falls to 0 along half a cosine.
    rng: orders the samples.
    progress: called with the epochs that are done.

    Returns the epochs that ran.
    """
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    best, kept, since = _held_out_loss(module, lesson), _state(module), 0
    optimiser = torch.optim.Adam(weights, rate) if weights else None
    batches = max(1, len(lesson.training) // _BATCH)
    done = 0
    while optimiser is not None and done < epochs and since < _PATIENCE:
        order = lesson.training[torch.as_tensor(rng.permutation(len(lesson.training)), device=lesson.training.device)]
        for place, batch in enumerate(order.tensor_split(batches)):
            for group in optimiser.param_groups:
                share = (done + place / batches) / epochs
                group["lr"] = rate * (1 + np.cos(np.pi * share)) / 2
            optimiser.zero_grad()
            loss = _loss(module, lesson, batch)
            if not torch.isfinite(loss):
                break
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, _STEEPEST)
            optimiser.step()
        done += 1
        progress(done)
        found = _held_out_loss(module, lesson)
        since += 1
        if found < best:
            best, kept, since = found, _state(module), 0
    if optimiser is not None:
        optimiser.zero_grad()
    module.load_state_dict(kept)
    return done


def _loss(module: torch.nn.Module, lesson: Lesson, places: torch.Tensor) -> torch.Tensor:
    loss = lesson.loss(rows(module(lesson.samples[places])), places)
    if any(isinstance(each, Activation) for each in module.modules()):
        finite = all(bool(torch.isfinite(x).all()) for x in _last_inputs(module))
        loss = loss + range_penalty(module, margin=_ROOM) if finite else loss * torch.nan
    return loss


def _last_inputs(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    for each in module.modules():
        if isinstance(each, Activation) and each.last_input is not None:
            yield each.last_input


def _held_out_loss(module: torch.nn.Module, lesson: Lesson) -> float:
    """The loss on held-out samples, with the penalty; infinite where it is NaN."""
    total = 0.0
    for places in lesson.held_out.split(_MANY):
        loss = float(_loss(module, lesson, places).detach())  # with gradients, which the penalty asks for
        total += loss * len(places)
    return total / len(lesson.held_out) if np.isfinite(total) else np.inf


def _state(module: torch.nn.Module) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
