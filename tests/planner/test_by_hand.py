"""Parameters for nodes put together by hand: every kind of activation, alone and behind others."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import ParameterError
from fhenn.nn import PolynomialActivation
from fhenn.planner import parameters_for

HALF = fhenn.Linear([[0.5, 0.25]], [0.1])

CHAINS = {
    "an affine node": [HALF],
    "a cubic": [fhenn.Sigmoid()],
    "a wide domain": [fhenn.Sigmoid(domain=(-8, 8), degree=9)],
    "tanh": [fhenn.Tanh()],
    "ReLU": [fhenn.ReLU()],
    "SiLU": [fhenn.SiLU()],
    "GELU": [fhenn.GELU()],
    "softplus": [fhenn.Softplus()],
    "a square": [fhenn.Square()],
    "zero coefficients": [PolynomialActivation([0.0, 0.0, 0.0, 0.0, 0.1])],
    "a composite sign": [fhenn.SignReLU()],
    "two widths": [HALF, fhenn.Sigmoid(domain=(-8, 8), degree=7), fhenn.Linear([[0.3]]), fhenn.Tanh()],
    "a composite sign between": [HALF, fhenn.SignReLU(), fhenn.Linear([[0.3]]), fhenn.Square()],
    "activations in a row": [HALF, fhenn.Sigmoid(), fhenn.Tanh()],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.thorough
def test_nodes_run_on_their_parameters(name, on):
    nodes = CHAINS[name]
    model = fhenn.Sequential(nodes)
    context = on(fhenn.Context.generate(parameters_for(*nodes)))
    x = np.linspace(-1, 1, 12).reshape(6, 2)
    result = fhenn.decrypt(context, model.infer(fhenn.encrypt(context, x, layout="features")))
    np.testing.assert_allclose(result, model.infer(x), atol=1e-3)


def test_what_no_ring_holds_is_refused():
    with pytest.raises(ParameterError, match="no ring holds 20 nodes"):
        parameters_for(*[fhenn.SignReLU()] * 20)
