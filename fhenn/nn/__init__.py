"""Neural-network nodes that compute on plaintext and on ciphertexts alike."""

from fhenn.ckks.operator import Dense, Operator, Scaling, Sparse
from fhenn.nn.activation import Activation
from fhenn.nn.activations import GELU, PolynomialActivation, ReLU, SiLU, Softplus, Square, Tanh
from fhenn.nn.affine import Affine
from fhenn.nn.grid import Grid
from fhenn.nn.guard import RangeGuard
from fhenn.nn.layers import layers
from fhenn.nn.linear import Linear
from fhenn.nn.node import Node
from fhenn.nn.optimiser import SGD, Adam
from fhenn.nn.sequential import Sequential
from fhenn.nn.sigmoid import Sigmoid
from fhenn.nn.sign_relu import SignReLU

__all__ = [
    "GELU",
    "SGD",
    "Activation",
    "Adam",
    "Affine",
    "Dense",
    "Grid",
    "Linear",
    "Node",
    "Operator",
    "PolynomialActivation",
    "RangeGuard",
    "ReLU",
    "Scaling",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SignReLU",
    "Softplus",
    "Sparse",
    "Square",
    "Tanh",
    "layers",
]
