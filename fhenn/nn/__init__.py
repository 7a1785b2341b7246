"""Neural-network nodes that compute on plaintext and on ciphertexts alike."""

from fhenn.nn.guard import RangeGuard
from fhenn.nn.linear import Linear
from fhenn.nn.node import Node
from fhenn.nn.optimiser import SGD, Adam
from fhenn.nn.sequential import Sequential
from fhenn.nn.sigmoid import Sigmoid

__all__ = ["SGD", "Adam", "Linear", "Node", "RangeGuard", "Sequential", "Sigmoid"]
