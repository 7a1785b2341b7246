"""The figures of a comparison, and of a plan's levels."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import ParameterError, PlanError
from fhenn.figures import comparison_figure, levels_figure, roc_figure, save
from fhenn.figures.style import EXACT, MEASURED, POLYNOMIAL

rng = np.random.default_rng(0)


def test_levels_are_those_of_the_plan(tmp_path):
    nodes = [fhenn.Linear(np.eye(3) / 3), fhenn.Square(), fhenn.Linear(np.ones((1, 3))), fhenn.Sigmoid()]
    model = fhenn.Sequential(nodes)
    plan = fhenn.plan(model, bounds=[-1, 1])
    figure = levels_figure(plan.public(), model)  # as in files, without stages
    levels, bits, errors = figure.axes
    left, taken = ([bar.get_height() for bar in bars] for bars in levels.containers)
    assert left == [plan.parameters.levels, *(stage.level for stage in plan.stages)]
    assert taken == [0, *(-np.diff(left))]
    assert "no bootstrapping" in levels.get_title(loc="left")
    scale, room = ([bar.get_height() for bar in bars] for bars in bits.containers)
    assert scale[0] == pytest.approx(np.log2(plan.parameters.scale))
    assert np.all(np.diff(np.add(scale, room)) < 0)
    bounds = errors.lines[0].get_ydata()
    assert 0 < bounds[0] < bounds[-1] <= plan.error
    assert [text.get_text() for text in errors.get_xticklabels()] == ["encrypted", *(node.name for node in nodes)]
    save(figure, tmp_path / "levels.png")


def test_branches_and_units_have_levels_too():
    branch = fhenn.Residual(fhenn.Sequential([fhenn.Linear(np.eye(2) / 2), fhenn.Square()]))
    model = fhenn.Sequential([fhenn.Linear(np.eye(2)), branch, fhenn.Multiply(fhenn.Linear(np.eye(2)))])
    plan = fhenn.plan(model, bounds=[-1, 1])
    levels, *_ = levels_figure(plan, model).axes
    left, taken = ([bar.get_height() for bar in bars] for bars in levels.containers)
    assert left[0] == plan.parameters.levels
    assert left[-1] == plan.result.level
    assert min(taken) >= 0


def test_numbers_that_would_not_fit_are_left_out(tmp_path):
    nodes = [node for _ in range(8) for node in (fhenn.Linear([[0.5]]), fhenn.Square())]
    plan = fhenn.plan(fhenn.Sequential(nodes), bounds=[-1, 1])
    levels, *_ = levels_figure(plan, fhenn.Sequential(nodes)).axes
    assert plan.parameters.levels == 16
    assert [text.get_text() for text in levels.texts] == [f"{left} left" for left in range(16, -1, -1)]


def test_levels_of_another_model_are_refused():
    plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    with pytest.raises(PlanError, match="weights"):
        levels_figure(plan, fhenn.Linear([[2.0]]))


def compared(node, samples=20):
    model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), node])
    return fhenn.compare(model, fhenn.plan(model, bounds=[-1, 1]), rng.uniform(-1, 1, (samples, 2)))


def test_a_comparison_shows_what_polynomials_and_encryption_do(tmp_path):
    found = compared(fhenn.Sigmoid())
    figure = comparison_figure(found)
    apart, scores = figure.axes
    by_colour = {line.get_color(): line for line in apart.lines}
    assert by_colour[POLYNOMIAL].get_xdata().max() == found.part.apart.largest
    assert by_colour[MEASURED].get_xdata().max() == found.from_twin.largest
    assert by_colour[EXACT].get_xdata()[0] == max(found.plan.errors)
    assert by_colour[MEASURED].get_ydata()[-1] == 1
    assert scores.lines[-1].get_ydata().tolist() == found.scores["encrypted"].ravel().tolist()
    assert scores.lines[-1].get_xdata().tolist() == found.scores["exact"].ravel().tolist()
    save(figure, tmp_path / "compared.png")


def test_a_comparison_of_two_classes_has_roc_curves(tmp_path):
    model = fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]])], fhenn.Reading.classification(["no", "yes"]))
    x = rng.uniform(-1, 1, (40, 2))
    labels = np.where(x @ [1, -1] + rng.normal(0, 0.5, 40) > 0, "yes", "no")
    found = fhenn.compare(model, fhenn.plan(model, bounds=[-1, 1]), x, labels)
    figure = comparison_figure(found)
    ranks = figure.axes[2]
    assert ranks.get_title() == "positive: yes"
    ways = ("exact", "twin", "encrypted")
    areas = [f"{way}, area {found.curves[way].area:.4f}" for way in ways]
    assert [text.get_text() for text in ranks.get_legend().texts] == areas
    drawn = [line.get_ydata().tolist() for line in ranks.lines[1:]]
    assert drawn == [found.curves[way].true_positive_rate.tolist() for way in ways]
    assert "area" not in " ".join(text.get_text() for text in figure.legends[0].texts)
    save(figure, tmp_path / "compared.png")
    assert len(comparison_figure(fhenn.compare(model, found.plan, x)).axes) == 2


def test_what_is_exact_or_unknown_is_not_drawn():
    exact = comparison_figure(compared(fhenn.Square()))
    assert POLYNOMIAL not in {line.get_color() for line in exact.axes[0].lines}
    node = fhenn.Activation.fit(lambda x: x / (1 + x * x), (-3, 3), degree=5)
    made = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), node])
    model = fhenn.artifacts.model_from_bytes(fhenn.artifacts.model_to_bytes(made))
    found = fhenn.compare(model, fhenn.plan(model, bounds=[-1, 1]), rng.uniform(-1, 1, (4, 2)))
    assert comparison_figure(found).axes[1].get_xlabel() == "score of the twin"


def test_a_comparison_without_samples_is_refused():
    model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(on_violation="ignore")])
    plan = fhenn.plan(model, bounds=[-6, 6], witness=True, layout="latency", samples=1)
    with pytest.raises(ParameterError, match="no sample came back"):
        comparison_figure(fhenn.compare(model, plan, [[5.9]]))


def test_the_class_of_positives_is_named_safely():
    figure = roc_figure([0, 1], {"exact": [0.1, 0.9]}, positive="\x1b[31m" + "x" * 99)
    title = figure.axes[0].get_title()
    assert title.startswith("positive: \\x1b[31mxxx")
    assert len(title) < 60
