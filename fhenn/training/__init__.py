"""Training on ciphertexts: weights that the server computes with and never sees."""

from fhenn.ckks.encrypted_weights import difference
from fhenn.training.encrypted_linear import EncryptedLinear, keys_for_training

__all__ = ["EncryptedLinear", "difference", "keys_for_training"]
