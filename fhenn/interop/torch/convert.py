"""From a trained module to one that can run encrypted: layer by layer, with a short fine-tuning after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from math import inf
from numbers import Real
from operator import index
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fhenn.columns import column_of, samples, table_of
from fhenn.errors import AccuracyLost, ParameterError, ShapeMismatch, UnsupportedValue
from fhenn.interop.retraining import Retraining, RetrainingStep
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.bar import Bar
from fhenn.interop.torch.degrees import Levels, Values, chosen_levels, fitted, widened
from fhenn.interop.torch.finite import require_finite
from fhenn.interop.torch.importer import as_samples, refusal
from fhenn.interop.torch.rewriting import Rewritten, Site
from fhenn.interop.torch.tuning import Lesson, estimate_statistics, fine_tune, rows, scores_of
from fhenn.ranges.data import DOMAIN_MARGIN

Loss = Literal["cross-entropy", "mse"]
Progress = Callable[[str, int, int], None]

_FEWEST = 10
"""Samples with which a held-out share says anything at all."""


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
    rate: float = 1e-3,
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
    loss: of the task: "cross-entropy" of classes, "mse" of values. By default the first for labels that are whole
    numbers, and without labels where several outputs come, or shares of classes.
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
    _require_options(epochs=epochs, held_out=held_out, margin=margin, rate=rate, max_loss=max_loss)
    x, share = _samples(module, data), held_out
    if isinstance(held_out, tuple):
        x, labels, share = _together(module, x, labels, *held_out)
    outputs = _outputs(module, x)
    original = Rewritten(module, outputs)
    _require_same(module, original, x)
    rng = np.random.default_rng(seed)
    lesson = _lesson(original, x, labels, loss, teacher, share, rng)
    levels = Levels(Rewritten(module, outputs), x[:2])
    chosen = chosen_levels(original, lesson, levels, depth, margin)
    bar = Bar()
    try:
        twin = Rewritten(module, outputs)
        steps, total = [], max(1, epochs * len(chosen))
        for place, (site, count) in enumerate(zip(twin.sites, chosen, strict=True)):

            def done(epoch: int, what: str = site.name, before: int = place * epochs) -> None:
                (progress or bar.show)(what, before + epoch, total)

            done(0)
            steps.append(_step(twin, site, count, lesson, epochs, rate, margin, rng, done))
            bar.line(f"{site.name}: {lesson.measure} {steps[-1].before:.4f}, fine-tuned {steps[-1].after:.4f}")
        (progress or bar.show)("done", total, total)
    finally:
        bar.close()
    report = _report(original, twin, lesson, steps, levels.total(chosen), margin)
    if max_loss is not None and report.lost > max_loss:
        more = "more data or epochs=, labels=, a wider depth=" if labels is None else "more data or epochs=, a wider depth="
        raise AccuracyLost(report.lost, max_loss, report, f"Try {more}; print(error.report) says where it was lost.")
    twin.show_finish()
    return twin.module, report


def _step(
    twin: Rewritten,
    site: Site,
    levels: int,
    lesson: Lesson,
    epochs: int,
    rate: float,
    margin: float,
    rng: np.random.Generator,
    done: Callable[[int], None],
) -> RetrainingStep:
    """Replace a layer and train on."""
    training = lesson.samples[lesson.training]
    if site.function is None:
        layer, now, domain = site.average, "average", None
    else:
        estimate_statistics(twin.module, training)  # of what the layers before were trained to
        layer = fitted(site.function, Values.at(twin.module, site, training), levels, margin)
        now, domain = f"degree {2**levels}", layer.domain
    assert layer is not None
    twin.replace(site, layer.to(training.device))
    estimate_statistics(twin.module, training)
    before = _measured(twin, lesson)
    ran = fine_tune(twin.module, lesson, epochs, rate, rng, done)
    return RetrainingStep(site.name, site.was, now, levels, domain, before, _measured(twin, lesson), ran, 0.0)


def _measured(twin: Rewritten, lesson: Lesson) -> float:
    return lesson.measured(scores_of(twin.module, lesson.samples[lesson.held_out]))


def _report(
    original: Rewritten, twin: Rewritten, lesson: Lesson, steps: list[RetrainingStep], levels: int, margin: float
) -> Retraining:
    """What was done, with domains that hold all of the data."""
    for site in twin.sites:
        layer = twin.module.get_submodule(site.name)
        if isinstance(layer, Activation):
            layer.reset_statistics()
    scores_of(twin.module, lesson.samples)
    found = []
    for site, step in zip(twin.sites, steps, strict=True):
        layer = twin.module.get_submodule(site.name)
        if not isinstance(layer, Activation):
            found.append(step)
            continue
        seen = layer.report()
        wide = widened(layer, seen.smallest, seen.largest, margin).to(lesson.samples.device)
        twin.replace(site, wide)
        wide.reset_statistics()
        found.append(replace(step, domain=wide.domain, outside=seen.outside / seen.total))
    exact, final = _measured(original, lesson), _measured(twin, lesson)
    for site in twin.sites:
        layer = twin.module.get_submodule(site.name)
        if isinstance(layer, Activation):
            layer.reset_statistics()
    return Retraining(lesson.measure, len(lesson.held_out), exact, final, tuple(found), levels)


def _require_options(
    *, epochs: int, held_out: Any, margin: float, rate: float, max_loss: float | None
) -> None:
    """Raise ParameterError for options that are out of range."""
    wrong = [
        (not _whole(epochs) or epochs < 0, f"epochs must be a whole number from 0, not {epochs!r}.", "5"),
        (
            not (isinstance(held_out, tuple) and len(held_out) == 2) and not (_real(held_out) and 0 < held_out < 1),
            "held_out must be a share between 0 and 1, or a pair of samples and labels.",
            "0.1",
        ),
        (not _real(margin) or not 1 <= margin < inf, f"margin must be a finite number from 1, not {margin!r}.", "1.25"),
        (not _real(rate) or not 0 < rate < inf, f"rate must be a positive finite number, not {rate!r}.", "1e-3"),
        (
            max_loss is not None and (not _real(max_loss) or not 0 <= max_loss < inf),
            f"max_loss must be a finite number from 0, not {max_loss!r}.",
            "0.01 for a point",
        ),
    ]
    for is_wrong, reason, instead in wrong:
        if is_wrong:
            raise ParameterError(reason, f"Give for instance {instead}.")


def _whole(value: Any) -> bool:
    try:
        return index(value) is not None
    except TypeError:
        return False


def _real(value: Any) -> bool:
    return isinstance(value, Real)


def _samples(module: torch.nn.Module, data: Any) -> torch.Tensor:
    """The data where the module is, and of its type."""
    if not isinstance(module, torch.nn.Module):
        raise UnsupportedValue(f"a {type(module).__name__}", "a torch.nn.Module")
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


def _together(
    module: torch.nn.Module, x: torch.Tensor, labels: Any, held_out: Any, held_labels: Any
) -> tuple[torch.Tensor, Any, int]:
    """Held-out samples and labels before the others, and how many they are."""
    aside = _samples(module, held_out)
    if aside.shape[1:] != x.shape[1:]:
        raise ShapeMismatch("held_out", tuple(aside.shape), f"(samples, ...) as the data, {tuple(x.shape)}")
    if (labels is None) != (held_labels is None):
        raise ParameterError("of the data and the held-out samples, one has labels.", "Give labels of both, or of none.")
    if labels is not None:
        both = [_array(held_labels), _array(labels)]
        if [len(each) for each in both] != [len(aside), len(x)]:
            raise ShapeMismatch("labels", (len(both[0]), len(both[1])), f"{len(aside)} held out and {len(x)} others")
        labels = np.concatenate(both)
    return torch.cat([aside, x]), labels, len(aside)


def _array(labels: Any) -> NDArray[Any]:
    return labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(column_of(labels))


def _outputs(module: torch.nn.Module, x: torch.Tensor) -> int:
    """The numbers that come out for a sample."""
    try:
        with torch.no_grad():
            return rows(module(x[:2])).shape[1]
    except Exception as error:  # whatever forward raises
        reason = str(error).strip().partition("\n")[0]
        raise refusal(type(module).__name__, "forward", f"it fails on the data ({reason})") from error


def _require_same(module: torch.nn.Module, rewritten: Rewritten, x: torch.Tensor) -> None:
    """Raise UnsupportedModel where what was traced computes something else, NonFiniteValue where it overflows."""
    rewritten.show_finish()
    got, wanted = scores_of(rewritten.module, x), scores_of(module, x)
    rewritten.hide_finish()
    require_finite("the module's output", wanted, "Scale the data as in training, or look at its weights.")
    if not torch.allclose(got, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())):
        raise refusal(type(module).__name__, "forward", "it computes something else than torch.fx followed")


def _lesson(
    original: Rewritten,
    x: torch.Tensor,
    labels: Any,
    loss: Loss | None,
    teacher: bool,
    held_out: float,
    rng: np.random.Generator,
) -> Lesson:
    """What is to be learnt. Raises where labels do not fit.

    held_out: the share, or how many of the first samples.
    """
    if loss not in (None, "cross-entropy", "mse"):
        raise ParameterError(f"loss must be 'cross-entropy' or 'mse', not {loss!r}.", "Leave it out to go by the labels.")
    if labels is None and not teacher:
        raise ParameterError("there is nothing to learn from: no labels, and no teacher.", "Give labels=, or teacher=True.")
    scores = scores_of(original.module, x)
    known, decides = None, loss != "mse" and (loss is not None or scores.shape[1] > 1 or original.has_finish)
    if labels is not None:
        known, decides = _labels(labels, loss, scores)
    if not decides:
        spread = (scores if known is None else known).double().var(dim=0, correction=0)
        if bool((spread == 0).any()):
            what = "the module's outputs" if known is None else "labels"
            raise ParameterError(f"{what} never vary, so that nothing can be learnt of them.", "Give others.")
    if isinstance(held_out, int):
        order, count = np.arange(len(x)), held_out
    else:
        order, count = rng.permutation(len(x)), min(len(x) - 1, max(1, round(held_out * len(x))))
    places = torch.as_tensor(order, device=x.device)
    return Lesson(x, known, scores, decides, teacher, places[count:], places[:count])


def _labels(labels: Any, loss: Loss | None, scores: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """The labels as a tensor, and whether they are classes. Raises ParameterError, ShapeMismatch, NonFiniteValue."""
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
    if loss == "mse" or (loss is None and values.dtype.kind == "f"):
        values = values.reshape(len(values), -1)
        if values.shape[1] != outputs:
            raise ShapeMismatch("labels", values.shape, f"(samples, {outputs}), as the module's outputs; whole numbers are classes")
        return torch.as_tensor(values, dtype=scores.dtype, device=scores.device), False
    most = max(1, outputs - 1)
    if values.size != len(values) or not whole or values.min() < 0 or values.max() > most:
        raise ParameterError(
            f"labels must be classes from 0 to {most}, as the module has {outputs} outputs; these go from "
            f"{values.min():g} to {values.max():g}" + ("." if values.size == len(values) else f", in shape {values.shape}."),
            "Give the places of the classes among the outputs; for values to predict, loss='mse'.",
        )
    return torch.as_tensor(values.ravel().astype(np.int64), device=scores.device), True
