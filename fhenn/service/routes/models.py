"""The models that are served, and their public plans."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from fhenn.service.routes.dependencies import (
    BINARY,
    BINARY_CONTENT,
    Holder,
    ModelName,
    ServiceHere,
    Version,
    problems,
)
from fhenn.service.schemas import Models, ModelSummary
from fhenn.service.version import HEADER as VERSION_HEADER

router = APIRouter(prefix="/v1", tags=["models"], responses=problems(401))


@router.get("/models", summary="The models that are served")
async def list_models(service: ServiceHere, holder: Holder) -> Models:
    """Name, versions, features and sizes of each."""
    catalogue = service.catalogue
    summaries = [
        ModelSummary(
            name=model.name,
            version=model.version,
            versions=list(catalogue.versions[model.name]),
            features=model.plan.features,
            samples_per_ciphertext=model.plan.samples_per_ciphertext,
            bytes_of_keys=model.plan.bytes_of_keys,
        )
        for model in catalogue
        if holder.reaches(model.name)
    ]
    return Models(models=summaries)


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
