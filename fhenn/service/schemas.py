"""The JSON documents of the interface."""

from __future__ import annotations

from pydantic import BaseModel, Field

from fhenn import __version__

MOST_CLASSES, LONGEST_CLASS = 20, 40
"""Labels that a list of models holds of each, and characters of a label: the list stays short."""


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:fhenn:problem:… : the kind of problem, for programs")
    title: str
    status: int
    detail: str = Field(description="what happened, and the way out")
    instance: str = Field(description="urn:fhenn:request:… : the id of the request, as in the log")


class ModelSummary(BaseModel):
    """A model in brief, in its current version. Bytes are estimates of the plan.

    What a model predicts is known where its plan's file says it: `fhenn plan` and `fhenn import` write it for models of
    other libraries and those of `fhenn train`.
    """

    name: str
    version: str = Field(description="fingerprint of the current version's plan")
    versions: list[str] = Field(description="all versions that are served, the current one among them")
    features: int
    samples_per_ciphertext: int
    bytes_of_keys: int
    task: str | None = Field(
        default=None, description="regression, classification, multilabel or multioutput; null where nothing says it"
    )
    classes: list[bool | int | float | str] = Field(
        default=[],
        description=f"the labels of a classification or multilabel, in the order of the scores; at most the "
        f"first {MOST_CLASSES}, texts cut to {LONGEST_CLASS} characters",
    )
    class_count: int = Field(default=0, description="how many labels there are")
    outputs: int | None = Field(default=None, description="scores of a sample; null in plans of an older fhenn")
    prepared: bool = Field(
        default=False, description="whether the plan's file has a preparation, by which clients make features of tables"
    )
    shape: list[int] | None = Field(
        default=None, description="of a sample that is an image: channels, height, width; null of others"
    )
    error: float | None = Field(
        default=None,
        description="bound on how far a decrypted score is from the one computed in the clear, except with probability "
        "2^-40",
    )
    distance: float | None = Field(
        default=None,
        description="largest distance of what is computed from the exact model, over the samples that it was planned "
        "from; null where there were none",
    )


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
