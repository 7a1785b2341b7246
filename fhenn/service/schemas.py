"""The JSON documents of the interface."""

from __future__ import annotations

from pydantic import BaseModel, Field

from fhenn import __version__


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:fhenn:problem:… : the kind of problem, for programs")
    title: str
    status: int
    detail: str = Field(description="what happened, and the way out")
    instance: str = Field(description="urn:fhenn:request:… : the id of the request, as in the log")


class ModelSummary(BaseModel):
    """A model in brief, in its current version. Bytes are estimates of the plan."""

    name: str
    version: str = Field(description="fingerprint of the current version's plan")
    versions: list[str] = Field(description="all versions that are served, the current one among them")
    features: int
    samples_per_ciphertext: int
    bytes_of_keys: int


class Models(BaseModel):
    """The models that are served."""

    models: list[ModelSummary]


class KeysDocument(BaseModel):
    """Evaluation keys that are stored."""

    digest: str = Field(description="SHA-256 of their bytes")
    size: int = Field(description="bytes")
    stored: float = Field(description="when they were stored, in seconds since the epoch")
    used: float = Field(description="when they were used last, in seconds since the epoch")


class KeysList(BaseModel):
    """The evaluation keys of the token's owner, the latest used first."""

    keys: list[KeysDocument]


class UploadState(BaseModel):
    """How far an upload is."""

    digest: str
    size: int
    arrived: int
    complete: bool


class State(BaseModel):
    """Whether the service works, and what it is."""

    status: str
    version: str = __version__
