"""What is kept in files or sent: models, plans, certificates, keys, ciphertexts, in one format (`fhenn.wire`)."""

from fhenn.artifacts.documents import (
    certificate_from_bytes,
    certificate_to_bytes,
    plan_from_bytes,
    plan_to_bytes,
    preparation_from_bytes,
    reading_from_bytes,
)
from fhenn.artifacts.files import read, read_kind, read_messages, require_place, write
from fhenn.artifacts.model import model_from_bytes, model_to_bytes
from fhenn.artifacts.unfinished import Journal, PrivateFile, UnfinishedFile, comes_again, file_state, unfinished
from fhenn.wire import MOST_OF_HEADER, Header, header_of

__all__ = [
    "MOST_OF_HEADER",
    "Header",
    "Journal",
    "PrivateFile",
    "UnfinishedFile",
    "certificate_from_bytes",
    "certificate_to_bytes",
    "comes_again",
    "file_state",
    "header_of",
    "model_from_bytes",
    "model_to_bytes",
    "plan_from_bytes",
    "plan_to_bytes",
    "preparation_from_bytes",
    "read",
    "read_kind",
    "read_messages",
    "reading_from_bytes",
    "require_place",
    "unfinished",
    "write",
]
