"""Neural-network nodes that compute on plaintext and on ciphertexts alike."""

from fhenn.ckks.images import Convolution, Separable
from fhenn.ckks.operator import Dense, Operator, Scaling, Sparse
from fhenn.nn import losses
from fhenn.nn.activation import Activation
from fhenn.nn.activations import GELU, PolynomialActivation, ReLU, SiLU, Softplus, Square, Tanh
from fhenn.nn.affine import Affine
from fhenn.nn.branches import Branches
from fhenn.nn.circuit import (
    FORK,
    JOIN,
    MULTIPLY,
    RESCALE,
    SWAP,
    Step,
    Wiring,
    circuit,
    deepest,
    depths,
    plus,
    times,
    trail,
    wired,
)
from fhenn.nn.conv import Conv1d, Conv2d
from fhenn.nn.finish import one_hot
from fhenn.nn.flatten import Flatten
from fhenn.nn.grid import Grid
from fhenn.nn.guard import RangeGuard
from fhenn.nn.image import ImageLayer
from fhenn.nn.layers import layers
from fhenn.nn.linear import Linear
from fhenn.nn.multiply import Multiply
from fhenn.nn.node import Layer, Node
from fhenn.nn.optimiser import SGD, Adam
from fhenn.nn.pooling import AvgPool1d, AvgPool2d, GlobalAvgPool2d, Pad, Upsample
from fhenn.nn.residual import Residual
from fhenn.nn.sequential import Sequential
from fhenn.nn.sigmoid import Sigmoid
from fhenn.nn.sign_relu import SignReLU

__all__ = [
    "FORK",
    "GELU",
    "JOIN",
    "MULTIPLY",
    "RESCALE",
    "SGD",
    "SWAP",
    "Activation",
    "Adam",
    "Affine",
    "AvgPool1d",
    "AvgPool2d",
    "Branches",
    "Conv1d",
    "Conv2d",
    "Convolution",
    "Dense",
    "Flatten",
    "GlobalAvgPool2d",
    "Grid",
    "ImageLayer",
    "Layer",
    "Linear",
    "Multiply",
    "Node",
    "Operator",
    "Pad",
    "PolynomialActivation",
    "RangeGuard",
    "ReLU",
    "Residual",
    "Scaling",
    "Separable",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SignReLU",
    "Softplus",
    "Sparse",
    "Square",
    "Step",
    "Tanh",
    "Upsample",
    "Wiring",
    "circuit",
    "deepest",
    "depths",
    "layers",
    "losses",
    "one_hot",
    "plus",
    "times",
    "trail",
    "wired",
]
