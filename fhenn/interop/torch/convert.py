"""From a trained module to one that can run encrypted: layer by layer, with a short fine-tuning after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from numbers import Real
from typing import Any

import numpy as np
import torch

from fhenn.approx.numbers import is_whole
from fhenn.errors import AccuracyLost, ParameterError
from fhenn.interop.retraining import Retraining, RetrainingStep
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.bar import Bar
from fhenn.interop.torch.degrees import Levels, Values, chosen_levels, fitted, settled
from fhenn.interop.torch.importer import copied
from fhenn.interop.torch.lesson import Loss, lesson_of, outputs_of, require_same, samples_of, together
from fhenn.interop.torch.rewriting import FunctionSite, MaximumSite, Rewritten, Site
from fhenn.interop.torch.tuning import Lesson, estimate_statistics, fine_tune, scores_of
from fhenn.ranges.data import DOMAIN_MARGIN

Progress = Callable[[str, int, int], None]


def convert(
    module: torch.nn.Module,
    data: Any,
    *,
    labels: Any = None,
    loss: Loss | None = None,
    depth: int | None = None,
    epochs: int = 5,
    teacher: bool = True,
    seed: int = 0,
    max_loss: float | None = None,
    held_out: float | tuple[Any, Any] = 0.1,
    margin: float = DOMAIN_MARGIN,
    rate: float = 3e-3,
    progress: Progress | None = None,
) -> tuple[torch.nn.Module, Retraining]:
    """A copy of a trained module for `fhenn.from_torch`: its activations polynomials, its maxima averages.

    From input to output, one layer after another is replaced, and all weights are trained on for a few epochs: on the
    task, on the original's scores, and on a penalty for what leaves the domains of the polynomials. So the layers after
    a replaced one get used to it, which a replacement of all at once does not give them. Functional forms (`F.relu` in
    `forward`) are replaced as modules are. Batch normalisations get the statistics of what comes to them after each
    replacement, and keep these while weights are trained, as the encrypted network will. Dropout is off throughout.
    Weights that require no gradient stay as they are.

    module: trained, in evaluation mode, on any device; it stays as it is.
    data: samples as it was trained on, (samples, ...), a tensor, an array or a table.
    labels: what they are: classes 0, 1, … for outputs that are scores (a score of class 1 where there is one), or
    values for outputs that are. None for the original's outputs alone.
    loss: of the task: "cross-entropy" of classes, "mse" of values. By default the first where shares of classes come
    out, for labels that are whole numbers, and without labels where several outputs come. Of a single score, 0 and 1 as
    floats may be either, and it must be said.
    depth: levels that the whole network may consume. Each activation takes 1 (degree 2) to 3 (degree 8); those whose
    error moves the output most get more. None for 2 levels (degree 4) each.
    epochs: of fine-tuning after each layer, at most: it stops where the held-out loss does not fall any more, and goes
    back to the best weights.
    teacher: whether the original's scores are taught beside the labels (Hinton, Vinyals & Dean 2015).
    seed: of the held-out samples, and of the order of the others; on a CPU with as many threads, the same seed gives
    the same weights to the bit.
    max_loss: by how much the result may be worse than the original on held-out samples: of accuracy 0.01 is a point.
    held_out: the share of samples that trains nothing, and on which all is measured: the original knows them if it was
    trained on them, and seems the better for it. Or (samples, labels) apart, labels None where the others are.
    margin: how many times wider than what reaches them the domains of polynomials are.
    rate: of learning, by Adam; falls to 0 in each fine-tuning.
    progress: called with (what, done, total); None for a bar and a line for each step on a terminal.
    Returns the module, in evaluation mode, and what was done: print it, or draw `fhenn.figures.conversion_figure`.

    Raises UnsupportedModel where a part of the module cannot run encrypted even so; what could is named.
    Raises ParameterError where the module is in training mode, the depth cannot be had, labels do not fit, or what
    comes to a layer never varies.
    Raises ShapeMismatch, NonFiniteValue, UnsupportedValue where data or labels are no finite numbers that fit.
    Raises AccuracyLost, with the report, where more is lost than max_loss.

    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    >>> converted, report = convert(module, torch.rand(200, 2), epochs=1)
    >>> report.levels, [step.now for step in report.steps]
    (4, ['degree 4'])
    """
    if not is_whole(seed) or seed < 0:
        raise ParameterError(f"seed must be a whole number from 0, not {seed!r}.", "Give for instance 0.")
    how = _Tuning(epochs, rate, margin)
    how.require_sane()
    _require_options(held_out, max_loss)
    x, aside = samples_of(module, data), 0
    if isinstance(held_out, tuple):
        x, labels, aside = together(module, x, labels, *held_out)
    module = copied(module)  # what runs it changes the statistics of activations in it
    outputs = outputs_of(module, x)
    original, twin = (Rewritten(module, outputs) for _ in range(2))
    require_same(module, original, x)
    rng = np.random.default_rng(seed)
    if not isinstance(held_out, tuple):
        aside = min(len(x) - 1, max(1, round(held_out * len(x))))
    order = np.arange(len(x)) if isinstance(held_out, tuple) else rng.permutation(len(x))
    lesson = lesson_of(original, x, labels, loss, teacher, (order[aside:], order[:aside]))
    levels = Levels(Rewritten(module, outputs), x[:2])
    chosen = chosen_levels(original, lesson, levels, depth, margin)
    steps = _run(twin, chosen, lesson, how, rng, progress)
    report = _report(original, twin, lesson, steps, levels.total(chosen), margin)
    if max_loss is not None and report.lost > max_loss:
        missing = "" if labels is not None else "labels=, "
        raise AccuracyLost(
            report.lost,
            max_loss,
            report,
            f"Try {missing}more data, epochs= or depth=; the report says where it was lost.",
        )
    twin.show_finish()
    return twin.module, report


@dataclass(frozen=True)
class _Tuning:
    """How a layer is replaced; as the arguments of `convert`."""

    epochs: int
    rate: float
    margin: float

    def require_sane(self) -> None:
        """Raise ParameterError for values that are out of range."""
        if not (is_whole(self.epochs) and self.epochs >= 0):
            raise ParameterError(f"epochs must be a whole number from 0, not {self.epochs!r}.", "Give for instance 5.")
        if not (isinstance(self.margin, Real) and 1 <= self.margin < inf):
            raise ParameterError(
                f"margin must be a finite number from 1, not {self.margin!r}.", "Give for instance 1.25."
            )
        if not (isinstance(self.rate, Real) and 0 < self.rate < inf):
            raise ParameterError(
                f"rate must be a positive finite number, not {self.rate!r}.", "Give for instance 3e-3."
            )


def _run(
    twin: Rewritten,
    levels: tuple[int, ...],
    lesson: Lesson,
    how: _Tuning,
    rng: np.random.Generator,
    progress: Progress | None,
) -> list[RetrainingStep]:
    """Replace layer by layer."""
    steps: list[RetrainingStep] = []
    bar, total = Bar(), max(1, how.epochs * len(levels))
    show = bar.show if progress is None else progress
    try:
        for place, (site, count) in enumerate(zip(twin.sites, levels, strict=True)):

            def done(epochs: int, what: str = site.name, before: int = place * how.epochs) -> None:
                show(what, before + epochs, total)

            done(0)
            steps.append(_step(twin, site, count, lesson, how, rng, done))
            if progress is None:
                bar.line(f"{site.name}: {lesson.measure} {steps[-1].before:.4f}, fine-tuned {steps[-1].after:.4f}")
        show("done", total, total)
    finally:
        bar.close()
    return steps


def _step(
    twin: Rewritten,
    site: Site,
    levels: int,
    lesson: Lesson,
    how: _Tuning,
    rng: np.random.Generator,
    done: Callable[[int], None],
) -> RetrainingStep:
    """Replace a layer and train on."""
    training = lesson.samples[lesson.training]
    now, domain = "average", None
    if isinstance(site, MaximumSite):
        twin.replace(site, site.average)
    elif isinstance(site, FunctionSite):
        estimate_statistics(twin.module, training)  # of what the layers before were trained to
        layer = fitted(site.function, Values.at(twin.module, site, training), levels, how.margin)
        now, domain = f"degree {layer.polynomial.degree}", layer.domain
        twin.replace(site, layer.to(training.device))
    estimate_statistics(twin.module, training)
    before = _measured(twin, lesson)
    ran = fine_tune(twin.module, lesson, how.epochs, how.rate, rng, done)
    return RetrainingStep(site.name, site.was, now, levels, domain, before, _measured(twin, lesson), ran, 0.0)


def _measured(twin: Rewritten, lesson: Lesson) -> float:
    return lesson.measured(scores_of(twin.module, lesson.samples[lesson.held_out]))


def _report(
    original: Rewritten, twin: Rewritten, lesson: Lesson, steps: list[RetrainingStep], levels: int, margin: float
) -> Retraining:
    """What was done, with domains that hold all of the data."""
    _reset(twin)
    scores_of(twin.module, lesson.samples)
    found = []
    for site, step in zip(twin.sites, steps, strict=True):
        layer = twin.module.get_submodule(site.name)
        if not isinstance(layer, Activation):
            found.append(step)
            continue
        seen = layer.report()
        wide = settled(layer, seen.smallest, seen.largest, margin).to(lesson.samples.device)
        twin.replace(site, wide)
        found.append(replace(step, domain=wide.domain, outside=seen.outside / seen.total))
    exact, final = _measured(original, lesson), _measured(twin, lesson)
    _reset(twin)
    return Retraining(lesson.measure, len(lesson.held_out), exact, final, tuple(found), levels)


def _reset(twin: Rewritten) -> None:
    """Let statistics of activations start anew."""
    for layer in twin.module.modules():
        if isinstance(layer, Activation):
            layer.reset_statistics()


def _require_options(held_out: Any, max_loss: Any) -> None:
    """Raise ParameterError for options that are out of range."""
    share = isinstance(held_out, int | float) and 0 < held_out < 1
    if not share and not (isinstance(held_out, tuple) and len(held_out) == 2):
        raise ParameterError(
            "held_out must be a share between 0 and 1, or a pair of samples and labels.", "Give for instance 0.1."
        )
    if max_loss is not None and not (isinstance(max_loss, int | float) and 0 <= max_loss < inf):
        raise ParameterError(
            f"max_loss must be a finite number from 0, not {max_loss!r}.",
            "Give for instance 0.01, a point of accuracy.",
        )
