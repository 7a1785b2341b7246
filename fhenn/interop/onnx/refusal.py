"""Refusals of what a graph holds that cannot run encrypted."""

from __future__ import annotations

from fhenn.errors import UnsupportedModel

SUPPORTED = (
    "Gemm, MatMul, Einsum, Conv, AveragePool, GlobalAveragePool, Pad with zeros, BatchNormalization, arithmetic with "
    "constants, sums, products and joins of branches, whole powers, functions (Relu, Gelu, Sigmoid, Clip, …), Slice, "
    "Gather, Split, Transpose, ReduceSum, ReduceMean, Flatten, Reshape, Squeeze and Unsqueeze that keep samples apart, "
    "Dropout, Identity, Cast, Constant, and at the end Softmax or the heads of skl2onnx (LinearClassifier, "
    "LinearRegressor, Scaler, Normalizer, ZipMap, ArgMax with labels)"
)


def refusal(layer: str, where: str, reason: str) -> UnsupportedModel:
    """What to raise for a part of a graph."""
    return UnsupportedModel(layer, where, reason, SUPPORTED)
