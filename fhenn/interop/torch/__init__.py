"""PyTorch: activations that train as what will run encrypted, the range penalty, and modules in."""

from fhenn.errors import ExtraMissing

try:
    import torch  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ExtraMissing("torch", "torch") from error

from fhenn.interop.torch.activations import (
    GELU,
    Activation,
    PolynomialActivation,
    ReLU,
    Sigmoid,
    SignReLU,
    SiLU,
    Softplus,
    Square,
    Tanh,
)
from fhenn.interop.torch.convert import convert
from fhenn.interop.torch.importer import read
from fhenn.interop.torch.penalty import range_penalty

__all__ = [
    "GELU",
    "Activation",
    "PolynomialActivation",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "SignReLU",
    "Softplus",
    "Square",
    "Tanh",
    "convert",
    "range_penalty",
    "read",
]
