"""A convolutional network of PyTorch, from the module to answers: on files, and over a service."""

import numpy as np
import pytest
from end_to_end import plan_for, scores_on_files, scores_over_a_service
from support import compare

import fhenn
from fhenn import artifacts

torch = pytest.importorskip("torch")
pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn = torch.nn


class Network(nn.Module):
    """Convolution, activation, a sum of two branches, pooling, and scores of three classes."""

    def __init__(self, activation):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 3, 3, 2, padding=1), nn.BatchNorm2d(3)
        self.activation, self.inner = activation, nn.Conv2d(3, 3, 3, padding=1)
        self.pool, self.head = nn.AvgPool2d(2), nn.Linear(12, 3)

    def forward(self, x):
        x = self.norm(self.stem(x))
        x = x * x if self.activation is None else self.activation(x)
        x = x + self.inner(x)
        return self.head(torch.flatten(self.pool(x), 1))


@pytest.fixture
def network(tmp_path, monkeypatch):
    """What makes the files of a client: a plan for a module with an activation, its images, and their true scores."""
    monkeypatch.chdir(tmp_path)

    def make(activation=None):
        torch.manual_seed(0)
        module, images = Network(activation).eval(), np.random.default_rng(0).uniform(size=(5, 1, 8, 8))
        model = fhenn.from_torch(module, images, bounds=[0, 1], classes=["a", "b", "c"])
        artifacts.write("model.fhenn", artifacts.model_to_bytes(model))
        with torch.no_grad():
            exact = module.double()(torch.tensor(images)).numpy()
        return plan_for(images), model.scores(images), exact

    return make


@pytest.mark.parametrize("activation", [None, pytest.param(nn.Sigmoid(), marks=pytest.mark.thorough)], ids=str)
def test_from_the_module_to_answers_on_files(network, activation):
    plan, twin, exact = network(activation)
    assert plan.shape == (1, 8, 8)
    found = scores_on_files()
    compare(found, twin, plan.error)
    compare(found, exact, plan.error + (1e-9 if activation is None else 1e-2))


@pytest.mark.thorough
def test_from_the_module_to_answers_over_a_service(network, monkeypatch):
    plan, twin, _ = network()
    for found in scores_over_a_service(monkeypatch):
        compare(found, twin, plan.error)
