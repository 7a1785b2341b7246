"""The native evaluator: C kernels on SEAL's own ciphertexts and keys. Found and loaded when it is asked for."""
