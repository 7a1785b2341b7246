"""Parameters that a plan would take run: random models, many chains of each, on numbers and encrypted."""

import warnings

import numpy as np
import pytest
from pass_through import HOISTING, PASS_THROUGH
from support import at_length, on_each

import fhenn
from fhenn.approx import Function
from fhenn.approx.fits import chebyshev
from fhenn.backends import context_class, evaluator, runs_on
from fhenn.ckks import Parameters
from fhenn.ckks.circuits import is_constant
from fhenn.ckks.primes import primes_of
from fhenn.errors import PlanError
from fhenn.nn import PolynomialActivation, layers
from fhenn.planner.chains import chains_of, special_bits
from fhenn.planner.packing import THROUGHPUT, pack
from fhenn.planner.scaling import with_idle_values
from fhenn.planner.trial import Trial
from fhenn.planner.walk import Path
from fhenn.ranges import reaches

ROOT = Function("root", lambda x: np.sqrt(np.maximum(x, 0.0)), lambda x: 0.5 / np.sqrt(np.maximum(x, 1e-9)))
FITTED = (fhenn.Sigmoid, fhenn.Tanh, fhenn.ReLU, fhenn.SiLU, fhenn.GELU, fhenn.Softplus)


def an_activation(rng, low, high):
    """Of any kind, degree and basis, on a domain about as wide as what comes to it, or not."""
    kind = rng.integers(12)
    width = float(rng.choice([1, 1, 1, 0.5, 2, 5]))
    half = max(-low, high, 0.1) * width
    domain = (low * width - 0.1, high * width + 0.1) if rng.random() < 0.3 else (-half, half)
    if kind < 4:
        degree = int(rng.choice([2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16]))
        return FITTED[rng.integers(len(FITTED))](domain=domain, degree=degree, on_violation="ignore")
    if kind == 4:
        return FITTED[rng.integers(len(FITTED))](on_violation="ignore")
    if kind == 5:
        return fhenn.Square(on_violation="ignore")
    if kind == 6:
        degrees = tuple(rng.choice([3, 5, 7], rng.integers(1, 3)).tolist())
        return fhenn.SignReLU(domain=(-half, half), degrees=degrees, on_violation="ignore")
    if kind == 7:
        return PolynomialActivation(chebyshev(ROOT, 15, (0.0, max(high, 1.0))), on_violation="ignore")
    count = int(rng.integers(2, 10))
    coefficients = rng.normal(size=count) * 10.0 ** rng.uniform(-3, 1, count)
    coefficients[rng.random(count) < 0.4] = 0.0
    if rng.random() < 0.3:
        coefficients[0] = 10.0 ** rng.uniform(1, 6)
    if rng.random() < 0.2:
        coefficients[rng.integers(count)] *= 10.0 ** rng.uniform(-9, 6)
    coefficients[-1] = coefficients[-1] or 1.0
    basis = str(rng.choice(["monomial", "chebyshev"]))
    if basis == "monomial":
        coefficients /= max(1.0, *map(abs, domain)) ** np.arange(count)
    return PolynomialActivation(fhenn.Polynomial(tuple(coefficients.tolist()), domain, basis), on_violation="ignore")


def an_affine(rng, inputs):
    outputs = int(rng.integers(1, 6))
    weight = rng.normal(size=(outputs, inputs)) * 10.0 ** rng.uniform(-1, 0.5)
    kind = rng.integers(5)
    if kind == 0:
        weight[rng.random(weight.shape) < 0.6] = 0.0
    if kind == 1:
        weight = np.diag(rng.normal(size=inputs))
    bias = rng.normal(size=len(weight)) * 10.0 ** rng.integers(-2, 4) * (rng.random() < 0.7)
    return fhenn.Linear(weight, bias)


def a_model(rng):
    """One to two affine layers, with up to three activations in a row behind each, and bounds of its inputs."""
    width = int(rng.integers(1, 10))
    high = np.ones(width) * rng.choice([1.0, 0.3])
    low = np.where(rng.random(width) < 0.1, high, -1.0)
    nodes = []
    for _ in range(rng.integers(1, 3)):
        nodes.append(an_affine(rng, width))
        width = nodes[-1].outputs
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            reach = reaches(nodes, low, high)[-1]
            if reach.largest > 1e9:
                break
            node = an_activation(rng, *reach.interval)
            if not any(map(is_constant, node.polynomials)):
                nodes.append(node)
    return fhenn.Sequential(nodes), low, high


def some_parameters(rng, nodes, low, high, name):
    """A few of those that a search accepts for a model on some ring and in some layout, with any error that is smaller
    than what comes out: beyond that, what noise does to an activation follows no slope.
    """
    ring_degree = int(rng.choice([4096, 8192, 8192, 16384, 16384, 32768]))
    rotations = evaluator(name).rotations
    whole = pack(nodes, ring_degree // 2, rotations, int(rng.choice([1, 3])))
    packing = THROUGHPUT if rng.random() < 0.4 else whole
    chains = chains_of(nodes, shared=False)
    if packing is None or not chains:
        return
    trial, found = Trial(Path(nodes, low, high), packing, 0, evaluator(name)), 0
    for bits, used, least in (chains[place] for place in rng.integers(len(chains), size=6)):
        first = int(rng.integers(min(least, 60), 61))
        special = special_bits(ring_degree, (first, *used))
        if special <= bits or primes_of(ring_degree, (first, *used, special)) is None:
            continue
        candidate = trial.candidate(Parameters(ring_degree, (first, *used, special), 2.0**bits))
        if candidate is not None and candidate.error <= max(1.0, reaches(nodes, low, high)[-1].largest):
            yield candidate, packing.layout
            found += 1
        if found == 2:
            return


def run(context, model, packing, x):
    return fhenn.decrypt(context, model.infer(fhenn.encrypt(context, x, layout=packing)))


def through(model, plan, x):
    """What a client reads of a server's answer."""
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(client.decrypt(server.predict(client.encrypt(x)), on_violation="warn"))


@np.errstate(all="ignore")
def check(seed, encrypted=False):
    """How many parameters of a random model ran, each within its bound: on one kind of evaluator, or the other."""
    rng, count = np.random.default_rng(seed), 0
    model, low, high = a_model(rng)
    chaining, hoisting = ("seal", runs_on("native")) if encrypted else (PASS_THROUGH.name, HOISTING.name)
    name = hoisting if seed % 2 else chaining
    for candidate, packing in some_parameters(rng, list(layers(model)), low, high, name):
        x = np.vstack([low, high, rng.uniform(low, high, (6, len(low)))])  # as many as fill every place
        served = fhenn.Sequential(with_idle_values(list(layers(model))))
        context = context_class(name).generate(candidate.parameters, candidate.walk.rotations)
        result = run(context, served, packing, x)
        error = np.abs(result - model.infer(x)).max()
        assert error <= candidate.error, (seed, model, candidate.parameters)
        count += 1
    return count


@pytest.mark.thorough
def test_what_a_plan_would_take_runs():
    assert sum(map(check, range(10, 30))) >= 10


@at_length("models", 250, 10_000)
def test_whatever_a_plan_would_take_runs(models):
    assert sum(map(check, range(1_000, 1_000 + models))) >= models / 2


@at_length("models", 30, 1_000)
def test_whatever_a_plan_would_take_runs_encrypted(models):
    assert sum(check(seed, encrypted=True) for seed in range(50_000, 50_000 + models)) >= models / 3


@pytest.mark.usefixtures("refused_briefly")
@at_length("models", 15, 500)
def test_plans_of_both_kinds_of_ranges_run(models):
    """With witnesses and without, through client and server, on one evaluator or the other."""
    planned = 0
    for seed in range(models):
        rng = np.random.default_rng(seed)
        model, low, high = a_model(rng)
        samples = rng.uniform(low, high, (200, len(low)))
        options = {"ranges": "data" if seed % 2 else "worst", "layout": "throughput" if seed % 3 == 0 else "latency"}
        size = float(np.abs(model.infer(samples)).max())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plan = fhenn.plan(
                    model,
                    inputs=samples,
                    accuracy=max(size, 0.01) * 0.1,
                    relative=False,
                    witness=seed % 5 == 0 or None,
                    evaluator="seal" if seed % 4 < 2 else runs_on("native"),
                    **options,
                )
            except PlanError:
                continue
        planned += 1
        result = through(model, plan, samples[:5])
        assert np.abs(result - model.infer(samples[:5])).max() <= plan.error, seed
    assert planned >= models / 3


@on_each
@pytest.mark.parametrize(
    "polynomial",
    [
        fhenn.Polynomial((0.0, 0.0, 0.0, 0.0, 1.0), (-2.0, 2.0), "chebyshev"),
        fhenn.Polynomial((1e6, 0.0, 0.0, 1e-3), (-4.0, 4.0)),
        fhenn.Polynomial((1e4, 1.0, 0.5, 0.2, 0.1, 0.1), (-4.0, 4.0)),
    ],
    ids=["zero coefficients", "a large constant", "a large constant, degree 5"],
)
def test_polynomials_of_uneven_coefficients_run(polynomial):
    model = fhenn.Sequential([fhenn.Linear([[0.5, -0.5], [0.2, 0.7]]), PolynomialActivation(polynomial)])
    x = np.random.default_rng(0).uniform(-1, 1, (3, 2))
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=0.1, relative=False)
    assert np.abs(through(model, plan, x) - model.infer(x)).max() <= plan.error


@pytest.mark.thorough
@on_each
def test_activations_in_a_row_and_a_polynomial_on_one_side_of_0_are_planned():
    """Cubics want primes of the scale that comes to them; what inputs below 0 would make of a root, nobody holds."""
    three = fhenn.Sequential([fhenn.Linear([[0.5, -0.5]]), fhenn.Sigmoid(), fhenn.Sigmoid(), fhenn.Sigmoid()])
    assert fhenn.plan(three, bounds=[-1, 1], accuracy=1e-3, layout="throughput").parameters.levels == 7
    root = PolynomialActivation(chebyshev(ROOT, 15, (0.0, 10.0)), on_violation="ignore")
    model = fhenn.Sequential([fhenn.Linear([[5.0, 5.0]]), root])
    plan = fhenn.plan(model, bounds=[0, 1], accuracy=1e-2)
    x = np.random.default_rng(0).uniform(0, 1, (3, 2))
    assert np.abs(through(model, plan, x) - model.infer(x)).max() <= plan.error


@pytest.mark.parametrize("polynomial", [(1.0,), (1e20, 1e-3)], ids=str)
def test_what_is_a_constant_in_double_precision_is_refused(polynomial):
    model = fhenn.Sequential([fhenn.Linear([[0.5]]), PolynomialActivation(list(polynomial))])
    with pytest.raises(PlanError, match="is a constant"):
        fhenn.plan(model, bounds=[-1, 1])
