"""Models from elsewhere: what their scores mean, and encrypted answers in the form that their users know.

The importers are modules of their own (`fhenn.interop.sklearn`, …), each behind an extra, loaded when called.
"""

from fhenn.interop.affine import Affine, merged
from fhenn.interop.encrypted import EncryptedModel, encrypted
from fhenn.interop.importers import from_onnx, from_torch
from fhenn.interop.model import ImportedModel
from fhenn.interop.reading import Reading

__all__ = ["Affine", "EncryptedModel", "ImportedModel", "Reading", "encrypted", "from_onnx", "from_torch", "merged"]
