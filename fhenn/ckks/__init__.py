"""CKKS without any library: parameters, layouts, noise, circuits, schedules and the structure of messages.

Whatever runs on ciphertexts is written over `Arithmetic`, which an evaluator implements; a `Context` has one.
"""

from fhenn.ckks.arithmetic import Arithmetic
from fhenn.ckks.array import CipherArray, concatenate, decrypt, decrypt_with_errors, encrypt, encrypt_to_bytes
from fhenn.ckks.context import Context
from fhenn.ckks.evaluator import NATIVE, SEAL, Evaluator
from fhenn.ckks.images import Convolution, Separable, TransposedConvolution
from fhenn.ckks.layout import FEATURES, PACKED, Layout, Vectors
from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.ckks.operator import Dense, Operator, Scaling, Sparse
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import CHAINED, HOISTED, Rotations

__all__ = [
    "CHAINED",
    "FEATURES",
    "HOISTED",
    "NATIVE",
    "PACKED",
    "SEAL",
    "Arithmetic",
    "CipherArray",
    "Context",
    "Convolution",
    "Dense",
    "Evaluator",
    "Layout",
    "NoiseModel",
    "Operator",
    "Parameters",
    "Rotations",
    "Scaling",
    "Separable",
    "Sparse",
    "TransposedConvolution",
    "Vectors",
    "concatenate",
    "decrypt",
    "decrypt_with_errors",
    "encrypt",
    "encrypt_to_bytes",
    "noise_model",
]
