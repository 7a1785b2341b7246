"""The models that are served, and their public plans."""

from __future__ import annotations

import json
from math import isfinite

from fastapi import APIRouter, Response

from fhenn.service.model_store import StoredModel
from fhenn.service.routes.dependencies import (
    BINARY,
    BINARY_CONTENT,
    Holder,
    ModelName,
    ServiceHere,
    Version,
    problems,
)
from fhenn.service.schemas import LONGEST_CLASS, MOST_CLASSES, Models, ModelSummary
from fhenn.service.version import HEADER as VERSION_HEADER

router = APIRouter(prefix="/v1", tags=["models"], responses=problems(401))


@router.get("/models", summary="The models that are served")
async def list_models(service: ServiceHere, holder: Holder) -> Models:
    """Name, versions, features and sizes of each, what it predicts and how precisely."""
    catalogue = service.catalogue
    summaries = [
        _summary(model, list(catalogue.versions[model.name])) for model in catalogue if holder.reaches(model.name)
    ]
    return Models(models=summaries)


def _summary(model: StoredModel, versions: list[str]) -> ModelSummary:
    """A model in brief. versions: all that are served."""
    plan, reading = model.plan, model.reading
    classes = () if reading is None else reading.classes
    return ModelSummary(
        name=model.name,
        version=model.version,
        versions=versions,
        features=plan.features,
        samples_per_ciphertext=plan.samples_per_ciphertext,
        bytes_of_keys=plan.bytes_of_keys,
        task=None if reading is None else reading.task,
        classes=[each[:LONGEST_CLASS] if isinstance(each, str) else each for each in classes[:MOST_CLASSES]],
        class_count=len(classes),
        outputs=None if plan.result is None else plan.result.outputs,
        prepared=plan.preparation is not None,
        shape=None if plan.shape is None else list(plan.shape),
        error=_finite(plan.error),
        distance=_finite(plan.distance),
    )


def _finite(number: float | None) -> float | None:
    """The number, or None where it is infinite or NaN, which JSON has no words for."""
    return number if number is not None and isfinite(number) else None


@router.get("/models/{model}", summary="A model's public plan", responses=problems(404, 410))
async def show_model(service: ServiceHere, holder: Holder, model: ModelName, version: Version = None) -> Response:
    """Parameters, layout and bounds: what a client needs to make keys and encrypt. It tells nothing of the weights."""
    stored = service.model(holder, model, version)
    text = json.dumps({"name": stored.name, "version": stored.version})
    return Response(
        f'{text[:-1]}, "plan": {stored.plan.to_json()}}}',  # the plan's own JSON: floats survive to the last bit
        media_type="application/json",
        headers={VERSION_HEADER: stored.version},
    )


@router.get(
    "/models/{model}/plan",
    summary="A model's public plan, as a file",
    response_class=Response,
    responses={**problems(404, 410), 200: {"description": "the file", "content": {BINARY: BINARY_CONTENT}}},
)
async def plan_file(service: ServiceHere, holder: Holder, model: ModelName, version: Version = None) -> Response:
    """For `fhenn keygen`, `encrypt` and `decrypt`: with the names of features and classes, where they are known."""
    stored = service.model(holder, model, version)
    return Response(stored.message, media_type=BINARY, headers={VERSION_HEADER: stored.version})
