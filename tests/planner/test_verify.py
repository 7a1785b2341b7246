"""A plan is taken for a model only where all that it says of one is true of that model."""

from dataclasses import replace

import pytest

import fhenn
from fhenn.errors import PlanError
from fhenn.planner import verify


def network(weight=1.0, last=1.0, degree=3):
    nodes = [fhenn.Linear([[weight]]), fhenn.Sigmoid(domain=(-4, 4), degree=degree), fhenn.Linear([[last]])]
    return fhenn.Sequential(nodes)


MODEL = network()


@pytest.fixture(scope="module")
def plan():
    return fhenn.plan(MODEL, bounds=[-1, 1])


@pytest.fixture(scope="module")
def before(plan):
    """A plan of before there were fingerprints: it is walked for the model."""
    return replace(plan, model=None)


def test_its_own_model_is_its_own(plan, before):
    verify(plan, MODEL)
    verify(before, MODEL)
    verify(replace(before, result=None, outputs=None), MODEL)


@pytest.mark.parametrize("other", [network(1.0 + 2**-40), network(last=1.0 + 2**-40), network(0.5)], ids=str)
def test_other_weights_are_another_model(plan, before, other):
    with pytest.raises(PlanError, match="weights"):
        verify(plan, other)
    verify(before, other)  # which nothing told apart


@pytest.mark.parametrize(
    "other", [network(degree=5), fhenn.Sequential(MODEL.nodes[:1]), fhenn.Linear([[1.0]])], ids=str
)
def test_other_nodes_are_another_model(before, other):
    with pytest.raises(PlanError, match="the model is"):
        verify(before, other)


def test_its_accuracy_is_held_to_the_digit(before):
    """Not to a hundred times of it, nor to ten."""
    for accuracy in (before.error * 1.001, before.error * 2):
        verify(replace(before, accuracy=accuracy), MODEL)
    for accuracy in (before.error / 1.5, before.error / 20, before.error / 99):
        with pytest.raises(PlanError, match="does not hold"):
            verify(replace(before, accuracy=accuracy), MODEL)


def test_values_beyond_the_headroom_are_refused_however_small_the_error_is(before):
    """Past it every slot is garbage, and no accuracy says so."""
    headroom = before.stages[1].headroom
    tolerant = replace(before, accuracy=1e9)
    verify(tolerant, network(0.9 * headroom, 1e-9))
    with pytest.raises(PlanError, match="does not hold"):
        verify(tolerant, network(1.1 * headroom, 1e-9))


def test_a_result_of_another_shape_level_or_layout_is_refused(before):
    result = before.result
    for changes in ({"outputs": 2}, {"level": result.level + 1}, {"layout": fhenn.ckks.Vectors("replicated", 8)}):
        with pytest.raises(PlanError, match="result"):
            verify(replace(before, result=replace(result, **changes)), MODEL)


def test_outputs_of_another_activation_are_refused():
    model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(domain=(-4, 4), degree=3)])
    plan = fhenn.plan(model, bounds=[-1, 1])
    low, high = plan.outputs
    verify(plan, model)
    for outputs in ((low - 0.1, high), (low, high + 0.1), (-100.0, 100.0)):
        with pytest.raises(PlanError, match="outputs"):
            verify(replace(plan, outputs=outputs), model)
    with pytest.raises(PlanError, match="outputs"):
        verify(replace(fhenn.plan(MODEL, bounds=[-1, 1]), outputs=(low, high)), MODEL)
