"""ONNX in."""

from fhenn.errors import ExtraMissing

try:
    import onnx  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "onnx":
        raise
    raise ExtraMissing("onnx", "onnx") from error

from fhenn.interop.onnx.importer import read

__all__ = ["read"]
