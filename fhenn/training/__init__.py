"""Training on ciphertexts: weights that the server computes with and never sees."""

from fhenn.training.encrypted_linear import EncryptedLinear, keys_for_training

__all__ = ["EncryptedLinear", "keys_for_training"]
