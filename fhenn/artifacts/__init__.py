"""What is kept in files or sent: models, plans, certificates, keys, ciphertexts, in one format (`fhenn.wire`)."""

from fhenn.artifacts.documents import (
    certificate_from_bytes,
    certificate_to_bytes,
    plan_from_bytes,
    plan_to_bytes,
    reading_from_bytes,
)
from fhenn.artifacts.files import read, read_kind, require_place, write
from fhenn.artifacts.model import model_from_bytes, model_to_bytes
from fhenn.wire import Header, header_of

__all__ = [
    "Header",
    "certificate_from_bytes",
    "certificate_to_bytes",
    "header_of",
    "model_from_bytes",
    "model_to_bytes",
    "plan_from_bytes",
    "plan_to_bytes",
    "read",
    "read_kind",
    "reading_from_bytes",
    "require_place",
    "write",
]
